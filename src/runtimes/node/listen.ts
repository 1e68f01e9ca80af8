/**
 * Listens with `node:net` and `node:tls`.
 *
 * @module
 */

import { existsSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { dirname } from "node:path";
import { createServer as createTlsServer } from "node:tls";
import type {
  Address,
  ByteChannel,
  ByteListener,
  Listen,
  ListenTarget,
  OnTlsHandshake,
  TlsCertificate,
} from "../../transport/byte_channel.ts";
import { systemTurns } from "../../connection/turns.ts";
import { afterArrivals } from "../shared/after_arrivals.ts";
import { BACKLOG, checkListen, isWildcard } from "../shared/listen_check.ts";
import { listenError, toListenError } from "../shared/listen_error.ts";
import { NodeChannel } from "./channel.ts";
import { TlsHandshakes } from "../shared/tls_handshakes.ts";
import "../shared/turns.ts";

type OnChannel = (channel: ByteChannel) => void;

/** Listens on a TCP or Unix socket of Node. */
export const listen: Listen = async (target, tls, onChannel, onTlsHandshake) => {
  const resolved = await checkListen(target, tls);
  try {
    const listener = new NodeListener(resolved, tls, onChannel, onTlsHandshake);
    await listener.bind();
    return listener;
  } catch (error) {
    // For a missing directory, libuv says that permission is denied, as Windows does.
    const lacksFolder = "path" in target && !existsSync(dirname(target.path));
    throw lacksFolder ? listenError(target, "ENOENT", error) : toListenError(target, error);
  }
};

/** A server of Node as a byte listener. */
class NodeListener implements ByteListener {
  readonly afterArrivals = afterArrivals;
  readonly #target: ListenTarget;
  readonly #isBareTcp: boolean;
  readonly #server: Server;
  readonly #onChannel: OnChannel;
  /** TCP connections whose TLS handshake is under way. */
  readonly #handshakes: TlsHandshakes<Socket>;
  /** The same by name: Node does not tell which connection a TLS socket was put on. */
  readonly #raws = new Map<string, Socket>();
  #addr: Address;
  #closed = false;

  constructor(
    target: ListenTarget,
    tls: TlsCertificate | undefined,
    onChannel: OnChannel,
    onTlsHandshake: OnTlsHandshake | undefined,
  ) {
    this.#handshakes = new TlsHandshakes((raw) => raw.destroy(), onTlsHandshake);
    this.#target = target;
    this.#isBareTcp = tls === undefined && "port" in target;
    this.#onChannel = onChannel;
    this.#addr = "path" in target ? { transport: "unix", path: target.path } : tcp(target);
    if (tls === undefined) {
      const options = { allowHalfOpen: true, noDelay: true };
      this.#server = createServer(options, (socket) => {
        systemTurns.rest();
        this.#accept(socket);
      });
      return;
    }
    const { cert, key } = tls;
    // Not half-open yet: what a peer ends before its handshake is done should close at once.
    const server = createTlsServer(
      { cert, key, noDelay: true },
      (socket) => this.#finishHandshake(socket),
    );
    server.on("connection", (raw) => this.#startHandshake(raw));
    this.#server = server;
  }

  get addr(): Address {
    return this.#addr;
  }

  /** Starts to listen. */
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
    // What fails from here on is one accept, such as where descriptors ran out; libuv backs off.
    server.on("error", () => {});
    const address = server.address();
    if (typeof address === "object" && address !== null) {
      this.#addr = tcp({ hostname: address.address, port: address.port });
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
      // The callback would wait for the open channels; listening ends at once.
      this.#server.close();
      this.#handshakes.dropAll();
    }
    return Promise.resolve();
  }

  #startHandshake(raw: Socket): void {
    systemTurns.rest();
    const name = nameOf(raw);
    this.#raws.set(name, raw);
    raw.once("close", () => {
      this.#handshakes.finish(raw);
      if (this.#raws.get(name) === raw) this.#raws.delete(name);
    });
    const { remoteAddress = "", remotePort = 0 } = raw;
    this.#handshakes.start(raw, tcp({ hostname: remoteAddress, port: remotePort }));
  }

  #finishHandshake(socket: Socket): void {
    const raw = this.#raws.get(nameOf(socket));
    if (raw === undefined || !this.#handshakes.finish(raw)) return discard(socket);
    socket.allowHalfOpen = raw.allowHalfOpen = true;
    this.#accept(socket);
  }

  #accept(socket: Socket): void {
    let remote: Address = { transport: "unix", path: "" };
    let local = this.#addr;
    if (local.transport === "tcp") {
      const { remoteAddress, remotePort } = socket;
      // A peer that is gone before it was accepted has no address.
      if (remoteAddress === undefined) return discard(socket);
      remote = tcp({ hostname: remoteAddress, port: remotePort ?? 0 });
      if (isWildcard(local.hostname)) {
        const { localAddress = "", localPort = 0 } = socket;
        local = tcp({ hostname: localAddress, port: localPort });
      }
    }
    this.#onChannel(new NodeChannel(socket, this.#isBareTcp, remote, local));
  }
}

/** Drops a socket that never becomes a channel. */
function discard(socket: Socket): void {
  socket.on("error", () => {});
  socket.destroy();
}

function tcp(target: { hostname: string; port: number }): Address {
  return { transport: "tcp", hostname: target.hostname, port: target.port };
}

/** Names a connection by its two ends. */
function nameOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}
