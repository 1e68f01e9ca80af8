/**
 * Section 6: text is UTF-8 (RFC 6455, section 8.1). What is, comes back byte by byte the same. What
 * is not fails the connection with 1007 at the first impossible byte: within an unfinished frame
 * too, so most of these cases never send what would follow that byte.
 *
 * @module
 */

import { concatBytes, REFERENCE_OPCODES } from "../../support/reference_frames.ts";
import {
  answered,
  apart,
  binary,
  binaryBack,
  type CaseInit,
  chopped,
  continuation,
  expect,
  failing,
  fragments,
  group,
  nothingElse,
  passing,
  ping,
  pong,
  pongBack,
  refused,
  type Section,
  text,
  textBack,
  toBytes,
  together,
} from "../case.ts";
import {
  CODE_POINT_RANGES,
  IMPOSSIBLE_LAST_BYTES,
  impossibleAt,
  INCOMPLETE_SEQUENCES,
  INVALID_SEQUENCES,
  VALID_SEQUENCES,
} from "./utf8_sequences.ts";

const more = { fin: false };
const GREEK = toBytes("κόσμε");
const MIXED = toBytes("Hello-µ@ßöäüàá-€-𝄞-UTF-8!!");

function hex(bytes: Uint8Array): string {
  const shown = Array.from(bytes.subarray(0, 8), (byte) => byte.toString(16).padStart(2, "0"));
  return shown.join(" ") + (bytes.length > 8 ? " ..." : "");
}

/** Sends a text message in fragments of one byte each. */
function inOneByteFragments(payload: Uint8Array): Uint8Array[] {
  return fragments(REFERENCE_OPCODES.text, payload, 1);
}

/** Sends the beginning of a text frame that declares ten bytes more. */
function unfinishedFrame(payload: Uint8Array): Uint8Array {
  const whole = text(concatBytes([payload, toBytes("never sent")]));
  return whole.subarray(0, whole.length - 10);
}

/** Sends the beginning of a text message in frames of one byte, with more announced. */
function unfinishedFragments(payload: Uint8Array): Uint8Array[] {
  return inOneByteFragments(concatBytes([payload, toBytes("!")])).slice(0, -1);
}

const valid: CaseInit[] = VALID_SEQUENCES.flatMap(({ name, sequences }) => [
  passing(`${name}: a message each`, () => [
    together(...sequences.map((bytes) => text(bytes))),
    expect(...sequences.map((bytes) => textBack(bytes))),
    ...nothingElse(),
  ]),
  passing(`${name}: within a text`, () => {
    const payloads = sequences.map((bytes) =>
      concatBytes([toBytes("hello"), bytes, toBytes("world")])
    );
    return [
      together(...payloads.map((bytes) => text(bytes))),
      expect(...payloads.map((bytes) => textBack(bytes))),
      ...nothingElse(),
    ];
  }),
  passing(`${name}: in fragments of one byte`, () => [
    together(...sequences.flatMap((bytes) => inOneByteFragments(bytes))),
    expect(...sequences.map((bytes) => textBack(bytes))),
    ...nothingElse(),
  ]),
  passing(`${name}: byte by byte`, () => [
    chopped(1, ...sequences.map((bytes) => text(bytes))),
    expect(...sequences.map((bytes) => textBack(bytes))),
    ...nothingElse(),
  ]),
]);

const everyCodePoint: CaseInit[] = CODE_POINT_RANGES.flatMap(({ name, encode }) => [
  passing(`every code point from ${name}, in fragments of 4099 bytes`, () => {
    const payload = encode();
    return [
      together(...fragments(REFERENCE_OPCODES.text, payload, 4099)),
      expect(textBack(payload)),
    ];
  }),
]);

