import { createDeferred, type Deferred, RESOLVED } from "../promises.ts";
import { Fifo } from "../fifo.ts";
import type { CloseStatus } from "../protocol/close_payload.ts";
import type { MessageType } from "../protocol/message_receiver.ts";
import { assertMessage, type Protocol } from "../protocol/protocol.ts";
import type { Address } from "../transport/byte_channel.ts";
import type { Breaker } from "./breaker.ts";
import type { Closing } from "./closing.ts";
import type { Sendable } from "./connection.ts";
import type { ConnectionCore } from "./core.ts";
import type { FanOutSink, FanOutSource, SharedFrames } from "./fan_out.ts";
import type { HeldBack, HeldMessage } from "./held_back.ts";
import { parts } from "./load_parts.ts";
import type { Limits } from "./options.ts";
import { OutputWriter } from "./output_writer.ts";

/**
 * What a message takes beside its bytes that waits for a stream's end, and what a promise of `send`
 * does: measured, 370 to 800 bytes.
 */
const WAITER_COST = 600;
/** So many promises are a part of the few KiB that a connection takes in any case. */
const MAX_FREE_WAITERS = 32;

const encoder = new TextEncoder();

interface Waiter {
  /** The number of bytes the channel must have taken since its beginning. */
  readonly target: number;
  readonly deferred: Deferred<void>;
}

/**
 * The way out: messages are encoded, or held back while one is sent as a stream, and those that send them wait
 * until the channel has taken enough of the output.
 */
export class Outbound implements FanOutSink {
  // Fields read on every publish come first, to share a cache line.
  readonly writer: OutputWriter;
  readonly #closing: Closing;
  readonly #limits: Limits;
  /** Set while a message is sent as a stream, or others wait for the end of one. */
  #held: HeldBack | undefined;
  /** Whether those that wait for room are to be told of it. */
  #isAboveHighWater = false;
  /** What sends through the connection besides its program, if anything does. */
  source: FanOutSource | undefined;
  readonly #core: ConnectionCore;
  readonly #protocol: Protocol;
  #waiters: Fifo<Waiter> | undefined;
  /** Breaks off the message that is being sent as a stream. */
  #streaming: Breaker | undefined;
  /** The messages that the program has sent. */
  messagesSent = 0;
  /** The bytes that had been accepted when the connection ended, and that the channel did not take. */
  droppedLength = 0;
  /** How many bytes the channel has to take to have taken all messages; -1 until all were encoded. */
  #lastMessageEnd = -1;
  /** Whether all that was accepted has been encoded, or still may be. */
  #isWhole = true;
  /** Whether the layer encodes what was held back: what it sends meanwhile goes before that. */
  #isEncodingHeld = false;

  constructor(core: ConnectionCore) {
    this.#core = core;
    this.#closing = core.closing;
    this.#protocol = core.inbound.protocol;
    this.#limits = core.settings.limits;
    this.writer = new OutputWriter(core);
  }

  // ---- What waits ----

  /** Whether the channel has taken all that was accepted, once nothing more is. */
  get isSent(): boolean {
    return this.#isWhole && this.#lastMessageEnd >= 0 &&
      this.writer.takenLength >= this.#lastMessageEnd;
  }

  /** Whether a message is being sent as a stream. */
  get isStreaming(): boolean {
    return this.#streaming !== undefined;
  }

  /** The bytes sent that the channel has not taken yet. */
  get length(): number {
    return this.writer.length + this.#heldLength();
  }

