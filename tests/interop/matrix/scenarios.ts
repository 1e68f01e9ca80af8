/**
 * What every peer of the matrix is put through: a connection of ours, and an agent at its other end
 * (agents/agent.ts).
 *
 * @module
 */

import { assert, assertEquals, assertGreater, assertLess, assertStringIncludes } from "@std/assert";
import type { Connection, Message } from "../../../mod.ts";
import { streamOf } from "../../support/stream_of.ts";
import { assertMessage, bothOf, bytesOf, textOf } from "../messages.ts";
import type { Ability } from "./peers.ts";

/** How a connection is to be. */
export type Kind =
  | "plain"
  /** Compressed, with a window that is kept from message to message. */
  | "compressed"
  /** Compressed, each message by itself. */
  | "compressed alone"
  | "tls";

/** What a scenario is given. */
export interface Cell {
  abilities: ReadonlySet<Ability>;
  /** Gives a connection to the peer that nobody has used yet. */
  connect(kind?: Kind): Promise<Connection>;
}

/** A scenario. */
export interface Scenario {
  name: string;
  /** What the peer must be able to do; others are spared the scenario. */
  needs?: Ability;
  run(cell: Cell): Promise<void>;
}

const MiB = 1024 * 1024;
/** Messages small enough for the limits of any peer, of every form of the length. */
const SIZES = [0, 1, 125, 126, 65_535, 65_536, MiB];

async function receive(conn: Connection): Promise<Message> {
  for await (const message of conn) return message;
  const { closeCode, reason } = await conn.closed;
  throw new Error(`Cannot receive: closed with ${closeCode} "${reason}"`);
}

async function echo(conn: Connection, message: Message): Promise<void> {
  const [received] = await Promise.all([receive(conn), conn.send(message)]);
  assertMessage(received, message);
}

/** Tells how many bytes a message of 300 bytes comes back as. */
async function sizeOfEcho(conn: Connection): Promise<number> {
  const { bytesReceived } = conn.stats();
  await echo(conn, bytesOf(300));
  return conn.stats().bytesReceived - bytesReceived;
}

async function ask(conn: Connection, command: string): Promise<string> {
  await conn.send(command);
  return `${await receive(conn)}`;
}

/** Asks a peer for the version of its library. */
export async function askVersion(cell: Cell): Promise<string> {
  const conn = await cell.connect();
  const version = await ask(conn, "!version");
  await conn.close();
  return version;
}

/** Closes, and tells how the peer saw it. */
async function closeAndAsk(
  cell: Cell,
  conn: Connection,
  closeCode: number,
  reason: string,
): Promise<unknown> {
  const info = await conn.close({ closeCode, reason });
  assertEquals(info, { closeCode, reason, wasClean: true, initiator: "local" });
  const next = await cell.connect();
  const seen = JSON.parse(await ask(next, "!seen"));
  await next.close();
  return seen;
}

/** Closes by the peer, and tells how we saw it. */
async function closeByPeer(cell: Cell, words: string): Promise<unknown> {
  const conn = await cell.connect();
  await conn.send(`!close${words}`);
  return await conn.closed;
}

async function compress(cell: Cell, kind: "compressed" | "compressed alone"): Promise<void> {
  const conn = await cell.connect(kind);
  assertEquals(conn.extensions.split(";")[0], "permessage-deflate");
  const isAlone = kind === "compressed alone";
  assertEquals(/server_no_context_takeover/.test(conn.extensions), isAlone);
  // A client whose window can't be limited is told not to keep it in either case.
  if (isAlone) assertStringIncludes(conn.extensions, "client_no_context_takeover");
  let size = 0;
  for (const message of [0, 1, 126, 3000, 65_536, MiB].map(textOf)) {
    await echo(conn, message);
    size += new TextEncoder().encode(message).length;
  }
  const { bytesSent, bytesReceived } = conn.stats();
  assertLess(bytesSent, size / 3);
  if (cell.abilities.has("deflate")) assertLess(bytesReceived, size / 3);
  else assertGreater(bytesReceived, size);
  await echo(conn, bytesOf(100_000));
  const sent = conn.sendStream("text", streamOf(["Grüße, ", "", "世界"]));
  assertEquals(await receive(conn), "Grüße, 世界");
  await sent;
  await conn.close();
}

