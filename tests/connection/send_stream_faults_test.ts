import { describe, it } from "node:test";
import { assertEquals, assertInstanceOf, assertStrictEquals } from "@std/assert";
import type { Message } from "../../src/server/mod.ts";
import { utf8 } from "../support/raw_client.ts";
import { settle } from "../support/turn.ts";
import { watch } from "../support/watch.ts";
import { Source } from "./source.ts";
import {
  assertIsClosedError,
  assertRejectedAsClosed,
  type Ends,
  withConnection,
  withStalledClient,
} from "./with_connection.ts";

/** Checks that nothing of the message was sent, and that the connection goes on. */
async function assertGoesOn({ conn, client }: Ends): Promise<void> {
  await conn.send("after");
  assertEquals(await client.readMessage(), "after");
  assertEquals(conn.state, "open");
}

/** Checks that the message was broken off behind one fragment. */
async function assertBrokenOff({ conn, client }: Ends): Promise<void> {
  const { opcode, fin } = await client.readFrame();
  assertEquals([opcode, fin], [1, false]);
  assertEquals(await client.readClose(), [1011, ""]);
  const sent = watch(conn.send("after"));
  await sent.untilSettled();
  assertRejectedAsClosed(sent, 1011);
}

const BAD: [name: string, chunk: unknown][] = [
  ["bytes that are no UTF-8", Uint8Array.of(0x61, 0xff)],
  ["a surrogate in UTF-8", Uint8Array.of(0xed, 0xa0, 0x80)],
  ["a number", 7],
  ["undefined", undefined],
  ["an ArrayBuffer", new ArrayBuffer(2)],
];

describe("sendStream(), where the source fails", () => {
  it("before the first fragment, rejects, and the connection goes on", () =>
    withConnection({}, async (ends) => {
      const error = new Error("no source");
      for (const source of [new Source().fail(error), new Source("")]) {
        const sent = watch(ends.conn.sendStream("text", source.stream));
        const held = watch(ends.conn.send("held back"));
        await settle();
        source.fail(error);
        await sent.untilSettled();
        assertStrictEquals(sent.reason, error);
        assertEquals((await held.untilSettled()).state, "resolved");
        assertEquals(await ends.client.readMessage(), "held back");
      }
      await assertGoesOn(ends);
    }));

  it("after the first fragment, rejects, and closes with 1011", () =>
    withConnection({}, async (ends) => {
      const source = new Source("a");
      const sent = watch(ends.conn.sendStream("text", source.stream));
      const held = watch(ends.conn.send("held back"));
      const next = new Source("b");
      const streamed = watch(ends.conn.sendStream("text", next.stream));
      await settle();
      const error = new Error("source broke");
      source.fail(error);
      await sent.untilSettled();
      assertStrictEquals(sent.reason, error);
      for (const other of [held, streamed]) {
        await other.untilSettled();
        assertRejectedAsClosed(other, 1011);
      }
      assertIsClosedError(next.cancelled?.[0], 1011);
      await assertBrokenOff(ends);
    }));
});

