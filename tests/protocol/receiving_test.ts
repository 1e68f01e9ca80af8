// @engines: it asks nothing of a runtime but its engine.

import { Buffer } from "node:buffer";
import { describe, it } from "node:test";
import { assertEquals, assertLess, assertStrictEquals, assertThrows } from "@std/assert";
import type { Frame } from "../../src/codec/mod.ts";
import { Protocol, type ProtocolOptions } from "../../src/protocol/mod.ts";
import { concatBytes } from "../support/reference_frames.ts";
import {
  cuttings,
  frameOf,
  fromHex,
  peerOf,
  Random,
  ROLES,
  singly,
  utf8,
} from "../codec/support.ts";
import { receivePlainly } from "./reference_receiver.ts";
import { closeFrame, encodeFrames, EventLog, receivePieces, Side } from "./support.ts";

/** Everything that may be received, and the events it makes. */
const FRAMES = [
  frameOf(9, "first"),
  frameOf(1, "whole"),
  frameOf(1),
  frameOf(2, fromHex("00 ff 80")),
  frameOf(2),
  frameOf(1, "Hel", { fin: false }),
  frameOf(9, "between"),
  frameOf(0, "", { fin: false }),
  frameOf(10),
  frameOf(10, "again"),
  frameOf(0, "lo", { fin: false }),
  frameOf(0),
  frameOf(2, "", { fin: false }),
  frameOf(9, fromHex("ff")),
  frameOf(0, fromHex("01")),
  frameOf(1, "", { fin: false }),
  frameOf(0),
  // A code point in three frames.
  frameOf(1, fromHex("e2"), { fin: false }),
  frameOf(0, fromHex("82"), { fin: false }),
  frameOf(9),
  frameOf(0, fromHex("ac")),
  frameOf(1, "\ufeffmarked"),
  frameOf(1, "x".repeat(1000)),
  closeFrame(1000, "bye"),
];
const EVENTS = [
  "ping 66 69 72 73 74",
  'text "whole"',
  'text ""',
  "binary 00 ff 80",
  "binary ",
  "ping 62 65 74 77 65 65 6e",
  "pong ",
  "pong 61 67 61 69 6e",
  'text "Hello"',
  "ping ff",
  "binary 01",
  'text ""',
  "ping ",
  'text "€"',
  'text "\ufeffmarked"',
  `text "${"x".repeat(1000)}"`,
  'close 1000 "bye"',
];

/** The frames of a message with these payloads. */
function message(opcode: 1 | 2, ...payloads: (string | Uint8Array)[]): Frame[] {
  return payloads.map((payload, i) =>
    frameOf(i === 0 ? opcode : 0, payload, { fin: i === payloads.length - 1 })
  );
}

/** A text that is not UTF-8, in one frame, and in frames of one octet of which the last is empty. */
function badText(what: string, hex: string): Row[] {
  return [
    [what, message(1, fromHex(hex)), 1007],
    [`${what}, in fragments`, message(1, ...singly(fromHex(hex)), ""), 1007],
  ];
}

type Row = [what: string, frames: Frame[], closeCode?: number, limits?: ProtocolOptions];
const SIZE = { maxMessageSize: 200 };
const COUNT = { maxFragments: 3 };
const ones = message(2, ...Array<string>(500).fill("x"), "").slice(0, 500);
const empty = frameOf(0, "", { fin: false });

