import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { settle } from "../support/turn.ts";
import { withConnection } from "../support/transports.ts";
import { textOfFrameSize, withStalledClient } from "./with_connection.ts";

const LIMITS = { sendHighWaterMark: 200, sendQueueSize: 500 };

describe("trySend()", () => {
  it('gives "sent" where the peer keeps up, and sends', () =>
    withConnection({}, async ({ conn, client }) => {
      assertEquals(conn.trySend("text"), "sent");
      assertEquals(conn.trySend(Uint8Array.of(1)), "sent");
      assertEquals(await client.readMessage(), "text");
      assertEquals(await client.readMessage(), Uint8Array.of(1));
    }));

  for (const [size, result] of [[189, "sent"], [190, "sent"], [191, "queued"]] as const) {
    it(`gives "${result}" with ${10 + size} bytes of 200 in the queue`, () =>
      withStalledClient({ limits: LIMITS }, async ({ conn, client }) => {
        const text = textOfFrameSize(size);
        assertEquals(conn.trySend(text), result);
        client.socket.resume();
        await client.readMessage();
        assertEquals(await client.readMessage(), text);
      }));
  }

  it('gives "dropped" for what does not fit, and sends none of it', () =>
    withStalledClient(
      { limits: { ...LIMITS, sendHighWaterMark: 199 } },
      async ({ conn, client }) => {
        assertEquals(conn.trySend(textOfFrameSize(190)), "queued");
        assertEquals(conn.trySend("x".repeat(301)), "dropped");
        assertEquals(conn.bufferedAmount, 200);
        // A smaller one fits still.
        assertEquals(conn.trySend("y".repeat(300)), "queued");
        assertEquals(conn.trySend(""), "dropped");
        assertEquals([conn.bufferedAmount, conn.state], [200 + 304, "open"]);
        client.socket.resume();
        await client.readMessage();
        assertEquals(await client.readMessage(), textOfFrameSize(190));
        assertEquals(await client.readMessage(), "y".repeat(300));
        await settle();
        assertEquals([client.unreadSize, conn.trySend("z")], [0, "sent"]);
        assertEquals(await client.readMessage(), "z");
      },
    ));

  it('gives "dropped" behind Pings, and "drain" is called when there is room again', async () => {
    let drains = 0;
    const limits = { sendHighWaterMark: 5, sendQueueSize: 5 };
    const setup = { limits, message() {}, drain: () => void drains++ };
    await withConnection(setup, async ({ conn, client }) => {
      client.socket.pause();
      for (let i = 0; i < 2; i++) void conn.ping();
      assertEquals(conn.trySend("a"), "dropped");
      client.socket.resume();
      for (let i = 0; i < 2; i++) await client.readPing();
      await settle();
      assertEquals([drains, conn.trySend("a")], [1, "sent"]);
      await client.readMessage();
    });
  });

  it('gives "dropped" past sendQueueSize, and "drain" is called, with a higher high-water mark', async () => {
    let drains = 0;
    const limits = { sendHighWaterMark: 100, sendQueueSize: 9 };
    const setup = { limits, message() {}, drain: () => void drains++ };
    await withStalledClient(setup, async ({ conn, client }) => {
      assertEquals(conn.trySend("two"), "dropped");
      client.socket.resume();
      await client.readMessage();
      await settle();
      assertEquals([drains, conn.trySend("two")], [1, "sent"]);
      await client.readMessage();
    });
  });

  it("takes bytes of up to 16 KiB by value", () =>
    withStalledClient({}, async ({ conn, client }) => {
      const bytes = new Uint8Array(16_384).fill(1);
      conn.trySend(bytes);
      bytes.fill(2);
      client.socket.resume();
      await client.readMessage();
      assertEquals(await client.readMessage(), new Uint8Array(16_384).fill(1));
    }));
});
