// @once: it plays the cases against servers that are not of this library.

/**
 * Tests of what plays the conformance cases: it finds whatever a server says wrong.
 *
 * @module
 */

import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { describe, it } from "node:test";
import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { encodeReferenceFrame, type ReferenceFrameInit } from "../support/reference_frames.ts";
import { AnswerFault, type Offer, offering, readAgreement } from "./agreement.ts";
import { type CaseInit, expect, passing, text, textBack, toBytes, together } from "./case.ts";
import { COMPRESSION_SECTIONS, SECTIONS } from "./cases/mod.ts";
import { clientOf } from "./client.ts";
import { acceptOf, readFields } from "./handshake.ts";
import { runSections } from "./run_case.ts";

/** What a server says to a client that sends "Hello" and closes, whatever that has sent. */
interface Script {
  accept?: string;
  extensions?: string;
  frames?: Uint8Array[];
  /** What becomes of the connection then. @default "end" */
  then?: "end" | "reset" | "nothing" | "end late";
}

const frame = (payload: string | Uint8Array, more: Partial<ReferenceFrameInit> = {}) =>
  encodeReferenceFrame({ opcode: 1, payload: toBytes(payload), ...more });
const close = (code: number) => frame(Uint8Array.of(code >> 8, code & 0xff), { opcode: 8 });
const [ECHO, CLOSE] = [frame("Hello"), close(1000)];
const LATE_MS = 200;

async function answer(socket: Socket, { accept, extensions, frames, then }: Script): Promise<void> {
  socket.on("error", () => {});
  const [head] = await once(socket, "data");
  const key = readFields(String(head).split("\r\n")).get("sec-websocket-key");
  socket.write(
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
      `Sec-WebSocket-Accept: ${accept ?? acceptOf(key!)}\r\n` +
      (extensions === undefined ? "" : `Sec-WebSocket-Extensions: ${extensions}\r\n`) + "\r\n",
  );
  for (const frame of frames ?? [ECHO, CLOSE]) socket.write(frame);
  if (then === "end late") await new Promise((resolve) => setTimeout(resolve, LATE_MS));
  if (then === "reset") socket.resetAndDestroy();
  else if (then !== "nothing") socket.end();
}

const CASE = passing("Hello", () => [together(text("Hello")), expect(textBack("Hello"))]);
const COMPRESSED: CaseInit = { ...CASE, negotiation: offering({}) };

/** Plays a case against a server; gives what is said to be wrong. */
async function play(script: Script, init: CaseInit = CASE): Promise<string | undefined> {
  const server = createServer({ allowHalfOpen: true }, (socket) => void answer(socket, script));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const side = clientOf(new URL(`ws://127.0.0.1:${port}/`));
  const section = { name: "", cases: [{ id: "1.1", ...init }] };
  const [{ failure }] = await runSections(side, [section], { deadlineMs: 500, slowMs: LATE_MS });
  server.close();
  return failure;
}