/** The scenarios, in the order of the document. */
export const SCENARIOS: readonly Scenario[] = [
  {
    name: "text and bytes, 0 B to 1 MiB",
    async run(cell) {
      const conn = await cell.connect();
      for (const message of SIZES.flatMap(bothOf)) await echo(conn, message);
      await conn.close();
    },
  },
  {
    name: "16 MiB",
    async run(cell) {
      const conn = await cell.connect();
      await echo(conn, bytesOf(16 * MiB));
      await conn.close();
    },
  },
  {
    name: "many at once, in order",
    async run(cell) {
      const conn = await cell.connect();
      const messages = Array.from({ length: 300 }, (_, i) => `${i} ${"x".repeat(i)}`);
      const sent = messages.map((message) => conn.send(message));
      for (const message of messages) assertEquals(await receive(conn), message);
      await Promise.all(sent);
      await conn.close();
    },
  },
  {
    name: "our fragments",
    async run(cell) {
      const conn = await cell.connect();
      const text = textOf(70_000);
      const bytes = new TextEncoder().encode(text);
      // Cut within characters, and once into nothing.
      const cuts = [0, 1, 6, 6, 9, 127, 65_537, bytes.length];
      const chunks = cuts.slice(1).map((end, i) => bytes.subarray(cuts[i], end));
      for (const type of ["text", "binary"] as const) {
        const sent = conn.sendStream(type, streamOf(chunks));
        assertMessage(await receive(conn), type === "text" ? text : bytes);
        await sent;
      }
      await conn.close();
    },
  },
  {
    name: "its fragments",
    needs: "fragments",
    async run(cell) {
      const conn = await cell.connect();
      for (const message of [textOf(1), ...bothOf(300), ...bothOf(200_000)]) {
        await conn.send("!fragments");
        await echo(conn, message);
      }
      // Three frames have more headers than one.
      const whole = await sizeOfEcho(conn);
      await conn.send("!fragments");
      assertGreater(await sizeOfEcho(conn), whole);
      await conn.close();
    },
  },
  {
    name: "our pings",
    async run(cell) {
      const conn = await cell.connect();
      assert(await conn.ping() >= 0);
      let answered = 0;
      const pings = [conn.ping(), conn.ping(), conn.ping()];
      for (const ping of pings) ping.then(() => answered++, () => {});
      await echo(conn, "after them");
      // Whoever answers the latest only answers them all.
      assertEquals(answered, 3, "Pings answered of 3, before the message behind them");
      await conn.close();
    },
  },
  {
    name: "its pings",
    needs: "ping",
    async run(cell) {
      const conn = await cell.connect();
      for (const word of ["x", "y".repeat(125)]) {
        assertEquals(await ask(conn, `!ping ${word}`), `!pong ${word}`);
      }
      await conn.close();
    },
  },
  {
    name: "our close codes and reasons",
    async run(cell) {
      for (
        const [closeCode, reason] of [
          [1001, "x".repeat(123)],
          [1011, "Grüße, 世界 🦕"],
          [4999, "enough"],
          [1000, ""],
        ] as const
      ) {
        const conn = await cell.connect();
        const seen = await closeAndAsk(cell, conn, closeCode, reason);
        assertEquals(seen, { closeCode, reason });
      }
    },
  },
  {
    name: "its close codes and reasons",
    async run(cell) {
      const codes = cell.abilities.has("all close codes") ? [1001, 1008, 1011] : [];
      for (const closeCode of [1000, ...codes, 3000, 4999]) {
        for (const reason of closeCode === 3000 ? ["Grüße, 世界 🦕", "x".repeat(123)] : ["why"]) {
          const expected = { closeCode, reason, wasClean: true, initiator: "remote" };
          assertEquals(await closeByPeer(cell, ` ${closeCode} ${reason}`), expected);
        }
      }
    },
  },
  {
    name: "compressed, the window kept",
    needs: "compression",
    run: (cell) => compress(cell, "compressed"),
  },
  {
    name: "compressed, no window kept",
    needs: "compression",
    run: (cell) => compress(cell, "compressed alone"),
  },
  {
    name: "TLS",
    needs: "tls",
    async run(cell) {
      const conn = await cell.connect("tls");
      for (const message of [0, 126, 65_536, MiB].flatMap(bothOf)) await echo(conn, message);
      await conn.close({ closeCode: 4000 });
    },
  },
];
