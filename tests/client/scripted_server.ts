/**
 * A server that does what a test says, in memory: for what a client makes of any bytes at any time.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { type Connect, createConnect } from "../../src/client/connect.ts";
import type {
  ByteChannel,
  ByteChannelHandler,
  Dialer,
  DialTarget,
  TlsClientOptions,
} from "../../src/transport/byte_channel.ts";
import { FakeClock } from "../../src/testing/fake_clock.ts";
import { MemoryChannel, type MemorySocket } from "../support/memory_channel.ts";
import { RawClient } from "../support/raw_client.ts";
import { concatBytes } from "../support/reference_frames.ts";
import { Waiter } from "../support/waiter.ts";

/** A request as it arrived. */
export interface ReceivedRequest {
  /** The request line. */
  line: string;
  /** The fields, by name in lower case; repeated ones joined. */
  headers: Map<string, string>;
  /** All of it. */
  text: string;
}

/** What `Sec-WebSocket-Accept` must be. */
export function acceptOf(request: ReceivedRequest): string {
  const key = request.headers.get("sec-websocket-key");
  return createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
}

/** The server's end of a connection that a client made. */
export class ScriptedPeer extends RawClient<MemorySocket> {
  readonly channel: MemoryChannel;

  constructor(channel: MemoryChannel) {
    super(channel.socket);
    this.channel = channel;
  }

  /** Reads a request, without a body. */
  async readRequest(): Promise<ReceivedRequest> {
    const pieces: Uint8Array[] = [];
    let text = "";
    while (!text.endsWith("\r\n\r\n")) {
      pieces.push(await this.readBytes(1));
      text += String.fromCharCode(pieces.at(-1)![0]);
    }
    const [line, ...lines] = new TextDecoder("latin1").decode(concatBytes(pieces)).trimEnd()
      .split("\r\n");
    const headers = new Map<string, string>();
    for (const field of lines) {
      const colon = field.indexOf(":");
      const name = field.slice(0, colon).toLowerCase();
      const value = field.slice(colon + 1).trim();
      headers.set(name, headers.has(name) ? `${headers.get(name)}, ${value}` : value);
    }
    return { line, headers, text };
  }

  /** Reads a request and agrees to it, with the fields given replaced, left out, or added. */
  async accept(
    changes: Record<string, string | string[] | undefined> = {},
  ): Promise<ReceivedRequest> {
    const request = await this.readRequest();
    this.send(acceptance(request, changes));
    return request;
  }
}

/** The head of a 101, with the fields given replaced, left out (`undefined`), or added. */
export function acceptance(
  request: ReceivedRequest,
  changes: Record<string, string | string[] | undefined> = {},
  statusLine = "HTTP/1.1 101 Switching Protocols",
): string {
  const fields: Record<string, string | string[] | undefined> = {
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
