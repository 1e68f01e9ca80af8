/**
 * Listens with `Bun.listen`.
 *
 * @module
 */

import type {
  ByteChannel,
  ByteListener,
  Listen,
  ListenTarget,
} from "../../transport/byte_channel.ts";
import type { Address, OnTlsHandshake, TlsCertificate } from "../../transport/byte_channel.ts";
import { afterArrivals } from "../shared/after_arrivals.ts";
import type { BunApi, BunListener, BunSocket, BunSocketHandler } from "./api.ts";
import { BunChannel } from "./channel.ts";
import { checkListen, isWildcard } from "../shared/listen_check.ts";
import { toListenError } from "../shared/listen_error.ts";
import { TlsHandshakes } from "../shared/tls_handshakes.ts";
import "../shared/turns.ts";
import { queueMicrotask } from "../../timers.ts";

/** A socket has no channel before its TLS handshake is done. */
type Socket = BunSocket<BunChannel | undefined>;

declare const Bun: BunApi;

/** Listens on a TCP or Unix socket of Bun. */
export const listen: Listen = async (target, tls, onChannel, onTlsHandshake) => {
  const resolved = await checkListen(target, tls);
  try {
    return new BunByteListener(resolved, tls, onChannel, onTlsHandshake);
  } catch (error) {
    throw toListenError(target, error);
  }
};

/** A listening socket of Bun as a byte listener. */
class BunByteListener implements ByteListener {
  readonly afterArrivals = afterArrivals;
  readonly addr: Address;
  readonly #listener: BunListener;
  readonly #onChannel: (channel: ByteChannel) => void;
  readonly #handshakes: TlsHandshakes<Socket>;

  constructor(
    target: ListenTarget,
    tls: TlsCertificate | undefined,
    onChannel: (channel: ByteChannel) => void,
    onTlsHandshake: OnTlsHandshake | undefined,
  ) {
    this.#onChannel = onChannel;
    this.#handshakes = new TlsHandshakes((socket) => socket.terminate(), onTlsHandshake);
    const socket: BunSocketHandler<BunChannel | undefined> = {
      ...sharedHandler,
      open: tls === undefined
        ? (socket) => this.#accept(socket)
        : (socket) => this.#handshakes.start(socket, remoteOf(socket)),
      handshake: (socket, success) => {
        if (!this.#handshakes.finish(socket)) return;
        if (success) this.#accept(socket);
        else socket.terminate();
      },
      close: (socket, error) => {
        const channel = socket.data;
        // Bun may close within a call of ours, in which no event may be delivered.
        if (channel !== undefined) queueMicrotask(() => channel.receiveClose(error));
        else this.#handshakes.finish(socket);
      },
    };
    const options = { allowHalfOpen: true, socket, tls };
    if ("path" in target) {
      this.#listener = Bun.listen({ unix: target.path, ...options });
      this.addr = { transport: "unix", path: target.path };
    } else {
      const { hostname, port } = target;
      this.#listener = Bun.listen({ hostname, port, ...options });
      this.addr = { transport: "tcp", hostname, port: this.#listener.port };
    }
  }

  ref(): void {
    this.#listener.ref();
  }

  unref(): void {
    this.#listener.unref();
  }

  close(): Promise<void> {
    this.#listener.stop();
    this.#handshakes.dropAll();
    return Promise.resolve();
  }

  #accept(socket: Socket): void {
    let remote: Address = { transport: "unix", path: "" };
    let local = this.addr;
    if (local.transport === "tcp") {
      const { remoteAddress, remotePort } = socket;
      if (isWildcard(local.hostname)) {
        const { localAddress = "", localPort = 0 } = socket;
        local = { transport: "tcp", hostname: localAddress, port: localPort };
      }
      // A peer that is gone before it was accepted has no address.
      if (remoteAddress === undefined) {
        socket.terminate();
        return;
      }
      socket.setNoDelay(true);
      remote = { transport: "tcp", hostname: remoteAddress, port: remotePort ?? 0 };
    }
    const channel = new BunChannel(socket, remote, local);
    socket.data = channel;
    this.#onChannel(channel);
  }
}

/** The address of a peer on TCP; `""` where it has left already. */
function remoteOf({ remoteAddress = "", remotePort = 0 }: Socket): Address {
  return { transport: "tcp", hostname: remoteAddress, port: remotePort };
}

/** The handlers that are the same for every listener. */
const sharedHandler = {
  binaryType: "uint8array",
  data(socket: Socket, bytes: Uint8Array): void {
    socket.data?.receiveData(bytes);
  },
  end(socket: Socket): void {
    socket.data?.receiveEnd();
  },
  drain(socket: Socket): void {
    socket.data?.receiveDrain();
  },
} as const;
