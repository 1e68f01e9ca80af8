import type { MessageType } from "../protocol/message_receiver.ts";
import type { Message } from "./connection.ts";
import { Fifo } from "../fifo.ts";
import type { ConnectionCore } from "./core.ts";
import { ReceivedMemory, ReceivedPing } from "./received_memory.ts";
import { parts } from "./load_parts.ts";
import type { StreamedMessage } from "./streamed_message.ts";

/** What a message that is received as a stream takes beside its bytes, in bytes: measured, 400 to 600. */
const STREAM_COST = 500;

/** A message that is longer, in bytes or UTF-16 units, counts for the turn: see `Turns.handOut`. */
const MAX_SMALL = 4096;

export type ReceivedMessage = Message | StreamedMessage;

/** What reads the queue: an iteration, until it is returned, or the stream, while it is locked. */
export interface QueueReader {
  readonly isReading: boolean;
}

/**
 * What was received and is not handled yet: hands messages to the program one at a time, and knows
 * when there is room for more. It has `Inbound` read on when the program has made room, or has come to the end of
 * the messages: it asks for one that is not there yet, or has read all that arrived of a body.
 */
export class ReceiveQueue {
  readonly #maxMessages: number;
  readonly #maxSize: number;
  readonly #core: ConnectionCore;
  // Created when a message has to wait: mostly none has.
  #messages: Fifo<ReceivedMessage | ReceivedPing> | undefined;
  /** The bytes in the queue, and those of streamed messages that were not read. */
  #size = 0;
  /** The memory of whole messages, and that of streamed ones that were not read. */
  #memory: ReceivedMemory | undefined;
  #streamedSize = 0;
  #arriving: StreamedMessage | undefined;
  /** The streamed message that the program has in hand. */
  #inHand: StreamedMessage | undefined;
  /** Whether the program has a message in hand: it was given one, and did not ask for the next. */
  #busy = false;
  /** Whether the program is being given the next message. */
  #isTaking = false;
  #takers: Fifo<Taker> | undefined;
  /** Whether a reader of whole messages waits for the rest of one: nobody gets the next message before. */
  #isCollecting = false;
  /** What read last, until it is returned. */
  #reader: QueueReader | undefined;
  /** That of the stream, even if it has not asked for a message yet. */
  stream: QueueReader | undefined;

  constructor(core: ConnectionCore) {
    const { limits } = core.settings;
    this.#maxMessages = limits.receiveQueueMessages;
    this.#maxSize = limits.receiveQueueSize;
    this.#core = core;
  }

  get length(): number {
    return this.#messages === undefined ? 0 : this.#messages.length;
  }

  /** About the memory that all this takes, in bytes. */
  get heldSize(): number {
    return this.#memory === undefined ? this.#streamedSize : this.#memory.size + this.#streamedSize;
  }

  /** Whether the program has handled everything that was received, or waits for more. */
  get isIdle(): boolean {
    if (this.length > 0) return false;
    return !this.#busy || (!this.#isCollecting && (this.#takers?.length ?? 0) > 0);
  }

  /** Whether the program has a message in hand, or is about to. */
  get isBusy(): boolean {
    return this.#busy || (this.#isTaking && this.length > 0);
  }

  /** Whether the queue is full; `collectedLength` bytes held elsewhere count too. */
  isFull(collectedLength: number): boolean {
    return this.length >= this.#maxMessages || this.#size + collectedLength >= this.#maxSize;
  }

  /** Adds a whole message, or a Ping: of that, only `shift` may be called. */
  push(message: Message | ReceivedPing): void {
    this.#size += message.length;
    this.#add(message);
  }

  pushPing(payload: Uint8Array<ArrayBuffer>): void {
    this.push(new ReceivedPing(payload));
  }

  pushStart(type: MessageType): void {
    this.#arriving = new parts.views!.StreamedMessage(type, this);
    this.#add(this.#arriving);
  }

  /**
   * The waiting bytes of a body and their memory have changed: by more than 0 when bytes arrived, by less when they
   * were read or dropped, and by 0 when a reader waits, or no more are wanted.
   */
  bodyChanged(change: number, heldChange: number): void {
    this.#size += change;
    this.#streamedSize += heldChange;
    // If there are messages behind it, all of this one is here, and `take` goes on when those are taken.
    if (change <= 0 && this.length === 0) this.#core.inbound.readOn();
  }

  pushChunk(bytes: Uint8Array, start: number, end: number): void {
    this.#arriving?.push(bytes, start, end);
  }

  pushEnd(): void {
    const message = this.#arriving;
    this.#arriving = undefined;
    message?.end();
  }

  /** Errors the body that is still arriving, if any is. */
  failArriving(getError: () => unknown): void {
    const message = this.#arriving;
    this.#arriving = undefined;
    message?.fail(getError);
  }

  /** Whether nothing will be added any more. */
  get isEnded(): boolean {
    return !this.#core.closing.handles;
  }

