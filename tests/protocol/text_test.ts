import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
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
import { encodeFrames, receivePieces } from "./support.ts";

/** Texts that are not UTF-8, and the octet that can't be there; at their end, they are unfinished. */
const BAD_TEXTS: [what: string, hex: string, impossibleAt: number][] = [
  ["a lone continuation octet", "61 80 61", 1],
  ["an overlong slash", "61 c0 af", 1],
  ["an overlong form of three octets", "e0 80 80 61", 1],
  ["a surrogate", "61 62 ed a0 80 65", 3],
  ["a code point past U+10FFFF", "ce ba f4 90 80 80", 3],
  ["an octet that is never UTF-8", "61 61 61 ff 61 61", 3],
  ["a character within a character", "f0 9f 61 61 61", 2],
  ["an unfinished character of two octets", "61 c3", 2],
  ["an unfinished character of three octets", "e2 82", 2],
  ["an unfinished character of four octets", "f0 9f 98", 3],
];

for (const role of ROLES) {
  describe(`a text that a ${role} receives`, () => {
    const sender = peerOf(role);
    const headerLength = role === "server" ? 6 : 2;

    for (const [what, hex, impossibleAt] of BAD_TEXTS) {
      const text = fromHex(hex);
      for (const streaming of [false, true]) {
        it(`fails at the first impossible byte: ${what}${streaming ? ", streamed" : ""}`, () => {
          const ends = impossibleAt === text.length;
          // In one frame; with far more behind it, which never comes.
          const bytes = encodeFrames(sender, [frameOf(1, text)]);
          const expected = headerLength + impossibleAt + (ends ? 0 : 1);
          const one = receivePieces(role, singly(bytes), { streaming });
          assertEquals([one.failedAt, one.closeCode], [expected, 1007]);
          if (!ends) {
            const unfinished = encodeFrames(sender, [
              frameOf(1, concatBytes([text, utf8("more")])),
            ]);
            const pieces = [
              unfinished.subarray(0, expected - 1),
              unfinished.subarray(expected - 1, expected),
            ];
            assertEquals(receivePieces(role, pieces, { streaming }).failedAt, expected);
          }
          for (const pieces of cuttings(bytes, new Random(1))) {
            assertEquals(receivePieces(role, pieces, { streaming }).closeCode, 1007);
          }

          // In fragments of one byte, the last of them empty.
          const frames = [
            ...singly(text).map((byte, i) => frameOf(i === 0 ? 1 : 0, byte, { fin: false })),
            frameOf(0),
          ];
          const fragments = encodeFrames(sender, frames);
          const all = (headerLength + 1) * text.length + headerLength;
          const failing = (headerLength + 1) * (impossibleAt + 1);
          const many = receivePieces(role, singly(fragments), { streaming });
          assertEquals([many.failedAt, many.closeCode], [ends ? all : failing, 1007]);
          assertEquals([one.events, many.events], [[], []]);
        });
      }
    }

    it("is checked anew for each message", () => {
      const bytes = encodeFrames(sender, [
        frameOf(1, "€"),
        frameOf(2, fromHex("e2 82")),
        frameOf(1, "€", { fin: false }),
        frameOf(0, "€"),
        frameOf(1, fromHex("ac")),
      ]);
      for (const pieces of cuttings(bytes, new Random(2))) {
        const { events, closeCode } = receivePieces(role, pieces);
        assertEquals(events, ['text "€"', "binary e2 82", 'text "€€"']);
        assertEquals(closeCode, 1007);
      }
    });

    it("may be cut anywhere, with Pings in between that need not be UTF-8", () => {
      const text = utf8("aé€😀\ufeff\u{10ffff}z");
      for (let cut = 0; cut <= text.length; cut++) {
        const bytes = encodeFrames(sender, [
          frameOf(1, text.subarray(0, cut), { fin: false }),
          frameOf(9, fromHex("80 ff")),
          frameOf(0, text.subarray(cut)),
        ]);
        for (const pieces of cuttings(bytes, new Random(cut), 1)) {
          const { events } = receivePieces(role, pieces);
          assertEquals(events, ["ping 80 ff", 'text "aé€😀\ufeff\u{10ffff}z"']);
        }
      }
    });

    it("keeps its byte order mark, in one frame and in fragments", () => {
      const bytes = encodeFrames(sender, [
        frameOf(1, "\ufeff"),
        frameOf(1, fromHex("ef bb"), { fin: false }),
        frameOf(0, fromHex("bf 61")),
      ]);
      for (const pieces of cuttings(bytes, new Random(3))) {
        assertEquals(receivePieces(role, pieces).events, ['text "\ufeff"', 'text "\ufeffa"']);
      }
    });
  });
}

describe("bytes", () => {
  it("are not checked, in one frame or in fragments", () => {
    const bytes = encodeFrames("client", [
      frameOf(2, fromHex("ff c0 80")),
      frameOf(2, fromHex("ed a0"), { fin: false }),
      frameOf(0, fromHex("f5")),
    ]);
    for (const pieces of cuttings(bytes, new Random(4))) {
      assertEquals(receivePieces("server", pieces).events, ["binary ff c0 80", "binary ed a0 f5"]);
    }
  });
});
