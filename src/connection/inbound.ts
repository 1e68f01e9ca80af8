import { cloneBytes } from "../codec/byte_collector.ts";
import { type HandlerResult, STOP } from "../codec/frame_decoder.ts";
import type { CloseStatus } from "../protocol/close_payload.ts";
import type { MessageType } from "../protocol/message_receiver.ts";
import { Protocol, type ProtocolHandler } from "../protocol/protocol.ts";
import { clearTimeout, MAX_DURATION_MS, setTimeout } from "../timers.ts";
import { ChannelReader } from "./channel_reader.ts";
import type { Closing } from "./closing.ts";
import type { Message } from "./connection.ts";
import type { ConnectionCore } from "./core.ts";
import type { LayerRunner } from "./layer_runner.ts";
import { parts } from "./load_parts.ts";
import type { Program } from "./program.ts";
import type { RateLimiter } from "./rate_limiter.ts";
import type { ReceiveQueue } from "./receive_queue.ts";
import { FRAGMENT_WORK, MESSAGE_WORK } from "./turns.ts";

/** How long after a message is taken reading goes on, in milliseconds: quick programs take several meanwhile. */
const READ_ON_MS = 10;

/**
 * The way in: decodes bytes of the channel to messages, for callbacks or the receive queue.
 *
 * When something takes no more, each event of the protocol returns `"stop"`: decoding ends behind the frame at
 * hand, the rest of the input is held, and the channel paused. All reasons are in {@linkcode Inbound.mayTakeMore},
 * but for the turn of other connections, which {@linkcode ChannelReader} knows.
 */
export class Inbound implements ProtocolHandler {
  readonly closing: Closing;
  readonly protocol: Protocol;
  /** What was received and waits for the program, once anything does, or the program has read. */
  usedQueue: ReceiveQueue | undefined;
  readonly reader: ChannelReader;
  readonly #core: ConnectionCore;
  readonly #layer: LayerRunner | undefined;
  readonly #program: Program;
  readonly #rate: RateLimiter | undefined;
  /** Whether decoding was refused because the peer sent too much, since `#rateTimer` was set last. */
  #wasTooFast = false;
  /** Set while the peer has to wait, because it sent too much. */
  #rateTimer: unknown;
  #readOnTimer: ReturnType<typeof setTimeout> | undefined;
  /** Whether the program has chosen how to receive: by callbacks, iteration, streams or events. */
  hasReceiver: boolean;
  /** Whether it receives messages as streams. */
  #wantsStreams = false;
  /** Whether a message that is received as a stream has begun, and is not whole. */
  #isArriving = false;
  /** Whether the peer's FIN came, behind all its bytes. */
  hasEnded = false;
  bytesReceived = 0;
  messagesReceived = 0;

  constructor(core: ConnectionCore) {
    const { role, channel, info: { compression }, layer, program, settings } = core;
    const { limits, rateLimits, clock, turns } = settings;
    const { maxFragments } = limits;
    const { maxMessageSize } = layer ?? limits;
    this.closing = core.closing;
    this.#core = core;
    this.#layer = layer;
    this.#program = program;
    this.hasReceiver = program.callbacks !== undefined;
    this.protocol = new Protocol(role, this, { maxMessageSize, maxFragments, compression });
    this.reader = new ChannelReader(channel, turns, this);
    if (rateLimits !== undefined) {
      this.#rate = new parts.rateLimiter!.RateLimiter(rateLimits, clock);
    }
  }

  /** Takes what has arrived behind the opening handshake; see {@linkcode ChannelReader.prepend}. */
  prepend(bytes: Uint8Array, hasEnded: boolean): void {
    this.bytesReceived = bytes.length;
    this.reader.prepend(bytes, hasEnded);
  }

  get queue(): ReceiveQueue {
    return this.usedQueue ??= new parts.rest!.ReceiveQueue(this.#core);
  }

  get queueLength(): number {
    return this.usedQueue === undefined ? 0 : this.usedQueue.length;
  }

  /** The program receives from now on; `asStreams`: messages are streams. */
  setReceiver(asStreams: boolean): void {
    this.hasReceiver = true;
    this.#wantsStreams = asStreams;
    this.#setStreaming();
  }

  /** Has messages received as they are wanted, unless a layer needs them whole. */
  #setStreaming(): void {
    try {
      this.protocol.streaming = this.#wantsStreams && (this.#layer?.mayStream ?? true);
    } catch (error) {
      // The part of a message that had arrived passed a limit.
      this.#failBefore(error);
    }
  }