/** Frames behind a message that is fine, and the code that they are refused with, if they are. */
const ROWS: Row[] = [
  ["a continuation of nothing", [frameOf(0, "a")], 1002],
  ["a continuation of nothing that is not the last", [frameOf(0, "a", { fin: false })], 1002],
  ["a continuation of a finished message", [...message(1, "a", "b"), frameOf(0, "c")], 1002],
  ["a text within a text", [frameOf(1, "a", { fin: false }), frameOf(1, "b")], 1002],
  ["bytes within a text", [frameOf(1, "a", { fin: false }), frameOf(2, "b")], 1002],
  [
    "a text within bytes, behind a Ping",
    [frameOf(2, "a", { fin: false }), frameOf(9), frameOf(1, "b", { fin: false })],
    1002,
  ],
  ["RSV1, which no extension gives a meaning to", [frameOf(1, "a", { rsv1: true })], 1002],

  ...badText("a lone continuation octet", "61 80 61"),
  ...badText("an overlong slash", "61 c0 af"),
  ...badText("an overlong form of three octets", "e0 80 80 61"),
  ...badText("a surrogate", "61 62 ed a0 80 65"),
  ...badText("a code point past U+10FFFF", "ce ba f4 90 80 80"),
  ...badText("an octet that is never UTF-8", "61 61 61 ff 61 61"),
  ...badText("a character within a character", "f0 9f 61 61 61"),
  ...badText("an unfinished character of two octets", "61 c3"),
  ...badText("an unfinished character of three octets", "e2 82"),
  ...badText("an unfinished character of four octets", "f0 9f 98"),
  ["a text that another one left unfinished", [
    ...message(2, fromHex("e2 82")),
    ...message(1, "€", "€"),
    ...message(1, fromHex("ac")),
  ], 1007],
  ["a byte order mark, in one frame and in two", [
    ...message(1, "\ufeff"),
    ...message(1, fromHex("ef bb"), fromHex("bf 61")),
  ]],
  ["bytes that are not UTF-8", message(2, fromHex("ff c0 80"), fromHex("f5"))],
  ["a text cut within a character, around a Ping that is not UTF-8", [
    frameOf(1, fromHex("61 f0 9f"), { fin: false }),
    frameOf(9, fromHex("80 ff")),
    frameOf(0, fromHex("98 80")),
  ]],

  ["a Close of one octet", [frameOf(8, fromHex("03"))], 1002],
  ["a Close with a code that may not be sent", [frameOf(8, fromHex("03 ed"))], 1002],
  ["a Close with a reason that is not UTF-8", [frameOf(8, fromHex("03 e8 ff"))], 1007],
  ["a Close with an unfinished reason", [frameOf(8, fromHex("03 e8 e2 82"))], 1007],
  ["a Close, and a message behind it", [closeFrame(3000, "bye"), frameOf(1, "behind")]],
  ["a Close, and a second one", [closeFrame(3000), closeFrame(1000), frameOf(9)]],
  ["a Close, and what is no frame", [closeFrame(3000), frameOf(15, "", { rsv1: true })]],
  ["a Close within a message", [frameOf(1, "Hel", { fin: false }), closeFrame(1000)]],

  ["a text of the largest size", message(1, "x".repeat(200)), undefined, SIZE],
  ["a text that is too large", message(1, "x".repeat(201)), 1009, SIZE],
  ["fragments of the largest size", message(2, "x".repeat(99), "x".repeat(101)), undefined, SIZE],
  ["fragments that are too large", message(2, "x".repeat(99), "x".repeat(102)), 1009, SIZE],
  ["what is empty, where nothing else is allowed", message(2, "", ""), undefined, {
    maxMessageSize: 0,
  }],
  ["a byte, where none is allowed", message(2, "x"), 1009, { maxMessageSize: 0 }],
  ["as many empty fragments as are allowed", message(2, "", "", ""), undefined, COUNT],
  ["one more", message(2, "", "", "", ""), 1008, COUNT],
  ["as many past the bytes", message(2, "xy", "", "", "", ""), undefined, COUNT],
  ["one more past the bytes", message(2, "xy", "", "", "", "", ""), 1008, COUNT],
  [
    "fragments of a byte each, and three empty ones",
    [...ones, empty, empty, frameOf(0)],
    undefined,
    COUNT,
  ],
  [
    "fragments of a byte each, and four empty ones",
    [...ones, empty, empty, empty, empty],
    1008,
    COUNT,
  ],
  ["empty fragments before the bytes", message(2, "", "", "", "", "x".repeat(9)), 1008, COUNT],
  ["a whole message, where fragments are not allowed", message(1, ""), undefined, {
    maxFragments: 1,
  }],
  ["two fragments, where one is allowed", message(1, "", ""), 1008, { maxFragments: 1 }],
];

describe("whatever a receiver gets, however it is cut, whole or streamed", () => {
  for (const [what, frames, closeCode, limits] of ROWS) {
    const end = closeCode === undefined ? "is taken" : `is refused with ${closeCode} at once`;
    it(`${what} ${end}`, () => {
      for (const role of ROLES) {
        const before = limits === undefined ? [frameOf(1, "before"), frameOf(9)] : [];
        const bytes = encodeFrames(peerOf(role), [...before, ...frames]);
        const all = { maxMessageSize: 2 ** 20, maxFragments: 1024, ...limits };
        const expected = receivePlainly(bytes, { masked: role === "server", ...all });
        assertEquals(expected.closeCode, closeCode, "the reference");
        for (const streaming of [false, true]) {
          const options = { ...limits, streaming };
          for (const pieces of cuttings(bytes, new Random(1))) {
            const { events, closeCode } = receivePieces(role, pieces, options);
            assertEquals([events, closeCode], [expected.events, expected.closeCode]);
          }
          assertEquals(receivePieces(role, singly(bytes), options).failedAt, expected.failedAt);
          // What is refused is so without more behind it, which may never come.
          const { length } = bytes.subarray(0, expected.failedAt);
          const [first, last] = [bytes.subarray(0, length - 1), bytes.subarray(length - 1, length)];
          assertEquals(receivePieces(role, [first, last], options).closeCode, closeCode);
        }
      }
    });
  }
});