describe("sendStream(), where a chunk can't be sent", () => {
  for (const [name, chunk] of BAD) {
    it(`as it is ${name}: rejects with a TypeError, and the connection goes on`, () =>
      withConnection({}, async (ends) => {
        const source = new Source(chunk as Message);
        const sent = watch(ends.conn.sendStream("text", source.stream));
        await sent.untilSettled();
        assertInstanceOf(sent.reason, TypeError);
        assertEquals(source.cancelled, [sent.reason]);
        await assertGoesOn(ends);
      }));

    it(`as it is ${name} behind a fragment: closes with 1011`, () =>
      withConnection({}, async (ends) => {
        const source = new Source("ok", chunk as Message);
        const sent = watch(ends.conn.sendStream("text", source.stream));
        await sent.untilSettled();
        assertInstanceOf(sent.reason, TypeError);
        assertEquals(source.cancelled, [sent.reason]);
        await assertBrokenOff(ends);
      }));
  }

  const UNFINISHED: [name: string, chunks: Message[]][] = [
    ["at the end", [utf8("€").subarray(0, 2)]],
    ["before a string", [utf8("€").subarray(0, 2), "a"]],
    ["before half a surrogate pair", [utf8("€").subarray(0, 2), "\ud83d"]],
  ];
  for (const [name, chunks] of UNFINISHED) {
    it(`as its UTF-8 is unfinished ${name}: closes with 1011`, () =>
      withConnection({}, async (ends) => {
        const sent = watch(ends.conn.sendStream("text", new Source(...chunks).end().stream));
        await sent.untilSettled();
        assertInstanceOf(sent.reason, TypeError);
        await assertBrokenOff(ends);
      }));
  }

  it("does not mind in a binary message, but for what is no chunk", () =>
    withConnection({}, async (ends) => {
      const { conn, client } = ends;
      await conn.sendStream("binary", new Source(utf8("€").subarray(0, 2)).end().stream);
      assertEquals(await client.readMessage(), utf8("€").subarray(0, 2));
      const sent = watch(conn.sendStream("binary", new Source(7 as unknown as string).stream));
      await sent.untilSettled();
      assertInstanceOf(sent.reason, TypeError);
      await assertGoesOn(ends);
    }));
});

describe("sendStream(), where the signal aborts", () => {
  const reason = new Error("enough");

  it("before the first fragment, rejects, and the connection goes on", () =>
    withConnection({}, async (ends) => {
      const controller = new AbortController();
      const source = new Source();
      const { signal } = controller;
      const sent = watch(ends.conn.sendStream("text", source.stream, { signal }));
      await settle();
      controller.abort(reason);
      await sent.untilSettled();
      assertStrictEquals(sent.reason, reason);
      assertEquals(source.cancelled, [reason]);
      await assertGoesOn(ends);
    }));

  it("while the source is read, rejects, and closes with 1011", () =>
    withConnection({}, async (ends) => {
      const controller = new AbortController();
      const source = new Source("a");
      const { signal } = controller;
      const sent = watch(ends.conn.sendStream("text", source.stream, { signal }));
      await settle();
      controller.abort(reason);
      await sent.untilSettled();
      assertStrictEquals(sent.reason, reason);
      assertEquals(source.cancelled, [reason]);
      await assertBrokenOff(ends);
    }));

  it("while the peer reads nothing, rejects, and closes with 1011", () =>
    withStalledClient({ limits: { sendHighWaterMark: 20 } }, async (ends) => {
      const controller = new AbortController();
      const source = new Source("x".repeat(30), "never read");
      const { signal } = controller;
      const sent = watch(ends.conn.sendStream("text", source.stream, { signal }));
      await settle();
      assertEquals([sent.state, source.pulls], ["pending", 1]);
      controller.abort(reason);
      await sent.untilSettled();
      assertStrictEquals(sent.reason, reason);
      assertEquals(source.cancelled, [reason]);
      ends.client.socket.resume();
      await ends.client.readMessage();
      await assertBrokenOff(ends);
    }));

  it("at any moment, with a source that fails too, leaves no rejection unhandled", async () => {
    for (let delay = 0; delay < 20; delay++) {
      await withConnection({}, async ({ conn }) => {
        const controller = new AbortController();
        const source = new Source("a");
        const { signal } = controller;
        const sent = watch(conn.sendStream("text", source.stream, { signal }));
        for (let i = 0; i < delay; i++) await Promise.resolve();
        controller.abort(reason);
        source.fail(new Error("source broke"));
        await sent.untilSettled();
        assertStrictEquals(sent.reason, reason);
      });
    }
  });

  it("after the last fragment, does nothing", () =>
    withConnection({}, async (ends) => {
      const controller = new AbortController();
      const { signal } = controller;
      await ends.conn.sendStream("text", new Source("a").end().stream, { signal });
      controller.abort(reason);
      assertEquals(await ends.client.readMessage(), "a");
      await assertGoesOn(ends);
    }));
});

