import { describe, it } from "node:test";
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import type { Connection, IncomingMessage } from "../../src/server/mod.ts";
import { decodeUtf8, textFrame, utf8 } from "../support/raw_client.ts";
import { REFERENCE_OPCODES } from "../support/reference_frames.ts";
import { clientFrame } from "../support/raw_client.ts";
import { withConnection } from "../support/transports.ts";

type Body = ReadableStream<Uint8Array>;

const discard = () => new WritableStream<Uint8Array>();

async function readToEnd(chunks: AsyncIterable<Uint8Array>): Promise<string> {
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
  ["for await", (body) => readToEnd(body), ""],
  ["values()", (body) => readToEnd(body.values()), ""],
  ["tee()", (body) => Promise.all(body.tee().map((each) => readToEnd(each))), ["", ""]],
  ["pipeTo()", (body) => body.pipeTo(discard()), undefined],
  ["pipeThrough()", (body) => readToEnd(body.pipeThrough(new TransformStream())), ""],
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

  it("is unlocked where sending it was given up", () =>
    withConnection({}, async ({ conn, client }) => {
      client.send(textFrame("Hello"));
      const { type, body } = await nextOf(conn);
      const signal = AbortSignal.abort("no");
      const error = await conn.sendStream(type, body, { signal }).catch((error) => error);
      assertEquals([error, body.locked], ["no", false]);
      assertEquals(await readToEnd(body), "");
    }));
});
