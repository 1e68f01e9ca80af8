import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import type { Connection, Message } from "../../src/server/mod.ts";
import { closeFrame, textFrame } from "../support/raw_client.ts";
import { TRANSPORTS } from "../support/transports.ts";
import { settle } from "../support/turn.ts";
import { eventually } from "../support/waiter.ts";
import { watch } from "../support/watch.ts";

/** Iterates to the end. */
async function receiveAll(conn: Connection): Promise<Message[]> {
  const messages: Message[] = [];
  for await (const message of conn) messages.push(message);
  return messages;
}

for (const { name, withServer, withConnection } of TRANSPORTS) {
  describe(`iteration over ${name}`, () => {
    it("gives the messages in order, and ends with the connection", () =>
      withConnection({}, async ({ client, conn }) => {
        const all = watch(receiveAll(conn));
        client.sendText("a");
        client.sendBinary(Uint8Array.of(1));
        client.sendText("");
        await client.close();
        await all.untilSettled();
        assertEquals(all.value, ["a", Uint8Array.of(1), ""]);
      }));

    it("gives what came before it began, up to the Close frame", () =>
      withConnection({}, async ({ client, conn }) => {
        client.send(textFrame("a"), textFrame("b"), closeFrame(1000));
        await settle();
        const all = watch(receiveAll(conn));
        await client.readClose();
        await all.untilSettled();
        assertEquals(all.value, ["a", "b"]);
      }));

    for (const how of ["end", "reset"] as const) {
      it(`ends, and does not throw, where the client's connection is ${how}`, () =>
        withConnection({}, async ({ client, conn }) => {
          const all = watch(receiveAll(conn));
          client.sendText("a");
          await client.sendPing();
          await client.readPong();
          client.socket[how]();
          await all.untilSettled();
          assertEquals([all.state, all.value], ["resolved", ["a"]]);
        }));
    }

    it("ends where the client breaks the protocol", () =>
      withConnection({}, async ({ client, conn }) => {
        const all = watch(receiveAll(conn));
        client.send(textFrame("a"), Uint8Array.of(0x81, 0x00));
        assertEquals((await client.readClose())[0], 1002);
        await all.untilSettled();
        assertEquals(all.value, ["a"]);
      }));

    it("ends with close(), and drops what was not received", () =>
      withConnection({}, async ({ client, conn }) => {
        client.send(textFrame("a"), textFrame("b"));
        await settle();
        const messages = conn[Symbol.asyncIterator]();
        await eventually("the first", () => true);
        assertEquals((await messages.next()).value, "a");
        void conn.close();
        assertEquals((await messages.next()).done, true);
        await client.readClose();
      }));

    it("ends for every next() that waits", () =>
      withConnection({}, async ({ client, conn }) => {
        const messages = conn[Symbol.asyncIterator]();
        const waiting = [messages.next(), messages.next(), messages.next()].map(watch);
        client.sendText("a");
        await waiting[0].untilSettled();
        assertEquals(waiting[0].value, { value: "a", done: false });
        client.sendClose(1000);
        for (const watched of waiting) await watched.untilSettled();
        assertEquals(waiting.map(({ value }) => value?.done), [false, true, true]);
        assertEquals((await messages.next()).done, true);
        assertEquals((await conn[Symbol.asyncIterator]().next()).done, true);
      }));

    it("serves several next() in their order", () =>
      withConnection({}, async ({ client, conn }) => {
        const messages = conn[Symbol.asyncIterator]();
        const waiting = Array.from({ length: 50 }, () => messages.next());
        for (let i = 0; i < 50; i++) client.sendText(String(i));
        const results = await Promise.all(waiting);
        assertEquals(results.map(({ value }) => value), waiting.map((_, i) => String(i)));
      }));

    it("can be left, and begun again: nothing is lost", () =>
      withConnection({}, async ({ client, conn }) => {
        client.send(...Array.from({ length: 40 }, (_, i) => textFrame(String(i))));
        const received: Message[] = [];
        while (received.length < 40) {
          for await (const message of conn) {
            received.push(message);
            if (received.length % 3 === 0) break;
            if (received.length === 40) break;
          }
          assertEquals(conn.state, "open");
        }
        assertEquals(received, Array.from({ length: 40 }, (_, i) => String(i)));
      }));

    it("is an iterator that return() ends, and no other one with it", () =>
      withConnection({}, async ({ client, conn }) => {
        const first = conn[Symbol.asyncIterator]();
        assert(first[Symbol.asyncIterator]() === first);
        assertEquals(await first.return!(), { value: undefined, done: true });
        assertEquals(await first.return!(), { value: undefined, done: true });
        assertEquals(await first.next(), { value: undefined, done: true });
        const second = conn[Symbol.asyncIterator]();
        client.sendText("a");
        assertEquals((await second.next()).value, "a");
      }));

    for (const style of ["iteration", "messages()"] as const) {
      it(`loses no message to a next() that return() gave up, by ${style}`, () =>
        withConnection({}, async ({ client, conn }) => {
          const iterate = (): AsyncIterator<unknown> =>
            style === "iteration" ? conn[Symbol.asyncIterator]() : conn.messages();
          const [first, second] = [iterate(), iterate()];
          const givenUp = [watch(first.next()), watch(first.next())];
          assertEquals(await first.return!(), { value: undefined, done: true });
          for (const each of givenUp) {
            assertEquals((await each.untilSettled()).value, { value: undefined, done: true });
          }
          const next = [watch(second.next()), watch(second.next())];
          await settle();
          assertEquals(next.map(({ state }) => state), ["pending", "pending"]);
          for (const each of next) {
            client.sendText("a");
            assertEquals((await each.untilSettled()).value?.done, false);
          }
          await second.return!();
          const left = iterate();
          void left.next();
          await left.return!();
          client.sendText("c");
          for await (const message of conn) {
            assertEquals(message, "c");
            break;
          }
        }));
    }

    it("acts on a Close frame that waits where return() gave a next() up", () =>
      withConnection({}, async ({ client, conn }) => {
        const messages = conn[Symbol.asyncIterator]();
        const next = watch(messages.next());
        await messages.return!();
        assertEquals((await next.untilSettled()).value?.done, true);
        client.sendClose(4000);
        assertEquals(await client.readClose(), [4000, ""]);
      }));

    it("echoes, in order and whole", () => {
      const handler = async (conn: Connection) => {
        for await (const message of conn) await conn.send(message);
      };
      return withServer({ handler }, async (server) => {
        const client = await server.open();
        const texts = Array.from({ length: 500 }, (_, i) => `${i} `.repeat(i));
        for (const text of texts) client.sendText(text);
        for (const text of texts) assertEquals(await client.readMessage(), text);
      });
    });
  });
}
