import type { IncomingMessage, Message } from "../connection.ts";
import type { QueueReader, ReceivedMessage, ReceiveQueue } from "../receive_queue.ts";
import { StreamedMessage } from "../streamed_message.ts";

const DONE: IteratorReturnResult<undefined> = { value: undefined, done: true };

type Give<T> = (result: IteratorResult<T, undefined>) => void;
type Fail = (error: unknown) => void;

/** Iterates over received messages, one at a time, from the first `next()` on. */
export class MessageIterator<T> implements AsyncIterableIterator<T>, QueueReader {
  readonly #queue: ReceiveQueue;
  readonly #convert: (message: ReceivedMessage) => T | undefined;
  readonly #isWanted: () => boolean;
  #returned = false;

  /**
   * @param convert Converts a message to the type of this iterator: it may have been received for another one.
   * `undefined` says that it is to be collected.
   * @param isWanted Whether this still excludes other readers, as long as `return()` was not called.
   */
  constructor(
    queue: ReceiveQueue,
    convert: (message: ReceivedMessage) => T | undefined,
    isWanted: () => boolean = () => true,
  ) {
    this.#queue = queue;
    this.#convert = convert;
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
   * Returns the next message: not as a promise if one is queued. Otherwise `deliver` is called before it resolves.
   *
   * @throws {TypeError} If another reader has the messages.
   */
  nextNow(
    deliver?: Give<T>,
  ): IteratorResult<T, undefined> | Promise<IteratorResult<T, undefined>> {
    if (this.#returned) return DONE;
    const queue = this.#queue;
    const message = queue.startReading(this) ?? queue.take();
    if (message === undefined) return this.#nextLater(undefined, deliver);
    const value = this.#convert(message);
    if (value === undefined) return this.#nextLater(message as StreamedMessage, deliver);
    return { value, done: false };
  }

  /** Whether there will be no further message. */
  get isAtEnd(): boolean {
    return this.#returned || (this.#queue.isEnded && this.#queue.length === 0);
  }

  return(): Promise<IteratorReturnResult<undefined>> {
    this.#returned = true;
    this.#queue.stopReading(this);
    return Promise.resolve(DONE);
  }

  /** Returns a promise of the message that is to be collected, or else of the next one. */
  #nextLater(
    message: StreamedMessage | undefined,
    deliver: Give<T> | undefined,
  ): Promise<IteratorResult<T, undefined>> {
    return new Promise((resolve, reject) => {
      const give: Give<T> = deliver === undefined ? resolve : (result) => {
        deliver(result);
        resolve(result);
      };
      if (message !== undefined) this.#collect(message, give, reject);
      else this.#queue.wait((message) => this.#give(message, give, reject));
    });
  }

  #give(message: ReceivedMessage | undefined, give: Give<T>, fail: Fail): void {
    if (message === undefined) return give(DONE);
    const value = this.#convert(message);
    if (value === undefined) this.#collect(message as StreamedMessage, give, fail);
    else give({ value, done: false });
  }

  /** Has the queue collect a message, and delivers it; only then may the next reader continue. */
  #collect(message: StreamedMessage, give: Give<T>, fail: Fail): void {
    (this.#queue.collect(message) as Promise<T & Message>)
      .then((value) => give(this.#queue.passOn(this, value) ? DONE : { value, done: false }), fail)
      .then(() => this.#queue.endCollecting());
  }
}

/** Iterates over whole messages; `isWanted` as in {@linkcode MessageIterator}. */
export function iterateMessages(
  queue: ReceiveQueue,
  isWanted?: () => boolean,
): MessageIterator<Message> {
  return new MessageIterator(
    queue,
    (message) => message instanceof StreamedMessage ? undefined : message,
    isWanted,
  );
}

/** Iterates over messages whose bodies are streams. */
export function iterateStreams(queue: ReceiveQueue): AsyncIterableIterator<IncomingMessage> {
  return new MessageIterator<IncomingMessage>(queue, (message) => {
    if (message instanceof StreamedMessage) return message;
    const isText = typeof message === "string";
    const streamed = new StreamedMessage(isText ? "text" : "binary");
    const bytes = isText ? new TextEncoder().encode(message) : message;
    streamed.push(bytes, 0, bytes.length);
    streamed.end();
    return streamed;
  });
}
