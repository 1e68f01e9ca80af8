import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import type { SendQueueOverflow } from "../../src/connection/options.ts";
import { assertEnd } from "../support/end.ts";
import { settle } from "../support/turn.ts";
import { watch } from "../support/watch.ts";
import { type MemoryEnds, withConnection } from "../support/transports.ts";
import {
  assertRejectedAsClosed,
  assertRejectsAsClosed,
  textOfFrameSize,
  withStalledClient,
} from "./with_connection.ts";

const REASON = "The send queue is full: the peer reads too slowly";

/** A queue of 100 bytes, 10 of which are taken. */
function withPolicy(
  sendQueueOverflow: SendQueueOverflow,
  body: (ends: MemoryEnds) => Promise<void>,
): Promise<void> {
  const limits = { sendHighWaterMark: 9, sendQueueSize: 100, sendQueueOverflow };
  return withStalledClient({ limits }, body);
}

// The frame header is not counted for the message that is to fit, but for those in the queue.
const FITTING: [name: string, message: string | Uint8Array][] = [
  ["89 letters", "x".repeat(89)],
  ["90 letters", "x".repeat(90)],
  ["90 bytes", new Uint8Array(90)],
  ["45 characters of 2 bytes", "é".repeat(45)],
  ["30 characters of 3 bytes", "€".repeat(30)],
  ["22 characters of 4 bytes and 2 of 1", "😀".repeat(22) + "ab"],
  ["30 lone surrogates, sent as U+FFFD", "\ud800".repeat(30)],
  ["nothing", ""],
];
const TOO_LARGE: [name: string, message: string | Uint8Array][] = [
  ["91 letters", "x".repeat(91)],
  ["91 bytes", new Uint8Array(91)],
  ["45 characters of 2 bytes and 1 of 1", "é".repeat(45) + "a"],
  ["30 characters of 3 bytes and 1 of 1", "€".repeat(30) + "a"],
  ["23 characters of 4 bytes", "😀".repeat(23)],
  ["31 lone surrogates", "\ud800".repeat(31)],
  ["a megabyte", new Uint8Array(1_000_000)],
];

describe("a send queue of 100 bytes that holds 10", () => {
  for (const [name, message] of FITTING) {
    it(`has room for ${name}`, async () => {
      await withPolicy("close", async ({ conn, client }) => {
        void conn.send(message);
        await settle();
        assertEquals(conn.state, "open");
        client.socket.resume();
        await client.readMessage();
        const sent = typeof message === "string" ? message.toWellFormed() : message;
        assertEquals(await client.readMessage(), sent);
      });
      await withPolicy("drop", async ({ conn }) => {
        assert(["sent", "queued"].includes(conn.trySend(message)));
        await settle(1);
      });
    });
  }

  for (const [name, message] of TOO_LARGE) {
    it(`has no room for ${name}`, async () => {
      await withPolicy("close", async ({ conn }) => {
        const sent = watch(conn.send(message));
        await assertRejectsAsClosed(sent, 1013, REASON);
      });
      await withPolicy("drop", async ({ conn }) => {
        assertEquals([conn.trySend(message), conn.bufferedAmount], ["dropped", 10]);
        await settle(1);
      });
    });
  }
});

describe("one message", () => {
  for (const sendQueueOverflow of ["close", "drop", "wait"] as const) {
    it(`fits an empty queue, whatever its size (${sendQueueOverflow})`, () => {
      const limits = { sendQueueSize: 0, sendHighWaterMark: 0, sendQueueOverflow };
      return withConnection({ limits }, async ({ conn, client }) => {
        const text = "x".repeat(1_000_000);
        for (let i = 0; i < 3; i++) {
          await conn.send(text);
          assert(await client.readMessage() === text);
          assert(conn.trySend(text) !== "dropped");
          await settle();
          assert(await client.readMessage() === text);
        }
        assertEquals(conn.trySend("a"), "queued");
        assertEquals(conn.trySend("b"), "dropped");
      });
    });
  }
});

