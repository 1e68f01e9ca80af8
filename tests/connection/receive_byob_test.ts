import { describe, it } from "node:test";
import { assert, assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import {
  type Connection,
  ConnectionClosedError,
  type IncomingMessage,
  ProtocolError,
} from "../../src/server/mod.ts";
import { clientFrame, type RawClient, textFrame, utf8 } from "../support/raw_client.ts";
import { TRANSPORTS } from "../support/transports.ts";
import { settle } from "../support/turn.ts";
import { eventually } from "../support/waiter.ts";
import { watch } from "../support/watch.ts";

const decoder = new TextDecoder();

function fragment(text: string, opcode = 0, fin = false): Uint8Array {
  return clientFrame({ opcode, payload: utf8(text), fin });
}

/** Reads up to so many bytes. */
async function read(reader: ReadableStreamBYOBReader, size: number): Promise<string | undefined> {
  const { done, value } = await reader.read(new Uint8Array(size));
  return done ? undefined : decoder.decode(value);
}

for (const { name, withConnection } of TRANSPORTS) {
  /** Gives a message whose beginning is "hello", and whose rest is still to come. */
  const withBegun = (
    body: (ends: {
      message: IncomingMessage;
      conn: Connection;
      messages: AsyncIterator<IncomingMessage>;
      client: RawClient;
    }) => Promise<void>,
  ): Promise<void> =>
    withConnection({}, async ({ client, conn }) => {
      const messages = conn.messages();
      const next = messages.next();
      client.send(fragment("hello", 2));
      const { value } = await next;
      assert(value !== undefined);
      await client.sendPing();
      await client.readPong();
      await body({ message: value, conn, messages, client });
    });

  describe(`a body read into memory of the reader's own, over ${name}`, () => {
    it("comes as it arrives, as far as it fits, and ends", () =>
      withBegun(async ({ message, client, messages }) => {
        const reader = message.body.getReader({ mode: "byob" });
        assertEquals([await read(reader, 2), await read(reader, 2)], ["he", "ll"]);
        assertEquals(await read(reader, 100), "o");
        const later = watch(read(reader, 100));
        await settle();
        assertEquals(later.state, "pending");
        client.send(fragment(", world"));
        assertEquals((await later.untilSettled()).value, ", world");
        const last = watch(read(reader, 100));
        client.send(fragment("!", 0, true), textFrame("next"));
        assertEquals((await last.untilSettled()).value, "!");
        const { done, value } = await reader.read(new Uint8Array(8));
        assertEquals([done, value?.length], [true, 0]);
        await reader.closed;
        assertEquals(await (await messages.next()).value?.text(), "next");
      }));

    it("comes whole where the memory has room for it", () =>
      withConnection({}, async ({ client, conn }) => {
        const sent = new Uint8Array(300_000).map((_, i) => i * 7);
        client.sendBinary(sent);
        for await (const { body } of conn.messages()) {
          const reader = body.getReader({ mode: "byob" });
          const received = new Uint8Array(sent.length);
          let length = 0;
          let memory = new Uint8Array(4096);
          for (;;) {
            const { done, value } = await reader.read(memory);
            if (done) break;
            received.set(value, length);
            length += value.length;
            memory = new Uint8Array(value.buffer);
            assertEquals(memory.length, 4096);
          }
          assertEquals([length, received], [sent.length, sent]);
          break;
        }
      }));

    it("comes in elements of more than one byte, where the view has them", () =>
      withBegun(async ({ message, client }) => {
        const reader = message.body.getReader({ mode: "byob" });
        const first = await reader.read(new Uint16Array(2));
        assertEquals(decoder.decode(first.value), "hell");
        const second = watch(reader.read(new Uint16Array(2)));
        await settle();
        client.send(fragment("w", 0, true));
        await second.untilSettled();
        assertEquals(decoder.decode(second.value?.value), "ow");
        assertEquals((await reader.read(new Uint16Array(2))).done, true);
      }));

    it("goes on with another kind of reader, and nothing is lost", () =>
      withBegun(async ({ message, client }) => {
        const first = message.body.getReader({ mode: "byob" });
        assertEquals(await read(first, 2), "he");
        assert(message.body.locked);
        assertThrows(() => message.body.getReader(), TypeError);
        assertThrows(() => message.body.getReader({ mode: "byob" }), TypeError);
        await assertRejects(() => message.text(), TypeError);
        first.releaseLock();
        assert(!message.body.locked);
        const second = message.body.getReader();
        assertEquals(decoder.decode((await second.read()).value), "llo");
        second.releaseLock();
        const third = message.body.getReader({ mode: "byob" });
        const givenUp = watch(read(third, 10));
        await settle();
        third.releaseLock();
        assertInstanceOf((await givenUp.untilSettled()).reason, TypeError);
        client.send(fragment("more"));
        const fourth = message.body.getReader({ mode: "byob" });
        assertEquals(await read(fourth, 3), "mor");
        fourth.releaseLock();
        client.send(fragment("end", 0, true));
        let rest = "";
        for await (const chunk of message.body) rest += decoder.decode(chunk);
        assertEquals(rest, "eend");
        const late = message.body.getReader({ mode: "byob" });
        assertEquals(await read(late, 1), undefined);
      }));

    for (const isLate of [false, true]) {
      const when = isLate ? "before there is another" : "when there is another";
      it(`gets nothing of what arrives for a reader that was released, ${when}`, () =>
        withBegun(async ({ message, client, conn }) => {
          const first = message.body.getReader();
          assertEquals(decoder.decode((await first.read()).value), "hello");
          const givenUp = watch(first.read());
          await settle();
          first.releaseLock();
          assertInstanceOf((await givenUp.untilSettled()).reason, TypeError);
          const second = isLate ? undefined : message.body.getReader({ mode: "byob" });
          const waiting = second && watch(read(second, 2));
          const before = conn.stats().bytesReceived;
          client.send(fragment("more"));
          await eventually("the rest", () => conn.stats().bytesReceived > before);
          await settle();
          const third = second ?? message.body.getReader({ mode: "byob" });
          assertEquals((await (waiting ?? watch(read(third, 2))).untilSettled()).value, "mo");
          third.releaseLock();
          const fourth = message.body.getReader();
          assertEquals(decoder.decode((await fourth.read()).value), "re");
          const last = watch(fourth.read());
          client.send(fragment("", 0, true));
          assertEquals((await last.untilSettled()).value?.done, true);
        }));
    }

    it("counts as held until it was read", () =>
      withBegun(async ({ message, conn }) => {
        const before = conn.stats().heldSize;
        const reader = message.body.getReader({ mode: "byob" });
        assertEquals(await read(reader, 4), "hell");
        assert(conn.stats().heldSize > 0);
        assertEquals(await read(reader, 4), "o");
        assert(conn.stats().heldSize < before, `${conn.stats().heldSize} of ${before}`);
      }));

    it("can be cancelled, and the next message follows", () =>
      withBegun(async ({ message, messages, client }) => {
        const reader = message.body.getReader({ mode: "byob" });
        assertEquals(await read(reader, 2), "he");
        await reader.cancel();
        assertEquals(await read(reader, 2), undefined);
        client.send(fragment("dropped", 0, true), textFrame("next"));
        assertEquals(await (await messages.next()).value?.text(), "next");
      }));

    for (const isWaiting of [false, true]) {
      const when = isWaiting ? "while a read waits" : "before a read";
      it(`errors where the connection ends ${when}`, () =>
        withBegun(async ({ message, conn, client }) => {
          const reader = message.body.getReader({ mode: "byob" });
          assertEquals(await read(reader, 10), "hello");
          const waiting = isWaiting ? watch(read(reader, 10)) : undefined;
          await settle();
          client.socket.reset();
          await conn.closed;
          const { reason } = await (waiting ?? watch(read(reader, 10))).untilSettled();
          assertInstanceOf(reason, ConnectionClosedError);
          assertEquals((await watch(reader.closed).untilSettled()).reason, reason);
        }));

      it(`errors where the rest breaks the protocol ${when}`, () =>
        withBegun(async ({ message, messages, client }) => {
          const reader = message.body.getReader({ mode: "byob" });
          assertEquals(await read(reader, 10), "hello");
          const waiting = isWaiting ? watch(read(reader, 10)) : undefined;
          await settle();
          client.send(textFrame("no continuation"));
          const { reason } = await (waiting ?? watch(read(reader, 10))).untilSettled();
          assertInstanceOf(reason, ProtocolError);
          await messages.return!();
          assertEquals((await client.readClose())[0], 1002);
        }));
    }

    it("is refused where it was read already, or in no such way", () =>
      withBegun(async ({ message, client }) => {
        assertThrows(() => message.body.getReader({ mode: "nonsense" as never }), TypeError);
        client.send(fragment("", 0, true));
        assertEquals(decoder.decode(await message.bytes()), "hello");
        const reader = message.body.getReader({ mode: "byob" });
        assertEquals(await read(reader, 1), undefined);
      }));

    it("may be of a message that was received before as a whole", () =>
      withConnection({}, async ({ client, conn }) => {
        client.send(textFrame("whole"));
        await eventually("the message", () => conn.stats().receiveQueueLength === 1);
        for await (const { type, body } of conn.messages()) {
          const reader = body.getReader({ mode: "byob" });
          assertEquals([type, await read(reader, 3), await read(reader, 3)], ["text", "who", "le"]);
          assertEquals(await read(reader, 3), undefined);
          break;
        }
      }));
  });
}
