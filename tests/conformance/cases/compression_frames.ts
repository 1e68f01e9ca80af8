/**
 * Section 14: the frames of compressed messages, and what may be in them (RFC 7692, sections 6, 7.2
 * and 8). The Autobahn test-suite has no such section.
 *
 * @module
 */

import { constants } from "node:zlib";
import { deflateAlone, FixedBlock, storedBlocks } from "../../support/reference_deflate.ts";
import { concatBytes, REFERENCE_OPCODES } from "../../support/reference_frames.ts";
import { offering } from "../agreement.ts";
import {
  apart,
  binaryBack,
  type CaseInit,
  chopped,
  close,
  continuation,
  CUTS,
  expect,
  failing,
  frame,
  group,
  nothingElse,
  ping,
  pongBack,
  type Section,
  type Step,
  text,
  textBack,
  toBytes,
  together,
} from "../case.ts";
import type { Compression } from "../compression.ts";
import { agreeing, compressed, compressedFrames, compressedText, RSV1 } from "./compressed.ts";
import { CONTENTS, takeMessages } from "./compression_data.ts";

const fromHex = (digits: string) =>
  Uint8Array.from(digits.split(" "), (pair) => parseInt(pair, 16));
const MiB = 1024 * 1024;
const ANY = offering({ clientMaxWindowBits: true });
/** Each message of the client's is compressed for itself. */
const ALONE = offering({ clientNoContextTakeover: true });
const more = { fin: false };
const HELLO = toBytes("Hello");
const HELLO_DEFLATED = fromHex("f2 48 cd c9 c9 07 00");
const HELLO_FINAL = fromHex("f3 48 cd c9 c9 07 00 00");

const [JSON_CONTENT, , PROSE, , NOISE] = CONTENTS;

/** Makes a case in which the server fails the connection. */
function breaking(
  name: string,
  code: number,
  steps: (compression: Compression) => Step[] | Promise<Step[]>,
  flags: Pick<CaseInit, "unfinished" | "needsLimit" | "heavy" | "alone"> = {},
): CaseInit {
  return failing(name, code, steps, { negotiation: ALONE, ...flags });
}

// ---- RSV1 where it may not be, and other bits ----

const reservedBits: CaseInit[] = [
  ...["ping", "pong", "close"].map((name) =>
    breaking(`${name} with RSV1`, 1002, () => [
      together(
        frame(
          REFERENCE_OPCODES[name as "ping"],
          name === "close" ? Uint8Array.of(3, 232) : "Hi",
          { rsv: RSV1 },
        ),
      ),
    ])
  ),
  breaking("RSV1 on the second fragment of a compressed message", 1002, () => [
    together(
      frame(REFERENCE_OPCODES.text, HELLO_DEFLATED.subarray(0, 3), { rsv: RSV1, fin: false }),
      continuation(HELLO_DEFLATED.subarray(3), { rsv: RSV1 }),
    ),
  ], { unfinished: () => HELLO }),
  breaking("RSV1 on the second fragment of another message", 1002, () => [
    together(text("Hel", more), continuation("lo", { rsv: RSV1 })),
  ], { unfinished: () => toBytes("Hel") }),
  ...[1, 2, 3, 5, 6, 7].map((rsv) =>
    breaking(`compressed text with RSV ${rsv}`, 1002, () => [
      together(text("before")),
      expect(textBack("before")),
      together(frame(REFERENCE_OPCODES.text, HELLO_DEFLATED, { rsv })),
    ])
  ),
  breaking("the first byte of a Ping with RSV1", 1002, () => [
    together(ping("never sent", { rsv: RSV1 }).subarray(0, 1)),
  ]),
];

// ---- Fragments ----

/** Sends it in every way to cut it into two fragments. */
function everyCut(bytes: Uint8Array, message: Uint8Array): Step[] {
  return Array.from({ length: bytes.length + 1 }, (_, cut) => [
    together(
      frame(REFERENCE_OPCODES.text, bytes.subarray(0, cut), { rsv: RSV1, fin: false }),
      ping(`${cut}`),
      continuation(bytes.subarray(cut)),
    ),
    expect(pongBack(`${cut}`)),
    expect(textBack(message)),
  ]).flat();
}

