/**
 * A server of `sluice.resume.v1` that does what a test says, and the ways of a client to receive.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import type {
  Connection,
  ConnectionCallbacks,
  Message,
  Sendable,
} from "../../src/connection/connection.ts";
import { createReconnecting, type ReconnectOptions } from "../../src/client/reconnecting.ts";
import { utf8 } from "../support/raw_client.ts";
import { encodeReferenceFrame } from "../support/reference_frames.ts";
import { settle } from "../support/turn.ts";
import { watch, type Watched } from "../support/watch.ts";
import { type ReceivedRequest, type ScriptedPeer, ScriptedServer } from "./scripted_server.ts";

export const RESUME = "sluice.resume.v1";
export const SESSION = "0123456789abcdef";

/** The fields of an answer that resumes, with a subprotocol of the program besides. */
export function resumes(protocol = ""): Record<string, string> {
  return { "Sec-WebSocket-Protocol": RESUME, "Sluice-Resume": `"${protocol}"` };
}

/** A way to receive. */
export interface Style {
  /** What is given as callbacks. */
  callbacks?(take: (data: Message) => unknown): ConnectionCallbacks;
  /** Receives until the end. */
  receive(conn: Connection, take: (data: Message) => unknown): Promise<unknown>;
}

export const STYLES: Record<string, Style> = {
  callbacks: {
    callbacks: (take) => ({ message: (_, data) => void take(data) }),
    receive: (conn) => conn.closed,
  },
  "async callbacks": {
    callbacks: (take) => ({ message: (_, data) => settle(1).then(() => void take(data)) }),
    receive: (conn) => conn.closed,
  },
  iteration: {
    async receive(conn, take) {
      for await (const message of conn) await take(message);
    },
  },
  streams: {
    async receive(conn, take) {
      for await (const message of conn.messages()) {
        await take(message.type === "text" ? await message.text() : await message.bytes());
      }
    },
  },
  readable: {
    async receive(conn, take) {
      const reader = conn.readable.getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        await take(value);
      }
    },
  },
  asWebSocket: {
    async receive(conn, take) {
      const socket = conn.asWebSocket();
      socket.binaryType = "arraybuffer";
      socket.onmessage = ({ data }) =>
        void take(typeof data === "string" ? data : new Uint8Array(data));
      await conn.closed;
    },
  },
};

/** What a client begins with. */
export interface Hello {
  session?: string;
  positions: Record<string, string>;
}

/** A client that resumes, and the server it reaches. */
export class Resuming {
  readonly server: ScriptedServer = new ScriptedServer();
  readonly conns: AsyncGenerator<Connection, void, void>;
  readonly lost: string[] = [];
  peer!: ScriptedPeer;
  #isFirst = true;

  constructor(options: ReconnectOptions & ConnectionCallbacks<undefined> = {}) {
    const reconnecting = createReconnecting(this.server.connect, this.server.clock, () => 0.5);
    this.conns = reconnecting("ws://example.com/", {
      keepAlive: false,
      maxDelayMs: 1_000,
      onLost: (topic) => void this.lost.push(topic),
      ...options,
    });
  }

  /** Has the client connect, and answers with these fields. */
  async accept(
    fields: Record<string, string | string[] | undefined>,
  ): Promise<{ request: ReceivedRequest; next: Watched<IteratorResult<Connection, void>> }> {
    const next = watch(this.conns.next());
    await settle();
    if (!this.#isFirst) await this.server.clock.advance(1_000);
    this.#isFirst = false;
    this.peer = await this.server.next();
    return { request: await this.peer.accept(fields), next };
  }

  /** Has the client connect to a server that resumes; gives its connection, and its hello. */
  async begin(
    fields: Record<string, string> = resumes(),
  ): Promise<{ conn: Connection; hello: Hello }> {
    const { next } = await this.accept(fields);
    const { value } = await next.untilSettled();
    const hello = await this.hello();
    this.send(`\x1e{"session":"${SESSION}","protocol":""}`);
    assert(value !== undefined && !value.done);
    return { conn: value.value, hello };
  }

  /** Reads what the client says first. */
  async hello(): Promise<Hello> {
    return JSON.parse(await this.peer.readMessage() as string);
  }

  /** Sends messages of a server, one after the other, in one piece. */
  send(...messages: Sendable[]): void {
    this.peer.send(...messages.map((message) => serverFrame(message)));
  }

  /** Loses the connection. */
  async lose(): Promise<void> {
    this.peer.socket.reset();
    await settle();
  }

  /** Ends it all. */
  async end(): Promise<void> {
    const ended = watch(this.conns.return());
    await settle();
    if (!this.peer.isClosed) this.peer.socket.reset();
    await ended.untilSettled();
    assertEquals([this.server.clock.pending, this.server.violations], [[], []]);
  }
}

/** A frame of a server. */
export function serverFrame(message: Sendable, fin = true, opcode?: number): Uint8Array {
  const isText = typeof message === "string";
  return encodeReferenceFrame({
    fin,
    opcode: opcode ?? (isText ? 1 : 2),
    payload: isText ? utf8(message) : message,
  });
}
