// @engines: all of it happens in memory.
// @waits

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import type { Connection } from "../../../src/server/mod.ts";
import type { MemorySocket } from "../../support/memory_channel.ts";
import type { RawClient } from "../../support/raw_client.ts";
import { type MemoryHarness, withMemoryServer } from "../../support/transports.ts";
import { SILENT } from "../faults/faults.ts";

const SECOND = 1_000;
const HOUR = 3_600 * SECOND;

/** A client of a server with the default keep-alive. */
interface Peer {
  client: RawClient<MemorySocket>;
  conn: Connection;
  isSilent: boolean;
}

/** A server whose process stalls, and its clients. */
class Stalling {
  readonly server: MemoryHarness<unknown>;
  readonly peers: Peer[] = [];

  constructor(server: MemoryHarness<unknown>) {
    this.server = server;
  }

  async open(): Promise<Peer> {
    const peer = { ...await this.server.openPair(), isSilent: false };
    this.peers.push(peer);
    return peer;
  }

  /** Time passes, and the clients answer meanwhile. */
  async live(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 500) {
      await this.server.clock.advance(Math.min(left, 500));
      await this.answer();
    }
  }

  /** Time passes, and the clients answer meanwhile, but not what comes in the last half second. */
  async approach(ms: number): Promise<void> {
    await this.server.clock.advance(ms % 500);
    for (let left = ms - ms % 500; left > 0; left -= 500) {
      await this.answer();
      await this.server.clock.advance(500);
    }
  }

  /** The process hangs. What the clients answer meanwhile is read after the timers have fired. */
  async stall(ms: number): Promise<void> {
    await this.server.clock.stall(ms);
    await this.answer();
  }

  async answer(): Promise<void> {
    for (const { client, isSilent } of this.peers) {
      while (!isSilent && !client.isClosed && client.unreadSize > 0) {
        client.sendPong(await client.readPing());
      }
    }
  }

  /** Checks that everybody who answers is there, and nobody who does not. */
  async checkSorted(): Promise<void> {
    for (const { conn, isSilent } of this.peers) {
      assertEquals(conn.state, isSilent ? "closed" : "open");
      if (isSilent) assertEquals(await conn.closed, SILENT);
    }
  }
}

/** Runs a server with the default options. */
function withStalling(body: (stalling: Stalling) => Promise<void>): Promise<void> {
  return withMemoryServer({}, (server) => body(new Stalling(server)));
}

/** When a stall begins, from the opening of the connection on: its Ping comes after 20 seconds. */
const PHASES: readonly [what: string, ms: number][] = [
  ["at once", 0],
  ["between the Pings", 7 * SECOND],
  ["1 ms before the Ping", 20 * SECOND - 1],
  ["with the Ping", 20 * SECOND],
  ["1 ms behind the Ping", 20 * SECOND + 1],
  ["behind the answer", 23 * SECOND],
  ["1 ms before the next Ping", 40 * SECOND - 1],
  ["with the next Ping", 40 * SECOND],
];
const LENGTHS = [1, 10, 19, 19.4, 19.6, 20, 20.5, 21, 21.5, 30, 39.9, 40, 41, 60, 3 * 3_600]
  .map((seconds) => seconds * SECOND);

describe("the default keep-alive of a process that stalls", () => {
  for (const [what, ms] of PHASES) {
    it(`keeps clients that answer, and drops a silent one, where it stalls ${what}`, async () => {
      await Promise.all(LENGTHS.map((length) =>
        withStalling(async (stalling) => {
          const peer = await stalling.open();
          await stalling.approach(ms);
          await stalling.stall(length);
          assertEquals(peer.conn.state, "open", `after ${length} ms`);
          await stalling.live(45 * SECOND);
          await stalling.checkSorted();
          peer.isSilent = true;
          await stalling.live(45 * SECOND);
          await stalling.checkSorted();
        })
      ));
    });
  }

  it("stalls 30 seconds: of 200 clients in all phases only the silent are dropped", () =>
    withStalling(async (stalling) => {
      for (let i = 0; i < 200; i++) {
        const peer = await stalling.open();
        peer.isSilent = i % 10 === 0;
        await stalling.server.clock.advance(200);
        if (i % 5 === 0) await stalling.answer();
      }
      await stalling.answer();
      const before = stalling.server.server.connections.size;
      await stalling.stall(30 * SECOND);
      assertEquals(stalling.server.server.connections.size, before);
      await stalling.live(45 * SECOND);
      await stalling.checkSorted();
    }));

  it("stalls again and again, with hardly a moment between", () =>
    withStalling(async (stalling) => {
      const { clock } = stalling.server;
      const peer = await stalling.open();
      for (let i = 0; i < 40; i++) {
        await stalling.stall([30, 20.4, 19.9, 5, 0.4][i % 5] * SECOND);
        // What was sent in the stall's last moment is answered in the next one.
        await clock.advance(i % 7);
      }
      await stalling.checkSorted();
      peer.isSilent = true;
      await stalling.live(61 * SECOND);
      await stalling.checkSorted();
    }));

  it("is suspended for hours, and finds its clients as they are then", () =>
    withStalling(async (stalling) => {
      const here = await stalling.open();
      const gone = await stalling.open();
      await stalling.live(30 * SECOND);
      gone.isSilent = true;
      for (let i = 0; i < 3; i++) {
        await stalling.stall(5 * HOUR);
        await stalling.live(SECOND);
        assertEquals(here.conn.state, "open");
      }
      await stalling.live(61 * SECOND);
      await stalling.checkSorted();
    }));

  it("is as exact as ever where the process does not stall", () =>
    withStalling(async (stalling) => {
      const { clock } = stalling.server;
      const { conn, client } = await stalling.open();
      await clock.advance(20 * SECOND);
      await client.readPing();
      await clock.advance(20 * SECOND - 1);
      assertEquals(conn.state, "open");
      await clock.advance(1);
      assertEquals(await conn.closed, SILENT);
    }));

  it("counts an answer in the last moment of its time", () =>
    withStalling(async (stalling) => {
      const { clock } = stalling.server;
      const { conn, client } = await stalling.open();
      await clock.advance(40 * SECOND - 1);
      client.sendPong(await client.readPing());
      await clock.advance(1);
      assert(conn.state === "open");
      // The next Ping is not delayed by that.
      await clock.advance(0);
      await client.readPing();
    }));
});
