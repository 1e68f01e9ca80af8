import { describe, it } from "node:test";
import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import {
  type Connection,
  ConnectionClosedError,
  type IncomingMessage,
  type Message,
  MessageTooBigError,
  ProtocolError,
} from "../../src/server/mod.ts";
import { clientFrame, closeFrame, type RawClient, textFrame, utf8 } from "../support/raw_client.ts";
import { type Ends, TRANSPORTS } from "../support/transports.ts";
import { settle } from "../support/turn.ts";
import { watch } from "../support/watch.ts";
import { REFERENCE_OPCODES } from "../support/reference_frames.ts";
import { eventually } from "../support/waiter.ts";

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

const { binary, continuation } = REFERENCE_OPCODES;

async function nextWhole(conn: Connection): Promise<Message | undefined> {
  const messages = conn[Symbol.asyncIterator]();
  const { value } = await watch(messages.next()).untilSettled();
  await messages.return!();
  return value?.value;
}

async function nextStream(conn: Connection): Promise<IncomingMessage> {
  const messages = conn.messages();
  const { value } = await watch(messages.next()).untilSettled();
  // The message stays in hand until the next one is asked for.
  await messages.return!();
  assert(value?.value !== undefined, "the end instead of a message");
  return value.value;
}

for (const { name, withConnection } of TRANSPORTS) {
  describe(`switching between iteration and messages() over ${name}`, () => {
    it("turns what was queued whole into a stream", () =>
      withConnection({}, async ({ client, conn }) => {
        client.send(textFrame("a"), textFrame("b"));
        assertEquals(await nextWhole(conn), "a");
        assertEquals(await (await nextStream(conn)).bytes(), utf8("b"));
      }));

    it("turns what was queued as a stream into a whole message", () =>
      withConnection({}, async ({ client, conn }) => {
        void conn.messages();
        client.send(textFrame("a"), clientFrame({ opcode: binary, payload: utf8("b") }));
        await settle();
        assertEquals(await nextWhole(conn), "a");
        assertEquals(await nextWhole(conn), utf8("b"));
      }));

    it("in the middle of a message: its beginning is not lost", () =>
      withConnection({}, async ({ client, conn }) => {
        client.send(clientFrame({ opcode: binary, payload: utf8("one"), fin: false }));
        await settle();
        const message = await nextStream(conn);
        assertEquals(message.type, "binary");
        const reader = message.body.getReader();
        assertEquals((await reader.read()).value, utf8("one"));
        client.send(clientFrame({ opcode: continuation, payload: utf8("two") }));
        assertEquals((await reader.read()).value, utf8("two"));
        assertEquals((await reader.read()).done, true);
      }));

    it("in the middle of a stream: it becomes a whole message", () =>
      withConnection({}, async ({ client, conn }) => {
        void conn.messages();
        client.send(clientFrame({ opcode: binary, payload: utf8("one"), fin: false }));
        await settle();
        const whole = watch(nextWhole(conn));
        await settle();
        assertEquals(whole.state, "pending");
        client.send(clientFrame({ opcode: continuation, payload: utf8("two") }), textFrame("next"));
        assertEquals((await whole.untilSettled()).value, utf8("onetwo"));
        assertEquals(await nextWhole(conn), "next");
      }));

    it("in the middle of a stream in hand: that is read on as a stream", () =>
      withConnection({}, async ({ client, conn }) => {
        client.send(clientFrame({ opcode: binary, payload: utf8("one"), fin: false }));
        const message = await nextStream(conn);
        const messages = conn[Symbol.asyncIterator]();
        client.send(clientFrame({ opcode: continuation, payload: utf8("two") }), textFrame("next"));
        assertEquals(await message.bytes(), utf8("onetwo"));
        assertEquals((await messages.next()).value, "next");
      }));
  });
}

const CLOSED = { value: undefined, done: true } as const;

