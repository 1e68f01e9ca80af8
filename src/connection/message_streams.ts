import type { Message } from "./connection.ts";
import type { MessageIterator } from "./message_iterators.ts";

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

/** Makes a stream of `send`; `fail` errors it. */
export function createWritable(
  target: WritableTarget,
): { stream: WritableStream<Message>; fail: (error: Error) => void } {
  let controller!: WritableStreamDefaultController;
  const stream = new WritableStream<Message>({
    start(startController) {
      controller = startController;
    },
    write: (message) => target.send(message),
    async close() {
      await target.close();
    },
    abort: (reason) => target.abortWriting(reason),
  });
  return { stream, fail: (error) => controller.error(error) };
}
