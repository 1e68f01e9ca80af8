import { describe, it } from "node:test";
import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { settle } from "../support/turn.ts";
import { eventually } from "../support/waiter.ts";
import { type MemoryEnds, TRANSPORTS, withConnection } from "../support/transports.ts";
import { watch } from "../support/watch.ts";
import {
  assertRejectedAsClosed,
  assertRejectsAsClosed,
  NO_MESSAGES,
  textOfFrameSize,
  withStalledClient,
} from "./with_connection.ts";

const MARK = { limits: { sendHighWaterMark: 200 } };

describe("send()", () => {
  it("sends a string as text, and bytes as binary", () =>
    withConnection({}, async ({ conn, client }) => {
      class Bytes extends Uint8Array {}
      for (const text of ["Hello", "", "é€😀", "x".repeat(70_000)]) {
        await conn.send(text);
        assertEquals(await client.readMessage(), text);
      }
      for (const bytes of [new Uint8Array(), Uint8Array.of(0, 255), new Uint8Array(70_000)]) {
        await conn.send(bytes);
        assertEquals(await client.readMessage(), bytes);
      }
      await conn.send(Bytes.of(1, 2));
      await conn.send(Uint8Array.of(1, 2, 3, 4).subarray(1, 3));
      assertEquals(await client.readMessage(), Uint8Array.of(1, 2));
      assertEquals(await client.readMessage(), Uint8Array.of(2, 3));
    }));

  for (const { name, withConnection } of TRANSPORTS) {
    it(`keeps the order of the calls over ${name}, also where it waits`, () =>
      withConnection({ limits: { sendQueueOverflow: "wait" } }, async ({ client, conn }) => {
        client.socket.pause();
        const sizes = [0, 1, 125, 126, 16_384, 16_385, 65_535, 65_536, 300_000];
        const messages = Array.from({ length: 90 }, (_, i) => {
          const size = sizes[i % sizes.length];
          return i % 2 === 0 ? `${i} ${"x".repeat(size)}` : new Uint8Array(size).fill(i);
        });
        const sent = Promise.all(messages.map((message) => conn.send(message)));
        await settle();
        client.socket.resume();
        for (const message of messages) {
          const received = await client.readMessage();
          assert(isSame(received, message), `another message, of ${received.length}`);
        }
        await sent;
      }));

    it(`waits over ${name} where the client reads nothing, until it does`, () =>
      withConnection({ limits: { sendQueueOverflow: "wait" } }, async ({ client, conn }) => {
        client.socket.pause();
        const text = "x".repeat(100_000);
        let count = 0;
        let last = watch(Promise.resolve());
        // The buffers of the system take some, and no more than these 100 MB.
        while (count < 1000) {
          last = watch(conn.send(text));
          count++;
          await settle(2);
          if (last.state === "pending") break;
        }
        assertEquals(last.state, "pending");
        assert(conn.bufferedAmount >= text.length);
        client.socket.resume();
        for (let i = 0; i < count; i++) assert(await client.readMessage() === text);
        assertEquals((await last.untilSettled()).state, "resolved");
        await eventually("an empty queue", () => conn.bufferedAmount === 0);
      }));
  }

  describe("at the high-water mark", () => {
    for (const [size, state] of [[189, "resolved"], [190, "resolved"], [191, "pending"]] as const) {
      it(`is ${state} with ${10 + size} bytes of 200 in the queue`, () =>
        withStalledClient(MARK, async ({ conn, client }) => {
          const sent = watch(conn.send(textOfFrameSize(size)));
          await settle();
          assertEquals([conn.bufferedAmount, sent.state], [10 + size, state]);
          client.socket.resume();
          assertEquals((await sent.untilSettled()).state, "resolved");
        }));
    }

    it("resolves when the queue is at the mark again, though not empty", () =>
      withStalledClient(MARK, async ({ conn, client }) => {
        void conn.send(textOfFrameSize(100));
        const sent = watch(conn.send(textOfFrameSize(100)));
        client.socket.take(9);
        await settle();
        assertEquals([conn.bufferedAmount, sent.state], [210, "pending"]);
        client.socket.take(1);
        await settle();
        assertEquals([conn.bufferedAmount, sent.state], [200, "resolved"]);
      }));

    it("waits on while the queue is above the mark", () =>
      withStalledClient(MARK, async ({ conn, client }) => {
        const sent = watch(conn.send(textOfFrameSize(201)));
        client.socket.take(10);
        await settle();
        assertEquals([conn.bufferedAmount, sent.state], [201, "pending"]);
        client.socket.take(201);
        await sent.untilSettled();
        assertEquals(conn.bufferedAmount, 0);
      }));

    it("does not count what is sent behind the message", () =>
      withStalledClient(MARK, async ({ conn, client }) => {
        const sent = watch(conn.send(textOfFrameSize(195)));
        const later = watch(conn.send(textOfFrameSize(300)));
        client.socket.take(10);
        await settle();
        assertEquals([sent.state, later.state], ["resolved", "pending"]);
        client.socket.resume();
        await later.untilSettled();
      }));

    it("settles many waiters in their order", () =>
      withStalledClient(MARK, async ({ conn, client }) => {
        const order: number[] = [];
        for (let i = 0; i < 100; i++) {
          void conn.send(textOfFrameSize(126)).then(() => order.push(i));
          // Each is a write of its own.
          if (i % 10 === 9) client.socket.take(10_000);
          await Promise.resolve();
        }
        client.socket.resume();
        await eventually("all to be sent", () => order.length === 100);
        assertEquals(order, Array.from({ length: 100 }, (_, i) => i));
      }));

    it("of 0, waits until all is taken", () =>
      withStalledClient({ limits: { sendHighWaterMark: 0 } }, async ({ conn, client }) => {
        const sent = watch(conn.send(""));
        client.socket.take(11);
        await settle();
        assertEquals(sent.state, "pending");
        client.socket.take(2);
        await sent.untilSettled();
        assertEquals([sent.state, conn.bufferedAmount], ["resolved", 0]);
      }));
  });

  describe("with bytes", () => {
    it("of up to 16 KiB, copies them at once", () =>
      withStalledClient({}, async ({ conn, client }) => {
        const bytes = new Uint8Array(16_384).fill(1);
        const sent = watch(conn.send(bytes));
        bytes.fill(2);
        await settle();
        assertEquals(sent.state, "resolved");
        client.socket.resume();
        await client.readMessage();
        assertEquals(await client.readMessage(), new Uint8Array(16_384).fill(1));
      }));

    it("of more, waits until they are taken, though the queue is below the mark", () =>
      withStalledClient({}, async ({ conn, client }) => {
        const bytes = new Uint8Array(16_385).fill(1);
        const sent = watch(conn.send(bytes));
        const small = watch(conn.send("small"));
        client.socket.take(10);
        client.socket.take(16_385 + 3);
        await settle();
        assertEquals([sent.state, small.state], ["pending", "resolved"]);
        client.socket.resume();
        await sent.untilSettled();
        bytes.fill(2);
        await client.readMessage();
        assertEquals(await client.readMessage(), new Uint8Array(16_385).fill(1));
        assertEquals(await client.readMessage(), "small");
      }));

    it("of more, resolves with the turn where the client keeps up", () =>
      withConnection({}, async ({ conn, client }) => {
        const bytes = new Uint8Array(16_385).fill(1);
        await conn.send(bytes);
        bytes.fill(2);
        assertEquals(await client.readMessage(), new Uint8Array(16_385).fill(1));
      }));
  });

  describe("with a signal", () => {
    it("gives up the wait, not the message", () =>
      withStalledClient(MARK, async ({ conn, client }) => {
        const controller = new AbortController();
        const text = textOfFrameSize(300);
        const sent = watch(conn.send(text, { signal: controller.signal }));
        await settle();
        assertEquals(sent.state, "pending");
        const reason = new Error("enough");
        controller.abort(reason);
        assertStrictEquals((await sent.untilSettled()).reason, reason);
        assertEquals(conn.state, "open");
        client.socket.resume();
        await client.readMessage();
        assertEquals(await client.readMessage(), text);
      }));

    it("that was aborted before, rejects, and sends nothing", () =>
      withStalledClient(MARK, async ({ conn }) => {
        const reason = new Error("enough");
        const sent = watch(conn.send(textOfFrameSize(300), { signal: AbortSignal.abort(reason) }));
        assertStrictEquals((await sent.untilSettled()).reason, reason);
        // Of what was sent before.
        assertEquals(conn.bufferedAmount, 10);
      }));

    it("lets go of the signal when it is done", () =>
      withStalledClient(MARK, async ({ conn, client }) => {
        const { signal } = new AbortController();
        let listeners = 0;
        const { addEventListener, removeEventListener } = signal;
        signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
          listeners++;
          addEventListener.apply(signal, args);
        };
        signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
          listeners--;
          removeEventListener.apply(signal, args);
        };
        const sent = watch(conn.send(textOfFrameSize(300), { signal }));
        await settle();
        assertEquals(listeners, 1);
        client.socket.resume();
        await sent.untilSettled();
        await settle();
        assertEquals([sent.state, listeners], ["resolved", 0]);
      }));
  });

  describe("what is no message", () => {
    for (const [name, value] of NO_MESSAGES) {
      it(`throws a TypeError for ${name}, in every state`, () =>
        withStalledClient({ limits: { sendQueueSize: 20 } }, async ({ conn, client }) => {
          const send = () => void conn.send(value as string);
          const trySend = () => void conn.trySend(value as string);
          const check = () => {
            assertThrows(send, TypeError, "Cannot send ");
            assertThrows(trySend, TypeError, "Cannot send ");
          };
          check();
          void conn.sendStream("text", new ReadableStream());
          check();
          client.socket.resume();
          await eventually("the queue to be empty", () => conn.bufferedAmount === 0);
          check();
          assertEquals(conn.state, "open");
          void conn.close();
          check();
          conn.abort();
          check();
        }));
    }
  });

  describe("after the end has begun", () => {
    const ENDS: [how: string, end: (ends: MemoryEnds) => unknown, code: number, reason?: string][] =
      [
        ["close()", ({ conn }) => void conn.close({ closeCode: 4001, reason: "bye" }), 4001, "bye"],
        ["the peer's Close frame", ({ client }) => client.sendClose(4002, "ciao"), 4002, "ciao"],
        ["a Close frame without a status", ({ client }) => client.sendClose(), 1005],
        ["the end of the peer's bytes", ({ client }) => client.socket.end(), 1006],
        ["a reset", ({ client }) => client.socket.reset(), 1006],
        ["abort()", ({ conn }) => conn.abort(), 1006],
        [
          "a protocol error",
          ({ client }) => client.sendFrame({ opcode: 3 }),
          1002,
          "Cannot receive a frame with the reserved opcode 3",
        ],
      ];
    for (const [how, end, code, reason] of ENDS) {
      for (const isOver of [false, true]) {
        it(`rejects with how it ended, by ${how}, ${isOver ? "and is over" : "at once"}`, () =>
          withConnection({}, async (ends) => {
            const { conn, client } = ends;
            await end(ends);
            if (isOver && !client.isClosed) {
              await settle();
              client.socket.reset();
              await conn.closed;
            }
            // None of the promises is handled, but for those that are looked at: that must not matter.
            void conn.send("a");
            void conn.ping();
            for (const promise of [conn.send("b"), conn.ping()]) {
              await assertRejectsAsClosed(watch<unknown>(promise), code, reason);
            }
            assertEquals(conn.trySend("c"), "closed");
          }));
      }
    }
  });

  describe("while it waits", () => {
    it("rejects where the client resets the connection", () =>
      withStalledClient(MARK, async ({ conn, client }) => {
        const waiting = [300, 300, 20_000].map((size) => watch(conn.send("x".repeat(size))));
        void conn.send("nobody waits for this one");
        await settle();
        client.socket.reset();
        await settle();
        for (const sent of waiting) assertRejectedAsClosed(sent, 1006);
      }));

    it("rejects where abort() is called", () =>
      withStalledClient(MARK, async ({ conn }) => {
        const sent = watch(conn.send(textOfFrameSize(300)));
        conn.abort();
        await assertRejectsAsClosed(sent, 1006);
      }));

    it("still resolves where close() is called behind it", () =>
      withStalledClient(MARK, async ({ conn, client }) => {
        const text = textOfFrameSize(300);
        const sent = watch(conn.send(text));
        void conn.close();
        await settle();
        assertEquals(sent.state, "pending");
        client.socket.resume();
        assertEquals((await sent.untilSettled()).state, "resolved");
        await client.readMessage();
        assertEquals(await client.readMessage(), text);
        assertEquals(await client.readClose(), [1000, ""]);
      }));

    it("rejects with the code of close() where that times out", () =>
      withStalledClient({ ...MARK, closeTimeoutMs: 1000 }, async ({ conn, clock }) => {
        const sent = watch(conn.send(textOfFrameSize(300)));
        void conn.close({ closeCode: 4003 });
        await clock.advance(999);
        assertEquals(sent.state, "pending");
        await clock.advance(1);
        assertRejectedAsClosed(sent, 4003);
      }));
  });
});

function isSame(a: string | Uint8Array, b: string | Uint8Array): boolean {
  if (typeof a === "string" || typeof b === "string") return a === b;
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

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
