import { systemTurns } from "../../connection/turns.ts";
import { queueMicrotask, setTimeout } from "../../timers.ts";
import type {
  ByteListener,
  Listen,
  ListenTarget,
  OnChannel,
} from "../../transport/byte_channel.ts";
import { BACKLOG } from "../shared/backlog.ts";
import { checkListen } from "../shared/listen_check.ts";
import { toListenError } from "../shared/listen_error.ts";
import type { DenoApi, DenoConn } from "./api.ts";
import { openChannel, toAddress } from "./channel.ts";

declare const Deno: DenoApi;

/** The delay after a persistent error of `accept()`, such as too many open files, in milliseconds. */
const RETRY_DELAY_MS = 100;

/** How many connections are accepted before the event loop has a turn. */
const ACCEPTED_AT_ONCE = 64;

/** Errors of `accept()` that concern one peer, which has closed its socket already. */
const PEER_ERRORS: ReadonlySet<unknown> = new Set([
  "ConnectionAborted",
  "ConnectionReset",
  "NotConnected",
]);

/** Each resolves when a listener that was closed has released its address. */
const closing: Set<Promise<void>> = new Set();

export const listen: Listen = async (target, tls, onChannel, onTlsHandshake) => {
  const resolved = await checkListen(target, tls);
  try {
    // A listener that was just closed may not have released the address yet.
    await Promise.all(closing);
    if (tls === undefined) return listenPlain(resolved, onChannel);
    // Not Deno.listenTls: during the TLS handshake, and while the peer does not read, close() of its
    // connections waits for the peer, which can hold the descriptor for any time. They have no setNoDelay()
    // either.
    const { listenTlsOver } = await import("../node/listen_tls.ts");
    const listenOn = (onPlain: OnChannel) => listenPlain(resolved, onPlain);
    return listenTlsOver(tls, listenOn, onChannel, onTlsHandshake);
  } catch (error) {
    throw toListenError(target, error);
  }
};

function listenPlain(target: ListenTarget, onChannel: OnChannel): ByteListener {
  const listener = Deno.listen(
    "path" in target ? { transport: "unix", ...target } : { ...target, tcpBacklog: BACKLOG },
  );
  let isClosed = false;
  async function acceptAll(): Promise<void> {
    for (let accepted = 1; !isClosed; accepted++) {
      let conn: DenoConn;
      try {
        conn = await listener.accept();
      } catch (error) {
        const isPersistent = !isClosed && !PEER_ERRORS.has((error as { name?: unknown }).name);
        if (isPersistent) await new Promise((resolve) => setTimeout(resolve, RETRY_DELAY_MS));
        continue;
      }
      if (isClosed) return conn.close();
      const channel = openChannel(conn);
      // In a microtask, since an error of the callee must not end this loop.
      queueMicrotask(() => onChannel(channel));
      if (accepted % ACCEPTED_AT_ONCE === 0) await systemTurns.next();
    }
  }

  const accepting = acceptAll();
  return {
    addr: toAddress(listener.addr),
    ref: () => listener.ref(),
    unref: () => listener.unref(),
    close() {
      if (!isClosed) {
        isClosed = true;
        listener.close();
        closing.add(accepting);
        void accepting.finally(() => closing.delete(accepting));
      }
      // Deno releases the address once the pending accept() has rejected.
      return accepting;
    },
  };
}
