import type { Message } from "./connection.ts";
import type { MessageIterator } from "./message_iterators.ts";
import { createDeferred, type Deferred, RESOLVED } from "./promises.ts";

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
): ReadableStream<Message> {
  let controller!: ReadableStreamDefaultController<Message>;
  const deliver = ({ done, value }: IteratorResult<Message, undefined>): void => {
    if (!done) {
      controller.enqueue(value);
      return;
    }
    const error = endError();
    if (error === undefined) controller.close();
    else controller.error(error);
  };
  return new ReadableStream<Message>({
    start(startController) {
      controller = startController;
    },
    pull() {
      const next = messages.nextNow();
      return next instanceof Promise ? next.then(deliver) : deliver(next);
    },
    cancel(reason) {
      void messages.return();
      onCancel(reason);
    },
  }, { highWaterMark: 0 });
}

/** What a writable stream does with the connection. */
export interface WritableTarget {
  send(message: Message): Promise<void>;
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
): { stream: WritableStream<Message>; fail: (error: Error) => void } {
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
  const stream = new WritableStream<Message>({
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
