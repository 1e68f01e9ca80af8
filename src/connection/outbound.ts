import { assertMessage, type Protocol } from "../protocol/protocol.ts";
import type { MessageType } from "../protocol/message_receiver.ts";
import { Breaker } from "./breaker.ts";
import type { Closing } from "./closing.ts";
import type { CloseStatus } from "../protocol/close_payload.ts";
import type { Address, ByteChannel } from "../transport/byte_channel.ts";
import type { Sendable } from "./connection.ts";
import type { ConnectionCore } from "./core.ts";
import { Fifo } from "../fifo.ts";
import { HeldBack } from "./held_back.ts";
import type { Limits } from "./options.ts";
import { createDeferred, type Deferred, RESOLVED } from "../promises.ts";
import type { FanOutSink, FanOutSource, SharedFrames } from "./fan_out.ts";
import { clearTimeout, queueMicrotask, setTimeout } from "../timers.ts";

// Output is gathered up to this size before it is written: larger writes win nothing.
const MAX_GATHERED = 64 * 1024;

/**
 * What a message takes beside its bytes that waits for a stream's end, and what a promise of `send`
 * does: measured, 370 to 800 bytes.
 */
const WAITING_COST = 600;
/** So many promises are a part of the few KiB that a connection takes in any case. */
const MAX_FREE_WAITERS = 32;

const encoder = new TextEncoder();

// One microtask for all queues that are to be flushed: a broadcast fills many.
let dueQueues: Outbound[] = [];

function flushDueQueues(): void {
  const queues = dueQueues;
  dueQueues = [];
  for (const queue of queues) queue.flushWhenDue();
}

interface Waiter {
  /** The number of bytes the channel must have taken since its beginning. */
  target: number;
  deferred: Deferred<void>;
}

const NO_FRAMES: SharedFrames[] = [];

/**
 * What is on its way out: gathers the protocol's output to few writes, and lets senders wait until
 * the channel has taken enough of it.
 */
export class Outbound implements FanOutSink {
  // What a publish looks at stands first, and thereby together in memory: it goes through thousands.
  readonly #channel: ByteChannel;
  readonly #limits: Limits;
  readonly #mayExpectMore: boolean;
  /** Whether the channel takes a write. */
  #ready = true;
  /**
   * Whether the protocol may have output. For those that are only published to it never has: to ask
   * each of thousands would be to wait for memory that nothing else needs.
   */
  #mayHaveOutput = false;
  #corked = false;
  #aboveHighWater = false;
  /** The bytes given to the channel and not taken yet. */
  #inFlight = 0;
  /** How many bytes of the output are also those of other connections, and which these are. */
  #sharedOutput = 0;
  #outputFrames: SharedFrames[] = NO_FRAMES;
  /** Set while a message is sent as a stream, or others wait for the end of one. */
  #held: HeldBack | undefined;
  #waiters: Fifo<Waiter> | undefined;
  /** The bytes taken by the channel since its beginning. */
  #taken = 0;
  /** The bytes that were accepted, and dropped at the end. */
  #dropped = 0;
  /** How many bytes of what is in flight are also those of other connections, and which these are. */
  #sharedInFlight = 0;
  #framesInFlight: SharedFrames[] = NO_FRAMES;
  readonly #closing: Closing;
  readonly #protocol: Protocol;
  readonly #core: ConnectionCore;
  #flushIsScheduled = false;
  #lateFlush: ReturnType<typeof setTimeout> | undefined;
  /** Breaks off the message that is being sent in fragments. */
  #streaming: Breaker | undefined;
  /** How many bytes the channel has to take to have taken all messages; known once all were encoded. */
  #lastMessageEnd = Infinity;
  /** Whether all that was accepted has been encoded, or still may be. */
  #isWhole = true;

  /** What sends through the connection besides its program, if anything does. */
  source: FanOutSource | undefined;
  /** The messages that the program has sent. */
  messagesSent = 0;

  constructor(core: ConnectionCore) {
    this.#core = core;
    this.#channel = core.channel;
    this.#limits = core.settings.limits;
    this.#closing = core.closing;
    this.#protocol = core.inbound.protocol;
    // A program with callbacks is given one message after another.
    this.#mayExpectMore = core.callbacks === undefined;
  }

  attach(source: FanOutSource): void {
    this.source = source;
  }

  get remoteAddress(): Address {
    return this.#channel.remoteAddress;
  }

  get isOpen(): boolean {
    return this.#closing.accepts;
  }

  get isFinished(): boolean {
    return this.#closing.isFlushed;
  }

  encode(data: Sendable): Sendable | undefined {
    const { layer } = this.#core;
    return layer === undefined ? data : layer.encode(data);
  }

