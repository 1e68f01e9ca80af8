import { queueMicrotask } from "../../timers.ts";
import type {
  Address,
  ByteListener,
  Listen,
  ListenTarget,
  OnChannel,
  OnTlsHandshake,
  TlsCertificate,
} from "../../transport/byte_channel.ts";
import { afterArrivals } from "../shared/event_loop.ts";
import { checkListen } from "../shared/listen_check.ts";
import { toListenError } from "../shared/listen_error.ts";
import { addressesOf, remoteAddressOf, tcpAddress } from "../shared/socket_address.ts";
import { TlsHandshakes } from "../shared/tls_handshakes.ts";
import type { BunApi, BunListener, BunSocket, BunSocketHandler } from "./api.ts";
import { BunChannel } from "./channel.ts";

/** A socket has no channel before its TLS handshake is complete. */
type Socket = BunSocket<BunChannel | undefined>;

declare const Bun: BunApi;

export const listen: Listen = async (target, tls, onChannel, onTlsHandshake) => {
  const resolved = await checkListen(target, tls);
  try {
    return new BunByteListener(resolved, tls, onChannel, onTlsHandshake);
  } catch (error) {
    throw toListenError(target, error);
  }
};

class BunByteListener implements ByteListener {
  readonly afterArrivals = afterArrivals;
  readonly addr: Address;
  readonly #listener: BunListener;
  readonly #onChannel: OnChannel;
  readonly #handshakes: TlsHandshakes<Socket>;

  constructor(
    target: ListenTarget,
    tls: TlsCertificate | undefined,
    onChannel: OnChannel,
    onTlsHandshake: OnTlsHandshake | undefined,
  ) {
    this.#onChannel = onChannel;
    this.#handshakes = new TlsHandshakes((socket) => socket.terminate(), onTlsHandshake);
    const socket: BunSocketHandler<BunChannel | undefined> = {
      ...sharedHandler,
      open: tls === undefined
        ? (socket) => this.#accept(socket)
        : (socket) => this.#handshakes.start(socket, remoteAddressOf(socket)),
      handshake: (socket, success) => {
        if (!this.#handshakes.finish(socket)) return;
        if (success) this.#accept(socket);
        else socket.terminate();
      },
      close: (socket, error) => {
        const channel = socket.data;
        // Bun may call this within a call of the channel's methods, which must not deliver events.
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
      this.addr = tcpAddress(hostname, this.#listener.port);
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
    this.#handshakes.closeAll();
    return Promise.resolve();
  }

  #accept(socket: Socket): void {
    const addresses = addressesOf(socket, this.addr);
    if (addresses === undefined) return socket.terminate();
    const channel = new BunChannel(socket, ...addresses);
    socket.data = channel;
    this.#onChannel(channel);
  }
}

/** The handlers that are the same for all listeners. */
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
