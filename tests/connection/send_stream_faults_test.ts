import { describe, it } from "node:test";
import {
  assertEquals,
  assertInstanceOf,
  assertMatch,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import type { CloseInfo, Message, SendStreamOptions } from "../../src/server/mod.ts";
import { utf8 } from "../support/raw_client.ts";
import { settle } from "../support/turn.ts";
import { watch } from "../support/watch.ts";
import { type MemoryEnds, withConnection } from "../support/transports.ts";
import { Source } from "./source.ts";
import {
  assertIsClosedError,
  assertRejectsAsClosed,
  FAILURES,
  withStalledClient,
} from "./with_connection.ts";

/** Checks that nothing of the message was sent, and that the connection goes on. */
async function assertGoesOn({ conn, client }: MemoryEnds): Promise<void> {
  await conn.send("after");
  assertEquals(await client.readMessage(), "after");
  assertEquals(conn.state, "open");
}

/** Checks that the message was broken off behind one fragment. */
async function assertBrokenOff({ conn, client }: MemoryEnds): Promise<void> {
  const { opcode, fin } = await client.readFrame();
  assertEquals([opcode, fin], [1, false]);
  assertEquals(await client.readClose(), [1011, ""]);
  const sent = watch(conn.send("after"));
  await assertRejectsAsClosed(sent, 1011);
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
        assertStrictEquals((await sent.untilSettled()).reason, error);
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
      assertStrictEquals((await sent.untilSettled()).reason, error);
      for (const other of [held, streamed]) await assertRejectsAsClosed(other, 1011);
      assertIsClosedError(next.cancelled?.[0], 1011);
      await assertBrokenOff(ends);
    }));
});

describe("sendStream(), where a chunk can't be sent", () => {
  for (const [name, chunk] of BAD) {
    it(`as it is ${name}: rejects with a TypeError, and the connection goes on`, () =>
      withConnection({}, async (ends) => {
        const source = new Source(chunk as Message);
        const sent = await watch(ends.conn.sendStream("text", source.stream)).untilSettled();
        assertInstanceOf(sent.reason, TypeError);
        assertEquals(source.cancelled, [sent.reason]);
        await assertGoesOn(ends);
      }));

    it(`as it is ${name} behind a fragment: closes with 1011`, () =>
      withConnection({}, async (ends) => {
        const source = new Source("ok", chunk as Message);
        const sent = await watch(ends.conn.sendStream("text", source.stream)).untilSettled();
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
        assertInstanceOf((await sent.untilSettled()).reason, TypeError);
        await assertBrokenOff(ends);
      }));
  }

  it("does not mind in a binary message, but for what is no chunk", () =>
    withConnection({}, async (ends) => {
      const { conn, client } = ends;
      await conn.sendStream("binary", new Source(utf8("€").subarray(0, 2)).end().stream);
      assertEquals(await client.readMessage(), utf8("€").subarray(0, 2));
      const sent = watch(conn.sendStream("binary", new Source(7 as unknown as string).stream));
      assertInstanceOf((await sent.untilSettled()).reason, TypeError);
      await assertGoesOn(ends);
    }));
});