  closeAtOnce(status: CloseStatus): void {
    this.#core.end.cut(status);
  }

  throwIfClosed(): void {
    if (this.#closing.isClosed) throw this.#core.end.reason.closedError();
  }

  /** Whether the channel has taken all that was accepted, once nothing more is. */
  get isSent(): boolean {
    return this.#isWhole && this.#taken >= this.#lastMessageEnd;
  }

  /** Whether a message is being sent in fragments. */
  get isStreaming(): boolean {
    return this.#streaming !== undefined;
  }

  /** Whether a message is being sent in fragments, or others wait for the end of one. */
  #isHolding(): boolean {
    return this.#streaming !== undefined || (this.#held?.length ?? 0) > 0;
  }

  /** The bytes sent that the channel has not taken yet. */
  get length(): number {
    return this.#inFlight + this.#outputLength() + (this.#held === undefined ? 0 : this.#held.size);
  }

  /** The bytes that had been accepted when the connection ended, and that the channel did not take. */
  get droppedLength(): number {
    return this.#dropped;
  }

  /** The memory that they take, without those that other connections send too, about, in bytes. */
  get heldSize(): number {
    const own = this.length - this.sharedLength;
    if (this.#held === undefined && this.#waiters === undefined) return own;
    const waiters = Math.max(0, (this.#waiters?.length ?? 0) - MAX_FREE_WAITERS);
    return own + (waiters + (this.#held?.length ?? 0)) * WAITING_COST;
  }

  /** The bytes that they have in common with other connections. */
  get sharedLength(): number {
    return this.#sharedOutput + this.#sharedInFlight + (this.#held?.sharedSize ?? 0);
  }

  #outputLength(): number {
    return this.#mayHaveOutput ? this.#protocol.outputLength : 0;
  }

  /** The bytes that the channel has taken since its beginning. */
  get takenLength(): number {
    return this.#taken;
  }

  /** Whether the channel has to take earlier output first. */
  get isBlocked(): boolean {
    return !this.#ready;
  }

  /** Whether the queue holds more than its high-water mark. */
  get isAboveHighWater(): boolean {
    return this.length > this.#limits.sendHighWaterMark;
  }

  /** Tells whether a message fits the queue: any does, where whoever waits for `send` sends the next. */
  hasRoomFor(data: Sendable): boolean {
    const length = this.length;
    if (length === 0) return true;
    const { sendHighWaterMark, sendQueueSize } = this.#limits;
    if (length <= Math.min(sendHighWaterMark, sendQueueSize)) return true;
    assertMessage(data);
    // No character needs more than three bytes a UTF-16 unit; only near the cap it is worth counting.
    const most = typeof data === "string" ? data.length * 3 : data.length;
    if (length + most <= sendQueueSize) return true;
    return typeof data === "string" && length + data.length <= sendQueueSize &&
      length + encoder.encode(data).length <= sendQueueSize;
  }

  /** Sends what comes before the first frame. */
  sendHandshake(bytes: Uint8Array): void {
    if (bytes.length > 0) this.#write([bytes], bytes.length);
  }

  /**
   * Sends a message, and gives a promise that resolves when the queue is below the high-water mark
   * behind it and its bytes are no longer needed.
   */
  send(data: Sendable, compress?: boolean): Promise<void> {
    if (this.#held !== undefined) return this.#hold(this.#held, data, compress);
    this.#mayHaveOutput = true;
    const isReferenced = this.#protocol.sendMessage(data, compress);
    return this.#wait(isReferenced);
  }

  /** Sends a message that nobody waits for, and that nobody changes: it takes its bytes alone. */
  post(data: Sendable, compress?: boolean): void {
    if (this.#held !== undefined) return void this.#hold(this.#held, data, compress);
    this.#mayHaveOutput = true;
    this.#protocol.sendMessage(data, compress);
    this.requestFlush();
    if (this.isAboveHighWater) this.#aboveHighWater = true;
  }

  /**
   * Sends messages whose frames are the same for many connections.
   *
   * @param isLast Whether they are the last of this turn, as far as it is known.
   */
  sendShared(frames: SharedFrames, isLast: boolean): void {
    if (isLast && this.#mayWriteNow()) {
      // To come back to each of many connections at the end of the turn would cost as much again.
      this.#sharedOutput = frames.length;
      this.#write(frames.chunks, frames.length);
      if (this.#ready || this.#closing.isClosed) return;
      frames.hold();
      this.#framesInFlight = [frames];
    } else if (this.#held === undefined) {
      this.#sendSharedNow(frames);
    } else {
      this.#held.pushFrames(frames);
    }
    if (this.isAboveHighWater) this.#aboveHighWater = true;
  }

  #sendSharedNow(frames: SharedFrames): void {
    this.#mayHaveOutput = true;
    this.#protocol.sendFrames(frames.chunks);
    this.#sharedOutput += frames.length;
    frames.hold();
    if (this.#outputFrames === NO_FRAMES) this.#outputFrames = [frames];
    else this.#outputFrames.push(frames);
    this.requestFlush();
  }

  /** Whether so many bytes more are within the queue's size. */
  hasRoomForLength(length: number): boolean {
    const { sendHighWaterMark, sendQueueSize } = this.#limits;
    return this.length <= Math.min(sendHighWaterMark, sendQueueSize) ||
      this.length + length <= sendQueueSize;
  }

  /** How many bytes there are up to the high-water mark; less than 0 above it. */
  get room(): number {
    return this.#limits.sendHighWaterMark - this.length;
  }

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

  /** Sends a fragment; see `send`. */
  sendFragment(
    type: MessageType,
    payload: Uint8Array,
    fin: boolean,
    compress?: boolean,
  ): Promise<void> {
    this.#mayHaveOutput = true;
    return this.#wait(this.#protocol.sendFragment(type, payload, fin, compress));
  }

  /** Says that the message sent in fragments can't be finished, as its source failed. */
  failStream(): void {
    this.#streaming = undefined;
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
        this.#sendSharedNow(next);
        next.release();
      } else if (next.data === undefined) {
        this.#startStream(next.deferred);
        return;
      } else {
        const { resolve, reject } = next.deferred;
        this.#mayHaveOutput = true;
        this.#wait(this.#protocol.sendMessage(next.data, next.compress)).then(resolve, reject);
      }
    }
    this.#held = undefined;
    this.finishIfDue();
  }

  /** Says so if nothing that was accepted waits any more, and that is asked for. */
  finishIfDue(): void {
    if (!this.#closing.flushes || this.#held !== undefined || this.#hasWaiting()) return;
    this.#markEnd();
    this.#closing.handle("flushed");
  }

  /**
   * Gives up what waits: breaks off the message sent as a stream, and drops what was held back.
   *
   * @param getError Gives the error for those who wait for it.
   */
  cut(getError: () => unknown): void {
    if (this.#isHolding() || this.#hasWaiting()) this.#isWhole = false;
    this.#dropped += this.#held?.size ?? 0;
    this.#held?.drop(getError);
    this.#streaming?.break(getError());
    this.#markEnd();
  }

  #hasWaiting(): boolean {
    return this.source !== undefined && this.source.hasWaiting;
  }

  #markEnd(): void {
    this.#lastMessageEnd = this.#taken + this.#inFlight + this.#outputLength();
  }

  /** Gathers output until `uncork`, to write it once. */
  cork(): void {
    this.#corked = true;
  }

  /** Writes what was gathered, now or with what is still to come. */
  uncork(): void {
    this.#corked = false;
    this.#flushUnlessGathering();
  }

  /**
   * Has the output written soon, with what else is sent until then: in this turn, or, where the
   * program is at work on messages one after another, until it has come to the last one.
   */
  requestFlush(): void {
    this.#mayHaveOutput = true;
    if (this.#outputLength() >= MAX_GATHERED) this.flush();
    else if (this.#corked) return;
    else if (this.#isMoreExpected()) this.#scheduleLateFlush();
    else this.#scheduleFlush();
  }

  /** Whether nothing is to go out before or with what is sent now. */
  #mayWriteNow(): boolean {
    return this.#ready && !this.#corked && this.#held === undefined &&
      this.#outputLength() === 0 && !this.#isMoreExpected();
  }

  #isMoreExpected(): boolean {
    return this.#mayExpectMore && this.#core.inbound.isMoreExpected;
  }

  #flushUnlessGathering(): void {
    const outputLength = this.#outputLength();
    if (this.#closing.isEndDue || outputLength >= MAX_GATHERED || !this.#isMoreExpected()) {
      this.flush();
    } else if (outputLength > 0) this.#scheduleLateFlush();
  }

  /** Writes the output, if the channel takes it. */
  flush(): void {
    const length = this.#outputLength();
    if (this.#ready && length > 0) {
      this.#mayHaveOutput = false;
      this.#write(this.#protocol.takeOutput(), length);
      if (this.#ready) this.#protocol.recycleOutput();
    }
    if (!this.#ready || this.#core.memory.isCounted) this.#core.memory.recountHeld();
    if (this.#ready && this.#closing.isEndDue) this.#closing.handle("written");
  }

  /** Goes on after the channel has taken what was in flight. */
  drain(): void {
    // A Pong may have waited for it.
    this.#mayHaveOutput = true;
    this.#taken += this.#inFlight;
    this.#inFlight = 0;
    this.#releaseInFlight();
    this.#ready = true;
    this.#flushUnlessGathering();
    this.#core.memory.recountHeld();
    this.#settleWaiters();
  }

  /** Writes the output, behind which FIN is due. */
  end(): void {
    this.#mayHaveOutput = true;
    this.flush();
  }

  sendPing(payload: Uint8Array): void {
    this.#protocol.sendPing(payload);
    this.requestFlush();
  }

  sendPong(payload: Uint8Array): void {
    this.#protocol.sendPong(payload);
    this.requestFlush();
  }

  /** Rejects all that wait, and gives the memory back: the connection is closed. */
  close(getError: () => unknown): void {
    this.#dropped += this.#inFlight + this.#outputLength();
    this.#ready = this.#aboveHighWater = false;
    this.#inFlight = 0;
    this.#releaseInFlight();
    this.#takeSharedOutput().forEach((frames) => frames.release());
    this.#protocol.takeOutput();
    clearTimeout(this.#lateFlush);
    this.cut(getError);
    const waiters = this.#waiters;
    this.#waiters = undefined;
    for (let waiter = waiters?.shift(); waiter !== undefined; waiter = waiters?.shift()) {
      waiter.deferred.reject(getError());
    }
  }

  #write(chunks: readonly Uint8Array[], length: number): void {
    // Before the program's `drain` may run, and send more.
    const shared = this.#sharedOutput;
    const frames = this.#takeSharedOutput();
    if (this.#channel.write(chunks)) {
      this.#taken += length;
      for (const each of frames) each.release();
      this.#settleWaiters();
    } else {
      this.#ready = false;
      this.#inFlight = length;
      this.#sharedInFlight = shared;
      this.#framesInFlight = frames;
      // The channel may have found that it is closed.
      if (this.#closing.isClosed) this.#releaseInFlight();
    }
  }

  #takeSharedOutput(): SharedFrames[] {
    const frames = this.#outputFrames;
    this.#outputFrames = NO_FRAMES;
    this.#sharedOutput = 0;
    return frames;
  }

  #releaseInFlight(): void {
    const frames = this.#framesInFlight;
    this.#framesInFlight = NO_FRAMES;
    this.#sharedInFlight = 0;
    for (const each of frames) each.release();
  }

  #hold(held: HeldBack, data: Sendable, compress: boolean | undefined): Promise<void> {
    const sent = held.pushMessage(data, compress);
    if (this.isAboveHighWater) this.#aboveHighWater = true;
    return sent;
  }

  #startStream(deferred: Deferred<Breaker>): void {
    this.#held ??= new HeldBack();
    this.#streaming = new Breaker();
    deferred.resolve(this.#streaming);
  }

  /** Gives a promise for output that has been given to the protocol just now. */
  #wait(isReferenced: boolean): Promise<void> {
    this.requestFlush();
    // What is held back comes behind it: it must not wait for that.
    const length = this.#inFlight + this.#outputLength();
    const { sendHighWaterMark } = this.#limits;
    const heldLength = this.#held === undefined ? 0 : this.#held.size;
    if (length + heldLength > sendHighWaterMark) this.#aboveHighWater = true;
    const excess = length - (isReferenced ? 0 : sendHighWaterMark);
    if (excess <= 0) return RESOLVED;
    const deferred = createDeferred<void>();
    (this.#waiters ??= new Fifo()).push({ target: this.#taken + excess, deferred });
    return deferred.promise;
  }

  #settleWaiters(): void {
    const waiters = this.#waiters;
    if (waiters !== undefined) {
      let waiter = waiters.peek();
      while (waiter !== undefined && waiter.target <= this.#taken) {
        waiters.shift();
        waiter.deferred.resolve();
        waiter = waiters.peek();
      }
    }
    if (this.#aboveHighWater && this.length <= this.#limits.sendHighWaterMark) {
      this.#aboveHighWater = false;
      this.source?.drain();
      this.finishIfDue();
      this.#core.program.drain();
    }
  }

  #scheduleFlush(): void {
    if (this.#flushIsScheduled) return;
    this.#flushIsScheduled = true;
    if (dueQueues.push(this) === 1) queueMicrotask(flushDueQueues);
  }

  /** Does what was scheduled. */
  flushWhenDue(): void {
    this.#flushIsScheduled = false;
    this.flush();
  }

  #scheduleLateFlush(): void {
    this.#lateFlush ??= setTimeout(() => {
      this.#lateFlush = undefined;
      this.flush();
    }, 0);
  }
}