for (const { name, withServer, withConnection } of TRANSPORTS) {
  describe(`conn.readable over ${name}`, () => {
    it("gives the messages, and closes after the client's Close frame", () =>
      withConnection({}, async ({ client, conn }) => {
        assert(conn.readable === conn.readable);
        const reader = conn.readable.getReader();
        client.send(textFrame("a"), textFrame("b"));
        client.sendBinary(Uint8Array.of(3));
        assertEquals((await reader.read()).value, "a");
        assertEquals((await reader.read()).value, "b");
        assertEquals((await reader.read()).value, Uint8Array.of(3));
        const last = watch(reader.read());
        client.sendClose(1000);
        assertEquals((await last.untilSettled()).value, CLOSED);
        await client.readClose();
      }));

    it("errors with what the client did wrong, behind the messages before it", () =>
      withConnection({ limits: { maxMessageSize: 10 } }, async ({ client, conn }) => {
        client.send(textFrame("a"), textFrame("x".repeat(11)));
        const reader = conn.readable.getReader();
        assertEquals((await reader.read()).value, "a");
        const last = await watch(reader.read()).untilSettled();
        assertInstanceOf(last.reason, MessageTooBigError);
        assertEquals([last.reason.size, last.reason.maxSize], [11, 10]);
        assertInstanceOf(last.reason, ProtocolError);
        assertEquals((await client.readClose())[0], 1009);
      }));

    describe("tells by a reader's closed, though nobody reads,", () => {
      const ENDS: [
        what: string,
        end: (ends: Ends) => unknown,
        error?: [typeof ConnectionClosedError | typeof ProtocolError, number],
      ][] = [
        ["the client closed", ({ client }) => client.sendClose(4000, "bye")],
        ["the program closed", ({ conn }) => void conn.close()],
        ["the client sent FIN", ({ client }) => client.socket.end(), [ConnectionClosedError, 1006]],
        ["the client reset", ({ client }) => client.socket.reset(), [ConnectionClosedError, 1006]],
        ["the program dropped it", ({ conn }) => conn.abort(), [ConnectionClosedError, 1006]],
        [
          "the client broke the protocol",
          ({ client }) => client.send(Uint8Array.of(0x81, 0x00)),
          [ProtocolError, 1002],
        ],
      ];
      for (const [what, end, error] of ENDS) {
        for (const reads of [false, true]) {
          it(`that ${what}${reads ? ", and so does a read that waits" : ""}`, () =>
            withConnection({}, async (ends) => {
              const reader = ends.conn.readable.getReader();
              const read = reads ? watch(reader.read()) : undefined;
              const closed = watch(reader.closed);
              await end(ends);
              const { state, reason } = await closed.untilSettled();
              if (error === undefined) assertEquals(state, "resolved");
              else assertInstanceOf(reason, error[0]);
              assertEquals((reason as ConnectionClosedError)?.closeCode, error?.[1]);
              if (read === undefined) return;
              await read.untilSettled();
              assertEquals([read.value, read.reason], [error ? undefined : CLOSED, reason]);
            }));
        }
      }

      it("that it was over before the stream was asked for", () =>
        withConnection({}, async ({ client, conn }) => {
          void conn.close();
          await client.readClose();
          client.sendClose(1000);
          await client.finish();
          await conn.closed;
          const closed = watch(conn.readable.getReader().closed);
          assertEquals((await closed.untilSettled()).state, "resolved");
        }));

      it("and not before the last message was read", () =>
        withConnection({}, async ({ client, conn }) => {
          const reader = conn.readable.getReader();
          const closed = watch(reader.closed);
          client.send(textFrame("a"), textFrame("b"));
          await client.sendPing();
          await client.readPong();
          client.socket.reset();
          await conn.closed;
          assertEquals((await reader.read()).value, "a");
          await settle();
          assertEquals(closed.state, "pending");
          assertEquals((await reader.read()).value, "b");
          assertInstanceOf((await closed.untilSettled()).reason, ConnectionClosedError);
        }));

      it("where a read waits, too, and where a pipe does", () =>
        withConnection({}, async ({ client, conn }) => {
          const [one, other] = conn.readable.tee();
          const reader = one.getReader();
          const [read, closed, piped] = [
            watch(reader.read()),
            watch(reader.closed),
            watch(other.pipeTo(new WritableStream())),
          ];
          client.sendClose(1000);
          await client.readClose();
          for (const each of [read, closed, piped]) await each.untilSettled();
          assertEquals([read.value, closed.state, piped.state], [CLOSED, "resolved", "resolved"]);
        }));
    });

    it("closes the connection with 1000 when it is cancelled", () =>
      withConnection({}, async ({ client, conn }) => {
        const reader = conn.readable.getReader();
        const last = watch(reader.read());
        const cancelled = watch(reader.cancel());
        await client.answerClose(1000);
        assertEquals((await cancelled.untilSettled()).state, "resolved");
        assertEquals((await last.untilSettled()).value, CLOSED);
      }));

    it("can be iterated, and leaving the loop cancels it", () =>
      withConnection({}, async ({ client, conn }) => {
        client.send(textFrame("a"), textFrame("b"));
        const loop = watch((async () => {
          for await (const message of conn.readable) {
            assertEquals(message, "a");
            break;
          }
        })());
        await client.answerClose(1000);
        assertEquals((await loop.untilSettled()).state, "resolved");
      }));

    it("does not pull before it is read", () =>
      withConnection({ limits: { receiveQueueMessages: 1 } }, async ({ client, conn }) => {
        const { readable } = conn;
        client.send(textFrame("a"), textFrame("b"), closeFrame(1000));
        await settle();
        // The Close frame is not even decoded, as nobody has received "a".
        assertEquals(conn.state, "open");
        const reader = readable.getReader();
        assertEquals((await reader.read()).value, "a");
        assertEquals((await reader.read()).value, "b");
        assertEquals(await watch(reader.read()).untilSettled().then(({ value }) => value), CLOSED);
      }));

    for (const how of ["end", "reset"] as const) {
      it(`pipes to conn.writable: no error to report where the client's is ${how}`, () => {
        const handler = (conn: { readable: ReadableStream; writable: WritableStream }) =>
          conn.readable.pipeTo(conn.writable);
        return withServer({ handler }, async (server) => {
          const client = await server.open();
          client.sendText("a");
          assertEquals(await client.readMessage(), "a");
          client.socket[how]();
          await eventually("the end", () => server.server.connections.size === 0);
        });
      });
    }
  });
}