describe("sendStream(), where the signal aborts", () => {
  const reason = new Error("enough");

  /** Sends from a source for a while, and aborts. */
  async function sendUntilAborted({ conn }: MemoryEnds, source: Source): Promise<void> {
    const controller = new AbortController();
    const { signal } = controller;
    const sent = watch(conn.sendStream("text", source.stream, { signal }));
    await settle();
    assertEquals(sent.state, "pending");
    controller.abort(reason);
    assertStrictEquals((await sent.untilSettled()).reason, reason);
    assertEquals(source.cancelled, [reason]);
  }

  it("before the first fragment, rejects, and the connection goes on", () =>
    withConnection({}, async (ends) => {
      await sendUntilAborted(ends, new Source());
      await assertGoesOn(ends);
    }));

  it("while the source is read, rejects, and closes with 1011", () =>
    withConnection({}, async (ends) => {
      await sendUntilAborted(ends, new Source("a"));
      await assertBrokenOff(ends);
    }));

  it("while the peer reads nothing, rejects, and closes with 1011", () =>
    withStalledClient({ limits: { sendHighWaterMark: 20 } }, async (ends) => {
      const source = new Source("x".repeat(30), "never read");
      await sendUntilAborted(ends, source);
      assertEquals(source.pulls, 1);
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
        assertStrictEquals((await sent.untilSettled()).reason, reason);
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

describe("sendStream(), where it says what to close with", () => {
  /** Breaks a message off behind a fragment; gives the Close frame, and what the promise rejected with. */
  const breakOff = async (
    options: SendStreamOptions,
    how: (controller: AbortController, source: Source) => void,
  ): Promise<{ close: [number | undefined, string]; error: unknown; info: CloseInfo }> => {
    let result: Awaited<ReturnType<typeof breakOff>>;
    await withConnection({}, async ({ conn, client }) => {
      const controller = new AbortController();
      const source = new Source("a");
      const { signal } = controller;
      const sent = watch(conn.sendStream("text", source.stream, { signal, ...options }));
      await settle();
      how(controller, source);
      await sent.untilSettled();
      assertEquals((await client.readFrame()).fin, false);
      const close = await client.readClose();
      client.sendClose(close[0]);
      await client.finish();
      result = { close, error: sent.reason, info: await conn.closed };
      assertEquals(source.cancelled ?? [sent.reason], [sent.reason]);
    });
    return result!;
  };

  for (const [name, reason, expected] of FAILURES) {
    it(`by the reason of its signal: ${name}`, async () => {
      const { close, error, info } = await breakOff({}, (controller) => controller.abort(reason));
      assertEquals(close, expected);
      assertStrictEquals(error, reason);
      assertEquals([info.closeCode, info.reason, info.initiator], [...expected, "local"]);
    });

    it(`by the error of its source: ${name}`, async () => {
      const { close, error } = await breakOff({}, (_, source) => void source.fail(reason as Error));
      assertEquals(close, expected);
      assertStrictEquals(error, reason);
    });

    it(`by its options, but for what says it itself: ${name}`, async () => {
      const options = { closeCode: 4999, reason: "by default" };
      const { close } = await breakOff(options, (controller) => controller.abort(reason));
      const isWish = expected[0] !== 1011 || name !== "no code";
      assertEquals(close, isWish ? expected : [4999, "by default"]);
    });
  }

  it("by its options, where the signal's reason is not the program's", async () => {
    const options = { closeCode: 1013, signal: AbortSignal.timeout(20) };
    const { close, error } = await breakOff(options, () => {});
    assertEquals([close, (error as Error).name], [[1013, ""], "TimeoutError"]);
  });

  it("by its options, where a chunk can't be sent", async () => {
    const { close } = await breakOff({ closeCode: 4004 }, (_, source) => source.push(7 as never));
    assertEquals(close, [4004, ""]);
  });

  it("and nothing was sent: goes on", () =>
    withConnection({}, async (ends) => {
      const signal = AbortSignal.abort({ closeCode: 4000 });
      const sent = watch(ends.conn.sendStream("text", new Source().stream, { signal }));
      assertEquals((await sent.untilSettled()).reason, signal.reason);
      await assertGoesOn(ends);
    }));

  for (const how of ["its source", "its signal"]) {
    it(`and not cleanly, if ${how} breaks it off behind the peer's Close frame`, () =>
      withConnection({}, async ({ conn, client }) => {
        const source = new Source("a");
        const options = how === "its signal" ? { signal: conn.signal } : {};
        const sent = watch(conn.sendStream("text", source.stream, options));
        await settle();
        client.sendClose(1000);
        await settle();
        source.fail(new Error("no more"));
        await sent.untilSettled();
        assertEquals((await client.readFrame()).fin, false);
        assertEquals((await client.readClose())[0], 1000);
        await client.finish();
        const { closeCode, wasClean } = await conn.closed;
        assertEquals([closeCode, wasClean], [1000, false]);
      }));
  }

  it("also when the peer's Close frame has crossed a close() with 1000", () =>
    withConnection({}, async ({ conn, client }) => {
      const source = new Source("a");
      const sent = watch(conn.sendStream("text", source.stream, { closeCode: 4005 }));
      await settle();
      const closed = conn.close();
      client.sendClose(1000);
      await settle();
      source.fail(new Error("no more"));
      await sent.untilSettled();
      assertEquals((await client.readFrame()).fin, false);
      assertEquals((await client.readClose())[0], 4005);
      await client.finish();
      const { closeCode, wasClean } = await closed;
      assertEquals([closeCode, wasClean], [4005, false]);
    }));

  it("but not how a connection that ends anyhow is to end", () =>
    withConnection({}, async ({ conn, client }) => {
      const { signal } = conn;
      const options = { signal, closeCode: 4999 };
      const sent = watch(conn.sendStream("text", new Source("a").stream, options));
      await settle();
      client.sendClose(4000, "bye");
      await assertRejectsAsClosed(sent, 4000, "bye");
      await client.readFrame();
      assertEquals(await client.readClose(), [4000, ""]);
      await client.finish();
      assertEquals((await conn.closed).closeCode, 4000);
    }));

  for (const [given, expected] of [[4007, 4007], [1012, 1012], [1000, 1011]] as const) {
    for (const how of ["its reason", "a signal made of it", "an AbortError"]) {
      it(`keeps the ${given} of a close that its signal told of, by ${how}`, () =>
        withConnection({}, async ({ conn, client }) => {
          const source = new Source("a");
          const signal = how === "a signal made of it"
            ? AbortSignal.any([conn.signal, new AbortController().signal])
            : conn.signal;
          if (how === "an AbortError") {
            signal.addEventListener("abort", () => {
              source.fail(new DOMException("stopped", "AbortError"));
            });
          }
          const options = how === "an AbortError" ? {} : { signal };
          const sent = watch(conn.sendStream("text", source.stream, options));
          await settle();
          const closed = conn.close({ closeCode: given, reason: "Over" });
          await sent.untilSettled();
          assertEquals((await client.readFrame()).fin, false);
          await client.answerClose(expected, expected === given ? "Over" : "");
          assertEquals((await closed).closeCode, expected);
        }));
    }
  }

  it("and that can't be: throws, and takes nothing", () =>
    withConnection({}, async (ends) => {
      for (const closeCode of [1005, 1006, 1015, 0, 1000.5, 5000, NaN, "4000", null]) {
        const { stream } = new Source("a");
        const options = { closeCode } as SendStreamOptions;
        const ErrorClass = typeof closeCode === "number" ? RangeError : TypeError;
        assertThrows(() => ends.conn.sendStream("text", stream, options), ErrorClass, "Cannot");
        assertEquals(stream.locked, false);
      }
      for (const reason of ["x".repeat(124), 7, null]) {
        const options = { reason } as SendStreamOptions;
        const { stream } = new Source("a");
        assertThrows(() => ends.conn.sendStream("text", stream, options), TypeError, "Cannot");
      }
      await assertGoesOn(ends);
    }));
});

describe("sendStream(), where the connection ends", () => {
  const inTime = ({ clock }: MemoryEnds) => clock.advance(5_000);
  const ENDS: [name: string, end: (ends: MemoryEnds) => unknown, closeCode: number][] = [
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
          for (const each of [...sent, held]) await assertRejectsAsClosed(each, closeCode);
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
        await assertRejectsAsClosed(sent, closeCode);
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
        await assertRejectsAsClosed(sent, closeCode);
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
      await assertRejectsAsClosed(sent, 1006);
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
      await assertRejectsAsClosed(sent, 1006);
      await settle();
    }));

  it("and the source fails at the same time: nobody minds", () =>
    withConnection({}, async ({ conn }) => {
      const source = new Source("a");
      const sent = watch(conn.sendStream("text", source.stream));
      await settle();
      conn.abort();
      source.fail(new Error("source broke"));
      await assertRejectsAsClosed(sent, 1006);
      await settle();
    }));
});

describe("what is no stream, or a locked one", () => {
  const locked = new ReadableStream();
  locked.getReader();
  const GIVEN: [name: string, stream: unknown, message: RegExp][] = [
    ["a generator", (function* () {})(), /no ReadableStream; .*ReadableStream\.from/],
    ["an async generator", (async function* () {})(), /no ReadableStream; .*ReadableStream\.from/],
    ["an array", ["a"], /no ReadableStream; .*ReadableStream\.from/],
    ["a string", "a", /no ReadableStream$/],
    ["nothing", undefined, /no ReadableStream$/],
    ["a locked stream", locked, /it is locked/],
  ];
  for (const [name, stream, message] of GIVEN) {
    it(`is refused, and said to be so: ${name}`, () =>
      withConnection({}, ({ conn }) => {
        const error = assertThrows(() => conn.sendStream("text", stream as never), TypeError);
        assertMatch(error.message, message);
        return Promise.resolve();
      }));
  }
});
