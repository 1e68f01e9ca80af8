/**
 * One reader behind the other goes on where that one was left, also where it was left while it waited,
 * and calls of `next()` at the same time are answered one behind the other.
 *
 * @module
 */

import { describe, it } from "node:test";
import { assertEquals, assertInstanceOf } from "@std/assert";
import { type Connection, ConnectionClosedError } from "../../src/server/mod.ts";
import { clientFrame, closeFrame, type RawClient, textFrame, utf8 } from "../support/raw_client.ts";
import { REFERENCE_OPCODES } from "../support/reference_frames.ts";
import { TRANSPORTS } from "../support/transports.ts";
import { settle } from "../support/turn.ts";
import { eventually } from "../support/waiter.ts";
import { watch } from "../support/watch.ts";

const BEGINNING = clientFrame({
  opcode: REFERENCE_OPCODES.text,
  payload: utf8("one "),
  fin: false,
});
const REST = clientFrame({ opcode: REFERENCE_OPCODES.continuation, payload: utf8("half") });

/** Receives some messages, and leaves. */
type Receive = (conn: Connection, count: number) => Promise<unknown[]>;

const READERS: Record<string, Receive> = {
  async iteration(conn, count) {
    const received: unknown[] = [];
    for await (const message of conn) if (received.push(message) === count) break;
    return received;
  },
  async "messages()"(conn, count) {
    const received: unknown[] = [];
    for await (const message of conn.messages()) {
      if (received.push(await message.text()) === count) break;
    }
    return received;
  },
  async readable(conn, count) {
    const received: unknown[] = [];
    const reader = conn.readable.getReader();
    while (received.length < count) received.push((await reader.read()).value);
    reader.releaseLock();
    return received;
  },
};

/** How `readable` is left while it waits for a message. */
const LEAVING: Record<string, (readable: ReadableStream) => Promise<void>> = {
  async "by a reader that waits"(readable) {
    const reader = readable.getReader();
    const read = watch(reader.read());
    await settle();
    reader.releaseLock();
    await read.untilSettled();
  },
  async "by a reader that waits for two"(readable) {
    const reader = readable.getReader();
    const reads = [watch(reader.read()), watch(reader.read())];
    await settle();
    reader.releaseLock();
    for (const read of reads) await read.untilSettled();
  },
  async "by a pipe that is aborted"(readable) {
    const stop = new AbortController();
    const { signal } = stop;
    const pipe = watch(readable.pipeTo(new WritableStream(), { signal, preventCancel: true }));
    await settle();
    stop.abort();
    await pipe.untilSettled();
  },
};

const read: Receive = async (conn, count) =>
  (await watch(READERS.readable(conn, count)).untilSettled()).value!;

const received = (conn: Connection, count: number) =>
  eventually(`${count} messages to arrive`, () => conn.stats().messagesReceived === count);

/** Has the beginning of a message arrive, as a stream. */
async function begin(client: RawClient, conn: Connection): Promise<void> {
  void conn.messages();
  client.send(BEGINNING);
  await received(conn, 1);
}

