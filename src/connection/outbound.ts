import { createDeferred, type Deferred, RESOLVED } from "../promises.ts";
import { Fifo } from "../fifo.ts";
import type { CloseStatus } from "../protocol/close_payload.ts";
import type { Protocol } from "../protocol/protocol.ts";
import type { Address } from "../transport/byte_channel.ts";
import type { Closing } from "./closing.ts";
import type { Sendable } from "./connection.ts";
import type { ConnectionCore } from "./core.ts";
import type { FanOutSink, FanOutSource, SharedFrames } from "./fan_out.ts";
import type { HeldBack } from "./held_back.ts";
import type { Limits } from "./options.ts";
import { OutputWriter } from "./output_writer.ts";

/** What a message held back, or a promise of `send`, takes beside bytes: measured, 370 to 800. */
const WAITER_COST = 600;
/** So many promises are a part of the few KiB that a connection takes in any case. */
const MAX_FREE_WAITERS = 32;

const encoder = new TextEncoder();

interface Waiter {
  /** The number of bytes the channel must have taken since its beginning. */
  readonly target: number;
  readonly deferred: Deferred<void>;
}

/** The way out: encodes messages, or holds them back while one is sent as a stream; callers wait for room. */
export class Outbound implements FanOutSink {
  // Fields read on every publish come first, to share a cache line.
  readonly writer: OutputWriter;
  readonly #closing: Closing;
  readonly #limits: Limits;
  /** What waits while a message is sent as a stream. */
  held: HeldBack | undefined;
  /** Whether to tell when there is room again. */
  #isAboveHighWater = false;
  source: FanOutSource | undefined;
  readonly #core: ConnectionCore;
  readonly #protocol: Protocol;
  #waiters: Fifo<Waiter> | undefined;
  messagesSent = 0;
  /** The bytes that had been accepted when the connection ended, and that the channel did not take. */
  droppedLength = 0;
  /** The `takenLength` at which the channel has taken all messages; -1 until all were encoded. */
  #lastMessageEnd = -1;
  /** Whether nothing that was accepted has been dropped. */
  isWhole = true;

  constructor(core: ConnectionCore) {
    this.#core = core;
    this.#closing = core.closing;
    this.#protocol = core.inbound.protocol;
    this.#limits = core.settings.limits;
    this.writer = new OutputWriter(core);
  }

  /** Whether the channel has taken all that was accepted, once nothing more is. */
  get isSent(): boolean {
    return this.isWhole && this.#lastMessageEnd >= 0 &&
      this.writer.takenLength >= this.#lastMessageEnd;
  }

  /** The bytes sent that the channel has not taken yet. */
  get length(): number {
    return this.writer.length + (this.held?.size ?? 0);
  }