  /**
   * Has the messages read by one reader, until it is done. Returns the message that the stream was left with.
   *
   * @throws {TypeError} If another is at it: two at a time would each get some of them.
   */
  startReading(reader: QueueReader): Message | undefined {
    if (this.#reader === reader) return undefined;
    this.assertNotRead(reader);
    // The stream was unlocked while it waited for a message.
    if (this.#reader !== undefined) this.#dismiss();
    this.#reader = reader;
    if (reader === this.stream) return undefined;
    const unread = this.#core.usedViews?.usedReadable?.takeBack();
    if (unread !== undefined) this.#busy = true;
    return unread;
  }

  /** @throws {TypeError} If something else than `except` reads the messages. */
  assertNotRead(except?: QueueReader): void {
    if (this.isEnded && this.length === 0 && !this.#isCollecting) return;
    for (const reader of [this.#reader, this.stream]) {
      if (reader === except || !reader?.isReading) continue;
      const [what, how] = reader === this.stream
        ? ["conn.readable is locked", "release its reader"]
        : ["an iteration has begun", "leave its loop, or call return() of its iterator,"];
      throw new TypeError(
        `Cannot receive: the connection is being read already, as ${what}; ${how} before another one ` +
          "begins, or have one loop hand the messages out",
      );
    }
  }

  /** Ends what a reader waits for, so that the next message is for others, and lets those begin. */
  stopReading(reader: QueueReader): void {
    if (this.#reader !== reader) return;
    this.#reader = undefined;
    this.#dismiss();
    this.#busy = false;
    this.#core.inbound.readOn();
  }

  /**
   * Takes the next message, if it is there; none is while one is being collected. The program is done with the one
   * taken before: what was not read of its body is dropped.
   */
  take(): ReceivedMessage | undefined {
    if (this.#isCollecting) return undefined;
    this.#busy = false;
    const inHand = this.#inHand;
    this.#inHand = undefined;
    inHand?.dropRest();
    if (this.length === 0) {
      this.#isTaking = true;
      this.#core.inbound.readOn();
      this.#isTaking = false;
    }
    const message = this.#messages?.shift() as ReceivedMessage | undefined;
    if (message === undefined) return undefined;
    if (isStreamed(message)) this.#streamedSize -= STREAM_COST;
    else this.#memory!.release(message);
    this.#handOver(message);
    return message;
  }

  /** Takes the next whole message or Ping for a callback. */
  shift(): Message | ReceivedPing | undefined {
    const message = this.#messages?.shift() as Message | ReceivedPing | undefined;
    if (message === undefined) return undefined;
    this.#size -= message.length;
    this.#memory!.release(message);
    if (message instanceof ReceivedPing) return message;
    this.#handOut(message);
    return message;
  }

  /** Calls back with the next message, after `take` gave none; with `undefined` at the end. */
  wait(taker: Taker): void {
    if (this.isEnded && !this.#isCollecting) taker(undefined);
    else (this.#takers ??= new Fifo()).push(taker);
  }

  /** Collects a message that was taken. Others wait until its taker calls `endCollecting`. */
  collect(message: StreamedMessage): Promise<Message> {
    this.#isCollecting = true;
    return message.type === "text" ? message.text() : message.bytes();
  }

  /** Gives a message that the stream collected to the reader that waits now, if the stream was unlocked meanwhile. */
  passOn(reader: QueueReader, message: Message): boolean {
    if (reader !== this.stream || this.#reader === reader) return false;
    const taker = this.#takers?.shift();
    taker?.(message);
    return taker !== undefined;
  }

  /** Gives those that wait the messages that have arrived since `collect`. */
  endCollecting(): void {
    this.#isCollecting = false;
    while (this.length > 0) {
      const taker = this.#nextTaker();
      if (taker === undefined) return;
      taker(this.take());
    }
    if (this.#isCollecting) return;
    if (this.isEnded) this.#dismiss();
    else if ((this.#takers?.length ?? 0) > 0) this.#core.inbound.readOn();
  }

  /** Takes the one that is to have the next message, if any waits. */
  #nextTaker(): Taker | undefined {
    const taker = this.#isCollecting ? undefined : this.#takers?.shift();
    if (taker === undefined || this.#reader !== this.stream || this.stream?.isReading) return taker;
    // The stream was unlocked while it waited. The message stays here for the next reader.
    taker(undefined);
    return undefined;
  }

  /** Ends what is waited for, without a message. */
  #dismiss(): void {
    const takers = this.#takers;
    for (let taker = takers?.shift(); taker !== undefined; taker = takers?.shift()) {
      taker(undefined);
    }
  }

  /** Nothing will be added any more, though what is in the queue can still be taken. */
  end(): void {
    // Otherwise those that wait are first given what comes behind it.
    if (!this.#isCollecting) this.#dismiss();
    this.#core.usedViews?.usedReadable?.end();
  }

  clear(): void {
    const messages = this.#messages;
    for (let message = messages?.shift(); message !== undefined; message = messages?.shift()) {
      if (isStreamed(message)) {
        this.#size -= message.pendingLength;
        this.#streamedSize -= message.heldLength + STREAM_COST;
      } else {
        this.#size -= message.length;
        this.#memory!.release(message);
      }
    }
    this.end();
  }

  #add(message: ReceivedMessage | ReceivedPing): void {
    if (this.isEnded) return;
    const taker = this.#nextTaker();
    if (taker !== undefined) {
      // Pings are queued for callbacks only, which take nothing.
      this.#handOver(message as ReceivedMessage);
      taker(message as ReceivedMessage);
      return;
    }
    (this.#messages ??= new Fifo()).push(message);
    if (isStreamed(message)) this.#streamedSize += STREAM_COST;
    else (this.#memory ??= new ReceivedMemory()).hold(message);
  }

  #handOver(message: ReceivedMessage): void {
    this.#busy = true;
    if (isStreamed(message)) {
      this.#core.inbound.messageTaken();
      this.#inHand = message;
    } else {
      this.#size -= message.length;
      this.#handOut(message);
    }
  }

  #handOut(message: Message): void {
    const { inbound, settings: { turns } } = this.#core;
    inbound.messageTaken();
    if (message.length > MAX_SMALL) turns.handOut(message.length);
  }
}

type Taker = (message: ReceivedMessage | undefined) => void;

/** Whether a message is streamed: others are strings, or have a place in memory. */
function isStreamed(message: ReceivedMessage | ReceivedPing): message is StreamedMessage {
  return typeof message !== "string" &&
    (message as { byteOffset?: number }).byteOffset === undefined;
}
