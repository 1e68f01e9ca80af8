import { describe, it } from "node:test";
import { assertEquals, assertStrictEquals } from "@std/assert";
import { settle } from "../support/turn.ts";
import { watch } from "../support/watch.ts";
import { withConnection } from "../support/transports.ts";
import { Source } from "./source.ts";
import { assertRejectsAsClosed, withStalledClient } from "./with_connection.ts";

describe("while a message is sent as a stream", () => {
  it("messages are held back, and follow in their order", () =>
    withConnection({}, async ({ conn, client, writes }) => {
      const source = new Source("a");
      void conn.send("before");
      const streamed = watch(conn.sendStream("text", source.stream));
      const held = [watch(conn.send("1")), watch(conn.send(Uint8Array.of(2)))];
      assertEquals(conn.trySend("3"), "sent");
      held.push(watch(conn.send("4")));
      await settle();
      assertEquals(held.map(({ state }) => state), ["pending", "pending", "pending"]);
      const count = writes().length;
      source.push("b").end();
      for (const message of ["before", "ab", "1", Uint8Array.of(2), "3", "4"]) {
        assertEquals(await client.readMessage(), message);
      }
      await streamed.untilSettled();
      for (const sent of held) assertEquals((await sent.untilSettled()).state, "resolved");
      await conn.send("after");
      assertEquals(await client.readMessage(), "after");
      // What was held back goes out in one write.
      assertEquals(writes().length - count <= 4, true);
    }));

  it("other streams wait for their turn, unread, and so do the messages between", () =>
    withConnection({}, async ({ conn, client }) => {
      const sources = [new Source("a"), new Source("b"), new Source("c")];
      void conn.send("0");
      const sent = sources.map((source, i) => {
        const sent = watch(conn.sendStream("text", source.stream));
        void conn.send(`${i + 1}`);
        return sent;
      });
      await settle();
      assertEquals(sources.map(({ pulls }) => pulls > 0), [true, false, false]);
      sources[2].end();
      sources[1].end();
      await settle();
      assertEquals(sources.map(({ pulls }) => pulls > 0), [true, false, false]);
      sources[0].end();
      for (const text of ["0", "a", "1", "b", "2", "c", "3"]) {
        assertEquals(await client.readMessage(), text);
      }
      for (const each of sent) assertEquals((await each.untilSettled()).state, "resolved");
    }));

  it("what is held back counts, and is refused past the cap", () => {
    const limits = {
      sendHighWaterMark: 50,
      sendQueueSize: 100,
      sendQueueOverflow: "drop",
    } as const;
    return withConnection({ limits }, async ({ conn, client }) => {
      const source = new Source();
      void conn.sendStream("text", source.stream);
      await settle();
      assertEquals(conn.trySend("x".repeat(50)), "sent");
      assertEquals(conn.trySend("é".repeat(10)), "queued");
      assertEquals(conn.trySend("y".repeat(31)), "dropped");
      await conn.send("y".repeat(31));
      assertEquals(conn.trySend("z".repeat(30)), "queued");
      assertEquals(conn.bufferedAmount, 100);
      source.end();
      const messages = ["", "x".repeat(50), "é".repeat(10), "z".repeat(30)];
      for (const message of messages) assertEquals(await client.readMessage(), message);
      await settle();
      assertEquals([conn.bufferedAmount, client.unreadSize], [0, 0]);
    });
  });

  it('the policy "close" closes past the cap, and the stream is broken off', () =>
    withConnection(
      { limits: { sendHighWaterMark: 50, sendQueueSize: 100 } },
      async ({ conn, client }) => {
        const source = new Source("a");
        const streamed = watch(conn.sendStream("text", source.stream));
        const held = watch(conn.send("x".repeat(60)));
        await settle();
        const sent = watch(conn.send("y".repeat(60)));
        const reason = "The send queue is full: the peer reads too slowly";
        for (const each of [streamed, held, sent]) await assertRejectsAsClosed(each, 1013, reason);
        assertEquals((await client.readFrame()).fin, false);
        assertEquals(await client.readClose(), [1013, reason]);
        assertEquals(source.cancelled?.length, 1);
      },
    ));

  it("bytes given to trySend() are copied up to 16 KiB", () =>
    withConnection({}, async ({ conn, client }) => {
      const source = new Source("a");
      void conn.sendStream("text", source.stream);
      const bytes = new Uint8Array(16_384).fill(1);
      conn.trySend(bytes);
      bytes.fill(2);
      source.end();
      assertEquals(await client.readMessage(), "a");
      const message = await client.readMessage() as Uint8Array;
      assertEquals([message.length, message.every((byte) => byte === 1)], [16_384, true]);
    }));

  it("what was held back waits at the high-water mark as all else", () => {
    const limits = { sendHighWaterMark: 100 };
    return withStalledClient({ limits }, async ({ conn, client }) => {
      const source = new Source().end();
      const streamed = watch(conn.sendStream("text", source.stream));
      const [small, large] = ["x".repeat(80), "y".repeat(80)].map((text) => watch(conn.send(text)));
      await settle();
      // 10 bytes in flight, the frame of 2, and 82 more: below the mark, but for the last one.
      assertEquals([streamed.state, small.state, large.state], ["resolved", "resolved", "pending"]);
      client.socket.resume();
      assertEquals((await large.untilSettled()).state, "resolved");
    });
  });

  it("one that is given up before its turn leaves the others alone", () =>
    withConnection({}, async ({ conn, client }) => {
      const [first, second, third] = [new Source("a"), new Source("b"), new Source("c")];
      const controller = new AbortController();
      const reason = new Error("enough");
      void conn.sendStream("text", first.stream);
      const { signal } = controller;
      const given = watch(conn.sendStream("text", second.stream, { signal }));
      void conn.send("1");
      void conn.sendStream("text", third.stream);
      void conn.send("2");
      await settle();
      controller.abort(reason);
      assertStrictEquals((await given.untilSettled()).reason, reason);
      assertEquals([second.cancelled, second.pulls], [[reason], 0]);
      first.end();
      third.end();
      for (const text of ["a", "1", "c", "2"]) assertEquals(await client.readMessage(), text);
      await conn.send("after");
      assertEquals([await client.readMessage(), conn.state], ["after", "open"]);
    }));

  it("one whose signal was aborted before leaves the others alone", () =>
    withConnection({}, async ({ conn, client }) => {
      const reason = new Error("enough");
      const source = new Source("a");
      const signal = AbortSignal.abort(reason);
      const given = await watch(conn.sendStream("text", source.stream, { signal })).untilSettled();
      assertStrictEquals(given.reason, reason);
      assertEquals(source.cancelled, [reason]);
      await conn.send("after");
      assertEquals([await client.readMessage(), conn.state], ["after", "open"]);
    }));
});
