import type { IncomingMessage, Message } from "./connection.ts";
import type { QueueReader, ReceivedMessage, ReceiveQueue } from "./receive_queue.ts";
import { StreamedMessage } from "./streamed_message.ts";
import { isPromise } from "../values.ts";

const DONE: IteratorReturnResult<undefined> = { value: undefined, done: true };

/** Iterates over what is received, one message at a time, from the first `next()` on. */
export abstract class MessageIterator<T> implements AsyncIterableIterator<T>, QueueReader {
  readonly #queue: ReceiveQueue;
  readonly #isWanted: () => boolean;
  #returned = false;

  /** @param isWanted Whether others may not iterate while this is not returned. */
  constructor(queue: ReceiveQueue, isWanted: () => boolean) {
    this.#queue = queue;
    this.#isWanted = isWanted;
  }

  get isReading(): boolean {
    return !this.#returned && this.#isWanted();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<T, undefined>> {
    try {
      return Promise.resolve(this.nextNow());
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Gives the next message; at once where it is there.
   *
   * @throws {TypeError} Where something else reads the messages.
   */
  nextNow(): IteratorResult<T, undefined> | Promise<IteratorResult<T, undefined>> {
    if (this.#returned) return DONE;
    if (!this.#queue.isReadBy(this)) this.#queue.startReading(this);
    const message = this.#queue.take();
    if (message === undefined) return this.#queue.wait().then((later) => this.#result(later));
    return this.#result(message);
  }

  /** Whether there is no further message, and there won't be. */
  get isAtEnd(): boolean {
    return this.#returned || (this.#queue.isEnded && this.#queue.length === 0);
  }

  return(): Promise<IteratorReturnResult<undefined>> {
    this.#returned = true;
    this.#queue.stopReading(this);
    return Promise.resolve(DONE);
  }

  #result(
    message: ReceivedMessage | undefined,
  ): IteratorResult<T, undefined> | Promise<IteratorResult<T, undefined>> {
    if (message === undefined) return DONE;
    const value = this.convert(message);
    if (isPromise(value)) return value.then((value) => ({ value, done: false }));
    return { value, done: false };
  }

  /** Makes of a message what this iterator gives. It may have been received for another one. */
  protected abstract convert(message: ReceivedMessage): T | Promise<T>;
}

class WholeMessageIterator extends MessageIterator<Message> {
  protected override convert(message: ReceivedMessage): Message | Promise<Message> {
    if (!(message instanceof StreamedMessage)) return message;
    return message.type === "text" ? message.text() : message.bytes();
  }
}

class StreamedMessageIterator extends MessageIterator<IncomingMessage> {
  protected override convert(message: ReceivedMessage): IncomingMessage {
    if (message instanceof StreamedMessage) return message;
    const isText = typeof message === "string";
    const streamed = new StreamedMessage(isText ? "text" : "binary", () => {});
    const bytes = isText ? new TextEncoder().encode(message) : message;
    streamed.push(bytes, 0, bytes.length);
    streamed.end();
    return streamed;
  }
}

/**
 * Iterates over whole messages.
 *
 * @param isWanted Whether others may not iterate while this is not returned. Always, by default.
 */
export function iterateMessages(
  queue: ReceiveQueue,
  isWanted: () => boolean = always,
): MessageIterator<Message> {
  return new WholeMessageIterator(queue, isWanted);
}

/** Iterates over messages whose bodies are streams. */
export function iterateStreams(queue: ReceiveQueue): AsyncIterableIterator<IncomingMessage> {
  return new StreamedMessageIterator(queue, always);
}

function always(): boolean {
  return true;
}
