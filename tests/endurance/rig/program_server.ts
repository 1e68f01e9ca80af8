/**
 * A server whose program does what the first argument says:
 *
 * - `sleep-callback`, `sleep-iterate`, `sleep-streams`, `sleep-messages`: it receives something, and
 *   sleeps until the process gets SIGUSR2. Then it receives the rest, up to a text message, and
 *   answers with the number of bytes of all messages before.
 * - `push-send`, `push-writable`, `push-stream`: it sends the pattern without end.
 */

import process from "node:process";
import { type Connection, type ConnectionCallbacks, type Handler, serve } from "../../../mod.ts";
import { patternChunk } from "./pattern.ts";
import "./report_memory.ts";

const awake = Promise.withResolvers<void>();
process.on("SIGUSR2", () => awake.resolve());

/** Counts bytes; resolves with the answer when a text was received. */
class Counter {
  #size = 0;

  add(conn: Connection, message: string | Uint8Array): Promise<void> {
    if (typeof message === "string") return conn.send(String(this.#size));
    this.#size += message.length;
    return awake.promise;
  }
}

const counters = new WeakMap<Connection, Counter>();

const callbacks: ConnectionCallbacks<undefined> = {
  open: (conn) => void counters.set(conn, new Counter()),
  message: (conn, data) => counters.get(conn)!.add(conn, data),
};

const programs: Record<string, Handler<undefined> | ConnectionCallbacks<undefined>> = {
  "sleep-callback": callbacks,
  "sleep-iterate": async (conn) => {
    const counter = new Counter();
    for await (const message of conn) await counter.add(conn, message);
  },
  "sleep-streams": (conn) => {
    const counter = new Counter();
    return conn.readable.pipeTo(
      new WritableStream({ write: (message) => counter.add(conn, message) }),
    );
  },
  "sleep-messages": async (conn) => {
    const counter = new Counter();
    for await (const message of conn.messages()) {
      if (message.type === "text") await counter.add(conn, await message.text());
      else for await (const chunk of message.body) await counter.add(conn, chunk);
    }
  },
  "push-send": async (conn) => {
    for (;;) await conn.send(patternChunk);
  },
  "push-writable": async (conn) => {
    const writer = conn.writable.getWriter();
    for (;;) {
      await writer.ready;
      await writer.write(patternChunk);
    }
  },
  "push-stream": (conn) => {
    const endless = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(patternChunk),
    }, { highWaterMark: 0 });
    return conn.sendStream("binary", endless);
  },
};

const program = programs[process.argv[2]];
const options = {
  hostname: "127.0.0.1",
  port: 0,
  limits: { maxMessageSize: Infinity, maxFragments: Infinity },
};
const server = typeof program === "function"
  ? await serve(options, program)
  : await serve({ ...options, ...program });
if (server.addr.transport === "tcp") {
  console.log(`listening on ws://127.0.0.1:${server.addr.port}/`);
}
process.once("SIGTERM", () => void server.shutdown());
