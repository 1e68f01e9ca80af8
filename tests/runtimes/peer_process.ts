/**
 * The other end of the connections that the tests of the runtimes open: a helper process, of Node
 * whichever runtime the tests run on. `peer.ts` starts it.
 *
 * @module
 */

import { connect, createServer, type NetConnectOpts, type Socket } from "node:net";
import process from "node:process";
import { connect as connectTls, createServer as createTlsServer } from "node:tls";
import { answerRequests } from "../support/helper_process.ts";
import { certificate } from "../support/tls.ts";
import { patternBytes, PatternCheck } from "./pattern.ts";

/** What the tests ask for. */
export interface PeerRequest {
  /** Which socket. */
  id: number;
  method: Exclude<keyof PeerSocket, "state">;
  argument: unknown;
}

/** How a socket stands. */
export interface PeerState {
  /** How many bytes arrived. */
  received: number;
  /** Whether they were the pattern. */
  intact: boolean;
  /** How many bytes were written, and taken by the system. */
  sent: number;
  /** Whether FIN arrived. */
  ended: boolean;
  /** Whether the socket is closed. */
  closed: boolean;
  /** The code of the error that closed it. */
  error: string | undefined;
  /** The port it listens on; 0 for none. */
  port: number;
}

/** Where to connect to or to listen, and how. */
export interface PeerTarget {
  address: { host: string; port: number } | { path: string };
  tls: boolean;
  /** Whether to read nothing before `resume`. */
  paused: boolean;
}

const writeSize = 65_536;

class PeerSocket {
  #raw!: Socket;
  #socket!: Socket;
  readonly #check = new PatternCheck();
  readonly #accepted = Promise.withResolvers<void>();
  #written = 0;
  readonly state: PeerState = {
    received: 0,
    intact: true,
    sent: 0,
    ended: false,
    closed: false,
    error: undefined,
    port: 0,
  };
  #waiting: { test: (state: PeerState) => boolean; resolve: () => void }[] = [];

  async connect({ address, tls, paused }: PeerTarget): Promise<void> {
    const raw = connect({ ...address, allowHalfOpen: true, noDelay: true } as NetConnectOpts);
    const socket = tls ? connectTls({ socket: raw, rejectUnauthorized: false }) : raw;
    this.#take(raw, socket, paused);
    const { promise, resolve } = Promise.withResolvers<void>();
    socket.on(tls ? "secureConnect" : "connect", resolve);
    socket.on("close", resolve);
    await promise;
  }

  /** Listens for one connection. */
  async listen({ address, tls, paused }: PeerTarget): Promise<void> {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (raw) => {
      server.close();
      if (!tls) return this.#accept(raw, raw, paused);
      const tlsServer = createTlsServer(certificate);
      tlsServer.on("secureConnection", (socket) => this.#accept(raw, socket, paused));
      tlsServer.emit("connection", raw);
    });
    await new Promise<void>((resolve) => server.listen({ ...address, backlog: 1 }, resolve));
    const bound = server.address();
    if (typeof bound === "object" && bound !== null) this.#change({ port: bound.port });
  }

  untilAccepted(): Promise<void> {
    return this.#accepted.promise;
  }

  /** Writes bytes of the pattern, until the system has taken them. */
  async write(size: number): Promise<void> {
    while (size > 0 && !this.state.closed) {
      const part = Math.min(size, writeSize);
      size -= part;
      await this.#write(patternBytes(this.#written, part));
    }
  }

  /** Writes what is no part of the pattern. */
  async writeText(text: string): Promise<void> {
    await new Promise((resolve) => this.#socket.write(text, resolve));
  }

  /** Writes past TLS. */
  async writeRawText(text: string): Promise<void> {
    const bytes = new TextEncoder().encode(text);
    await new Promise((resolve) => this.#raw.write(bytes, resolve));
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Reads on, but rests after each read. */
  readSlowly(): void {
    this.#socket.on("data", () => {
      this.#socket.pause();
      setImmediate(() => this.#socket.resume());
    });
    this.#socket.resume();
  }

  /** Reads on, but rests for 3 ms after some reads: the writer's system can take a part of a write. */
  rest(): void {
    let reads = 0;
    this.#socket.on("data", () => {
      if (++reads % 40 !== 0) return;
      this.#socket.pause();
      setTimeout(() => this.#socket.resume(), 3);
    });
    this.#socket.resume();
  }

  end(): void {
    this.#socket.end();
  }

  /** Sends FIN without the closing of TLS. */
  endRaw(): void {
    this.#raw.end();
  }

  reset(): void {
    this.#raw.resetAndDestroy();
    this.#socket.destroy();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  now(): void {}

  untilReceived(size: number): Promise<void> {
    return this.#until(({ received, closed }) => received >= size || closed);
  }

  untilEnded(): Promise<void> {
    return this.#until(({ ended, closed }) => ended || closed);
  }

  untilClosed(): Promise<void> {
    return this.#until(({ closed }) => closed);
  }

  #accept(raw: Socket, socket: Socket, paused: boolean): void {
    this.#take(raw, socket, paused);
    this.#accepted.resolve();
  }

  #take(raw: Socket, socket: Socket, paused: boolean): void {
    this.#raw = raw;
    this.#socket = socket;
    if (paused) socket.pause();
    socket.on("data", (bytes: Uint8Array) => {
      this.#check.push(bytes);
      this.#change({ received: this.#check.size, intact: this.#check.intact });
    });
    socket.on("end", () => this.#change({ ended: true }));
    socket.on("error", (error: NodeJS.ErrnoException) => this.#change({ error: error.code }));
    socket.on("close", () => this.#change({ closed: true }));
  }

  async #write(bytes: Uint8Array): Promise<void> {
    this.#written += bytes.length;
    const error = await new Promise((resolve) => this.#socket.write(bytes, resolve));
    if (!error) this.#change({ sent: this.state.sent + bytes.length });
  }

  async #until(test: (state: PeerState) => boolean): Promise<void> {
    if (test(this.state)) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push({ test, resolve });
    await promise;
  }

  #change(changed: Partial<PeerState>): void {
    Object.assign(this.state, changed);
    this.#waiting = this.#waiting.filter(({ test, resolve }) => {
      if (!test(this.state)) return true;
      resolve();
      return false;
    });
  }
}

const sockets = new Map<number, PeerSocket>();

await answerRequests(async ({ id, method, argument }: PeerRequest) => {
  const socket = sockets.get(id) ?? new PeerSocket();
  sockets.set(id, socket);
  await socket[method](argument as never);
  return socket.state;
});
process.exit();