const split: CaseInit[] = [
  ...answered(
    "cut between code points into two fragments",
    () => [text("Hello-µ@ßöä", more), continuation("üàá-UTF-8!!")],
    textBack("Hello-µ@ßöäüàá-UTF-8!!"),
  ),
  passing("cut at every byte into two fragments, a message each", () => {
    const ends = Array.from({ length: MIXED.length + 1 }, (_, i) => i);
    return [
      together(
        ...ends.flatMap((end) => [
          text(MIXED.subarray(0, end), more),
          continuation(MIXED.subarray(end)),
        ]),
      ),
      expect(...ends.map(() => textBack(MIXED))),
      ...nothingElse(),
    ];
  }),
  passing(
    "one frame cut at every byte into two writes, a message each",
    () =>
      Array.from({ length: MIXED.length + 6 }, (_, i) => {
        const bytes = text(MIXED);
        return [apart(bytes.subarray(0, i + 1), bytes.subarray(i + 1)), expect(textBack(MIXED))];
      }).flat(),
  ),
  passing("empty fragments within a code point", () => [
    together(
      text(GREEK.subarray(0, 1), more),
      continuation("", more),
      continuation(GREEK.subarray(1, 3), more),
      continuation("", more),
      continuation(GREEK.subarray(3)),
    ),
    expect(textBack(GREEK)),
    ...nothingElse(),
  ]),
  passing("control frames that are not UTF-8 within a code point", () => [
    together(
      text(GREEK.subarray(0, 1), more),
      ping(Uint8Array.of(0x80, 0xff)),
      pong(Uint8Array.of(0xc0)),
      continuation(GREEK.subarray(1)),
    ),
    expect(pongBack(Uint8Array.of(0x80, 0xff))),
    expect(textBack(GREEK)),
    ...nothingElse(),
  ]),
  passing("binary messages need not be UTF-8", () => {
    const sequences = INVALID_SEQUENCES.flatMap((group) => group.sequences);
    return [
      together(...sequences.map((bytes) => binary(bytes))),
      expect(...sequences.map((bytes) => binaryBack(bytes))),
      ...nothingElse(),
    ];
  }),
  passing("a binary message in fragments need not be UTF-8", () => [
    together(binary(Uint8Array.of(0xe2), more), continuation(Uint8Array.of(0x41))),
    expect(binaryBack(Uint8Array.of(0xe2, 0x41))),
    ...nothingElse(),
  ]),
];

/** The ways to send text that becomes impossible; each stops at or behind the impossible byte. */
function invalidCases(name: string, sequence: Uint8Array): CaseInit[] {
  const before = concatBytes([GREEK, sequence]);
  const whole = concatBytes([before, toBytes("edited")]);
  const end = impossibleAt(whole);
  const upToIt = whole.subarray(0, end);
  const label = `${name} (${hex(sequence)})`;
  return [
    failing(`${label}, a message of its own`, 1007, () => [together(text(sequence))], {
      unfinished: () => sequence,
    }),
    failing(`${label} within a text, in one frame`, 1007, () => [
      together(text(whole), text("after")),
    ], { unfinished: () => whole }),
    failing(`${label} up to the impossible byte, in an unfinished frame`, 1007, () => [
      together(unfinishedFrame(upToIt)),
    ], { unfinished: () => upToIt }),
    failing(`${label} up to the impossible byte, in unfinished fragments`, 1007, () => [
      together(...unfinishedFragments(upToIt)),
    ], { unfinished: () => upToIt }),
  ];
}

const invalid = INVALID_SEQUENCES.flatMap(({ name, sequences }) =>
  sequences.flatMap((sequence) => invalidCases(name, sequence))
);

const impossible = IMPOSSIBLE_LAST_BYTES.map((bytes) =>
  failing(`impossible last byte in an unfinished frame (${hex(bytes)})`, 1007, () => [
    together(unfinishedFrame(bytes)),
  ], { unfinished: () => bytes })
);

const incomplete = INCOMPLETE_SEQUENCES.flatMap((sequence): CaseInit[] => {
  const payload = concatBytes([toBytes("hello"), sequence]);
  const label = `message that ends within a code point (${hex(sequence)})`;
  const unfinished = () => payload;
  return [
    failing(label, 1007, () => [together(text(payload), text("after"))], { unfinished }),
    failing(`${label}, in fragments of one byte`, 1007, () => [
      together(...inOneByteFragments(payload)),
    ], { unfinished }),
    failing(`${label}, by an empty fragment`, 1007, () => [
      together(text(payload, more), continuation("")),
    ], { unfinished }),
  ];
});