  /** The layer's handshake is done: the limits are those of messages. */
  layerReady(): void {
    this.protocol.maxMessageSize = this.#layer!.maxMessageSize;
    this.#setStreaming();
  }

  receive(bytes: Uint8Array, borrowed: boolean): void {
    this.bytesReceived += bytes.length;
    if (this.#rate !== undefined && !this.#countBytes(bytes.length)) return;
    // Otherwise nothing is sent, and nothing counts: with many connections, each look at them is a miss.
    if (!this.reader.postpone(bytes, borrowed)) {
      const { outbound: { writer }, memory } = this.#core;
      writer.cork();
      this.reader.receive(bytes, borrowed);
      writer.uncork();
      memory.recountHeld();
    }
    if (this.#rate !== undefined) this.#waitForRate();
  }

  /** Takes the peer's FIN, behind all its bytes. */
  receiveEnd(): void {
    this.hasEnded = true;
    this.closing.handle("endReceived");
  }

  /** Goes on, as far as there is room: something has made some, or it is this connection's turn again. */
  readOn(): void {
    const { reader } = this;
    if (reader.isDecoding || this.closing.isClosed) return;
    const { outbound: { writer }, memory } = this.#core;
    const { hasWork } = reader;
    if (hasWork) {
      writer.cork();
      reader.proceed();
      writer.uncork();
    }
    if (this.isHandled) writer.flush();
    if (this.closing.isAnswerDue) this.closing.answerIfHandled();
    if (this.closing.isClosed) return;
    reader.resume();
    if (this.#rate !== undefined) this.#waitForRate();
    if (hasWork || memory.counted > 0) memory.recountHeld();
  }

  /** Whether the program has handled everything that was received. */
  get isHandled(): boolean {
    return !this.#program.isAtWork && (this.usedQueue === undefined || this.usedQueue.isIdle);
  }

  get heldSize(): number {
    const size = this.reader.heldLength + this.protocol.heldLength;
    return this.usedQueue === undefined ? size : size + this.usedQueue.heldSize;
  }

  /** Whether the program has more messages at hand, which it may answer. */
  get isMoreExpected(): boolean {
    const queue = this.usedQueue;
    return queue !== undefined && queue.isBusy && (queue.length > 0 || this.reader.hasNext);
  }

  /** Whether more may be decoded. */
  get mayTakeMore(): boolean {
    const { closing } = this;
    // What arrives behind this side's Close frame is dropped: there is always room for it.
    if (!closing.accepts) return !closing.isClosed;
    const layer = this.#layer;
    return !this.#isQueueFull(layer) && !this.#isTooFast() && !(layer?.isFull ?? false) &&
      !this.#core.memory.mustWait;
  }

  #isQueueFull(layer: LayerRunner | undefined): boolean {
    // Until the program has chosen, a message that is arriving counts: it may be wanted as a stream.
    const isWhole = this.hasReceiver || (layer !== undefined && !layer.isReady);
    const collected = isWhole ? 0 : this.protocol.collectedLength;
    return this.usedQueue === undefined
      ? collected >= this.#core.settings.limits.receiveQueueSize
      : this.usedQueue.isFull(collected);
  }

  // A method, as everything that is asked for each message: V8 calls its runtime for each use of a private getter.
  #isTooFast(): boolean {
    if (this.#rate === undefined || this.#rate.waitMs(this.#isArriving) === 0) return false;
    return this.#wasTooFast = true;
  }

  #stopIfFull(): HandlerResult {
    return this.reader.waitsForTurn || !this.mayTakeMore ? STOP : undefined;
  }

  /** The same, for what takes no room. */
  #stopIfTooFast(): HandlerResult {
    const mustStop = this.reader.waitsForTurn || this.#isTooFast() || this.closing.isClosed;
    return mustStop ? STOP : undefined;
  }

