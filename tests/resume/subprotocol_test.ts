// @engines: all of it happens in memory.

import { describe, it } from "node:test";
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { ProtocolError } from "../../src/errors.ts";
import { formatPosition, parsePosition, type Position } from "../../src/resume/position.ts";
import {
  type ControlMessage,
  encodeControl,
  encodePublished,
  encodeResumeRequest,
  escapeMessage,
  MAX_HEADER_LENGTH,
  parseResumeRequest,
  parseServerMessage,
} from "../../src/resume/subprotocol.ts";
import { utf8 } from "../codec/support.ts";

type Message = string | Uint8Array;

// What is malformed is refused as a plain reading has it: the fuzzer holds that, tests/fuzz/resume_messages.ts.

const SESSION = "0123456789abcdef";

const anyText = fc.string({ unit: "binary", maxLength: 40 });
const anyBytes = fc.uint8Array({ maxLength: 40 });
const position: fc.Arbitrary<Position> = fc.record({
  epoch: fc.stringMatching(/^[\w-]{1,32}$/),
  number: fc.maxSafeNat(),
});
const number = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
/** Messages that begin, or nearly begin, as those with a header do. */
const message: fc.Arbitrary<Message> = fc.oneof(
  anyText,
  anyText.map((text) => `\x1e${text}`),
  anyBytes,
  anyBytes.map((bytes) => Uint8Array.of(0x1e, ...bytes)),
);

/** What a receiver of whole messages makes of one. */
function readWhole(
  data: Message,
): { kind: string; rest?: Message; control?: ControlMessage; place?: unknown } {
  const parsed = parseServerMessage(data, true)!;
  if (parsed.kind === "control") return { kind: "control", control: parsed.control };
  const rest = data.slice(parsed.start);
  if (parsed.kind === "message") return { kind: "message", rest };
  return { kind: "published", rest, place: [parsed.number, parsed.position] };
}

/** What is found where a message comes byte by byte: the header must not be taken for whole too soon. */
function readSlowly(bytes: Uint8Array): ReturnType<typeof parseServerMessage> {
  for (let length = 0; length <= bytes.length; length++) {
    const parsed = parseServerMessage(bytes.subarray(0, length), false);
    if (parsed === undefined) continue;
    assert(parsed.kind !== "control", "the end of a note is the end of the message");
    assert(parsed.start <= length);
    return parsed;
  }
  return parseServerMessage(bytes, true);
}

describe("positions", () => {
  it("are read as they were written", () => {
    fc.assert(fc.property(position, (each) => {
      const text = formatPosition(each);
      assert(text.length <= 64 && /^[!-~]+$/.test(text));
      assertEquals(parsePosition(text), each);
    }));
  });

  it("are texts", () => {
    for (const value of [1, null, undefined, ["a.1"]]) {
      assertEquals(parsePosition(value), undefined);
    }
  });

  it("go from 0 to the largest safe integer", () => {
    assertEquals(parsePosition("a.0"), { epoch: "a", number: 0 });
    assertEquals(parsePosition("a.9007199254740991")?.number, Number.MAX_SAFE_INTEGER);
    assertEquals(parsePosition(`${"a".repeat(32)}.1`)?.number, 1);
  });
});

describe("the hello", () => {
  it("is read as it was written", () => {
    const session = fc.option(fc.stringMatching(/^[\w-]{16,64}$/), { nil: undefined });
    const positions = fc.array(fc.tuple(anyText, position)).map((entries) => new Map(entries));
    fc.assert(fc.property(session, positions, (session, positions) => {
      assertEquals(parseResumeRequest(encodeResumeRequest(session, positions)), {
        session,
        positions,
      });
    }));
  });

  it("is text", () => {
    const error = assertThrows(() => parseResumeRequest(utf8("{}")), ProtocolError, "no text");
    assertEquals(error.closeCode, 1008);
  });
});

describe("messages of a server", () => {
  it("are those of the program, whatever they begin with", () => {
    fc.assert(fc.property(message, (data) => {
      assertEquals(readWhole(escapeMessage(data)), { kind: "message", rest: data });
    }));
  });

  it("are as they are where they don't begin with RS", () => {
    for (const data of ["", "x", "\n\x1e", utf8("x\x1e"), new Uint8Array(0)]) {
      assert(escapeMessage(data) === data);
    }
  });

  it("tell where they stand in their topic", () => {
    fc.assert(fc.property(number, position, message, (number, position, data) => {
      assertEquals(readWhole(encodePublished(number, position, data)), {
        kind: "published",
        rest: data,
        place: [number, position],
      });
    }));
  });

  it("are the same byte by byte", () => {
    fc.assert(fc.property(number, position, anyBytes, (number, position, data) => {
      for (const each of [escapeMessage(data), encodePublished(number, position, data)]) {
        assertEquals(readSlowly(each as Uint8Array), parseServerMessage(each, true));
      }
    }));
  });

  const notes: ControlMessage[] = [
    { session: SESSION, protocol: "" },
    { session: SESSION, protocol: "chat" },
    { topic: "a", number: 1, position: "e.0", isLost: false },
    { topic: "", number: 7, position: undefined, isLost: false },
    { topic: "\n\ud800 é\x1e", number: 2 ** 53 - 1, position: "e.12", isLost: true },
    { unsubscribed: 3 },
    { progress: "e.5" },
  ];
  for (const note of notes) {
    it(`are notes, such as ${JSON.stringify(note)}`, () => {
      const text = encodeControl(note);
      assert(!text.includes("\n"));
      assertEquals(readWhole(text), { kind: "control", control: note });
      assertEquals(readSlowly(utf8(text)), { kind: "control", control: note });
    });
  }

  const malformed: [what: string, data: Message][] = [
    ["a header that is too long", `\x1e${"7".repeat(MAX_HEADER_LENGTH + 1)}\nx`],
    ["a header without an end", `\x1e${"7".repeat(MAX_HEADER_LENGTH + 1)}`],
    ["a note that is too long", `\x1e{"unsubscribed":3,"x":"${"x".repeat(MAX_HEADER_LENGTH)}"}`],
    ["a header that is no UTF-8", Uint8Array.of(0x1e, 0xff, 0x0a)],
  ];
  for (const [what, data] of malformed) {
    it(`are not ${what}`, () => {
      const bytes = typeof data === "string" ? utf8(data) : data;
      for (const read of [() => readWhole(data), () => readWhole(bytes), () => readSlowly(bytes)]) {
        const error = assertThrows(read, ProtocolError, "header");
        assertEquals(error.closeCode, 1008);
      }
    });
  }

  it("are waited for up to the longest header", () => {
    const header = utf8(`\x1e${"x".repeat(MAX_HEADER_LENGTH - 1)}`);
    assertEquals(parseServerMessage(header, false), undefined);
  });
});