describe("sendStream(), where the connection ends", () => {
  const inTime = ({ clock }: Ends) => clock.advance(5_000);
  const ENDS: [name: string, end: (ends: Ends) => unknown, closeCode: number][] = [
    ["by a reset", ({ client }) => client.socket.reset(), 1006],
    ["by the end of the peer's bytes", ({ client }) => client.socket.end(), 1006],
    [
      "by the peer's Close frame, for which it takes too long,",
      (ends) => (ends.client.sendClose(4001), inTime(ends)),
      4001,
    ],
    ["by abort()", ({ conn }) => conn.abort(), 1006],
    [
      "by close(), for which it takes too long,",
      (ends) => (void ends.conn.close({ closeCode: 4002 }), inTime(ends)),
      4002,
    ],
    [
      "by close() of the disposal, for which it takes too long,",
      (ends) => (void ends.conn[Symbol.asyncDispose](), inTime(ends)),
      1000,
    ],
  ];
  for (const [name, end, closeCode] of ENDS) {
    for (const chunks of [[], ["a"]]) {
      it(`${name} after ${chunks.length} fragments: rejects, and cancels the source`, () =>
        withConnection({}, async (ends) => {
          const { conn } = ends;
          const sources = [new Source(...chunks), new Source("b")];
          const sent = sources.map(({ stream }) => watch(conn.sendStream("text", stream)));
          const held = watch(conn.send("held back"));
          // Nobody handles these, which must not matter.
          const unwatched = new Source("c");
          void conn.sendStream("text", unwatched.stream);
          void conn.send("held back too");
          await settle();
          await end(ends);
          for (const each of [...sent, held]) {
            await each.untilSettled();
            assertRejectedAsClosed(each, closeCode);
          }
          for (const source of [...sources, unwatched]) {
            assertIsClosedError(source.cancelled?.[0], closeCode);
          }
          await settle();
          assertEquals(sources[1].pulls, 0);
        }));
    }

    it(`${name} while the peer reads nothing: rejects, and cancels the source`, () =>
      withStalledClient({ limits: { sendHighWaterMark: 20 } }, async (ends) => {
        const source = new Source("x".repeat(30), "never read");
        const sent = watch(ends.conn.sendStream("text", source.stream));
        await settle();
        await end(ends);
        await sent.untilSettled();
        assertRejectedAsClosed(sent, closeCode);
        assertIsClosedError(source.cancelled?.[0], closeCode);
        await settle();
        assertEquals(source.pulls, 1);
      }));

    it(`${name} before: rejects, and cancels the source unread`, () =>
      withConnection({}, async (ends) => {
        await end(ends);
        await settle();
        const source = new Source("a");
        void ends.conn.sendStream("text", new Source("a").stream);
        const sent = watch(ends.conn.sendStream("text", source.stream));
        await sent.untilSettled();
        assertRejectedAsClosed(sent, closeCode);
        assertIsClosedError(source.cancelled?.[0], closeCode);
        assertEquals(source.pulls, 0);
      }));
  }

  it("before its signal aborts: rejects with how it ended", () =>
    withConnection({}, async ({ conn, client }) => {
      const controller = new AbortController();
      const source = new Source("a");
      const { signal } = controller;
      const sent = watch(conn.sendStream("text", source.stream, { signal }));
      await settle();
      client.socket.reset();
      await sent.untilSettled();
      assertRejectedAsClosed(sent, 1006);
      assertEquals(source.cancelled, [sent.reason]);
      controller.abort();
      await settle();
    }));

  it("and the source fails when it is cancelled: nobody minds", () =>
    withConnection({}, async ({ conn }) => {
      const stream = new ReadableStream<string>({
        cancel() {
          throw new Error("not even that");
        },
      });
      const sent = watch(conn.sendStream("text", stream));
      await settle();
      conn.abort();
      await sent.untilSettled();
      assertRejectedAsClosed(sent, 1006);
      await settle();
    }));

  it("and the source fails at the same time: nobody minds", () =>
    withConnection({}, async ({ conn }) => {
      const source = new Source("a");
      const sent = watch(conn.sendStream("text", source.stream));
      await settle();
      conn.abort();
      source.fail(new Error("source broke"));
      await sent.untilSettled();
      assertRejectedAsClosed(sent, 1006);
      await settle();
    }));
});