const inFragments: CaseInit[] = [
  agreeing("a message in two fragments, cut everywhere", ALONE, () => [
    ...everyCut(HELLO_DEFLATED, HELLO),
    ...nothingElse(),
  ]),
  ...CUTS.map(({ name, cut }) =>
    agreeing(`a message in fragments of a byte, ${name}`, ANY, async (compression) => {
      const [payload] = takeMessages(PROSE, 300, 1);
      const frames = await compressed(compression, textBack(payload), 1);
      return [cut(...frames), expect(textBack(payload)), ...nothingElse()];
    })
  ),
  agreeing("fragments without payload, around and between", ALONE, () => [
    together(
      frame(REFERENCE_OPCODES.text, "", { rsv: RSV1, fin: false }),
      continuation("", more),
      continuation(HELLO_DEFLATED.subarray(0, 2), more),
      continuation("", more),
      continuation(HELLO_DEFLATED.subarray(2), more),
      continuation(""),
    ),
    expect(textBack(HELLO)),
    ...nothingElse(),
  ]),
  agreeing("compressed and other messages in turn, in fragments", ANY, async (compression) => {
    const steps: Step[] = [];
    for (const payload of takeMessages(JSON_CONTENT, 600, 6)) {
      const echo = textBack(payload);
      const cut = Math.ceil(payload.length / 2);
      steps.push(
        together(
          ...await compressed(compression, echo, 50),
          frame(REFERENCE_OPCODES.text, payload.subarray(0, cut), more),
          continuation(payload.subarray(cut)),
        ),
        expect(echo, echo),
      );
    }
    return [...steps, ...nothingElse()];
  }),
  agreeing("a message of 64 KiB, in writes of 997 bytes", ANY, async (compression) => {
    const [payload] = takeMessages(PROSE, 65536, 1);
    const frames = await compressed(compression, textBack(payload), 1300);
    return [chopped(997, ...frames), expect(textBack(payload)), ...nothingElse()];
  }),
  {
    name: "Close between the fragments",
    negotiation: ALONE,
    steps: () => [
      together(
        frame(REFERENCE_OPCODES.text, HELLO_DEFLATED.subarray(0, 5), { rsv: RSV1, fin: false }),
        close(1000),
      ),
    ],
    close: [1000],
    unfinished: () => HELLO,
  },
];

// ---- Blocks ----

/** The examples of RFC 7692, section 7.2.3, and other ways to say "Hello". */
const HELLOS: [name: string, payload: Uint8Array][] = [
  ["one fixed block (7.2.3.1)", HELLO_DEFLATED],
  ["one block without compression (7.2.3.3)", fromHex("00 05 00 fa ff 48 65 6c 6c 6f 00")],
  ["one block with BFINAL (7.2.3.4)", HELLO_FINAL],
  // "Hel", and the empty block that is to follow; then "lo".
  ["one with BFINAL, and one behind it", fromHex("f3 48 cd 01 00 00 00 00 ff ff ca c9 07 00")],
  ["two blocks (7.2.3.5)", fromHex("f2 48 05 00 00 00 ff ff ca c9 c9 07 00")],
  [
    "a block for each letter",
    concatBytes([...[...HELLO].map((byte) => storedBlocks(Uint8Array.of(byte))), Uint8Array.of(0)]),
  ],
  [
    "empty blocks in front of it",
    concatBytes([...Array(3).fill(fromHex("00 00 00 ff ff")), HELLO_DEFLATED]),
  ],
  // The last block is the empty one of which four bytes are not sent.
  ["its tail sent too", concatBytes([HELLO_DEFLATED, fromHex("00 00 ff ff 00")])],
];

const blocks: CaseInit[] = [
  ...HELLOS.map(([name, payload]) =>
    agreeing(`"Hello" as ${name}`, ALONE, () => [
      ...everyCut(payload, HELLO),
      ...nothingElse(),
    ])
  ),
  agreeing("empty messages, as RFC 7692, section 7.2.3.6 has them and otherwise", ALONE, () => [
    ...[[0], [2, 0], [0, 0, 0, 0xff, 0xff, 0], [3, 0, 0]].flatMap((payload) => [
      together(compressedText(Uint8Array.from(payload))),
      expect(textBack("")),
    ]),
    ...nothingElse(),
  ]),
  ...([
    ["level 0", { level: 0 }],
    ["level 1", { level: 1 }],
    ["level 9", { level: 9 }],
    ["fixed codes", { strategy: constants.Z_FIXED }],
    ["Huffman codes alone", { strategy: constants.Z_HUFFMAN_ONLY }],
    ["run lengths", { strategy: constants.Z_RLE }],
  ] as const).map(([name, options]) =>
    agreeing(`messages compressed with ${name}`, ALONE, () => {
      const steps: Step[] = [];
      for (const content of CONTENTS) {
        const [payload] = takeMessages(content, 20_000, 1);
        const echo = content.type === "text" ? textBack(payload) : binaryBack(payload);
        const opcode = REFERENCE_OPCODES[content.type];
        steps.push(
          together(...compressedFrames(opcode, deflateAlone(payload, 15, options), 3000)),
          expect(echo),
        );
      }
      return [...steps, ...nothingElse()];
    })
  ),
];

// ---- Windows ----