  /** About the memory that they take, in bytes, without what other connections send too. */
  get heldSize(): number {
    const { ownLength } = this.writer;
    if (this.held === undefined && this.#waiters === undefined) return ownLength;
    const own = ownLength + (this.held?.size ?? 0) - (this.held?.sharedSize ?? 0);
    const waiters = Math.max(0, (this.#waiters?.length ?? 0) - MAX_FREE_WAITERS);
    return own + (waiters + (this.held?.length ?? 0)) * WAITER_COST;
  }

  get sharedLength(): number {
    const { sharedLength } = this.writer;
    return this.held === undefined ? sharedLength : sharedLength + this.held.sharedSize;
  }

  get isAboveHighWater(): boolean {
    return this.length > this.#limits.sendHighWaterMark;
  }

  /**
   * Whether a message fits the queue; if not, `drain` is called when there is room. At or below the high-water
   * mark any fits, so that callers that await `send` are never refused.
   */
  hasRoomFor(data: Sendable): boolean {
    const isText = typeof data === "string";
    // No character needs more than three bytes a UTF-16 unit; only near the cap it is worth counting.
    if (this.length === 0 || this.hasRoomForLength(isText ? data.length * 3 : data.length)) {
      return true;
    }
    const fits = isText && this.hasRoomForLength(data.length) &&
      this.hasRoomForLength(encoder.encode(data).length);
    // The queue need not be above its high-water mark, if that is more than may wait.
    if (!fits) this.#isAboveHighWater = true;
    return fits;
  }

  /**
   * Sends a message, which the message layer encodes in the order of the wire; see `send`. Those of the program count.
   * Returns `undefined` if the layer failed, which closes the connection.
   */
  sendMessage(data: Sendable, compress?: boolean, count = 1): Promise<void> | undefined {
    const { layer } = this.#core;
    if (layer !== undefined) {
      if (this.held !== undefined) {
        this.messagesSent += count;
        return this.#hold(this.held, data, compress);
      }
      const encoded = layer.encode(data);
      if (encoded === undefined) return undefined;
      data = encoded;
    }
    // First, since `drain` may be called in between, and end the connection.
    this.messagesSent += count;
    return this.send(data, compress);
  }

  /** Sends a message as it is; resolves below the high-water mark, and when its bytes are no longer needed. */
  send(data: Sendable, compress?: boolean): Promise<void> {
    if (this.held !== undefined && !this.held.isEncoding) {
      return this.#hold(this.held, data, compress, true);
    }
    return this.wait(this.#protocol.sendMessage(data, compress));
  }

  #hold(held: HeldBack, data: Sendable, compress?: boolean, isRaw = false): Promise<void> {
    const sent = held.pushMessage(data, compress, isRaw);
    this.#noteLength();
    return sent;
  }

  /** Gives a promise for output that has been given to the protocol just now. */
  wait(isReferenced: boolean): Promise<void> {
    const { writer } = this;
    // What is held back comes behind it: it must not wait for that.
    const length = writer.requestFlush();
    if (length + (this.held?.size ?? 0) > this.#limits.sendHighWaterMark) {
      this.#isAboveHighWater = true;
    }
    const excess = length - (isReferenced ? 0 : this.#limits.sendHighWaterMark);
    if (excess <= 0) return RESOLVED;
    const deferred = createDeferred<void>();
    (this.#waiters ??= new Fifo()).push({ target: writer.takenLength + excess, deferred });
    return deferred.promise;
  }

  sendHandshake(bytes: Uint8Array): void {
    if (bytes.length > 0) this.writer.write([bytes], bytes.length);
    this.#noteLength();
  }

  sendPing(payload: Uint8Array): void {
    this.#protocol.sendPing(payload);
    this.#requestFlush();
  }

  sendPong(payload: Uint8Array): void {
    this.#protocol.sendPong(payload);
    this.#requestFlush();
  }

  /** Has output written that nothing waits for. */
  #requestFlush(): void {
    this.writer.requestFlush();
    this.#noteLength();
  }

  /** Notes if the queue is above its high-water mark, whatever it holds: `drain` is called at the end of that. */
  #noteLength(): void {
    if (this.isAboveHighWater) this.#isAboveHighWater = true;
  }

  /** Resolves promises of `send`, and tells that there is room: the channel has taken output. */
  outputTaken(): void {
    if (this.#waiters !== undefined) this.#resolveWaiters(this.#waiters);
    if (!this.#isAboveHighWater || this.isAboveHighWater) return;
    this.#isAboveHighWater = false;
    this.source?.drain();
    this.finishIfDue();
    this.#core.program.drain();
  }

  #resolveWaiters(waiters: Fifo<Waiter>): void {
    const taken = this.writer.takenLength;
    for (let waiter = waiters.peek(); waiter !== undefined; waiter = waiters.peek()) {
      if (waiter.target > taken) return;
      waiters.shift();
      waiter.deferred.resolve();
    }
  }

  /** Whether a message is being sent as a stream, or messages that were accepted wait to be encoded. */
  get hasPending(): boolean {
    return this.held !== undefined || (this.source?.hasWaiting ?? false);
  }

  /** Says so if nothing that was accepted waits, and the end of the connection does for that. */
  finishIfDue(): void {
    if (!this.#closing.finishes || this.hasPending) return;
    this.#markEnd();
    this.#closing.handle("finished");
  }

  /** Breaks off the message sent as a stream, and drops what was held back; `getError` is for those who wait. */
  cut(getError: () => unknown): void {
    if (this.held?.isPending || this.source?.hasWaiting) this.isWhole = false;
    this.droppedLength += this.held?.size ?? 0;
    this.held?.drop(getError);
    this.#markEnd();
  }

  #markEnd(): void {
    this.#lastMessageEnd = this.writer.takenLength + this.writer.length;
  }

  close(getError: () => unknown): void {
    this.#isAboveHighWater = false;
    this.droppedLength += this.writer.close();
    this.cut(getError);
    const waiters = this.#waiters;
    this.#waiters = undefined;
    for (let waiter = waiters?.shift(); waiter !== undefined; waiter = waiters?.shift()) {
      waiter.deferred.reject(getError());
    }
  }

  // ---- Fan-out ----

  get remoteAddress(): Address {
    return this.#core.channel.remoteAddress;
  }

  get isOpen(): boolean {
    return this.#closing.accepts;
  }

  get isFinished(): boolean {
    return this.#closing.isFinished;
  }

  get room(): number {
    return this.#limits.sendHighWaterMark - this.length;
  }

  hasRoomForLength(length: number): boolean {
    const own = this.length;
    return (own <= this.#limits.sendHighWaterMark && own <= this.#limits.sendQueueSize) ||
      own + length <= this.#limits.sendQueueSize;
  }

  sendShared(frames: SharedFrames, isLast: boolean): void {
    if (this.held !== undefined) this.held.pushFrames(frames);
    else if (isLast && this.writer.mayWriteNow) {
      // Whether the channel takes them is all that can put the queue above its high-water mark.
      if (this.writer.writeFrames(frames)) return;
    } else this.writer.addFrames(frames);
    this.#noteLength();
  }

  post(data: Sendable, compress?: boolean): void {
    if (this.held !== undefined) return void this.#hold(this.held, data, compress, true);
    this.#protocol.sendMessage(data, compress);
    this.#requestFlush();
  }

  postEncoded(data: Sendable, compress?: boolean): boolean {
    return this.sendMessage(data, compress, 0) !== undefined;
  }

  closeAtOnce(status: CloseStatus): void {
    this.#closing.cut(status);
  }

  throwIfClosed(): void {
    if (this.#closing.isClosed) throw this.#closing.reason.closedError();
  }
}
