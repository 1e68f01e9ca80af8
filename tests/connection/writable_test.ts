import { describe, it } from "node:test";
import { assertEquals, assertInstanceOf, assertStrictEquals } from "@std/assert";
import { type Message, WebSocketError } from "../../src/server/mod.ts";
import { assertEnd } from "../support/end.ts";
import { settle } from "../support/turn.ts";
import { TRANSPORTS, withConnection } from "../support/transports.ts";
import { watch } from "../support/watch.ts";
import { Source } from "./source.ts";
import {
  assertRejectedAsClosed,
  assertRejectsAsClosed,
  withStalledClient,
} from "./with_connection.ts";

const MESSAGES: Message[] = ["a", Uint8Array.of(1), "", new Uint8Array(), "x".repeat(70_000)];

describe("writable", () => {
  for (const { name, withConnection } of TRANSPORTS) {
    it(`sends what is piped to it, and closes with 1000 behind it, over ${name}`, () =>
      withConnection({}, async ({ conn, client }) => {
        const piped = watch(new Source(...MESSAGES).end().stream.pipeTo(conn.writable));
        for (const message of MESSAGES) assertEquals(await client.readMessage(), message);
        assertEquals(await client.readClose(), [1000, ""]);
        assertEquals(piped.state, "pending");
        client.sendClose(1000);
        await client.finish();
        assertEquals((await piped.untilSettled()).state, "resolved");
        await assertEnd(conn, { closeCode: 1000, wasClean: true, initiator: "local" });
      }));
  }

  it("is one stream", () =>
    withConnection({}, ({ conn }) => {
      assertStrictEquals(conn.writable, conn.writable);
      return Promise.resolve();
    }));

  it("is done with a write when send() is", () =>
    withStalledClient({ limits: { sendHighWaterMark: 50 } }, async ({ conn, client }) => {
      const writer = conn.writable.getWriter();
      const small = watch(writer.write("x".repeat(38)));
      const large = watch(writer.write("y"));
      await settle();
      assertEquals([small.state, large.state], ["resolved", "pending"]);
      client.socket.resume();
      assertEquals((await large.untilSettled()).state, "resolved");
    }));

  it("slows the source of a pipe while the client reads nothing", () =>
    withStalledClient({ limits: { sendHighWaterMark: 50 } }, async ({ conn, client }) => {
      const source = new Source(...Array<string>(50).fill("x".repeat(30))).end();
      const piped = watch(source.stream.pipeTo(conn.writable));
      await settle();
      const { pulls } = source;
      assertEquals(pulls < 5, true, `${pulls} pulls`);
      await settle();
      assertEquals(source.pulls, pulls);
      client.socket.resume();
      for (let i = 0; i < 51; i++) await client.readMessage();
      await client.answerClose(1000);
      assertEquals((await piped.untilSettled()).state, "resolved");
    }));

  it("leaves the connection open where the pipe does not close it", () =>
    withConnection({}, async ({ conn, client }) => {
      await new Source("a").end().stream.pipeTo(conn.writable, { preventClose: true });
      await conn.send("b");
      assertEquals([await client.readMessage(), await client.readMessage()], ["a", "b"]);
      assertEquals(conn.state, "open");
    }));

  it("errors with a TypeError for what is no message", () =>
    withConnection({}, async ({ conn }) => {
      const source = new Source<Message>(7 as unknown as string);
      const piped = await watch(source.stream.pipeTo(conn.writable)).untilSettled();
      assertInstanceOf(piped.reason, TypeError);
      assertEquals(source.cancelled, [piped.reason]);
    }));

  describe("errors with how the connection ended", () => {
    it("by a reset, and cancels the source of a pipe", () =>
      withConnection({}, async ({ conn, client }) => {
        const source = new Source("a");
        const piped = watch(source.stream.pipeTo(conn.writable));
        assertEquals(await client.readMessage(), "a");
        client.socket.reset();
        await assertRejectsAsClosed(piped, 1006);
        assertEquals(source.cancelled, [piped.reason]);
      }));

    it("by the peer's Close frame", () =>
      withConnection({}, async ({ conn, client }) => {
        const writer = conn.writable.getWriter();
        const closed = watch(writer.closed);
        client.sendClose(4001, "bye");
        await client.readClose();
        await client.finish();
        await assertRejectsAsClosed(closed, 4001, "bye");
        const late = watch(writer.write("late"));
        await assertRejectsAsClosed(late, 4001, "bye");
      }));

    it("by close(), at the first write behind it", () =>
      withConnection({}, async ({ conn }) => {
        const writer = conn.writable.getWriter();
        // Nobody handles these, which must not matter.
        void conn.close({ closeCode: 4002 });
        const late = watch(writer.write("late"));
        const closed = watch(writer.closed);
        await assertRejectsAsClosed(late, 4002);
        await assertRejectsAsClosed(closed, 4002);
      }));

    it("while a write waits", () =>
      withStalledClient({ limits: { sendHighWaterMark: 50 } }, async ({ conn, client }) => {
        const writer = conn.writable.getWriter();
        const written = watch(writer.write("x".repeat(100)));
        const next = watch(writer.write("next"));
        await settle();
        client.socket.reset();
        for (const each of [written, next, watch(writer.ready), watch(writer.closed)]) {
          await assertRejectsAsClosed(each, 1006);
        }
      }));

    it("where it is asked for only then", () =>
      withConnection({}, async ({ conn, client }) => {
        client.socket.reset();
        await settle();
        const writer = conn.writable.getWriter();
        // Without a write.
        const closed = await watch(writer.closed).untilSettled();
        assertRejectedAsClosed(closed, 1006);
        writer.releaseLock();
        const source = new Source("a");
        const piped = watch(source.stream.pipeTo(conn.writable));
        await assertRejectsAsClosed(piped, 1006);
        assertEquals(source.cancelled, [piped.reason]);
        assertStrictEquals(conn.writable, conn.writable);
      }));

    it("and nobody minds where nobody uses it", () =>
      withConnection({}, async ({ conn, client }) => {
        void conn.writable;
        void conn.writable.getWriter().write("a");
        await client.readMessage();
        client.socket.reset();
        await settle();
        assertEquals(conn.state, "closed");
      }));
  });
});

