/**
 * Section 1: frames of every size and cut, masking, lengths in the wrong form, frames that are not
 * masked, and frames that arrive with the request of the opening handshake.
 *
 * @module
 */

import {
  encodeReferenceFrame,
  type LengthForm,
  REFERENCE_OPCODES,
} from "../../support/reference_frames.ts";
import {
  apart,
  binary,
  binaryBack,
  type CaseInit,
  chopped,
  close,
  closeNormally,
  expect,
  type Expected,
  failing,
  frame,
  type FrameOptions,
  group,
  passing,
  ping,
  pongBack,
  type Section,
  text,
  textBack,
  toBytes,
  together,
} from "../case.ts";

const KINDS: {
  type: string;
  opcode: number;
  send: (payload: Uint8Array, options?: FrameOptions) => Uint8Array;
  back: (payload: Uint8Array) => Expected;
  payload: (length: number) => Uint8Array;
}[] = [
  {
    type: "text",
    opcode: REFERENCE_OPCODES.text,
    send: text,
    back: textBack,
    payload: (length) => toBytes("sluice ".repeat(length / 7 + 1).slice(0, length)),
  },
  {
    type: "binary",
    opcode: REFERENCE_OPCODES.binary,
    send: binary,
    back: binaryBack,
    payload: (length) => Uint8Array.from({ length }, (_, i) => (i * 151) & 0xff),
  },
];

/** Lengths around which the form of the length, or a buffer, changes. */
const LENGTHS = [0, 1, 124, 125, 126, 127, 128, 255, 256, 65534, 65535, 65536, 65537];

const sizes = KINDS.map(({ type, send, back, payload }) =>
  LENGTHS.flatMap((length): CaseInit[] => {
    const name = `${type} message of ${length} bytes`;
    const pieceSize = length > 1000 ? 997 : 1;
    return [
      passing(name, () => [together(send(payload(length))), expect(back(payload(length)))]),
      passing(`${name}, in writes of ${pieceSize}`, () => [
        chopped(pieceSize, send(payload(length))),
        expect(back(payload(length))),
      ]),
    ];
  })
);

const cuts = [126, 65536].flatMap((length) => {
  const headerLength = (length < 65536 ? 4 : 10) + 4;
  return Array.from({ length: headerLength }, (_, i) => {
    const { send, back, payload } = KINDS[i % 2];
    return passing(`${length} bytes, cut after byte ${i + 1} of the header`, () => {
      const bytes = send(payload(length));
      return [
        apart(bytes.subarray(0, i + 1), bytes.subarray(i + 1)),
        expect(back(payload(length))),
      ];
    });
  });
});

const MASKING_KEYS = [
  [0x00, 0x00, 0x00, 0x00],
  [0xff, 0xff, 0xff, 0xff],
  [0x00, 0x00, 0x00, 0x01],
  [0x80, 0x00, 0x00, 0x00],
  [0x01, 0x02, 0x04, 0x08],
];

const masking = [
  ...MASKING_KEYS.map((key) =>
    passing(`masking key ${key.join(" ")}, payloads of 0 to 40 bytes`, () => {
      const lengths = Array.from({ length: 41 }, (_, i) => i);
      const { send, back, payload } = KINDS[1];
      const maskingKey = Uint8Array.from(key);
      return [
        together(...lengths.map((length) => send(payload(length), { maskingKey }))),
        expect(...lengths.map((length) => back(payload(length)))),
      ];
    })
  ),
  passing("the masked Hello of RFC 6455, section 5.7", () => [
    together(Uint8Array.of(0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58)),
    expect(textBack("Hello")),
  ]),
  passing("a payload that equals its masking key", () => [
    together(text("abcd", { maskingKey: toBytes("abcd") })),
    expect(textBack("abcd")),
  ]),
];

/** Lengths in a form that is not the shortest, or in none. */
const WRONG_LENGTHS: {
  lengthForm: LengthForm;
  length: bigint;
  /** How many bytes of the header it takes to see it. */
  offendingBytes: number;
}[] = [
  { lengthForm: 16, length: 0n, offendingBytes: 4 },
  { lengthForm: 16, length: 1n, offendingBytes: 4 },
  { lengthForm: 16, length: 125n, offendingBytes: 4 },
  { lengthForm: 64, length: 0n, offendingBytes: 10 },
  { lengthForm: 64, length: 125n, offendingBytes: 10 },
  { lengthForm: 64, length: 126n, offendingBytes: 10 },
  { lengthForm: 64, length: 65535n, offendingBytes: 10 },
  { lengthForm: 64, length: 1n << 63n, offendingBytes: 3 },
  { lengthForm: 64, length: (1n << 64n) - 1n, offendingBytes: 3 },
];

