// @engines: all of it happens in memory.

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import type { Connection } from "../../src/connection/connection.ts";
import { watch } from "../support/watch.ts";
import { type ScriptedPeer, ScriptedServer } from "./scripted_server.ts";

const TIMEOUT_MS = 700;

/** Opens a connection that has 700 ms to close, and no other timers. */
async function open(): Promise<{ server: ScriptedServer; peer: ScriptedPeer; conn: Connection }> {
  const server = new ScriptedServer();
  const options = { closeTimeoutMs: TIMEOUT_MS, keepAlive: false as const };
  return { server, ...await server.open("ws://example.com/", options) };
}

// What else may come, in any order: tests/connection/end_sequences_test.ts plays it for clients too.
describe("a client that closes", () => {
  it("gives up on a server that answers no Close frame, whatever else it sends", async () => {
    const { server, peer, conn } = await open();
    const closed = watch(conn.close({ closeCode: 4000 }));
    assertEquals((await peer.readClose())[0], 4000);
    for (let i = 0; i < 6; i++) {
      peer.sendText("A");
      peer.sendPing();
      await server.clock.advance(TIMEOUT_MS / 7);
      assertEquals(closed.state, "pending");
    }
    await server.clock.advance(TIMEOUT_MS / 7);
    await peer.untilClosed();
    assertEquals((await conn.closed).wasClean, false);
    assertEquals(server.clock.pending, []);
  });
});