for (const { name, withConnection } of TRANSPORTS) {
  describe(`one reader behind the other over ${name}`, () => {
    for (const [next, receive] of Object.entries(READERS)) {
      for (const [how, leave] of Object.entries(LEAVING)) {
        it(`gives ${next} what arrives behind readable left ${how}`, () =>
          withConnection({}, async ({ client, conn }) => {
            await leave(conn.readable);
            client.sendText("1");
            await received(conn, 1);
            // It is held and counted as what nobody has read.
            assertEquals(conn.stats().receiveQueueLength, 1);
            const messages = watch(receive(conn, 3));
            client.send(textFrame("2"), textFrame("3"), textFrame("4"));
            assertEquals((await messages.untilSettled()).value, ["1", "2", "3"]);
            // And back.
            assertEquals(await read(conn, 1), ["4"]);
          }));
      }

      it(`gives ${next} what came while a reader was there that did not read`, () =>
        withConnection({}, async ({ client, conn }) => {
          await LEAVING["by a reader that waits"](conn.readable);
          const idle = conn.readable.getReader();
          client.send(textFrame("1"), textFrame("2"));
          await received(conn, 2);
          idle.releaseLock();
          const messages = watch(receive(conn, 3));
          client.send(textFrame("3"), textFrame("4"));
          assertEquals((await messages.untilSettled()).value, ["1", "2", "3"]);
          assertEquals(await read(conn, 1), ["4"]);
        }));

      for (const when of ["before", "after"]) {
        it(`gives ${next} a message whose rest comes ${when} it begins, of which readable had the beginning`, () =>
          withConnection({}, async ({ client, conn }) => {
            await begin(client, conn);
            await LEAVING["by a reader that waits"](conn.readable);
            if (when === "before") {
              client.send(REST, textFrame("2"));
              await received(conn, 2);
              await settle();
            }
            const messages = watch(receive(conn, 3));
            await settle();
            if (when === "after") client.send(REST, textFrame("2"));
            client.send(textFrame("3"), textFrame("4"));
            assertEquals((await messages.untilSettled()).value, ["one half", "2", "3"]);
            assertEquals(await read(conn, 1), ["4"]);
          }));
      }
    }

    it("gives a reader that did not wait what came for one before it, and then the loss", () =>
      withConnection({}, async ({ client, conn }) => {
        await LEAVING["by a reader that waits"](conn.readable);
        const reader = conn.readable.getReader();
        client.sendText("1");
        await received(conn, 1);
        client.socket.reset();
        await conn.closed;
        await settle();
        assertEquals((await watch(reader.read()).untilSettled()).value?.value, "1");
        const { reason } = await watch(reader.read()).untilSettled();
        assertInstanceOf(reason, ConnectionClosedError);
      }));

    it("has a stream's message wait for the stream where a loop is left again before its rest", () =>
      withConnection({}, async ({ client, conn }) => {
        await begin(client, conn);
        await LEAVING["by a reader that waits"](conn.readable);
        const messages = conn[Symbol.asyncIterator]();
        const next = watch(messages.next());
        await messages.return!();
        assertEquals((await next.untilSettled()).value?.done, true);
        client.send(REST, textFrame("2"));
        await received(conn, 2);
        await settle();
        assertEquals(await read(conn, 2), ["one half", "2"]);
      }));
  });

  describe(`calls of next() at the same time over ${name}`, () => {
    /** Has `count` calls wait for a message of which only the beginning is there. */
    async function callWithin(conn: Connection, count: number) {
      const messages = conn[Symbol.asyncIterator]();
      const answers: unknown[] = [];
      const calls = Array.from({ length: count }, () =>
        watch(
          messages.next().then(
            ({ done, value }) => answers.push(done ? "done" : value),
            (error: Error) => answers.push(error.name),
          ),
        ));
      await settle();
      const settled = async () => {
        for (const call of calls) await call.untilSettled();
        return answers;
      };
      return { messages, settled };
    }

    for (const isSplit of [false, true]) {
      it(`give a message that arrives as a stream, and those behind it, ${isSplit ? "each" : "all"} in time`, () =>
        withConnection({}, async ({ client, conn }) => {
          await begin(client, conn);
          const { settled } = await callWithin(conn, 4);
          const frames = [REST, textFrame("2"), BEGINNING, REST, textFrame("3")];
          if (!isSplit) client.send(...frames);
          for (const frame of isSplit ? frames : []) {
            client.send(frame);
            await settle();
          }
          assertEquals(await settled(), ["one half", "2", "one half", "3"]);
        }));
    }

    it("give those that were waited for when they began to arrive as streams", () =>
      withConnection({}, async ({ client, conn }) => {
        const messages = conn[Symbol.asyncIterator]();
        void conn.messages();
        const answers: unknown[] = [];
        const calls = [1, 2, 3, 4].map(() =>
          watch(messages.next().then(({ value }) => answers.push(value)))
        );
        client.send(BEGINNING, REST, textFrame("2"), BEGINNING, REST, textFrame("3"));
        for (const call of calls) await call.untilSettled();
        assertEquals(answers, ["one half", "2", "one half", "3"]);
      }));

    it("give what came before the end, and then the end", () =>
      withConnection({}, async ({ client, conn }) => {
        await begin(client, conn);
        const { settled } = await callWithin(conn, 4);
        client.send(REST, textFrame("2"), closeFrame(1000));
        assertEquals(await settled(), ["one half", "2", "done", "done"]);
        await client.readClose();
      }));

    for (const how of ["end", "reset"] as const) {
      it(`fail for a message whose rest is lost by ${how}, and end`, () =>
        withConnection({}, async ({ client, conn }) => {
          await begin(client, conn);
          const { settled } = await callWithin(conn, 2);
          client.socket[how]();
          assertEquals(await settled(), ["ConnectionClosedError", "done"]);
        }));
    }

    it("hear of a message before a pipe is given the next one", () =>
      withConnection({}, async ({ client, conn }) => {
        await begin(client, conn);
        const messages = conn[Symbol.asyncIterator]();
        const order: unknown[] = [];
        void messages.next().then(({ value }) => order.push(value));
        await messages.return!();
        const pipe = watch(
          conn.readable.pipeTo(new WritableStream({ write: (text) => void order.push(text) })),
        );
        await settle();
        client.send(REST, textFrame("2"), closeFrame(1000));
        await pipe.untilSettled();
        assertEquals(order, ["one half", "2"]);
        await client.readClose();
      }));

    for (const [next, receive] of Object.entries(READERS)) {
      it(`keep the message that they wait for beside return(), and ${next} gets the next one`, () =>
        withConnection({}, async ({ client, conn }) => {
          await begin(client, conn);
          const { messages, settled } = await callWithin(conn, 1);
          await messages.return!();
          const later = watch(receive(conn, 2));
          await settle();
          client.send(REST, textFrame("2"), textFrame("3"));
          assertEquals(await settled(), ["one half"]);
          assertEquals((await later.untilSettled()).value, ["2", "3"]);
        }));
    }
  });
}
