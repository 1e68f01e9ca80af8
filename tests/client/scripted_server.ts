/**
 * A server that does what a test says, in memory: for what a client makes of any bytes at any time.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { type Connect, createConnect } from "../../src/client/connect.ts";
import type { ConnectOptions } from "../../src/client/options.ts";
import {
  createReconnecting,
  type ReconnectOptions,
  type Retry,
} from "../../src/client/reconnecting.ts";
import { ConnectError } from "../../src/errors.ts";
import type { Connection, ConnectionCallbacks } from "../../src/connection/connection.ts";
import type {
  ByteChannel,
  ByteChannelHandler,
  Dialer,
  DialTarget,
  TlsClientOptions,
} from "../../src/transport/byte_channel.ts";
import { FakeClock } from "../../src/testing/fake_clock.ts";
import { MemoryChannel, type MemorySocket } from "../support/memory_channel.ts";
import { parseHead, RawClient } from "../support/raw_client.ts";
import { settle } from "../support/turn.ts";
import { Waiter } from "../support/waiter.ts";
import { watch, type Watched } from "../support/watch.ts";

/** A request as it arrived. */
export interface ReceivedRequest {
  /** The request line. */
  line: string;
  /** The fields, by name in lower case; repeated ones joined. */
  headers: Map<string, string>;
  /** All of it. */
  text: string;
}

/** Fields to replace, to leave out (`undefined`), to repeat (a list) or to add. */
export type Fields = Record<string, string | string[] | undefined>;

/** What `Sec-WebSocket-Accept` must be. */
export function acceptOf(request: ReceivedRequest): string {
  const key = request.headers.get("sec-websocket-key");
  return createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
}

/** The server's end of a connection that a client made. */
export class ScriptedPeer extends RawClient<MemorySocket> {
  readonly channel: MemoryChannel;

  constructor(channel: MemoryChannel) {
    super(channel.socket, "server");
    this.channel = channel;
  }

  /** Reads a request, without a body. */
  async readRequest(): Promise<ReceivedRequest> {
    const text = await this.readHeadText();
    return { ...parseHead(text), text };
  }

  /** Reads a request and agrees to it, with the fields given replaced, left out, or added. */
  async accept(changes?: Fields): Promise<ReceivedRequest> {
    const request = await this.readRequest();
    this.send(acceptance(request, changes));
    return request;
  }
}

/** The head of a 101, with the fields given replaced, left out (`undefined`), or added. */
export function acceptance(
  request: ReceivedRequest,
  changes: Fields = {},
  statusLine = "HTTP/1.1 101 Switching Protocols",
): string {
  const fields: Fields = {
    Upgrade: "websocket",
    Connection: "Upgrade",
    "Sec-WebSocket-Accept": acceptOf(request),
    ...changes,
  };
  let text = `${statusLine}\r\n`;
  for (const [name, value] of Object.entries(fields)) {
    for (const each of value === undefined ? [] : [value].flat()) text += `${name}: ${each}\r\n`;
  }
  return `${text}\r\n`;
}

/** What a client tried to reach. */
export interface Dialled {
  target: DialTarget;
  /** The names that TLS was begun with, in order. */
  tls: { hostname: string; options: TlsClientOptions }[];
}

/** Connects clients to scripted peers, over TLS in name only. */
export class ScriptedServer implements Dialer {
  readonly clock: FakeClock = new FakeClock();
  readonly dialled: Dialled[] = [];
  /** Set where dialling waits until it is let go, or fails. */
  dialling: ((signal: AbortSignal) => Promise<void>) | undefined;
  /** The environment variables. */
  environment: Record<string, string> = {};
  readonly readEnvironment = (name: string): string | undefined => this.environment[name];
  /** How much of what a client writes is taken at once, in bytes. */
  takesAtOnce: number = Infinity;
  readonly connect: Connect = createConnect(() => Promise.resolve(this), this.clock);
  readonly #peers: ScriptedPeer[] = [];
  readonly #all: ScriptedPeer[] = [];
  readonly #waiter: Waiter = new Waiter();

  async dial(
    target: DialTarget,
    handler: ByteChannelHandler,
    signal: AbortSignal,
  ): Promise<ByteChannel> {
    this.dialled.push({ target, tls: [] });
    await this.dialling?.(signal);
    const channel = new MemoryChannel();
    channel.socket.takeSlowly(this.takesAtOnce);
    channel.handler = handler;
    const peer = new ScriptedPeer(channel);
    this.#peers.push(peer);
    this.#all.push(peer);
    this.#waiter.wake();
    return channel;
  }

