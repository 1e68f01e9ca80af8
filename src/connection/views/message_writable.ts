import { createDeferred, type Deferred, RESOLVED } from "../../promises.ts";
import { CloseCode } from "../../codec/close_code.ts";
import type { Sendable } from "../connection.ts";
import type { ConnectionCore } from "../core.ts";
import { closeStatusOf } from "../give_up.ts";

/**
 * Creates a writable stream on top of `send`; `fail` errors it, unless it is being closed. After an abort
 * or error, pending writes no longer wait for the peer: messages that were passed to `send` are sent anyway.
 */
export function createWritable(
  { closing, conn }: ConnectionCore,
): { stream: WritableStream<Sendable>; fail: (error: Error) => void } {
  let controller!: WritableStreamDefaultController;
  let pending: Deferred<void> | undefined;
  let isClosing = false;
  const unlessGivenUp = (promise: Promise<void>): Promise<void> => {
    // The fast path: `send` returns this if the peer keeps up.
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
    write: (message) => unlessGivenUp(conn.send(message)),
    close() {
      isClosing = true;
      return unlessGivenUp(conn.close().then(() => {}));
    },
    abort: (reason) =>
      closing.close(closeStatusOf(reason) ?? { closeCode: CloseCode.InternalError, reason: "" }),
  });
  const fail = (error: Error): void => {
    if (isClosing) return;
    controller.error(error);
    pending?.reject(error);
  };
  return { stream, fail };
}
