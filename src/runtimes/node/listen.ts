import { existsSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { dirname } from "node:path";
import { createServer as createTlsServer } from "node:tls";
import { systemTurns } from "../../connection/turns.ts";
import type {
  Address,
  ByteListener,
  Listen,
  ListenTarget,
  OnChannel,
  TlsCertificate,
} from "../../transport/byte_channel.ts";
import { BACKLOG } from "../shared/backlog.ts";
import { afterArrivals } from "../shared/event_loop.ts";
import { addressesOf, remoteAddressOf, tcpAddress } from "../shared/socket_address.ts";
import type { TlsHandshakes } from "../shared/tls_handshakes.ts";
import { NodeChannel } from "./channel.ts";

export const listen: Listen = async (target, tls, onChannel, onTlsHandshake) => {
  const { checkListen, listenError, TlsHandshakes, toListenError } = await import(
    "../shared/listen_check.ts"
  );
  const resolved = await checkListen(target, tls);
  try {
    const handshakes = tls && new TlsHandshakes<Socket>((raw) => raw.destroy(), onTlsHandshake);
    const listener = new NodeByteListener(resolved, tls, onChannel, handshakes);
    await listener.bind();
    return listener;
  } catch (error) {
    // If the directory does not exist, libuv reports that permission is denied, as Windows does.
    const isMissing = "path" in target && !existsSync(dirname(target.path));
    throw isMissing ? listenError(target, "ENOENT", error) : toListenError(target, error);
  }
};

class NodeByteListener implements ByteListener {
  readonly afterArrivals = afterArrivals;
  readonly #target: ListenTarget;
  readonly #isBareTcp: boolean;
  readonly #isTls: boolean;
  readonly #server: Server;
  readonly #onChannel: OnChannel;
  /** The TCP sockets whose TLS handshake is in progress. */
  readonly #handshakes: TlsHandshakes<Socket> | undefined;
  /** The TCP sockets below TLS, by their addresses: Node does not tell which one a TLS socket uses. */
  readonly #raws = new Map<string, Socket>();
  #addr: Address;
  #closed = false;

  constructor(
    target: ListenTarget,
    tls: TlsCertificate | undefined,
    onChannel: OnChannel,
    handshakes: TlsHandshakes<Socket> | undefined,
  ) {
    this.#handshakes = handshakes;
    this.#target = target;
    this.#isTls = tls !== undefined;
    this.#isBareTcp = !this.#isTls && "port" in target;
    this.#onChannel = onChannel;
    this.#addr = "path" in target
      ? { transport: "unix", path: target.path }
      : tcpAddress(target.hostname, target.port);
    if (tls === undefined) {
      const options = { allowHalfOpen: true, noDelay: true };
      this.#server = createServer(options, (socket) => {
        systemTurns.rest();
        this.#accept(socket);
      });
    } else {
      // Half-open only after the handshake: a peer that ends during it is to be closed at once.
      const options = { cert: tls.cert, key: tls.key, noDelay: true };
      this.#server = createTlsServer(options, (socket) => this.#finishHandshake(socket));
      this.#server.on("connection", (raw) => this.#startHandshake(raw));
    }
  }

  get addr(): Address {
    return this.#addr;
  }

  async bind(): Promise<void> {
    const server = this.#server;
    const target = this.#target;
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(
        "path" in target
          ? { ...target, backlog: BACKLOG }
          : { host: target.hostname, port: target.port, backlog: BACKLOG },
        () => {
          server.off("error", reject);
          resolve();
        },
      );
    });
    // Later errors concern one accept, such as too many open files. libuv backs off by itself.
    server.on("error", () => {});
    const address = server.address();
    if (typeof address === "object" && address !== null) {
      this.#addr = tcpAddress(address.address, address.port);
    }
  }

  ref(): void {
    this.#server.ref();
  }

  unref(): void {
    this.#server.unref();
  }

  close(): Promise<void> {
    if (!this.#closed) {
      this.#closed = true;
      // Listening ends at once. Only the callback would wait for the open channels.
      this.#server.close();
      this.#handshakes?.closeAll();
    }
    return Promise.resolve();
  }

  #startHandshake(raw: Socket): void {
    systemTurns.rest();
    const name = nameOf(raw);
    this.#raws.set(name, raw);
    raw.once("close", () => {
      this.#handshakes!.finish(raw);
      if (this.#raws.get(name) === raw) this.#raws.delete(name);
    });
    this.#handshakes!.start(raw, remoteAddressOf(raw));
  }

  #finishHandshake(socket: Socket): void {
    const raw = this.#raws.get(nameOf(socket));
    if (raw === undefined || !this.#handshakes!.finish(raw)) return discard(socket);
    socket.allowHalfOpen = raw.allowHalfOpen = true;
    this.#accept(socket);
  }

  #accept(socket: Socket): void {
    const addresses = addressesOf(socket, this.#addr);
    if (addresses === undefined) return discard(socket);
    const channel = new NodeChannel(socket, this.#isBareTcp, ...addresses);
    if (!this.#isTls) channel.shareInput();
    this.#onChannel(channel);
  }
}

/** Closes a socket that does not become a channel. */
function discard(socket: Socket): void {
  socket.on("error", () => {});
  socket.destroy();
}

/** Identifies a connection by its two addresses. */
function nameOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}