const WRONG: [what: string, script: Script, failure: RegExp, init?: CaseInit][] = [
  ["a wrong accept key", { accept: "x" }, /answered the handshake with sec-websocket-accept/],
  ["an extension", { extensions: "x" }, /answered the handshake with sec-websocket-extensions/],
  [
    "a masked frame",
    { frames: [frame("Hello", { maskingKey: Uint8Array.of(1, 2, 3, 4) })] },
    /a wrong frame: server frame masked/,
  ],
  [
    "a length that is not minimal",
    { frames: [frame("Hello", { lengthForm: 16 })] },
    /a wrong frame: length 5 in 16 bits/,
  ],
  ["RSV bits", { frames: [frame("Hello", { rsv: 2 })] }, /a wrong frame: RSV bits set/],
  ["text that is not UTF-8", { frames: [frame(Uint8Array.of(0xff))] }, /that is not UTF-8/],
  [
    "a message within another",
    { frames: [frame("Hel", { fin: false }), ECHO] },
    /began a message within another one/,
  ],
  ["a continuation of nothing", { frames: [frame("", { opcode: 0 })] }, /it had not begun/],
  ["another text", { frames: [frame("Hallo")] }, /expected a text message .* got a text message/],
  [
    "bytes for a text",
    { frames: [frame("Hello", { opcode: 2 })] },
    /expected a text message .* got a binary message/,
  ],
  [
    "a Pong in fragments",
    { frames: [frame("", { opcode: 10, fin: false })] },
    /fragmented control/,
  ],
  [
    "a Ping of 126 bytes",
    { frames: [frame(new Uint8Array(126), { opcode: 9 })] },
    /control frame of more than 125 bytes/,
  ],
  [
    "a Close frame of one byte",
    { frames: [ECHO, frame(Uint8Array.of(3), { opcode: 8 })] },
    /Close payload of one byte/,
  ],
  ["a Pong to nothing", { frames: [frame("", { opcode: 10 })] }, /got a Pong of 0 bytes/],
  ["no echo before its Close frame", { frames: [CLOSE] }, /a text message .* got a Close frame/],
  ["a frame behind its Close frame", { frames: [ECHO, CLOSE, ECHO] }, /after its Close frame/],
  [
    "another code",
    { frames: [ECHO, close(1001)] },
    /expected a Close frame with 1000, got a Close frame with 1001/,
  ],
  ["no Close frame", { frames: [ECHO] }, /a Close frame .* got the end of the connection/],
  ["half a Close frame", { frames: [ECHO, CLOSE.subarray(0, 3)] }, /ended the .* within a frame/],
  [
    "half of an echo of nothing",
    { frames: [ECHO, frame("x", { fin: false }), CLOSE] },
    /closed within an echo that is none/,
  ],
  ["a reset", { then: "reset" }, /the connection broke|refused the opening handshake/],
  ["nothing", { frames: [], then: "nothing" }, /nothing came within .* a text message/],
  ["no end of TCP", { then: "nothing" }, /expected the server's end of the connection/],
  ["the end of TCP, late", { then: "end late" }, /as if only a deadline/],
  [
    "more bytes than need be",
    {},
    /in 4 bytes on the wire or fewer, not 5/,
    passing("", () => [expect({ ...textBack("Hello"), maxWireSize: 4 })]),
  ],
  ["that it does not compress", {}, /it declined to compress/, COMPRESSED],
  [
    "what can't be inflated",
    { extensions: "permessage-deflate", frames: [frame(Uint8Array.of(0xff, 0xff), { rsv: 4 })] },
    /can't be decompressed/,
    COMPRESSED,
  ],
  [
    "RSV1 on a Pong",
    { extensions: "permessage-deflate", frames: [frame("", { opcode: 10, rsv: 4 })] },
    /RSV bits set/,
    COMPRESSED,
  ],
];

const AGREED: [offer: Offer | undefined, answer: string, fault: string | undefined][] = [
  [{}, "permessage-deflate", undefined],
  [{ clientMaxWindowBits: true }, "permessage-deflate; client_max_window_bits=9", undefined],
  [{ serverMaxWindowBits: 10 }, "permessage-deflate; server_max_window_bits=9", undefined],
  [undefined, "permessage-deflate", "it agreed to what it must decline"],
  [{}, "deflate-stream", "it answered another extension"],
  [{}, "permessage-deflate; unknown", "it answered unknown"],
  [{}, "permessage-deflate; server_max_window_bits=09", "it answered server_max_window_bits=09"],
  [{}, "permessage-deflate; client_max_window_bits=9", "to a client that can't be told"],
  [{ serverNoContextTakeover: true }, "permessage-deflate", "without server_no_context_takeover"],
  [{ serverMaxWindowBits: 9 }, "permessage-deflate", "without server_max_window_bits=9"],
  [
    { serverMaxWindowBits: 9 },
    "permessage-deflate; server_max_window_bits=10",
    "without server_max_window_bits=9",
  ],
  [
    {},
    "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
    "it answered server_no_context_takeover twice",
  ],
];

describe("what plays the conformance cases", () => {
  it("has cases with numbers of their own", () => {
    const cases = [...SECTIONS, ...COMPRESSION_SECTIONS].flatMap(({ cases }) => cases);
    assertEquals(new Set(cases.map(({ id }) => id)).size, cases.length);
  });

  it("finds nothing where all is right", async () => assertEquals(await play({}), undefined));

  for (const [what, script, failure, init] of WRONG) {
    it(`finds a server that sends ${what}`, async () => {
      assertMatch(await play(script, init) ?? "nothing", failure);
    });
  }

  for (const [offer, answer, fault] of AGREED) {
    it(`${fault === undefined ? "takes" : "refuses"} ${answer} for ${JSON.stringify(offer)}`, () => {
      const read = () => readAgreement(offer === undefined ? [] : [offer], answer);
      if (fault === undefined) read();
      else assertThrows(read, AnswerFault, fault);
    });
  }
});