  startTls(
    channel: ByteChannel,
    hostname: string,
    options: TlsClientOptions,
    handler: ByteChannelHandler,
  ): Promise<ByteChannel> {
    this.dialled.at(-1)!.tls.push({ hostname, options });
    channel.handler = handler;
    return Promise.resolve(channel);
  }

  /** Has a client connect, and reads its request, or that for the tunnel of its proxy. */
  async begin<Data = undefined>(
    url: Parameters<Connect>[0],
    options?: ConnectOptions<Data> & ConnectionCallbacks<Data>,
  ): Promise<{
    peer: ScriptedPeer;
    request: ReceivedRequest;
    connecting: Watched<Connection<Data>>;
  }> {
    const connecting = watch(this.connect(url, options));
    const peer = await this.next();
    return { peer, request: await peer.readRequest(), connecting };
  }

  /** Has a client connect, and agrees to it: with the fields `changes` replaced, left out, or added. */
  async open<Data = undefined>(
    url: Parameters<Connect>[0],
    options?: ConnectOptions<Data> & ConnectionCallbacks<Data>,
    changes?: Fields,
  ): Promise<{ peer: ScriptedPeer; request: ReceivedRequest; conn: Connection<Data> }> {
    const connecting = this.connect(url, options);
    const peer = await this.next();
    const request = await peer.accept(changes);
    return { peer, request, conn: await connecting };
  }

  /** Checks that no connection is left, no timer, and nothing that a channel's user must not do. */
  async checkLeaks(): Promise<void> {
    await settle();
    assertEquals([this.openCount, this.clock.pending, this.violations], [0, [], []]);
  }

  /** Waits for the next connection. */
  async next(): Promise<ScriptedPeer> {
    await this.#waiter.until("a connection", () => this.#peers.length > 0);
    return this.#peers.shift()!;
  }

  /** Gives the next connection, if there is one. */
  poll(): ScriptedPeer | undefined {
    return this.#peers.shift();
  }

  /** How many of all connections are still there. */
  get openCount(): number {
    return this.#all.filter((peer) => !peer.isClosed).length;
  }

  /** What the client did that a channel's user must not do. */
  get violations(): string[] {
    return this.#all.flatMap(({ channel }) => channel.violations);
  }
}

/** A client that reconnects to a scripted server, and whose random numbers are all 0.5. */
export class ReconnectingClient {
  readonly server: ScriptedServer = new ScriptedServer();
  readonly conns: ReturnType<ReturnType<typeof createReconnecting>>;
  /** What it was told of failures. */
  readonly retries: Retry[] = [];
  readonly errors: unknown[] = [];

  constructor(
    options: ReconnectOptions & ConnectionCallbacks<undefined> = {},
    url: Parameters<Connect>[0] = "ws://example.com/",
  ) {
    const reconnecting = createReconnecting(this.server.connect, this.server.clock, () => 0.5);
    this.conns = reconnecting(url, {
      keepAlive: false,
      onRetry: (retry) => void this.retries.push(retry),
      onError: (error) => void this.errors.push(error),
      ...options,
    });
  }

  /** The waits after each failure. */
  get delays(): number[] {
    return this.retries.map(({ delayMs }) => delayMs);
  }

  /** Asks for the next connection, and lets the time pass that it waits for, attempt by attempt. */
  async openNext(
    changes?: Fields,
  ): Promise<{ peer: ScriptedPeer; request: ReceivedRequest; conn: Connection }> {
    const next = watch(this.conns.next());
    await settle();
    for (let passed = 0; passed < this.retries.length;) {
      passed = this.retries.length;
      await this.server.clock.advance(this.delays.at(-1)!);
    }
    const peer = await this.server.next();
    const request = await peer.accept(changes);
    const conn = (await next.untilSettled()).value!.value!;
    return { peer, request, conn };
  }

  /** Asks for the next connection while nothing answers. */
  async failToConnect(): Promise<Watched<IteratorResult<Connection, void>>> {
    this.server.dialling = () => Promise.reject(new ConnectError("ECONNREFUSED", "nobody"));
    const next = watch(this.conns.next());
    await settle();
    return next;
  }
}