describe("giving up a stream that a client keeps waiting, as it reads nothing,", () => {
  const setup = { limits: { sendHighWaterMark: 50 } };
  const enough = new Error("enough");

  it("is acted upon at once: a writer's abort()", () =>
    withStalledClient(setup, async ({ conn }) => {
      const writer = conn.writable.getWriter();
      const [written, next] = [watch(writer.write("x".repeat(100))), watch(writer.write("next"))];
      const closed = watch(writer.closed);
      await settle();
      const aborted = watch(writer.abort(enough));
      await settle();
      assertEquals([written.reason, next.reason, closed.reason], [enough, enough, enough]);
      assertEquals([aborted.state, conn.state], ["resolved", "closing"]);
    }));

  it("is acted upon at once: the stream's abort()", () =>
    withStalledClient(setup, async ({ conn }) => {
      const writer = conn.writable.getWriter();
      const written = watch(writer.write("x".repeat(100)));
      await settle();
      writer.releaseLock();
      const aborted = watch(conn.writable.abort(enough));
      await settle();
      assertEquals([aborted.state, written.reason, conn.state], ["resolved", enough, "closing"]);
    }));

  it("is acted upon at once: the abort() of what is piped to it", () =>
    withStalledClient(setup, async ({ conn }) => {
      const { readable, writable } = new TransformStream<Message, Message>();
      const piped = watch(readable.pipeTo(conn.writable));
      const writer = writable.getWriter();
      void writer.write("x".repeat(100)).catch(() => {});
      await settle();
      void writer.abort(enough);
      await settle();
      // The pipe waits for the write under way (Streams standard, ReadableStreamPipeTo).
      assertEquals(piped.state, "pending");
      void conn.close({ closeCode: 4001 });
      await settle();
      assertEquals(piped.state, "rejected");
    }));

  it("is acted upon at once: close() of the connection, under a pipe", () =>
    withStalledClient(setup, async ({ conn }) => {
      const source = new Source("x".repeat(100), "next");
      const piped = watch(source.stream.pipeTo(conn.writable));
      await settle();
      void conn.close({ closeCode: 4001, reason: "mine" });
      await settle();
      assertRejectedAsClosed(piped, 4001, "mine");
      assertEquals(source.cancelled, [piped.reason]);
    }));

  it("is acted upon at once: abort() behind close()", () =>
    withStalledClient(setup, async ({ conn }) => {
      const writer = conn.writable.getWriter();
      const closing = watch(writer.close());
      await settle();
      assertEquals([closing.state, conn.state], ["pending", "closing"]);
      void writer.abort(enough).catch(() => {});
      assertEquals((await closing.untilSettled()).reason, enough);
    }));

  it("sends what had been accepted, and then the reason's code", () =>
    withStalledClient(setup, async ({ conn, client }) => {
      const writer = conn.writable.getWriter();
      const written = watch(writer.write("y".repeat(100)));
      await settle();
      void writer.abort(new WebSocketError("", { closeCode: 4001, reason: "enough" }));
      await settle();
      assertEquals(written.state, "rejected");
      client.socket.resume();
      assertEquals(await client.readMessage(), "x".repeat(8));
      assertEquals(await client.readMessage(), "y".repeat(100));
      assertEquals(await client.readClose(), [4001, "enough"]);
    }));

  it("drops the connection after closeTimeoutMs, where the client reads nothing until then", () =>
    withStalledClient({ ...setup, closeTimeoutMs: 1_000 }, async ({ conn, clock }) => {
      const writer = conn.writable.getWriter();
      void writer.write("y".repeat(100)).catch(() => {});
      await settle();
      await writer.abort(enough);
      await clock.advance(999);
      assertEquals(conn.state, "closing");
      await clock.advance(1);
      assertEquals((await conn.closed).closeCode, 1011);
    }));
});