const windows: CaseInit[] = [
  ...[9, 12, 15].map((bits) =>
    agreeing(
      `repeats the oldest bytes of a window of 2^${bits}, within a message and in the next`,
      offering({ clientMaxWindowBits: bits }),
      ({ parameters: { clientMaxWindowBits, clientNoContextTakeover } }) => {
        const size = 2 ** clientMaxWindowBits;
        const bytes = [...takeMessages(NOISE, size, 1)[0]];
        const repeat = (count: number) => {
          for (let i = 0; i < count; i++) bytes.push(bytes[bytes.length - size]);
        };
        const window = storedBlocks(Uint8Array.from(bytes));
        repeat(2 * 258);
        const first = Uint8Array.from(bytes);
        const matches = new FixedBlock().match(258, size).match(258, size).end();
        const steps: Step[] = [
          together(
            ...compressedFrames(REFERENCE_OPCODES.binary, concatBytes([window, matches])),
          ),
          expect(binaryBack(first)),
        ];
        if (clientNoContextTakeover) return [...steps, ...nothingElse()];
        repeat(258);
        const match = new FixedBlock().match(258, size).end();
        return [
          ...steps,
          together(...compressedFrames(REFERENCE_OPCODES.binary, match)),
          expect(binaryBack(Uint8Array.from(bytes.slice(first.length)))),
          ...nothingElse(),
        ];
      },
    )
  ),
  // Behind BFINAL a new stream begins: senders repeat nothing from before it.
  agreeing("messages with BFINAL and without in turn", ANY, (
    { parameters: { clientNoContextTakeover } },
  ) => [
    ...[1, 2].flatMap(() => [
      HELLO_FINAL,
      HELLO_DEFLATED,
      clientNoContextTakeover ? HELLO_DEFLATED : Uint8Array.of(0xf2, 0x00, 0x11, 0x00, 0x00),
    ]).flatMap((payload) => [together(compressedText(payload)), expect(textBack(HELLO))]),
    ...nothingElse(),
  ]),
];

// ---- What can't be decompressed, or is no text ----

const CORRUPT: [name: string, payload: Uint8Array][] = [
  ["a block of the reserved type", Uint8Array.of(0x06)],
  ["a length and its complement that don't match", Uint8Array.of(0, 5, 0, 5, 0, ...HELLO, 0)],
  ["a distance that goes back before the first message", new FixedBlock().match(3, 1).end()],
  [
    "a distance that goes back before the first message, behind some text",
    new FixedBlock().literal(65).literal(66).match(3, 3).end(),
  ],
  // HLIT 31: more codes than there are.
  ["a block with too many codes", Uint8Array.of(0xfc, 0xff, 0xff, 0xff, 0xff)],
];

const corrupt: CaseInit[] = CORRUPT.flatMap(([name, payload]) => [
  ...[together, apart, chopped.bind(undefined, 1)].map((cut, i): CaseInit => ({
    ...breaking(`${name}, ${CUTS[i].name}`, 1007, () => [
      together(text("before")),
      expect(textBack("before")),
      cut(compressedText(payload), text("after")),
    ], { unfinished: () => toBytes("AB") }),
    // The RFC names no code.
    close: [1007, 1002],
  })),
]);

const NOT_UTF8: [name: string, bytes: Uint8Array][] = [
  ["a byte that is none", Uint8Array.of(0x61, 0xff, 0x61)],
  ["a surrogate", Uint8Array.of(0xed, 0xa0, 0x80)],
  ["the begin of a character", toBytes("Grü").subarray(0, 3)],
  ["much that is, and the begin of a character", toBytes("世界".repeat(20_000)).subarray(0, -1)],
];

const notUtf8: CaseInit[] = NOT_UTF8.flatMap(([name, bytes]) => [
  breaking(`text that is not UTF-8: ${name}`, 1007, () => [
    together(compressedText(deflateAlone(bytes))),
  ], { unfinished: () => bytes }),
  breaking(`text that is not UTF-8, in fragments: ${name}`, 1007, () => [
    together(...compressedFrames(REFERENCE_OPCODES.text, deflateAlone(bytes), 2)),
  ], { unfinished: () => bytes }),
]);

// ---- The limit counts what comes out ----

const LIMIT = 16 * MiB;
const needsLimit = { needsLimit: true } as const;

const limits: CaseInit[] = [
  agreeing("16 MiB of zeros", ALONE, () => {
    const zeros = new Uint8Array(LIMIT);
    return [
      together(...compressedFrames(REFERENCE_OPCODES.binary, deflateAlone(zeros))),
      expect({ ...binaryBack(zeros), maxWireSize: MiB }),
    ];
  }, { heavy: true }),
  ...[LIMIT + 1, 2 * LIMIT].flatMap((size) =>
    [Infinity, 1000].map((fragmentSize) =>
      breaking(`${size} zeros in fragments of ${fragmentSize}`, 1009, () => [
        together(text("before")),
        expect(textBack("before")),
        together(
          ...compressedFrames(
            REFERENCE_OPCODES.binary,
            deflateAlone(new Uint8Array(size)),
            fragmentSize,
          ),
        ),
      ], { ...needsLimit, alone: true, unfinished: () => new Uint8Array(LIMIT) })
    )
  ),
];

export const compressionFrames: Section = {
  name: "14 Compressed frames",
  cases: [
    ...group("14.1", reservedBits),
    ...group("14.2", inFragments),
    ...group("14.3", blocks),
    ...group("14.4", windows),
    ...group("14.5", corrupt),
    ...group("14.6", notUtf8),
    ...group("14.7", limits),
  ],
};
