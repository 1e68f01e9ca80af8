import type { Message, Sendable } from "../connection.ts";
import type { MessageIterator } from "./message_iterators.ts";
import { createDeferred, type Deferred, RESOLVED } from "../../promises.ts";
import { isPromise } from "../../values.ts";

/** The messages as a stream. */
export interface Readable {
  readonly stream: ReadableStream<Message>;
  /** Ends it, where no message is left: a reader may wait for that alone. */
  end(): void;
  /** Takes back the message that it was given and nobody has read, if there is one and it is not locked. */
  takeBack(): Message | undefined;
}

/**
 * Makes a stream of the messages, which pulls one at a time.
 *
 * @param endError Tells, at the end, whether the stream is to error, and with what.
 * @param onCancel Called where the stream is cancelled, with the reason.
 */
export function createReadable(
  messages: MessageIterator<Message>,
  endError: () => Error | undefined,
  onCancel: (reason: unknown) => void,
): Readable {
  let controller!: ReadableStreamDefaultController<Message>;
  /** What was given last where nobody waited for it any more: the reader that did was released. */
  let unread: Message | undefined;
  let isPulling = false;
  let isOver = false;
  const holdsUnread = (): boolean => (controller.desiredSize ?? 0) < 0;
  const end = (): void => {
    if (isPulling || isOver || !messages.isAtEnd) return;
    const error = endError();
    // An error comes behind what is unread, when more is asked for: it would have the stream drop that.
    if (error !== undefined && holdsUnread()) return;
    isOver = true;
    if (error === undefined) controller.close();
    else controller.error(error);
  };
  const deliver = ({ done, value }: IteratorResult<Message, undefined>): void => {
    isPulling = false;
    if (isOver) return;
    if (!done) {
      controller.enqueue(value);
      if (holdsUnread()) unread = value;
    }
    end();
  };
  const stream = new ReadableStream<Message>({
    start(startController) {
      controller = startController;
      end();
    },
    pull() {
      isPulling = true;
      unread = undefined;
      const next = messages.nextNow(deliver);
      // What it resolves with is of no use to the stream.
      return isPromise(next) ? next as Promise<unknown> as Promise<void> : deliver(next);
    },
    cancel(reason) {
      isOver = true;
      void messages.return();
      onCancel(reason);
    },
  }, { highWaterMark: 0 });
  const takeBack = (): Message | undefined => {
    if (!holdsUnread() || stream.locked) return undefined;
    const reader = stream.getReader();
    void reader.read();
    reader.releaseLock();
    return unread;
  };
  return { stream, end, takeBack };
}

/** What a writable stream does with the connection. */
export interface WritableTarget {
  send(message: Sendable): Promise<void>;
  close(): Promise<unknown>;
  /** Closes for what a stream of the connection was aborted with. */
  abortWriting(reason: unknown): void;
}

/**
 * Makes a stream of `send`; `fail` errors it, unless it is being closed. Who gives it up, or whose
 * stream errors, does not wait for the peer: what is under way is left to itself.
 */
export function createWritable(
  target: WritableTarget,
): { stream: WritableStream<Sendable>; fail: (error: Error) => void } {
  let controller!: WritableStreamDefaultController;
  let pending: Deferred<void> | undefined;
  let isClosing = false;
  const unlessGivenUp = (promise: Promise<void>): Promise<void> => {
    // What `send` returns where the peer keeps up.
    if (promise === RESOLVED) return promise;
    pending = createDeferred();
    promise.then(pending.resolve, pending.reject);
    return pending.promise;
  };
  const stream = new WritableStream<Sendable>({
    start(startController) {
      controller = startController;
      const { signal } = controller;
      signal.addEventListener("abort", () => pending?.reject(signal.reason));
    },
    write: (message) => unlessGivenUp(target.send(message)),
    close() {
      isClosing = true;
      return unlessGivenUp(target.close().then(() => {}));
    },
    abort: (reason) => target.abortWriting(reason),
  });
  const fail = (error: Error): void => {
    if (isClosing) return;
    controller.error(error);
    pending?.reject(error);
  };
  return { stream, fail };
}
