import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import type { Connection } from "../../src/connection/connection.ts";
import { settle } from "../support/turn.ts";
import { watch } from "../support/watch.ts";
import { type ScriptedPeer, ScriptedServer } from "./scripted_server.ts";

const TIMEOUT_MS = 700;

/** Opens a connection that has 700 ms to close, and no other timers. */
async function open(): Promise<{ server: ScriptedServer; peer: ScriptedPeer; conn: Connection }> {
  const server = new ScriptedServer();
  const options = { closeTimeoutMs: TIMEOUT_MS, keepAlive: false as const };
  return { server, ...await server.open("ws://example.com/", options) };
}

describe("a client that closes", () => {
  it("waits for the server to end TCP, and then ends it too", async () => {
    const { server, peer, conn } = await open();
    const closed = watch(conn.close({ closeCode: 4000 }));
    assertEquals((await peer.readClose())[0], 4000);
    peer.sendClose(4000);
    await server.clock.advance(TIMEOUT_MS - 1);
    assertEquals([closed.state, peer.hasEnded], ["pending", false]);
    peer.socket.end();
    await peer.untilClosed();
    const { closeCode, wasClean, initiator } = await conn.closed;
    assertEquals({ closeCode, wasClean, initiator }, {
      closeCode: 4000,
      wasClean: true,
      initiator: "local",
    });
    assertEquals(server.clock.pending, []);
  });

  it("gives up on a server that never ends TCP", async () => {
    const { server, peer, conn } = await open();
    void conn.close({ closeCode: 4000 });
    assertEquals((await peer.readClose())[0], 4000);
    peer.sendClose(4000);
    await settle();
    await server.clock.advance(TIMEOUT_MS);
    await peer.untilClosed();
    // The Close frames were exchanged: that is what a clean end is (section 7.1.4), but for TCP.
    assertEquals((await conn.closed).closeCode, 4000);
    assertEquals(server.clock.pending, []);
  });

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

  it("gives up on a server that closes and does not end TCP", async () => {
    const { server, peer, conn } = await open();
    peer.sendClose(4000);
    assertEquals((await peer.readClose())[0], 4000);
    await server.clock.advance(TIMEOUT_MS - 1);
    assert(!peer.hasEnded && !peer.isClosed);
    await server.clock.advance(1);
    await peer.untilClosed();
    assertEquals((await conn.closed).initiator, "remote");
    assertEquals(server.clock.pending, []);
  });

  it("does not wait where it fails the connection, but for the end", async () => {
    const { server, peer, conn } = await open();
    peer.sendFrame({ opcode: 3 });
    assertEquals((await peer.readClose())[0], 1002);
    await server.clock.advance(TIMEOUT_MS);
    await peer.untilClosed();
    const { closeCode, wasClean } = await conn.closed;
    assertEquals({ closeCode, wasClean }, { closeCode: 1002, wasClean: false });
    assertEquals(server.clock.pending, []);
  });
});