  #heldLength(): number {
    return this.#held === undefined ? 0 : this.#held.size;
  }

  /** About the memory that they take, in bytes, without those that other connections send too. */
  get heldSize(): number {
    const { ownLength } = this.writer;
    if (this.#held === undefined && this.#waiters === undefined) return ownLength;
    const own = ownLength + this.#heldLength() - (this.#held?.sharedSize ?? 0);
    const waiters = Math.max(0, (this.#waiters?.length ?? 0) - MAX_FREE_WAITERS);
    return own + (waiters + (this.#held?.length ?? 0)) * WAITER_COST;
  }

  /** The bytes that they have in common with other connections. */
  get sharedLength(): number {
    const { sharedLength } = this.writer;
    return this.#held === undefined ? sharedLength : sharedLength + this.#held.sharedSize;
  }

  // ---- Messages of the program ----

  /** Whether the queue holds more than its high-water mark. */
  get isAboveHighWater(): boolean {
    return this.length > this.#limits.sendHighWaterMark;
  }

  /**
   * Tells whether a message fits the queue. At or below the high-water mark any does, so that callers that await
   * `send` are never refused. If it does not fit, those that wait are told when there is room.
   */
  hasRoomFor(data: Sendable): boolean {
    const { length } = this;
    if (
      length === 0 ||
      (length <= this.#limits.sendHighWaterMark && length <= this.#limits.sendQueueSize)
    ) return true;
    assertMessage(data);
    // No character needs more than three bytes a UTF-16 unit; only near the cap it is worth counting.
    const most = typeof data === "string" ? data.length * 3 : data.length;
    if (length + most <= this.#limits.sendQueueSize) return true;
    const fits = typeof data === "string" && length + data.length <= this.#limits.sendQueueSize &&
      length + encoder.encode(data).length <= this.#limits.sendQueueSize;
    // The queue need not be above its high-water mark, if that is more than may wait.
    if (!fits) this.#isAboveHighWater = true;
    return fits;
  }

  /**
   * Sends a message of the program. The message layer encodes it when its turn comes, so in the order of the wire.
   *
   * @returns See {@linkcode Outbound.send}; `undefined` if the layer failed, which closes the connection.
   */
  sendMessage(data: Sendable, compress?: boolean): Promise<void> | undefined {
    const { layer } = this.#core;
    if (layer !== undefined) {
      if (this.#held !== undefined) {
        this.messagesSent++;
        return this.#hold(this.#held, data, compress, false);
      }
      const encoded = layer.encode(data);
      if (encoded === undefined) return undefined;
      data = encoded;
    }
    // First, since `drain` may be called in between, and end the connection.
    this.messagesSent++;
    return this.send(data, compress);
  }

  /**
   * Sends a message as it is, and gives a promise that resolves when the queue is below the high-water mark
   * behind it and its bytes are no longer needed.
   */
  send(data: Sendable, compress?: boolean): Promise<void> {
    if (this.#held !== undefined && !this.#isEncodingHeld) {
      return this.#hold(this.#held, data, compress, true);
    }
    return this.#wait(this.#protocol.sendMessage(data, compress));
  }

  #hold(
    held: HeldBack,
    data: Sendable,
    compress: boolean | undefined,
    isRaw: boolean,
  ): Promise<void> {
    const sent = held.pushMessage(data, compress, isRaw);
    this.#noteLength();
    return sent;
  }

  /** Gives a promise for output that has been given to the protocol just now. */
  #wait(isReferenced: boolean): Promise<void> {
    const { writer } = this;
    // What is held back comes behind it: it must not wait for that.
    const length = writer.requestFlush();
    if (length + this.#heldLength() > this.#limits.sendHighWaterMark) this.#isAboveHighWater = true;
    const excess = length - (isReferenced ? 0 : this.#limits.sendHighWaterMark);
    if (excess <= 0) return RESOLVED;
    const deferred = createDeferred<void>();
    (this.#waiters ??= new Fifo()).push({ target: writer.takenLength + excess, deferred });
    return deferred.promise;
  }

  /** Sends what comes before the first frame. */
  sendHandshake(bytes: Uint8Array): void {
    this.writer.sendHandshake(bytes);
    this.#noteLength();
  }

  sendPing(payload: Uint8Array): void {
    this.#protocol.sendPing(payload);
    this.writer.requestFlush();
    this.#noteLength();
  }

  sendPong(payload: Uint8Array): void {
    this.#protocol.sendPong(payload);
    this.writer.requestFlush();
    this.#noteLength();
  }

  /** Notes that the queue is above its high-water mark, whatever it holds: those that wait are told of its end. */
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

  // ---- A message that is sent as a stream ----

  /**
   * Begins a message that is sent in fragments: what else is sent waits until `endStream`.
   *
   * @returns When it is this message's turn: what breaks off when it can't be finished.
   */
  beginStream(): Promise<Breaker> {
    const deferred = createDeferred<Breaker>();
    if (this.#held === undefined) this.#startStream(deferred);
    else this.#held.pushStream(deferred);
    return deferred.promise;
  }

  /**
   * Gives what goes before the message that is sent as a stream, whose first fragment comes next.
   *
   * @returns `undefined` if the layer failed: the stream is broken off.
   */
  encodeStart(type: MessageType): Sendable | undefined {
    const { layer } = this.#core;
    return layer === undefined ? "" : this.#encodeHeld(() => layer.encodeStart(type));
  }

  /** Encodes what was held back until now. If that fails, what comes behind it must not arrive without it. */
  #encodeHeld(encode: () => Sendable | undefined): Sendable | undefined {
    this.#isEncodingHeld = true;
    const encoded = encode();
    this.#isEncodingHeld = false;
    if (encoded === undefined) {
      this.#isWhole = false;
      this.cut(this.#core.closing.reason.lazyClosedError());
    }
    return encoded;
  }

  /** Sends a fragment; see `send`. */
  sendFragment(
    type: MessageType,
    payload: Uint8Array,
    fin: boolean,
    compress?: boolean,
  ): Promise<void> {
    return this.#wait(this.#protocol.sendFragment(type, payload, fin, compress));
  }

  /** Says that the message sent in fragments can't be finished, as its source failed. */
  failStream(): void {
    this.#streaming = undefined;
    this.#isWhole = false;
  }

  /**
   * Ends the message sent in fragments, and sends what was held back. The program's `drain` may run in
   * between: until the last of it is sent the queue holds back, so that what comes then goes behind it.
   */
  endStream(): void {
    this.#streaming = undefined;
    const held = this.#held;
    for (let next = held?.shift(); next !== undefined; next = held?.shift()) {
      if ("chunks" in next) {
        this.writer.addFrames(next);
        next.release();
      } else if (next.data === undefined) {
        this.#startStream(next.deferred);
        return;
      } else {
        this.#sendHeld(next);
      }
    }
    this.#held = undefined;
    this.finishIfDue();
  }

  #sendHeld({ data, isRaw, compress, size, deferred }: HeldMessage): void {
    const { closing, layer } = this.#core;
    const { resolve, reject } = deferred;
    const encoded = isRaw || layer === undefined
      ? data
      : this.#encodeHeld(() => layer.encode(data));
    if (encoded === undefined) {
      this.droppedLength += size;
      reject(closing.reason.closedError());
    } else {
      this.#wait(this.#protocol.sendMessage(encoded, compress)).then(resolve, reject);
    }
  }

  #startStream(deferred: Deferred<Breaker>): void {
    this.#held ??= new parts.rest!.HeldBack();
    this.#streaming = new parts.rest!.Breaker();
    deferred.resolve(this.#streaming);
  }

  // ---- The end ----

  /** Whether a message is being sent as a stream, or messages that were accepted wait to be encoded. */
  get hasPending(): boolean {
    return this.#held !== undefined || this.#hasWaiting();
  }

  /** Says so if nothing that was accepted waits any more, and that is asked for. */
  finishIfDue(): void {
    if (!this.#closing.finishes || this.hasPending) return;
    this.#markEnd();
    this.#closing.handle("finished");
  }

  /**
   * Gives up what waits: breaks off the message sent as a stream, and drops what was held back.
   *
   * @param getError Gives the error for those who wait for it.
   */
  cut(getError: () => unknown): void {
    if (this.#streaming !== undefined || (this.#held?.length ?? 0) > 0 || this.#hasWaiting()) {
      this.#isWhole = false;
    }
    this.droppedLength += this.#held?.size ?? 0;
    this.#held?.drop(getError);
    this.#streaming?.break(getError());
    this.#markEnd();
  }

  #hasWaiting(): boolean {
    return this.source !== undefined && this.source.hasWaiting;
  }

  #markEnd(): void {
    this.#lastMessageEnd = this.writer.takenLength + this.writer.length;
  }

  /** Rejects all that wait, and gives the memory back: the connection is closed. */
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

  attach(source: FanOutSource): void {
    this.source = source;
  }

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
    if (this.#held !== undefined) this.#held.pushFrames(frames);
    else if (isLast && this.writer.mayWriteNow) {
      // Whether the channel takes them is all that can put the queue above its high-water mark.
      if (this.writer.writeFrames(frames)) return;
    } else this.writer.addFrames(frames);
    this.#noteLength();
  }

  post(data: Sendable, compress?: boolean): void {
    if (this.#held !== undefined) return void this.#hold(this.#held, data, compress, true);
    this.#protocol.sendMessage(data, compress);
    this.writer.requestFlush();
    this.#noteLength();
  }

  postEncoded(data: Sendable, compress?: boolean): boolean {
    const { layer } = this.#core;
    if (layer !== undefined && this.#held !== undefined) {
      void this.#hold(this.#held, data, compress, false);
      return true;
    }
    const encoded = layer === undefined ? data : layer.encode(data);
    if (encoded !== undefined) this.post(encoded, compress);
    return encoded !== undefined;
  }

  closeAtOnce(status: CloseStatus): void {
    this.#closing.cut(status);
  }

  throwIfClosed(): void {
    if (this.#closing.isClosed) throw this.#closing.reason.closedError();
  }
}
