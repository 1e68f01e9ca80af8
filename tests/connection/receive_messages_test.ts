import { describe, it } from "node:test";
import { assert, assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import {
  type Connection,
  ConnectionClosedError,
  type IncomingMessage,
  MessageTooBigError,
  ProtocolError,
} from "../../src/server/mod.ts";
import { clientFrame, closeFrame, decodeUtf8, textFrame, utf8 } from "../support/raw_client.ts";
import { concatBytes, REFERENCE_OPCODES } from "../support/reference_frames.ts";
import { TRANSPORTS, withConnection } from "../support/transports.ts";
import { settle } from "../support/turn.ts";
import { eventually } from "../support/waiter.ts";
import { watch } from "../support/watch.ts";

const { text, binary, continuation } = REFERENCE_OPCODES;

/** Encodes a fragment of a client. */
function fragment(opcode: number, payload: string, fin = false): Uint8Array {
  return clientFrame({ opcode, payload: utf8(payload), fin });
}

async function next(messages: AsyncIterator<IncomingMessage>): Promise<IncomingMessage> {
  const { value } = await messages.next();
  assert(value !== undefined, "the end instead of a message");
  return value;
}

async function readAll(body: ReadableStream<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return decodeUtf8(concatBytes(chunks));
}

async function readToEnd(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
  while (!(await reader.read()).done);
}

for (const { name, withConnection } of TRANSPORTS) {
  describe(`conn.messages() over ${name}`, () => {
    it("gives each message with its type and body, and ends with the connection", () =>
      withConnection({}, async ({ client, conn }) => {
        client.send(textFrame("a"), fragment(binary, "b", true), textFrame(""), closeFrame(1000));
        const received: [string, string][] = [];
        for await (const { type, body } of conn.messages()) {
          received.push([type, await readAll(body)]);
        }
        assertEquals(received, [["text", "a"], ["binary", "b"], ["text", ""]]);
        assertEquals(await client.readClose(), [1000, ""]);
      }));

    it("reads bodies whole with text() and bytes()", () =>
      withConnection({}, async ({ client, conn }) => {
        const messages = conn.messages();
        client.send(textFrame("é"), textFrame("é"), fragment(binary, "é", true), textFrame(""));
        assertEquals(await (await next(messages)).text(), "é");
        assertEquals(await (await next(messages)).bytes(), utf8("é"));
        assertEquals(await (await next(messages)).text(), "é");
        assertEquals(await (await next(messages)).bytes(), new Uint8Array());
      }));

    it("keeps a byte order mark", () =>
      withConnection({}, async ({ client, conn }) => {
        client.sendText("\ufeffa");
        assertEquals(await (await next(conn.messages())).text(), "\ufeffa");
      }));

    it("refuses to read as text what is not UTF-8, and to read twice", () =>
      withConnection({}, async ({ client, conn }) => {
        const messages = conn.messages();
        client.sendBinary(Uint8Array.of(0xff));
        const message = await next(messages);
        const asText = await watch(message.text()).untilSettled();
        assertInstanceOf(asText.reason, TypeError);
        assert(asText.reason.message.includes("not UTF-8"));
        client.sendText("a");
        const other = await next(messages);
        const [first, second] = [watch(other.text()), watch(other.bytes())];
        assertEquals((await first.untilSettled()).value, "a");
        assertInstanceOf((await second.untilSettled()).reason, TypeError);
      }));

    it("refuses to read whole what was read, cancelled, or is being read", () =>
      withConnection({}, async ({ client, conn }) => {
        const messages = conn.messages();
        const uses: ((message: IncomingMessage) => Promise<unknown>)[] = [
          (message) => message.text(),
          (message) => message.bytes(),
          (message) => readAll(message.body),
          (message) => message.body.cancel(),
          async ({ body }) => {
            const reader = body.getReader();
            await reader.read();
            reader.releaseLock();
          },
          ({ body }) => Promise.resolve(body.getReader()),
        ];
        for (const use of uses) {
          client.send(fragment(text, "one "), fragment(continuation, "two", true));
          const message = await next(messages);
          await use(message);
          await assertRejects(() => message.text(), TypeError, "already");
          await assertRejects(() => message.bytes(), TypeError, "already");
        }
        client.send(textFrame("Hello"));
        assertEquals(await (await next(messages)).text(), "Hello");
      }));

    it("gives a body while it arrives, fragments and all, with control frames in between", () =>
      withConnection({}, async ({ client, conn }) => {
        client.send(fragment(text, "one"));
        const message = await next(conn.messages());
        assertEquals(message.type, "text");
        const reader = message.body.getReader();
        assertEquals(decodeUtf8((await reader.read()).value!), "one");
        client.sendPing("?");
        assertEquals(await client.readPong(), "?");
        client.send(fragment(continuation, ""), fragment(continuation, "two"));
        assertEquals(decodeUtf8((await reader.read()).value!), "two");
        // A part of a frame is enough.
        const last = fragment(continuation, "three", true);
        client.send(last.subarray(0, last.length - 2));
        assertEquals(decodeUtf8((await reader.read()).value!), "thr");
        client.send(last.subarray(last.length - 2));
        assertEquals(decodeUtf8((await reader.read()).value!), "ee");
        assertEquals((await reader.read()).done, true);
        await reader.closed;
      }));

    it("drops what was not read of a body when the next message is asked for", () =>
      withConnection({}, async ({ client, conn }) => {
        const messages = conn.messages();
        client.send(fragment(text, "one"));
        const reader = (await next(messages)).body.getReader();
        await reader.read();
        const following = next(messages);
        client.send(fragment(continuation, "two", true), textFrame("next"));
        assertEquals(await (await following).text(), "next");
        const { reason } = await watch(reader.read()).untilSettled();
        assertEquals((reason as DOMException).name, "AbortError");
      }));

    it("drops bodies that nobody reads, also while they arrive", () =>
      withConnection({}, async ({ client, conn }) => {
        const messages = conn.messages();
        client.send(fragment(text, "one"));
        await next(messages);
        const following = watch(next(messages));
        client.send(fragment(continuation, "two", true), textFrame("skipped"), textFrame("last"));
        await following.untilSettled();
        assertEquals(await (await next(messages)).text(), "last");
      }));

    it("drops the rest of a body that is cancelled", () =>
      withConnection({}, async ({ client, conn }) => {
        const messages = conn.messages();
        client.send(fragment(binary, "one"));
        const { body } = await next(messages);
        await body.cancel();
        client.send(fragment(continuation, "two", true), textFrame("next"));
        assertEquals(await (await next(messages)).text(), "next");
      }));

    it("can be left: the body in hand can still be read, and the next loop goes on", () =>
      withConnection({}, async ({ client, conn }) => {
        client.send(fragment(text, "one"));
        let inHand: IncomingMessage | undefined;
        for await (const message of conn.messages()) {
          inHand = message;
          break;
        }
        client.send(fragment(continuation, "two", true), textFrame("next"));
        assertEquals(await inHand?.text(), "onetwo");
        assertEquals(await (await next(conn.messages())).text(), "next");
        assertEquals(conn.state, "open");
      }));
  });

  describe(`a body that fails over ${name}`, () => {
    const setup = { limits: { maxMessageSize: 10, maxFragments: 3 } };
    const FAULTS: [what: string, bytes: Uint8Array, code: number][] = [
      ["is too large", fragment(continuation, "x".repeat(11)), 1009],
      ["has too many fragments", concatBytes(Array(6).fill(fragment(continuation, ""))), 1008],
      ["is not UTF-8", clientFrame({ opcode: continuation, payload: Uint8Array.of(0xff) }), 1007],
      [
        "ends within a character",
        clientFrame({
          opcode: continuation,
          payload: Uint8Array.of(0xe2, 0x82),
        }),
        1007,
      ],
      ["is interrupted by a message", textFrame("a"), 1002],
      ["goes on with a reserved bit", clientFrame({ opcode: continuation, rsv: 4 }), 1002],
    ];
    for (const [what, bytes, code] of FAULTS) {
      it(`where it ${what}: its reader gets the error, the client ${code}`, () =>
        withConnection(setup, async ({ client, conn }) => {
          const messages = conn.messages();
          client.send(fragment(text, "one"));
          const reader = (await next(messages)).body.getReader();
          await reader.read();
          const last = watch(readToEnd(reader));
          client.send(bytes);
          await last.untilSettled();
          assertInstanceOf(last.reason, ProtocolError);
          assertEquals(last.reason.closeCode, code);
          if (code === 1009) assertInstanceOf(last.reason, MessageTooBigError);
          assertEquals((await messages.next()).done, true);
          assertEquals((await client.readClose())[0], code);
        }));
    }

    it("where it fails before anybody reads", () =>
      withConnection(setup, async ({ client, conn }) => {
        const messages = conn.messages();
        client.send(fragment(text, "one"), fragment(continuation, "x".repeat(11)));
        await settle();
        const message = await next(messages);
        const { reason } = await watch(message.text()).untilSettled();
        assertInstanceOf(reason, MessageTooBigError);
        assertEquals((await messages.next()).done, true);
        assertEquals((await client.readClose())[0], 1009);
      }));

    const ENDS: [what: string, end: (client: Client) => void, code: number][] = [
      ["ends", (client) => client.socket.end(), 1006],
      ["is reset", (client) => client.socket.reset(), 1006],
      ["sends a Close frame", (client) => client.sendClose(4000), 4000],
    ];
    for (const [what, end, code] of ENDS) {
      it(`where the client ${what} before it is whole`, () =>
        withConnection({}, async ({ client, conn }) => {
          const messages = conn.messages();
          client.send(fragment(text, "one"));
          const reader = (await next(messages)).body.getReader();
          await reader.read();
          const last = watch(reader.read());
          end(client);
          await last.untilSettled();
          assertInstanceOf(last.reason, ConnectionClosedError);
          assertEquals(last.reason.closeCode, code);
          assertEquals((await messages.next()).done, true);
        }));
    }

    for (const [what, end] of ENDS) {
      it(`where the client ${what} before it is whole and before anybody reads: it never came`, () =>
        withConnection({}, async ({ client, conn }) => {
          client.send(textFrame("whole"), fragment(text, "one"), fragment(continuation, "two"));
          end(client);
          await eventually("the end to arrive", () => conn.state !== "open");
          const messages = conn.messages();
          const { value } = await messages.next();
          if (value !== undefined) assertEquals(await value.text(), "whole");
          assertEquals((await watch(messages.next()).untilSettled()).value?.done, true);
          // A reset may come before anything was read.
          assert(value !== undefined || what === "is reset");
        }));
    }

    it("with close(), where it is not whole", () =>
      withConnection({}, async ({ client, conn }) => {
        client.send(fragment(text, "one"));
        const reader = (await next(conn.messages())).body.getReader();
        await reader.read();
        const last = watch(reader.read());
        void conn.close({ closeCode: 4000 });
        assertInstanceOf((await last.untilSettled()).reason, ConnectionClosedError);
        assertEquals(await client.readClose(), [4000, ""]);
      }));

    it("is still given to the end with close(), where it had arrived whole", () =>
      withConnection({}, async ({ client, conn }) => {
        client.send(textFrame("whole"));
        const message = await next(conn.messages());
        void conn.close();
        assertEquals(await message.text(), "whole");
        await client.readClose();
      }));
  });
}

interface Client {
  socket: { end(): void; reset(): void };
  sendClose(code: number): void;
}

type Body = ReadableStream<Uint8Array>;

const discard = () => new WritableStream<Uint8Array>();

async function readText(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  let all = "";
  for await (const chunk of chunks) all += decodeUtf8(chunk);
  return all;
}

/** All that a program can do with a body that nobody else reads, and what it gives at the end of one. */
const USES: [what: string, use: (body: Body) => unknown, atEnd: unknown][] = [
  ["locked", (body) => body.locked, false],
  ["getReader()", async (body) => (await body.getReader().read()).done, true],
  [
    "getReader() for bytes",
    async (body) => {
      const reader = body.getReader({ mode: "byob" });
      return (await reader.read(new Uint8Array(8))).done;
    },
    true,
  ],
  ["for await", (body) => readText(body), ""],
  ["values()", (body) => readText(body.values()), ""],
  ["tee()", (body) => Promise.all(body.tee().map((each) => readText(each))), ["", ""]],
  ["pipeTo()", (body) => body.pipeTo(discard()), undefined],
  ["pipeThrough()", (body) => readText(body.pipeThrough(new TransformStream())), ""],
  ["cancel()", (body) => body.cancel(), undefined],
];

/** What reads a body to its end. */
const READS: [
  what: string,
  read: (conn: Connection, message: IncomingMessage) => Promise<unknown>,
][] = [
  ["sendStream()", (conn, { type, body }) => conn.sendStream(type, body)],
  ["text()", (_conn, message) => message.text()],
  ["bytes()", (_conn, message) => message.bytes()],
];

async function nextOf(conn: Connection): Promise<IncomingMessage> {
  return (await conn.messages().next()).value!;
}

describe("The body of a message", () => {
  for (const [read, start] of READS) {
    for (const [use, call, expected] of USES) {
      it(`can be used by ${use} once ${read} has read it`, () =>
        withConnection({}, async ({ conn, client }) => {
          client.send(textFrame("Hello"));
          const message = await nextOf(conn);
          await start(conn, message);
          assertEquals(await call(message.body), expected);
        }));
    }

    it(`is locked while ${read} reads it`, () =>
      withConnection({}, async ({ conn, client }) => {
        const opcodes = REFERENCE_OPCODES;
        client.send(clientFrame({ opcode: opcodes.text, payload: utf8("Hel"), fin: false }));
        const message = await nextOf(conn);
        const { body } = message;
        const done = start(conn, message);
        assertEquals(body.locked, true);
        assertThrows(() => body.getReader(), TypeError);
        assertThrows(() => body.getReader({ mode: "byob" }), TypeError);
        assertThrows(() => body.values(), TypeError);
        assertThrows(() => body.tee(), TypeError);
        assertThrows(() => body.pipeThrough(new TransformStream()), TypeError);
        await assertRejects(() => body.pipeTo(discard()), TypeError);
        await assertRejects(() => body.cancel(), TypeError);
        assertThrows(() => conn.sendStream("text", body), TypeError);
        client.send(clientFrame({ opcode: opcodes.continuation, payload: utf8("lo"), fin: true }));
        await done;
        assertEquals([body.locked, body.locked], [false, false]);
      }));
  }

  it("is locked if it is first asked for while bytes() reads it", () =>
    withConnection({}, async ({ conn, client }) => {
      client.send(fragment(text, "Hel"));
      const message = await nextOf(conn);
      const bytes = message.bytes();
      const { body } = message;
      assertEquals(body.locked, true);
      client.send(fragment(continuation, "lo", true));
      assertEquals(await bytes, utf8("Hello"));
      assertEquals([body.locked, await readText(body)], [false, ""]);
      assertEquals(message.body === body, true);
    }));

  it("fails with the same error for each that asks once the rest can't come", () =>
    withConnection({}, async ({ conn, client }) => {
      client.send(fragment(text, "Hel"));
      const message = await nextOf(conn);
      const read = message.bytes().catch((error) => error);
      client.send(closeFrame(1000));
      const error = await read;
      assertInstanceOf(error, ConnectionClosedError);
      assertEquals(await readText(message.body).catch((error) => error), error);
    }));

  it("is unlocked where sending it was given up", () =>
    withConnection({}, async ({ conn, client }) => {
      client.send(textFrame("Hello"));
      const { type, body } = await nextOf(conn);
      const signal = AbortSignal.abort("no");
      const error = await conn.sendStream(type, body, { signal }).catch((error) => error);
      assertEquals([error, body.locked], ["no", false]);
      assertEquals(await readText(body), "");
    }));
});