// The second byte of BEYOND is the first impossible one.
const BEYOND = Uint8Array.of(0xf4, 0x90, 0x80, 0x80);
const ALL = concatBytes([GREEK, BEYOND, toBytes("edited")]);
/** The length of `ALL` up to and with the impossible byte. */
const IMPOSSIBLE_END = GREEK.length + 2;

const failFast: CaseInit[] = [
  failing("valid fragment, then one with an impossible byte, the last never sent", 1007, () => [
    together(text(GREEK, more)),
    ...nothingElse(),
    together(continuation(BEYOND, more)),
  ], { unfinished: () => ALL }),
  failing("fragment that ends within a code point, then the impossible byte alone", 1007, () => [
    together(text(ALL.subarray(0, IMPOSSIBLE_END - 1), more)),
    ...nothingElse(),
    together(continuation(ALL.subarray(IMPOSSIBLE_END - 1, IMPOSSIBLE_END), more)),
  ], { unfinished: () => ALL }),
  failing("one frame: the valid part, then the impossible byte and some more", 1007, () => {
    const bytes = text(ALL);
    const payloadStart = bytes.length - ALL.length;
    return [
      together(bytes.subarray(0, payloadStart + GREEK.length)),
      { pauseMs: 20 },
      together(bytes.subarray(payloadStart + GREEK.length, payloadStart + IMPOSSIBLE_END + 2)),
    ];
  }, { unfinished: () => ALL }),
  failing("one frame: up to within a code point, then the impossible byte alone", 1007, () => {
    const bytes = text(ALL);
    const impossible = bytes.length - ALL.length + IMPOSSIBLE_END - 1;
    return [
      together(bytes.subarray(0, impossible)),
      { pauseMs: 20 },
      together(bytes.subarray(impossible, impossible + 1)),
    ];
  }, { unfinished: () => ALL }),
  failing("one frame, byte by byte up to the impossible one", 1007, () => {
    const bytes = text(ALL);
    return [chopped(1, bytes.subarray(0, bytes.length - ALL.length + IMPOSSIBLE_END))];
  }, { unfinished: () => ALL }),
  failing("impossible byte after a Ping within a code point", 1007, () => [
    together(text(GREEK.subarray(0, 1), more), ping("within")),
    expect(pongBack("within")),
    together(continuation("A", more)),
  ], { unfinished: () => GREEK.subarray(0, 1) }),
  ...refused(
    "message, then one that is not UTF-8, then a Ping",
    1007,
    () => [text("before"), text(BEYOND), ping("after")],
    { back: [textBack("before")], unfinished: BEYOND },
  ),
  ...Array.from(
    { length: 20 },
    (_, length) =>
      failing(`${length} letters, then an impossible byte, in an unfinished frame`, 1007, () => [
        together(unfinishedFrame(Uint8Array.of(...new Uint8Array(length).fill(0x61), 0xff))),
      ], { unfinished: () => new Uint8Array(length).fill(0x61) }),
  ),
  ...[0, 1, 2, 3].map((shift) =>
    failing(`64 KiB of text shifted by ${shift}, then an impossible byte, unfinished`, 1007, () => {
      const head = longText(shift);
      return [together(unfinishedFrame(concatBytes([head, Uint8Array.of(0x80)])))];
    }, { unfinished: () => longText(shift) })
  ),
];

function longText(shift: number): Uint8Array {
  return toBytes("a".repeat(shift) + "aé€𝄞".repeat(6554));
}

const empty: CaseInit[] = [
  ...answered("text of no bytes", () => [text("")], textBack("")),
  ...answered(
    "only the middle one of three fragments has text",
    () => [text("", more), continuation(MIXED, more), continuation("")],
    textBack(MIXED),
  ),
];

export const utf8: Section = {
  name: "6 UTF-8",
  cases: [
    ...group("6.1", empty),
    ...group("6.2", split),
    ...group("6.3", valid),
    ...group("6.4", failFast),
    ...group("6.5", invalid),
    ...group("6.6", impossible),
    ...group("6.7", incomplete),
    ...group("6.8", everyCodePoint),
  ],
};