describe("one message of any size", () => {
  for (const [sendHighWaterMark, sendQueueSize] of [[9, 100], [10, 100], [100, 9], [100, 10]]) {
    const fits = Math.min(sendHighWaterMark, sendQueueSize) === 10;
    const verb = fits ? "fits" : "does not fit";
    it(`${verb} a queue of ${sendQueueSize} that holds 10, with a mark of ${sendHighWaterMark}`, () =>
      withStalledClient({ limits: { sendHighWaterMark, sendQueueSize } }, async ({ conn }) => {
        assertEquals(conn.bufferedAmount, 10);
        assertEquals(conn.trySend(new Uint8Array(1000)), fits ? "queued" : "dropped");
        await settle(1);
      }));
  }

  it("is sent to whoever reads slowly, where each send is awaited", () =>
    withStalledClient({ limits: { sendQueueSize: 100, sendHighWaterMark: 20 } }, async (ends) => {
      const { conn, client } = ends;
      const texts = Array.from({ length: 4 }, (_, i) => `${i}`.repeat(1000));
      const sending = (async () => {
        for (const text of texts) await conn.send(text);
      })();
      client.socket.resume();
      await client.readMessage();
      for (const text of texts) assertEquals(await client.readMessage(), text);
      await sending;
    }));
});

describe('the policy "close"', () => {
  it("closes with 1013 behind what was queued", () =>
    withPolicy("close", async ({ conn, client }) => {
      const before = watch(conn.send(textOfFrameSize(90)));
      const sent = watch(conn.send("y"));
      const after = watch(conn.send("z"));
      assertEquals([conn.state, conn.trySend("z")], ["closing", "closed"]);
      await settle();
      assertRejectedAsClosed(sent, 1013, REASON);
      assertRejectedAsClosed(after, 1013, REASON);
      assertEquals(before.state, "pending");
      client.socket.resume();
      assertEquals((await before.untilSettled()).state, "resolved");
      assertEquals((await client.readMessage()).length, 8);
      assertEquals(await client.readMessage(), textOfFrameSize(90));
      await client.answerClose(1013, REASON);
      await assertEnd(conn, {
        closeCode: 1013,
        reason: REASON,
        wasClean: true,
        initiator: "local",
      });
    }));

  it("leaves the connection alone where trySend() is refused", () =>
    withPolicy("close", async ({ conn, client }) => {
      assertEquals(conn.trySend("x".repeat(91)), "dropped");
      await settle();
      assertEquals(conn.state, "open");
      client.socket.resume();
      await client.readMessage();
      await conn.send("after");
      assertEquals(await client.readMessage(), "after");
    }));
});

describe('the policy "drop"', () => {
  it("drops what does not fit, and resolves", () =>
    withPolicy("drop", async ({ conn, client }) => {
      void conn.send("fits");
      await conn.send("x".repeat(91));
      assertEquals(conn.bufferedAmount, 16);
      void conn.send("fits too");
      client.socket.resume();
      await client.readMessage();
      assertEquals(await client.readMessage(), "fits");
      assertEquals(await client.readMessage(), "fits too");
      await conn.send("x".repeat(91));
      assertEquals(await client.readMessage(), "x".repeat(91));
    }));
});

describe('the policy "wait"', () => {
  it("queues what does not fit, and has send() wait", () =>
    withPolicy("wait", async ({ conn, client }) => {
      const texts = Array.from({ length: 5 }, (_, i) => `${i}`.repeat(98));
      const sent = texts.map((text) => watch(conn.send(text)));
      await settle();
      assertEquals(conn.bufferedAmount, 10 + 5 * 100);
      assertEquals(sent.map(({ state }) => state), Array(5).fill("pending"));
      client.socket.resume();
      await client.readMessage();
      for (const text of texts) assertEquals(await client.readMessage(), text);
      for (const { state } of sent) assertEquals(state, "resolved");
    }));

  it("does not hold for trySend(), which waits for nobody", () =>
    withPolicy("wait", async ({ conn }) => {
      assertEquals(conn.trySend("x".repeat(91)), "dropped");
      await settle(1);
      assertEquals(conn.bufferedAmount, 10);
    }));
});
