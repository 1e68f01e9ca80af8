import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import type { Connection, IncomingMessage, Message } from "../../src/server/mod.ts";
import { clientFrame, textFrame, utf8 } from "../support/raw_client.ts";
import { REFERENCE_OPCODES } from "../support/reference_frames.ts";
import { TRANSPORTS } from "../support/transports.ts";
import { settle } from "../support/turn.ts";
import { watch } from "../support/watch.ts";

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
