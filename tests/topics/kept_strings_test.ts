/**
 * What is kept of a message where a topic, a key or a text that was published is a slice of it.
 *
 * @module
 */

import { describe, it } from "node:test";
import { assert } from "@std/assert";
import { collectGarbage } from "../support/collect_garbage.ts";
import type { ServeOptions, ServerConnection } from "../../src/server/mod.ts";
import type { WebSocketServer } from "../../src/server/server.ts";
import { withMemoryServer } from "../support/transports.ts";
import { settle } from "../support/turn.ts";

const MiB = 1024 * 1024;
const COUNT = 60;
const SIZE = 2 * MiB;
const MAX_GROWTH = 40 * MiB;

/** A large text, as the decoder of messages makes it, of which a part is the caller's. */
function sliceOfLarge(i: number): string {
  const text = new TextDecoder().decode(new Uint8Array(SIZE).fill(0x61 + i % 26));
  return `${text.slice(i, i + 40)}`;
}

interface Keeping {
  name: string;
  options?: ServeOptions;
  keep(server: WebSocketServer<unknown>, conn: ServerConnection, slice: string, i: number): void;
}

const KEEPING: Keeping[] = [
  { name: "a topic", keep: (_, conn, slice) => void conn.subscribe(slice) },
  {
    name: "a topic of which messages are kept",
    options: { resume: true },
    keep: (server, _, slice) => void server.publish(slice, "x"),
  },
  {
    name: "a text that is kept for clients that come back",
    options: { resume: true },
    keep: (server, _, slice) => void server.publish("topic", slice),
  },
  {
    name: "a text that waits for a slow client",
    keep(server, conn, slice, i) {
      conn.subscribe(`topic ${i}`, { lag: "drop-oldest" });
      server.publish(`topic ${i}`, slice);
    },
  },
  {
    name: "a key of what waits for a slow client",
    keep(server, conn, slice, i) {
      conn.subscribe(`topic ${i}`, { lag: "latest" });
      server.publish(`topic ${i}`, "x", { key: slice });
    },
  },
  {
    name: "a text that waits behind a stream",
    keep(_, conn, slice) {
      if (conn.stats().messagesSent < 2) void conn.sendStream("text", new ReadableStream());
      void conn.send(slice);
    },
  },
  {
    name: "a member of a topic",
    keep: (_, conn, slice, i) =>
      void conn.subscribe(`topic ${i}`, { presence: { key: slice, info: slice } }),
  },
];

describe("a slice of a large message that is", () => {
  for (const { name, options, keep } of KEEPING) {
    it(`${name} keeps nothing else of it`, () =>
      withMemoryServer<unknown>(
        { limits: { sendHighWaterMark: 1000 }, ...options },
        async (server) => {
          const { client, conn } = await server.openPair();
          client.socket.pause();
          void conn.send("x".repeat(2000));
          await settle();
          const before = await collectGarbage();
          let most = 0;
          for (let i = 0; i < COUNT; i++) {
            keep(server.server, conn, sliceOfLarge(i), i);
            if (i % 10 === 9) most = Math.max(most, await collectGarbage() - before);
          }
          assert(most < MAX_GROWTH, `${Math.round(most / MiB)} MiB more`);
        },
      ));
  }
});
