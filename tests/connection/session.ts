/**
 * A session of a client and a server, step by step, that can be broken off after any of them.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import type { Connection } from "../../src/server/mod.ts";
import type { MemorySocket } from "../support/memory_channel.ts";
import { clientFrame, closeFrame, type RawClient, utf8 } from "../support/raw_client.ts";
import { upgradeRequest } from "../support/requests.ts";
import type { MemoryHarness, Setup } from "../support/transports.ts";
import { settle } from "../support/turn.ts";
import { watch, type Watched } from "../support/watch.ts";

const REQUEST = upgradeRequest();
const LARGE = new Uint8Array(100_000).fill(0x61);

/** One session, as far as it has come. */
export class Session {
  readonly server: MemoryHarness<unknown>;
  client!: RawClient<MemorySocket>;
  /** Everything the program waits for. */
  readonly promises: Watched<unknown>[] = [];
  /** The source of the message that the server sends as a stream. */
  source: ReadableStreamDefaultController<string> | undefined;
  isSourceOver = false;
  readonly #takesAtOnce: number;

  /**
   * Begins a session.
   *
   * @param takesAtOnce How much the client takes of each write at once, in bytes.
   */
  constructor(server: MemoryHarness<unknown>, takesAtOnce: number) {
    this.server = server;
    this.#takesAtOnce = takesAtOnce;
  }

  /** The server's end; there is none before the handshake, and after the end. */
  get conn(): Connection | undefined {
    return [...this.server.server.connections][0];
  }

  /** Keeps a promise that must be settled when all is over. */
  track(promise: Promise<unknown>): void {
    this.promises.push(watch(promise));
  }

  /** Has the client read what comes. */
  read(): void {
    if (this.#takesAtOnce === Infinity) this.client.socket.resume();
    else this.client.socket.takeSlowly(this.#takesAtOnce);
  }

  async expectMessage(expected: string | Uint8Array): Promise<void> {
    const message = await this.client.readMessage();
    assertEquals(message.length, expected.length);
    assert(message.toString() === expected.toString(), "another message");
  }
}

/** Something that happens. It waits for what follows from it. */
export type Step = [name: string, run: (session: Session) => void | Promise<void>];

/** The session: everything that a connection does, one after the other. */
export const STEPS: readonly Step[] = [
  ["the client connects", async (session) => {
    session.client = await session.server.connect();
    session.read();
  }],
  ["a part of the request", ({ client }) => client.send(REQUEST.slice(0, 40))],
  ["the request, and a part of a frame", async ({ client }) => {
    client.send(REQUEST.slice(40), clientFrame({ opcode: 1, payload: utf8("early") }).slice(0, 8));
    assertEquals((await client.readHead()).status, 101);
  }],
  ["the rest of the frame, and its echo", async (session) => {
    session.track(session.conn!.closed);
    session.client.send(clientFrame({ opcode: 1, payload: utf8("early") }).slice(8));
    await session.expectMessage("early");
  }],
  ["a fragment", ({ client }) => {
    client.send(clientFrame({ opcode: 2, payload: LARGE.subarray(0, 40_000), fin: false }));
  }],
  ["a Ping, and its Pong", async ({ client }) => {
    client.sendPing("between");
    // An echo by streams may have begun.
    for (let opcode = 0; opcode !== 0xa;) opcode = (await client.readFrame()).opcode;
  }],
  ["the last fragment, and its echo", async ({ client }) => {
    client.send(clientFrame({ opcode: 0, payload: LARGE.subarray(40_000) }));
    for (let fin = false; !fin;) fin = (await client.readFrame()).fin;
  }],
  ["a Ping of the server", async (session) => {
    session.track(session.conn!.ping());
    await session.client.readPing();
  }],
  ["a Pong that answers another", ({ client }) => client.sendPong("0")],
  ["its Pong", ({ client }) => client.sendPong("1")],
  ["the beginning of a message sent as a stream", async (session) => {
    const stream = new ReadableStream<string>({
      start: (controller) => void (session.source = controller),
      cancel: () => void (session.isSourceOver = true),
    });
    session.track(session.conn!.sendStream("text", stream));
    session.source!.enqueue("one");
    assertEquals((await session.client.readFrame()).fin, false);
  }],
  ["messages that wait behind it", async (session) => {
    session.track(session.conn!.send("behind"));
    session.track(session.conn!.sendStream("text", new ReadableStream({ start: closeAtOnce })));
    void session.conn!.send("behind, and nobody waits");
    await settle();
  }],
  ["its end, and what waited", async (session) => {
    session.source!.close();
    session.isSourceOver = true;
    assertEquals((await session.client.readFrame()).fin, true);
    await session.expectMessage("behind");
    await session.expectMessage("");
    await session.expectMessage("behind, and nobody waits");
  }],
  ["large messages to a client that reads nothing", async (session) => {
    session.client.socket.pause();
    for (let i = 0; i < 3; i++) session.track(session.conn!.send(LARGE));
    session.track(session.conn!.send("small"));
    void session.conn!.send(LARGE);
    session.conn!.trySend("small");
    await settle();
  }],
  ["Pings of a client that reads nothing", ({ client }) => {
    client.sendPing("first");
    client.sendPing("last");
  }],
  ["the client reads a part of it", async ({ client }) => {
    client.socket.take(50_000);
    await settle();
  }],
  ["the client reads all of it", async (session) => {
    session.read();
    for (let i = 0; i < 3; i++) await session.expectMessage(LARGE);
    await session.expectMessage("small");
    await session.expectMessage(LARGE);
    await session.expectMessage("small");
    assertEquals(await session.client.readPong(), "last");
  }],
  ["a write to the writable stream", async (session) => {
    const writer = session.conn!.writable.locked ? undefined : session.conn!.writable.getWriter();
    if (writer === undefined) return;
    session.track(writer.closed);
    session.track(writer.write("written"));
    await session.expectMessage("written");
  }],
  ["a part of a Close frame", ({ client }) => client.send(closeFrame(1000).subarray(0, 3))],
  ["its rest, and the answer", async ({ client }) => {
    client.send(closeFrame(1000).subarray(3));
    assertEquals(await client.readClose(), [1000, ""]);
    await client.readToEnd();
  }],
  ["FIN", async ({ client }) => {
    client.socket.end();
    await client.untilClosed();
  }],
];

/** The programs: each receives in another way, and echoes. */
export function createPrograms(track: (promise: Promise<unknown>) => void): Record<
  string,
  Setup<unknown>
> {
  const handle = (handler: (conn: Connection) => Promise<void>): Setup<unknown> => ({
    handler: (conn) => {
      const done = handler(conn);
      track(done);
      return done;
    },
  });
  return {
    callbacks: {
      message: (conn, data) => {
        const sent = conn.send(data);
        track(sent);
        return sent;
      },
    },
    iteration: handle(async (conn) => {
      for await (const message of conn) await conn.send(message);
    }),
    streams: handle((conn) => conn.readable.pipeTo(conn.writable)),
    "streamed messages": handle(async (conn) => {
      for await (const { type, body } of conn.messages()) await conn.sendStream(type, body);
    }),
  };
}

function closeAtOnce(controller: ReadableStreamDefaultController<string>): void {
  controller.close();
}
