import type { IncomingMessage, Message } from "./connection.ts";
import type { ReceivedMessage, ReceiveQueue } from "./receive_queue.ts";
import { StreamedMessage } from "./streamed_message.ts";
import { isPromise } from "../values.ts";

const DONE: IteratorReturnResult<undefined> = { value: undefined, done: true };

/** Iterates over what is received, one message at a time. */
export abstract class MessageIterator<T> implements AsyncIterableIterator<T> {
  readonly #queue: ReceiveQueue;
  #returned = false;

  constructor(queue: ReceiveQueue) {
    this.#queue = queue;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<T, undefined>> {
    return Promise.resolve(this.nextNow());
  }

  /** Gives the next message; at once where it is there. */
  nextNow(): IteratorResult<T, undefined> | Promise<IteratorResult<T, undefined>> {
    if (this.#returned) return DONE;
    const message = this.#queue.take();
    if (message === undefined) return this.#queue.wait(this).then((later) => this.#result(later));
    return this.#result(message);
  }

  /** Whether there is no further message, and there won't be. */
  get isAtEnd(): boolean {
    return this.#returned || (this.#queue.isEnded && this.#queue.length === 0);
  }

  return(): Promise<IteratorReturnResult<undefined>> {
    if (!this.#returned) {
      this.#returned = true;
      this.#queue.dismiss(this);
      this.#queue.release();
    }
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

/** Iterates over whole messages. */
export function iterateMessages(queue: ReceiveQueue): MessageIterator<Message> {
  return new WholeMessageIterator(queue);
}

/** Iterates over messages whose bodies are streams. */
export function iterateStreams(queue: ReceiveQueue): AsyncIterableIterator<IncomingMessage> {
  return new StreamedMessageIterator(queue);
}