  /** Returns whether the bytes are to be taken. Bytes that are dropped in any case are never too many. */
  #countBytes(count: number): boolean {
    const { closing } = this;
    if (!closing.accepts || closing.isAnswerDue) return true;
    const layer = this.#layer;
    try {
      this.#rate!.count("bytesPerSecond", layer === undefined ? count : count - layer.spare(count));
      return true;
    } catch (error) {
      this.#failBefore(error);
      return false;
    }
  }

  /** Takes an error from outside of decoding: nothing may be decoded behind it. */
  #failBefore(error: unknown): void {
    this.protocol.receiveEnd();
    this.closing.failDecoding(error);
  }

  /** Reads on when a peer that sent too much has waited long enough, or has by now. */
  #waitForRate(): void {
    if (!this.#wasTooFast || this.#rateTimer !== undefined || this.closing.isClosed) return;
    this.#wasTooFast = false;
    const waitMs = this.#rate!.waitMs(this.#isArriving);
    this.#rateTimer = this.#core.settings.clock.setTimeout(() => {
      this.#rateTimer = undefined;
      this.readOn();
    }, Math.min(waitMs, MAX_DURATION_MS));
  }

  receiveMessage(received: Message): HandlerResult {
    const layer = this.#layer;
    const program = this.#program;
    let data: Message | undefined = received;
    if (layer !== undefined) {
      if (!layer.isReady) return this.#receiveHandshake(layer, received);
      this.#countMessage();
      data = layer.decode(received);
      if (data === undefined) return this.#stopIfFull();
    } else {
      this.#countMessage();
    }
    if (program.callbacks === undefined || program.mustWait) {
      this.queue.push(data);
      return this.#stopIfFull();
    }
    layer?.delivered();
    program.callMessage(data);
    return this.#stopIfTooFast();
  }

  #receiveHandshake(layer: LayerRunner, data: Message): HandlerResult {
    this.#countReceived();
    this.#rate?.count("bytesPerSecond", layer.takeExcess(data));
    layer.receiveHandshake(data);
    return this.#stopIfTooFast();
  }

  receiveMessageStart(type: MessageType): HandlerResult {
    this.#countMessage();
    this.#isArriving = true;
    this.#streamTarget().pushStart(type);
    return this.#stopIfFull();
  }

  receiveMessageChunk(bytes: Uint8Array, start: number, end: number): HandlerResult {
    this.#streamTarget().pushChunk(bytes, start, end);
    return this.#stopIfFull();
  }

  receiveMessageEnd(): HandlerResult {
    this.#isArriving = false;
    this.#streamTarget().pushEnd();
    return this.#stopIfFull();
  }

  #streamTarget(): LayerRunner | ReceiveQueue {
    return this.#layer?.decodesStreams ? this.#layer : this.queue;
  }

  countFragment(): HandlerResult {
    this.reader.countWork(FRAGMENT_WORK);
    return this.reader.waitsForTurn ? STOP : undefined;
  }

  countInflated(size: number): HandlerResult {
    this.reader.countWork(MESSAGE_WORK + size);
    if (this.#rate !== undefined && (this.#layer?.isReady ?? true)) {
      this.#rate.count("inflatedBytesPerSecond", size);
    }
    return this.#stopIfTooFast();
  }

  receivePing(payload: Uint8Array): HandlerResult {
    this.#countControlFrame();
    const { outbound } = this.#core;
    if (!outbound.writer.ready) this.#core.pings.answerLater(payload);
    else outbound.sendPong(payload);
    const program = this.#program;
    const isOpen = this.closing.accepts && (this.#layer?.isReady ?? true);
    if (program.callbacks?.ping === undefined || !isOpen) return this.#stopIfTooFast();
    const copy = cloneBytes(payload, 0, payload.length);
    if (program.mustWait) {
      this.queue.pushPing(copy);
      return this.#stopIfFull();
    }
    program.callPing(copy);
    return this.#stopIfTooFast();
  }

  receivePong(payload: Uint8Array<ArrayBuffer>): HandlerResult {
    this.#countControlFrame();
    this.#core.usedPings?.receivePong(payload);
    return this.#stopIfTooFast();
  }

  receiveClose(status: CloseStatus): void {
    this.closing.receiveClose(status);
  }

  #countMessage(): void {
    this.#rate?.count("messagesPerSecond", 1);
    this.#countReceived();
  }

  #countReceived(): void {
    this.messagesReceived++;
    this.reader.countWork(MESSAGE_WORK);
  }

  #countControlFrame(): void {
    this.reader.countWork(MESSAGE_WORK);
    if (this.closing.accepts) this.#rate?.count("controlFramesPerSecond", 1);
  }

  /** The program is given the next message of the queue. */
  messageTaken(): void {
    const layer = this.#layer;
    if (layer !== undefined) layer.delivered();
    if (this.#program.callbacks !== undefined || this.#readOnTimer !== undefined) return;
    if (this.reader.isPaused) this.#readOnLater();
  }

  /** Reads on while the program is at work on a message: a Close frame is to be seen behind the others. */
  #readOnLater(): void {
    if (this.closing.isClosed) return;
    this.#readOnTimer = setTimeout(() => {
      this.#readOnTimer = undefined;
      this.readOn();
    }, READ_ON_MS);
  }

  close(): void {
    this.reader.close();
    this.protocol.receiveEnd();
    this.#core.settings.clock.clearTimeout(this.#rateTimer);
    clearTimeout(this.#readOnTimer);
  }
}