const wrongLengths = KINDS.flatMap(({ type, opcode, payload }) =>
  WRONG_LENGTHS.flatMap(({ lengthForm, length, offendingBytes }): CaseInit[] => {
    const name = `${type} with the length ${length} in ${lengthForm} bits`;
    const bytes = () =>
      encodeReferenceFrame({
        opcode,
        maskingKey: Uint8Array.of(1, 2, 3, 4),
        payload: payload(length < 65536n ? Number(length) : 10),
        lengthForm,
        declaredLength: length,
      });
    return [
      failing(name, 1002, () => [together(bytes())]),
      failing(`${name}, the header up to it`, 1002, () => [
        together(bytes().subarray(0, offendingBytes)),
      ]),
    ];
  })
);

const unmasked = Object.entries(REFERENCE_OPCODES)
  .filter(([name]) => name !== "continuation")
  .flatMap(([name, opcode]): CaseInit[] => {
    const payload = name === "close" ? Uint8Array.of(0x03, 0xe8) : toBytes("not masked");
    const bytes = () => encodeReferenceFrame({ opcode, payload });
    return [
      failing(`${name}, not masked`, 1002, () => [together(bytes())]),
      failing(`${name}, not masked, its first two bytes`, 1002, () => [
        together(bytes().subarray(0, 2)),
      ]),
      failing(`${name}, not masked, behind a message`, 1002, () => [
        together(text("before"), bytes(), ping("after")),
        expect(textBack("before")),
      ]),
    ];
  });

const withHandshake: CaseInit[] = [
  passing("a message with the request", () => [
    together(text("early")),
    expect(textBack("early")),
  ], { early: true }),
  passing("many messages with the request, and more behind", () => {
    const names = Array.from({ length: 50 }, (_, i) => `early ${i}`);
    return [
      together(...names.map((name) => text(name))),
      together(text("late")),
      expect(...names.map((name) => textBack(name)), textBack("late")),
    ];
  }, { early: true }),
  passing("half a frame with the request, the rest behind", () => {
    const bytes = text("half of this is early");
    return [
      together(bytes.subarray(0, 12)),
      together(bytes.subarray(12)),
      expect(textBack("half of this is early")),
    ];
  }, { early: true }),
  passing("a Ping with the request", () => [together(ping("early")), expect(pongBack("early"))], {
    early: true,
  }),
  { name: "a Close with the request", steps: closeNormally, close: [1000], early: true },
  failing("a reserved opcode with the request", 1002, () => [together(frame(3))], { early: true }),
  failing(
    "text that is not UTF-8 with the request",
    1007,
    () => [together(text(Uint8Array.of(0xff)))],
    { early: true },
  ),
  {
    name: "a message and a Close with the request",
    steps: () => [together(text("early"), close(1000)), expect(textBack("early"))],
    close: [1000],
    early: true,
  },
];

const many: CaseInit[] = [
  passing("200 messages in one write", () => {
    const kinds = Array.from({ length: 200 }, (_, i) => ({ kind: KINDS[i % 2], length: i * 3 }));
    return [
      together(...kinds.map(({ kind, length }) => kind.send(kind.payload(length)))),
      expect(...kinds.map(({ kind, length }) => kind.back(kind.payload(length)))),
    ];
  }),
  passing("20 messages, byte by byte", () => {
    const names = Array.from({ length: 20 }, (_, i) => `message ${i}`);
    return [
      chopped(1, ...names.map((name) => text(name))),
      expect(...names.map((name) => textBack(name))),
    ];
  }),
];

export const framing: Section = {
  name: "1 Framing",
  cases: [
    ...group("1.1", sizes[0]),
    ...group("1.2", sizes[1]),
    ...group("1.3", cuts),
    ...group("1.4", masking),
    ...group("1.5", wrongLengths),
    ...group("1.6", unmasked),
    ...group("1.7", withHandshake),
    ...group("1.8", many),
  ],
};
