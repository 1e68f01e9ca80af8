import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import type { Connection, Message } from "../../src/server/mod.ts";
import { closeFrame, type RawClient, textFrame } from "../support/raw_client.ts";
import { TRANSPORTS } from "../support/transports.ts";
import { settle } from "../support/turn.ts";
import { watch } from "../support/watch.ts";

/** Iterates to the end. */
async function receiveAll(conn: Connection): Promise<Message[]> {
  const messages: Message[] = [];
  for await (const message of conn) messages.push(message);
  return messages;
}

for (const { name, withConnection } of TRANSPORTS) {
  describe(`iteration over ${name}`, () => {
    it("gives the messages in order, and ends with the connection", () =>
      withConnection({}, async ({ client, conn }) => {
        const all = watch(receiveAll(conn));
        client.sendText("a");
        client.sendBinary(Uint8Array.of(1));
        client.sendText("");
        await client.close();
        assertEquals((await all.untilSettled()).value, ["a", Uint8Array.of(1), ""]);
      }));

    it("gives what came before it began, up to the Close frame", () =>
      withConnection({}, async ({ client, conn }) => {
        client.send(textFrame("a"), textFrame("b"), closeFrame(1000));
        await settle();
        const all = watch(receiveAll(conn));
        await client.readClose();
        assertEquals((await all.untilSettled()).value, ["a", "b"]);
      }));

    const ENDS: Record<string, (client: RawClient) => void> = {
      "FIN": (client) => client.socket.end(),
      "a reset": (client) => client.socket.reset(),
      "bytes that break the protocol": (client) => client.send(Uint8Array.of(0x81, 0x00)),
    };
    for (const [what, end] of Object.entries(ENDS)) {
      it(`ends, and does not throw, behind what came before ${what}`, () =>
        withConnection({}, async ({ client, conn }) => {
          const all = watch(receiveAll(conn));
          client.sendText("a");
          await client.sendPing();
          await client.readPong();
          end(client);
          assertEquals((await all.untilSettled()).value, ["a"]);
        }));
    }

    it("ends with close(), and drops what was not received", () =>
      withConnection({}, async ({ client, conn }) => {
        client.send(textFrame("a"), textFrame("b"));
        await settle();
        const messages = conn[Symbol.asyncIterator]();
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
  });
}
