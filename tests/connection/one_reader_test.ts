/**
 * A connection has one reader at a time: a second one would take messages from the first.
 *
 * @module
 */

import { describe, it } from "node:test";
import { assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import type { Connection } from "../../src/server/mod.ts";
import { connectedPair, receiveMessage } from "../../src/testing/mod.ts";
import { textFrame } from "../support/raw_client.ts";
import { TRANSPORTS } from "../support/transports.ts";
import { settle } from "../support/turn.ts";
import { watch } from "../support/watch.ts";

type Iterate = (conn: Connection) => AsyncIterator<unknown>;

const ITERATIONS: Record<string, Iterate> = {
  iteration: (conn) => conn[Symbol.asyncIterator](),
  "messages()": (conn) => conn.messages(),
};

/** How a reader that has begun lets others read. */
const LEAVING: Record<string, (messages: AsyncIterator<unknown>) => Promise<unknown>> = {
  "return()": (messages) => messages.return!(),
  "return() while it waits": (messages) => {
    void messages.next();
    return messages.return!();
  },
};

const READ = /being read already/;

for (const { name, withServer, withConnection } of TRANSPORTS) {
  describe(`one reader at a time over ${name}`, () => {
    for (const [first, iterate] of Object.entries(ITERATIONS)) {
      for (const [second, iterateToo] of Object.entries(ITERATIONS)) {
        it(`has ${second} throw while ${first} waits for a message, which loses none`, () =>
          withConnection({}, async ({ client, conn }) => {
            // Created before, and begun too late.
            const late = iterateToo(conn);
            const messages = iterate(conn);
            const next = watch(messages.next());
            assertMatch(assertThrows(() => iterateToo(conn), TypeError).message, READ);
            await assertRejects(() => late.next(), TypeError, "being read already");
            client.send(textFrame("a"), textFrame("b"));
            assertEquals((await next.untilSettled()).value?.done, false);
            // It has a message in hand.
            assertThrows(() => iterateToo(conn), TypeError);
            await assertRejects(() => late.next(), TypeError);
            assertEquals((await messages.next()).done, false);
          }));

        for (const [how, leave] of Object.entries(LEAVING)) {
          it(`lets ${second} go on behind ${first} that was left by ${how}`, () =>
            withConnection({}, async ({ client, conn }) => {
              const messages = iterate(conn);
              client.sendText("a");
              await messages.next();
              await leave(messages);
              client.sendText("b");
              const { value } = await iterateToo(conn).next();
              assertEquals(second === "iteration" ? value : await textOf(value), "b");
            }));
        }
      }

      it(`has a loop throw beside another one, and keeps that, by ${first}`, () =>
        withConnection({}, async ({ client, conn }) => {
          const received: unknown[] = [];
          const loop = async () => {
            const messages = { [Symbol.asyncIterator]: () => iterate(conn) };
            for await (const message of messages) received.push(await textOf(message));
          };
          const [one, two] = [watch(loop()), watch(loop())];
          await two.untilSettled();
          assertEquals([one.state, two.state], ["pending", "rejected"]);
          for (const text of "abc") client.sendText(text);
          await client.close();
          await one.untilSettled();
          assertEquals([one.state, received], ["resolved", ["a", "b", "c"]]);
        }));

      it(`has readable throw while ${first} is at it`, () =>
        withConnection({}, async ({ client, conn }) => {
          const messages = iterate(conn);
          const next = watch(messages.next());
          assertThrows(() => conn.readable.getReader(), TypeError);
          client.sendText("a");
          await next.untilSettled();
          assertThrows(() => conn.readable, TypeError);
          await messages.return!();
          client.sendText("b");
          assertEquals((await conn.readable.getReader().read()).value, "b");
        }));

      it(`has a reader fail that was there before ${first}, and reads only now`, () =>
        withConnection({}, async ({ client, conn }) => {
          const { readable } = conn;
          const messages = iterate(conn);
          const next = watch(messages.next());
          await assertRejects(() => readable.getReader().read(), TypeError, "being read already");
          client.sendText("a");
          assertEquals((await next.untilSettled()).value?.done, false);
        }));

      it(`has ${first} throw while readable is locked`, () =>
        withConnection({}, async ({ client, conn }) => {
          const messages = iterate(conn);
          const reader = conn.readable.getReader();
          assertMatch(assertThrows(() => iterate(conn), TypeError).message, /locked/);
          await assertRejects(() => messages.next(), TypeError);
          client.send(textFrame("a"), textFrame("b"), textFrame("c"));
          assertEquals((await reader.read()).value, "a");
          assertThrows(() => iterate(conn), TypeError);
          reader.releaseLock();
          await messages.next();
          await messages.return!();
          assertEquals((await conn.readable.getReader().read()).value, "c");
        }));

      it(`gives ${first} what a reader that was released had waited for`, () =>
        withConnection({}, async ({ client, conn }) => {
          const reader = conn.readable.getReader();
          const read = watch(reader.read());
          await settle();
          reader.releaseLock();
          await read.untilSettled();
          const messages = iterate(conn);
          const next = watch(messages.next());
          client.send(textFrame("a"), textFrame("b"));
          assertEquals(await textOf((await next.untilSettled()).value?.value), "a");
          await messages.return!();
          assertEquals((await conn.readable.getReader().read()).value, "b");
        }));

      it(`ends ${first} behind the connection's end, whatever has read before`, () =>
        withConnection({}, async ({ client, conn }) => {
          const messages = iterate(conn);
          const next = watch(messages.next());
          client.sendClose(1000);
          await client.readClose();
          await next.untilSettled();
          assertEquals((await iterate(conn).next()).done, true);
          assertEquals((await messages.next()).done, true);
          assertEquals((await conn.readable.getReader().read()).done, true);
        }));
    }

    it("does not hinder one that is not begun", () =>
      withConnection({}, async ({ client, conn }) => {
        const unused = conn.messages();
        client.sendText("a");
        for await (const message of conn) {
          assertEquals(message, "a");
          // Its end ends nothing but itself.
          await unused.return!();
          client.sendText("b");
          break;
        }
        for await (const message of conn) {
          assertEquals(message, "b");
          break;
        }
      }));

    const WAYS: Record<string, (conn: Connection) => unknown> = {
      iteration: (conn) => conn[Symbol.asyncIterator](),
      "messages()": (conn) => conn.messages(),
      readable: (conn) => conn.readable,
      "asWebSocket()": (conn) => conn.asWebSocket(),
    };
    for (const [way, receive] of Object.entries(WAYS)) {
      it(`has ${way} throw where the program receives by callbacks, or in a way of another kind`, () =>
        withServer({}, async (server) => {
          const isSocket = way === "asWebSocket()";
          for (const [other, begin] of Object.entries(WAYS)) {
            if (isSocket === (other === "asWebSocket()")) continue;
            const { conn } = await server.openPair();
            begin(conn);
            const message = isSocket ? "an iteration or" : "go to asWebSocket()";
            const { name } = assertThrows(() => receive(conn), DOMException, message);
            assertEquals(name, "InvalidStateError");
          }
        }).then(() =>
          withConnection({ message() {} }, ({ conn }) => {
            const { name } = assertThrows(() => receive(conn), DOMException, "callback");
            assertEquals(name, "InvalidStateError");
          })
        ));
    }
  });
}

describe("receiveMessage()", () => {
  it("gives several calls at a time one message after the other", async () => {
    const { server, client } = await connectedPair();
    const stop = new AbortController();
    const calls = [{}, { signal: stop.signal }, {}, {}]
      .map((options) => watch(receiveMessage(client, options)));
    await settle();
    stop.abort();
    await calls[1].untilSettled();
    for (const text of "abc") await server.send(text);
    for (const call of calls) await call.untilSettled();
    assertEquals(calls.map(({ value }) => value), ["a", undefined, "b", "c"]);
    await client.close();
  });

  it("goes on between loops that are left", async () => {
    const { server, client } = await connectedPair();
    for (const text of "abc") await server.send(text);
    assertEquals(await receiveMessage(client), "a");
    for await (const message of client) {
      assertEquals(message, "b");
      break;
    }
    assertEquals(await receiveMessage(client), "c");
    await client.close();
  });
});

async function textOf(message: unknown): Promise<unknown> {
  return typeof message === "string" ? message : await (message as { text(): unknown }).text();
}
