import { Buffer } from "node:buffer";
import { describe, it } from "node:test";
import { assert, assertEquals, assertLess, assertStrictEquals, assertThrows } from "@std/assert";
import type { Frame } from "../../src/codec/mod.ts";
import { Protocol } from "../../src/protocol/mod.ts";
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

for (const role of ROLES) {
  describe(`what a ${role} receives`, () => {
    const bytes = encodeFrames(peerOf(role), FRAMES);

    for (const streaming of [false, true]) {
      it(`is the same however it is cut, ${streaming ? "streamed" : "whole"}`, () => {
        for (const pieces of cuttings(bytes, new Random(1), 30)) {
          const { events, closeCode, side } = receivePieces(role, pieces, { streaming });
          assertEquals(events, EVENTS);
          assertEquals(closeCode, undefined);
          assertEquals(side.log.streamed, streaming ? 10 : 0);
        }
      });
    }

    it("may come in Buffers, and is handed on in plain arrays", () => {
      const side = new Side(role);
      for (const piece of new Random(2).cut(Buffer.from(bytes), 200)) side.protocol.receive(piece);
      assertEquals(side.takeEvents(), EVENTS);
    });

    it("may be a part of an array", () => {
      const side = new Side(role);
      const memory = concatBytes([fromHex("ff ff"), bytes, fromHex("ff ff ff")]);
      const end = 2 + bytes.length;
      assertEquals(side.protocol.receive(memory, 2, 50), 50);
      assertEquals(side.protocol.receive(memory, 50, end), end);
      assertEquals(side.takeEvents(), EVENTS);
    });

    it("keeps its payloads when the input is overwritten", () => {
      const payloads: Uint8Array[] = [];
      const log = new EventLog();
      log.receiveMessage = (data) => payloads.push(data as Uint8Array);
      log.receivePing = (payload) => payloads.push(payload.slice());
      log.receivePong = (payload) => payloads.push(payload);
      for (
        const frames of [[frameOf(2, "ab")], [frameOf(9, "ab")], [frameOf(10, "ab")], [
          frameOf(2, "a", { fin: false }),
          frameOf(0, "b"),
        ]]
      ) {
        const input = encodeFrames(peerOf(role), frames);
        for (const pieces of [[input.slice()], singly(input.slice())]) {
          const side = new Side(role, {}, log);
          for (const piece of pieces) {
            side.protocol.receive(piece);
            piece.fill(0xff);
          }
        }
      }
      assertEquals(payloads.length, 8);
      for (const payload of payloads) assertEquals(payload, utf8("ab"));
    });

    it("gives views of the input where it is not lent, and of a Ping always", () => {
      const messages: unknown[] = [];
      const pings: Uint8Array[] = [];
      const log = new EventLog();
      log.receiveMessage = (data) => messages.push(data);
      log.receivePing = (payload) => pings.push(payload);
      const input = encodeFrames(peerOf(role), [
        frameOf(2, "ab"),
        frameOf(1, "c"),
        frameOf(9, "d"),
      ]);
      new Side(role, {}, log).protocol.receive(input, 0, input.length, false);
      assertEquals(messages, [utf8("ab"), "c"]);
      assertStrictEquals((messages[0] as Uint8Array).buffer, input.buffer);
      assertEquals(pings, [utf8("d")]);
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
          let start = 0;
          while (start < copy.length) {
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
      const message = encodeFrames(peerOf(role), [
        frameOf(2, "abc", { fin: false }),
        frameOf(9, "ping"),
        frameOf(0, "de"),
      ]);
      const header = role === "server" ? 6 : 2;
      const collected = singly(message).map((piece) => {
        side.protocol.receive(piece);
        return side.protocol.collectedLength;
      });
      assertEquals(collected, [
        ...Array(header).fill(0),
        ...[1, 2, 3],
        ...Array(header + 4).fill(3),
        ...Array(header).fill(3),
        ...[4, 0],
      ]);
    });

    it("ends with an error for good, and leaves what came before it", () => {
      const before = encodeFrames(peerOf(role), FRAMES.slice(0, -1));
      for (const bad of ["ff", "03", "00", "80", role === "server" ? "81 00" : "81 80"]) {
        for (const pieces of cuttings(concatBytes([before, fromHex(bad)]), new Random(4))) {
          const { events, closeCode, side } = receivePieces(role, pieces);
          assertEquals(events, EVENTS.slice(0, -1));
          assertEquals(closeCode, 1002);
          assertEquals(side.protocol.receive(bytes.slice()), bytes.length);
          assertEquals(events, EVENTS.slice(0, -1));
        }
      }
    });

    it("ends where the handler throws, and the error comes out", () => {
      for (
        const name of ["receiveMessage", "receivePing", "receivePong", "receiveClose"] as const
      ) {
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

describe("an interleaving that the RFC forbids", () => {
  const CASES: [what: string, frames: Frame[]][] = [
    ["a continuation of nothing", [frameOf(0, "a")]],
    ["a continuation of nothing that is not the last", [frameOf(0, "a", { fin: false })]],
    ["a continuation of a whole message", [frameOf(1, "a"), frameOf(0, "b")]],
    ["a continuation of a finished message", [
      frameOf(1, "a", { fin: false }),
      frameOf(0, "b"),
      frameOf(0, "c"),
    ]],
    ["a text within a text", [frameOf(1, "a", { fin: false }), frameOf(1, "b")]],
    ["a binary within a text", [frameOf(1, "a", { fin: false }), frameOf(2, "b")]],
    ["a text within a binary, behind a Ping", [
      frameOf(2, "a", { fin: false }),
      frameOf(9),
      frameOf(1, "b", { fin: false }),
    ]],
  ];
  for (const [what, frames] of CASES) {
    it(`is refused at its first byte: ${what}`, () => {
      for (const role of ROLES) {
        const bytes = encodeFrames(peerOf(role), frames);
        const before = encodeFrames(peerOf(role), frames.slice(0, -1));
        const { failedAt, closeCode } = receivePieces(role, singly(bytes));
        assertEquals([failedAt, closeCode], [before.length + 1, 1002]);
      }
    });
  }

  it("is not RSV1, which no extension gives a meaning to", () => {
    for (const role of ROLES) {
      const bytes = encodeFrames(peerOf(role), [frameOf(1, "a", { rsv1: true })]);
      assertEquals(receivePieces(role, singly(bytes)).failedAt, 1);
      assert(receivePieces(role, [bytes]).closeCode === 1002);
    }
  });
});