for (const role of ROLES) {
  describe(`what a ${role} receives`, () => {
    const bytes = encodeFrames(peerOf(role), FRAMES);

    for (const streaming of [false, true]) {
      it(`is the same however it is cut, ${streaming ? "streamed" : "whole"}`, () => {
        for (const pieces of cuttings(bytes, new Random(1), 30)) {
          const { events, closeCode, side } = receivePieces(role, pieces, { streaming });
          assertEquals([events, closeCode], [EVENTS, undefined]);
          assertEquals(side.log.streamed, streaming ? 10 : 0);
        }
      });
    }

    it("may come in Buffers, be a part of an array, and is handed on in plain arrays", () => {
      const side = new Side(role);
      for (const piece of new Random(2).cut(Buffer.from(bytes), 200)) side.protocol.receive(piece);
      assertEquals(side.takeEvents(), EVENTS);
    });

    it("keeps its payloads when the input is overwritten", () => {
      const payloads: Uint8Array[] = [];
      const log = new EventLog();
      log.receiveMessage = (data) => payloads.push(data as Uint8Array);
      log.receivePing = (payload) => payloads.push(payload.slice());
      log.receivePong = (payload) => payloads.push(payload);
      const ab = [message(2, "ab"), [frameOf(9, "ab")], [frameOf(10, "ab")], message(2, "a", "b")];
      for (const frames of ab) {
        const input = encodeFrames(peerOf(role), frames);
        for (const pieces of [[input.slice()], singly(input.slice())]) {
          const side = new Side(role, {}, log);
          for (const piece of pieces) {
            side.protocol.receive(piece);
            piece.fill(0xff);
          }
        }
      }
      assertEquals(payloads, Array(8).fill(utf8("ab")));
    });

    it("gives views of the input where it is not lent, and of a Ping always", () => {
      const messages: unknown[] = [];
      const pings: Uint8Array[] = [];
      const log = new EventLog();
      log.receiveMessage = (data) => messages.push(data);
      log.receivePing = (payload) => pings.push(payload);
      const frames = [frameOf(2, "ab"), frameOf(1, "c"), frameOf(9, "d")];
      const input = encodeFrames(peerOf(role), frames);
      new Side(role, {}, log).protocol.receive(input, 0, input.length, false);
      assertEquals([messages, pings], [[utf8("ab"), "c"], [utf8("d")]]);
      assertStrictEquals((messages[0] as Uint8Array).buffer, input.buffer);
      assertStrictEquals(pings[0].buffer, input.buffer);
    });

    it("can be stopped anywhere, and gone on with", () => {
      const random = new Random(3);
      for (let run = 0; run < 60; run++) {
        let stops = 0;
        const log = new EventLog();
        const stopping = new Proxy(log, {
          get: (_target, name: keyof EventLog) =>
            typeof log[name] !== "function" ? log[name] : (...args: unknown[]) => {
              (log[name] as (...args: unknown[]) => void)(...args);
              if (random.below(2) === 0) return undefined;
              stops++;
              if (random.below(2) === 0) return "stop";
              return side.protocol.stopReceiving();
            },
        });
        const side = new Side(role, {}, stopping);
        side.protocol.streaming = run % 2 === 0;
        for (const piece of random.cut(bytes, 4 ** (2 + run % 4))) {
          const copy = piece.slice();
          for (let start = 0; start < copy.length;) {
            const stopsBefore = stops;
            const end = side.protocol.receive(copy, start);
            assertLess(start, end, "no progress");
            if (end < copy.length) assertLess(stopsBefore, stops, "ended without a stop");
            start = end;
          }
        }
        assertEquals(log.events, EVENTS);
      }
    });

    it("comes with what was collected so far", () => {
      const side = new Side(role);
      const [first, last] = message(2, "abc", "de");
      const frames = encodeFrames(peerOf(role), [first, frameOf(9, "ping"), last]);
      const header = role === "server" ? 6 : 2;
      const collected = singly(frames).map((piece) => {
        side.protocol.receive(piece);
        return side.protocol.collectedLength;
      });
      assertEquals(collected, [
        ...Array(header).fill(0),
        ...[1, 2, 3],
        ...Array(header + 4 + header).fill(3),
        ...[4, 0],
      ]);
    });

    it("ends with an error for good, and leaves what came before it", () => {
      const before = encodeFrames(peerOf(role), FRAMES.slice(0, -1));
      for (const bad of ["ff", "03", "00", "80", role === "server" ? "81 00" : "81 80"]) {
        for (const pieces of cuttings(concatBytes([before, fromHex(bad)]), new Random(4))) {
          const { events, closeCode, side } = receivePieces(role, pieces);
          assertEquals([events, closeCode], [EVENTS.slice(0, -1), 1002]);
          assertEquals(side.protocol.receive(bytes.slice()), bytes.length);
          assertEquals(events, EVENTS.slice(0, -1));
        }
      }
    });

    it("ends where the handler throws, and the error comes out", () => {
      const NAMES = ["receiveMessage", "receivePing", "receivePong", "receiveClose"] as const;
      for (const name of NAMES) {
        const cause = new Error("the handler's");
        const log = new EventLog();
        log[name] = () => {
          throw cause;
        };
        const protocol = new Protocol(role, log);
        assertStrictEquals(assertThrows(() => protocol.receive(bytes.slice())), cause);
        const count = log.events.length;
        assertEquals(protocol.receive(bytes.slice()), bytes.length);
        assertEquals(log.events.length, count);
      }
    });
  });
}
