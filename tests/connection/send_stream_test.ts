import { describe, it } from "node:test";
import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import type { Message } from "../../src/server/mod.ts";
import { decodeUtf8, type RawClient, utf8 } from "../support/raw_client.ts";
import { settle } from "../support/turn.ts";
import { TRANSPORTS, withConnection } from "../support/transports.ts";
import { watch } from "../support/watch.ts";
import { Source } from "./source.ts";
import { assertRejectsAsClosed, textOfFrameSize, withStalledClient } from "./with_connection.ts";

const TEXT = 1;
const BINARY = 2;
const CONTINUATION = 0;

type Fragment = [opcode: number, fin: boolean, payload: string];

/** Reads the frames of one message, which has to be UTF-8 in each of them. */
async function readFragments(client: RawClient): Promise<Fragment[]> {
  const fragments: Fragment[] = [];
  for (;;) {
    const { opcode, fin, payload } = await client.readFrame();
    fragments.push([opcode, fin, decodeUtf8(payload)]);
    if (fin) return fragments;
  }
}

describe("sendStream()", () => {
  it("makes a fragment of each chunk, and ends with an empty final one", () =>
    withConnection({}, async ({ conn, client }) => {
      await conn.sendStream("text", new Source("Hel", "lo", " wörld").end().stream);
      assertEquals(await readFragments(client), [
        [TEXT, false, "Hel"],
        [CONTINUATION, false, "lo"],
        [CONTINUATION, false, " wörld"],
        [CONTINUATION, true, ""],
      ]);
    }));

  it("sends each fragment as soon as its chunk is there", () =>
    withConnection({}, async ({ conn, client }) => {
      const source = new Source();
      const sent = watch(conn.sendStream("binary", source.stream));
      for (const [chunk, opcode] of [["a", BINARY], ["b", CONTINUATION]] as const) {
        source.push(utf8(chunk));
        const { payload, ...frame } = await client.readFrame();
        assertEquals([frame.opcode, frame.fin, decodeUtf8(payload)], [opcode, false, chunk]);
      }
      await settle();
      assertEquals([sent.state, client.unreadSize], ["pending", 0]);
      source.end();
      assertEquals(await readFragments(client), [[CONTINUATION, true, ""]]);
      assertEquals((await sent.untilSettled()).state, "resolved");
    }));

  it("lets go of the stream at its end, however that comes, and counts what has begun", () =>
    withConnection({}, async ({ conn, client }) => {
      const whole = new Source("a").end().stream;
      await conn.sendStream("text", whole);
      assertEquals([whole.locked, conn.stats().messagesSent], [false, 1]);
      const aborted = new Source("b").stream;
      const never = conn.sendStream("text", aborted, { signal: AbortSignal.abort("no") });
      assertEquals((await watch(never).untilSettled()).reason, "no");
      assertEquals([aborted.locked, conn.stats().messagesSent], [false, 1]);
      const first = new Source("c");
      const sent = conn.sendStream("text", first.stream);
      const behind = new Source("d").stream;
      const controller = new AbortController();
      const waiting = watch(conn.sendStream("text", behind, { signal: controller.signal }));
      await settle();
      controller.abort("changed my mind");
      assertEquals((await waiting.untilSettled()).reason, "changed my mind");
      first.end();
      await sent;
      assertEquals([behind.locked, first.stream.locked], [false, false]);
      assertEquals(conn.stats().messagesSent, 2);
      assertEquals(await client.readMessage(), "a");
      assertEquals(await client.readMessage(), "c");
      const broken = new ReadableStream<string>({
        start: (each) => each.enqueue("e"),
        pull: (each) => each.error(new Error("broken")),
      });
      assertEquals((await watch(conn.sendStream("text", broken)).untilSettled()).state, "rejected");
      assertEquals([broken.locked, conn.stats().messagesSent], [false, 3]);
    }));

  for (const type of ["text", "binary"] as const) {
    it(`takes strings and bytes for a ${type} message`, () =>
      withConnection({}, async ({ conn, client }) => {
        await conn.sendStream(type, new Source<Message>("aé", utf8("€"), "b").end().stream);
        const payload = await client.readMessage();
        assertEquals(typeof payload === "string" ? payload : decodeUtf8(payload), "aé€b");
        assertEquals(typeof payload, type === "text" ? "string" : "object");
      }));

    it(`sends a ${type} message for an empty stream: one empty frame`, () =>
      withConnection({}, async ({ conn, client }) => {
        await conn.sendStream(type, new Source().end().stream);
        const opcode = type === "text" ? TEXT : BINARY;
        assertEquals(await readFragments(client), [[opcode, true, ""]]);
      }));
  }

  it("sends no fragment for an empty chunk", () =>
    withConnection({}, async ({ conn, client }) => {
      const chunks = ["", new Uint8Array(), "a", "", new Uint8Array()];
      await conn.sendStream("text", new Source<Message>(...chunks).end().stream);
      assertEquals(await readFragments(client), [[TEXT, false, "a"], [CONTINUATION, true, ""]]);
    }));

  it("sends bytes that are no UTF-8 in a binary message", () =>
    withConnection({}, async ({ conn, client }) => {
      await conn.sendStream("binary", new Source(Uint8Array.of(0xff, 0xc0)).end().stream);
      assertEquals(await client.readMessage(), Uint8Array.of(0xff, 0xc0));
    }));

  it("takes the bytes of a text cut anywhere", () =>
    withConnection({}, async ({ conn, client }) => {
      const chunks = Array.from(utf8("é€😀"), (byte) => Uint8Array.of(byte));
      await conn.sendStream("text", new Source(...chunks).end().stream);
      assertEquals(await client.readMessage(), "é€😀");
    }));

  it("joins the halves of a surrogate pair that chunks have split", () =>
    withConnection({}, async ({ conn, client }) => {
      await conn.sendStream(
        "text",
        new Source("a\ud83d", "\ude00b", "\ud83d", "\ude00").end().stream,
      );
      assertEquals(await readFragments(client), [
        [TEXT, false, "a"],
        [CONTINUATION, false, "😀b"],
        [CONTINUATION, false, "😀"],
        [CONTINUATION, true, ""],
      ]);
    }));

  const LONE: [name: string, chunks: Message[], text: string][] = [
    ["at the end", ["a\ud83d"], "a\ufffd"],
    ["alone", ["\ud83d"], "\ufffd"],
    ["before an ordinary character", ["\ud83d", "a"], "\ufffda"],
    ["before an empty chunk", ["\ud83d", "", "\ude00"], "😀"],
    ["before another first half", ["\ud83d", "\ud83d", "\ude00"], "\ufffd😀"],
    ["second half first", ["\ude00", "a"], "\ufffda"],
    ["before bytes", ["a\ud83d", utf8("b"), "\ude00c"], "a\ufffdb\ufffdc"],
    ["before no bytes", ["a\ud83d", new Uint8Array(), "\ude00c"], "a😀c"],
  ];
  for (const [name, chunks, text] of LONE) {
    it(`sends U+FFFD for half a surrogate pair, and keeps the order: ${name}`, () =>
      withConnection({}, async ({ conn, client }) => {
        await conn.sendStream("text", new Source(...chunks).end().stream);
        assertEquals(await client.readMessage(), text);
      }));
  }

  it("reads the next chunk only when the peer keeps up", () =>
    withStalledClient({ limits: { sendHighWaterMark: 100 } }, async ({ conn, client }) => {
      const source = new Source(...Array<string>(10).fill(textOfFrameSize(60))).end();
      const sent = watch(conn.sendStream("text", source.stream));
      await settle();
      // With the first one there are 70 bytes in the queue, with the second one 130.
      assertEquals([source.pulls, conn.bufferedAmount], [2, 130]);
      await settle();
      assertEquals(source.pulls, 2);
      client.socket.take(10);
      await settle();
      assertEquals([source.pulls, conn.bufferedAmount], [2, 120]);
      client.socket.take(120);
      await settle();
      assert(source.pulls > 2 && conn.bufferedAmount <= 160, `${source.pulls} pulls`);
      assertEquals(sent.state, "pending");
      client.socket.resume();
      await client.readMessage();
      assertEquals((await client.readMessage()).length, 580);
      assertEquals((await sent.untilSettled()).state, "resolved");
    }));

  it("reads the next chunk only when a large one by reference was taken", () =>
    withStalledClient({}, async ({ conn, client }) => {
      const source = new Source(...Array<Uint8Array>(3).fill(new Uint8Array(20_000))).end();
      void conn.sendStream("binary", source.stream);
      await settle();
      assertEquals(source.pulls, 1);
      client.socket.take(10);
      client.socket.take(20_000);
      await settle();
      assertEquals(source.pulls, 1);
      client.socket.take(4);
      await settle();
      assertEquals(source.pulls, 2);
      client.socket.resume();
      await client.readMessage();
      assertEquals(await client.readMessage(), new Uint8Array(60_000));
    }));

  it("sends more than the send queue may hold, in constant memory", () => {
    const limits = { sendHighWaterMark: 1000, sendQueueSize: 2000 };
    return withConnection({ limits }, async ({ conn, client }) => {
      client.socket.takeSlowly(700);
      const source = new Source(...Array<string>(500).fill("y".repeat(996))).end();
      let most = 0;
      const watching = setInterval(() => void (most = Math.max(most, conn.bufferedAmount)), 0);
      try {
        const sent = watch(conn.sendStream("text", source.stream));
        assertEquals((await client.readMessage()).length, 500 * 996);
        assertEquals((await sent.untilSettled()).state, "resolved");
      } finally {
        clearInterval(watching);
      }
      assert(most <= 2000, `${most} bytes in the queue`);
    });
  });

  for (const { name, withConnection } of TRANSPORTS) {
    it(`sends megabytes over ${name}`, () =>
      withConnection({}, async ({ conn, client }) => {
        const chunks = Array.from({ length: 60 }, (_, i) => new Uint8Array(i * 1000).fill(i));
        void conn.sendStream("binary", new Source(...chunks).end().stream);
        void conn.send("behind");
        const message = await client.readMessage();
        assertEquals(message.length, chunks.reduce((sum, { length }) => sum + length, 0));
        let position = 0;
        for (const chunk of chunks) {
          const part = message.slice(position, position += chunk.length) as Uint8Array;
          assert(part.every((byte) => byte === chunk[0]));
        }
        assertEquals(await client.readMessage(), "behind");
      }));
  }

  it("sends Pings and Pongs between the fragments", () =>
    withConnection({}, async ({ conn, client }) => {
      const source = new Source("a");
      void conn.sendStream("text", source.stream);
      assertEquals((await client.readFrame()).fin, false);
      client.sendPing("p");
      assertEquals(await client.readPong(), "p");
      const time = watch(conn.ping());
      client.sendPong(await client.readPing());
      assertEquals((await time.untilSettled()).state, "resolved");
      source.end();
      assertEquals(await readFragments(client), [[CONTINUATION, true, ""]]);
    }));

  it("throws a TypeError for another type", () =>
    withConnection({}, ({ conn }) => {
      const untouched = new Source("a");
      for (const type of ["blob", "", "TEXT", undefined, 1]) {
        const send = () => void conn.sendStream(type as "text", untouched.stream);
        assertThrows(send, TypeError, '"text" or "binary"');
      }
      assertEquals([untouched.stream.locked, untouched.cancelled], [false, undefined]);
      void conn.close();
      const send = () => void conn.sendStream("blob" as "text", untouched.stream);
      assertThrows(send, TypeError, '"text" or "binary"');
    }));

  it("locks the stream while it reads it", () =>
    withConnection({}, async ({ conn }) => {
      const source = new Source("a");
      const sent = conn.sendStream("text", source.stream);
      assertEquals(source.stream.locked, true);
      source.end();
      await sent;
    }));
});

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
