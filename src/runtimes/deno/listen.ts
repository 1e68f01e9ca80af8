/**
 * Listens with `Deno.listen`.
 *
 * @module
 */

import type {
  Address,
  ByteChannel,
  ByteListener,
  Listen,
  ListenTarget,
} from "../../transport/byte_channel.ts";
import { systemTurns } from "../../connection/turns.ts";
import type { DenoApi, DenoConn, DenoListener } from "./api.ts";
import { DenoChannel } from "./channel.ts";
import { noDelay, toAddress } from "./conn.ts";
import { BACKLOG, checkListen } from "../shared/listen_check.ts";
import { toListenError } from "../shared/listen_error.ts";
import { queueMicrotask, setTimeout } from "../../timers.ts";

type OnChannel = (channel: ByteChannel) => void;

declare const Deno: DenoApi;

/** How long accepting rests after it failed for reasons that last, such as want of descriptors. */
const acceptRestMs = 100;

/** How many connections are accepted before others must have had a turn. */
const ACCEPTED_AT_ONCE = 64;

/** Errors of `accept()` that concern one peer, which has gone already. */
const peerErrors: ReadonlySet<unknown> = new Set([
  "ConnectionAborted",
  "ConnectionReset",
  "NotConnected",
]);

/** Settle when the listeners that were closed have let go of their addresses. */
const closing: Set<Promise<void>> = new Set();

/** Listens on a TCP or Unix socket of Deno. */
export const listen: Listen = async (target, tls, onChannel, onTlsHandshake) => {
  const resolved = await checkListen(target, tls);
  try {
    // One that has been closed just now may have the address still.
    await Promise.all(closing);
    if (tls === undefined) return listenPlain(resolved, onChannel);
    // A connection of Deno.listenTls can't be closed during its handshake, nor while its peer does
    // not read: close() goes on waiting for the peer, and keeps the descriptor for as long as the
    // peer likes. It has no setNoDelay() either.
    const { listenTlsOver } = await import("../node/tls_over_channel.ts");
    const listenOn = (onPlain: OnChannel) => listenPlain(resolved, onPlain);
    return listenTlsOver(tls, listenOn, onChannel, onTlsHandshake);
  } catch (error) {
    throw toListenError(target, error);
  }
};

function listenPlain(target: ListenTarget, onChannel: OnChannel): DenoByteListener {
  const options = "path" in target
    ? { transport: "unix", ...target } as const
    : { ...target, tcpBacklog: BACKLOG };
  return new DenoByteListener(Deno.listen(options), onChannel);
}

/** A listening socket of Deno as a byte listener. */
class DenoByteListener implements ByteListener {
  readonly addr: Address;
  readonly #listener: DenoListener;
  readonly #onChannel: OnChannel;
  readonly #accepting: Promise<void>;
  #closed = false;

  constructor(listener: DenoListener, onChannel: OnChannel) {
    this.addr = toAddress(listener.addr);
    this.#listener = listener;
    this.#onChannel = onChannel;
    this.#accepting = this.#acceptAll();
  }

  ref(): void {
    this.#listener.ref();
  }

  unref(): void {
    this.#listener.unref();
  }

  close(): Promise<void> {
    if (!this.#closed) {
      this.#closed = true;
      this.#listener.close();
      closing.add(this.#accepting);
      void this.#accepting.finally(() => closing.delete(this.#accepting));
    }
    // Deno lets go of the address once accept() has seen that it was closed.
    return this.#accepting;
  }

  async #acceptAll(): Promise<void> {
    for (let accepted = 1; !this.#closed; accepted++) {
      let conn: DenoConn;
      try {
        conn = await this.#listener.accept();
      } catch (error) {
        const lasts = !this.#closed && !peerErrors.has((error as { name?: unknown }).name);
        if (lasts) await new Promise((resolve) => setTimeout(resolve, acceptRestMs));
        continue;
      }
      if (this.#closed) return conn.close();
      const { remoteAddr, localAddr } = conn;
      noDelay(conn);
      const channel = new DenoChannel(conn, toAddress(remoteAddr), toAddress(localAddr));
      // Out of this loop, which must not end where the callee throws.
      queueMicrotask(() => this.#onChannel(channel));
      if (accepted % ACCEPTED_AT_ONCE === 0) await systemTurns.next();
    }
  }
}
