import type { Message } from "../connection.ts";
import type { MessageIterator } from "./message_iterators.ts";
import { isThenable } from "../../hooks.ts";

export interface Readable {
  readonly stream: ReadableStream<Message>;
  /** Ends the stream if no message is left: a reader may already wait for the end. */
  end(): void;
  /** Takes back a message that was enqueued and not read, if there is one and the stream is not locked. */
  takeBack(): Message | undefined;
}

/**
 * Creates a stream of the messages that pulls one at a time. At the end it errors with what `endError` gives, or
 * closes if that is `undefined`.
 */
export function createReadable(
  messages: MessageIterator<Message>,
  endError: () => Error | undefined,
  onCancel: (reason: unknown) => void,
): Readable {
  let controller!: ReadableStreamDefaultController<Message>;
  /** The last message, if its reader was released before it arrived. */
  let unread: Message | undefined;
  let isPulling = false;
  let isOver = false;
  const holdsUnread = (): boolean => (controller.desiredSize ?? 0) < 0;
  const end = (): void => {
    if (isPulling || isOver || !messages.isAtEnd) return;
    const error = endError();
    // An error would discard an unread message: it has to wait for the next pull.
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
      // The stream ignores the result.
      return isThenable(next) ? next as Promise<unknown> as Promise<void> : deliver(next);
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
