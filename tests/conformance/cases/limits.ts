/**
 * Section 9: messages of up to 16 MiB, whole, in fragments and in many small writes; round trips;
 * and what is one byte larger than a limit of 16 MiB, which a header alone tells.
 *
 * @module
 */

import {
  concatBytes,
  encodeReferenceFrame,
  REFERENCE_OPCODES,
} from "../../support/reference_frames.ts";
import {
  binary,
  binaryBack,
  type CaseInit,
  chopped,
  continuation,
  expect,
  type Expected,
  failing,
  fragments,
  frame,
  type FrameOptions,
  group,
  passing,
  type Section,
  text,
  textBack,
  toBytes,
  together,
} from "../case.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
/** What servers are started with. */
const LIMIT = 16 * MIB;

// 19 bytes, so that neither fragments nor reads end at the same place of it each time.
const PATTERN = toBytes("a6Bé€𝄞sluice!~");

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
    payload: (length) => {
      const bytes = new Uint8Array(length).fill(0x2e);
      for (let i = 0; i + PATTERN.length <= length; i += PATTERN.length) bytes.set(PATTERN, i);
      return bytes;
    },
  },
  {
    type: "binary",
    opcode: REFERENCE_OPCODES.binary,
    send: binary,
    back: binaryBack,
    payload: (length) => {
      const bytes = new Uint8Array(length);
      for (let i = 0; i < length; i++) bytes[i] = (i * 167 + (i >> 8)) & 0xff;
      return bytes;
    },
  },
];

function size(length: number): string {
  if (length >= MIB) return `${length / MIB} MiB`;
  return length >= KIB ? `${length / KIB} KiB` : `${length} bytes`;
}

/** Makes cases for text and for binary. */
function both(make: (kind: typeof KINDS[number]) => CaseInit[]): CaseInit[] {
  return KINDS.flatMap(make);
}

const heavy = { heavy: true } as const;

const whole = both(({ type, send, back, payload }) =>
  [64 * KIB, 256 * KIB, MIB, 4 * MIB, 8 * MIB, LIMIT].map((length) =>
    passing(`${type} message of ${size(length)}`, () => {
      const bytes = payload(length);
      return [together(send(bytes)), expect(back(bytes))];
    }, heavy)
  )
);

const inFragments = both(({ type, opcode, back, payload }) =>
  [
    { length: MIB, fragmentSize: 64 },
    { length: MIB, fragmentSize: 256 },
    { length: MIB, fragmentSize: KIB },
    { length: 4 * MIB, fragmentSize: 4 * KIB },
    { length: 4 * MIB, fragmentSize: 64 * KIB },
    { length: 4 * MIB, fragmentSize: MIB },
    { length: LIMIT, fragmentSize: 100_003 },
  ].map(({ length, fragmentSize }) =>
    passing(`${type} message of ${size(length)} in fragments of ${fragmentSize} bytes`, () => {
      const bytes = payload(length);
      return [together(...fragments(opcode, bytes, fragmentSize)), expect(back(bytes))];
    }, heavy)
  )
);

const inWrites = both(({ type, send, back, payload }) =>
  [
    { length: 256 * KIB, writeSize: 64 },
    { length: 256 * KIB, writeSize: 128 },
    { length: MIB, writeSize: 512 },
    { length: MIB, writeSize: 2 * KIB },
  ].map(({ length, writeSize }) =>
    passing(`${type} message of ${size(length)} in writes of ${writeSize} bytes`, () => {
      const bytes = payload(length);
      return [chopped(writeSize, send(bytes)), expect(back(bytes))];
    }, heavy)
  )
);

const roundTrips = both(({ type, send, back, payload }) =>
  [0, 16, 256, 4 * KIB, 64 * KIB].map((length) =>
    passing(`100 round trips of ${type} messages of ${size(length)}`, () => {
      const bytes = payload(length);
      const message = send(bytes);
      return Array.from({ length: 100 }, () => [together(message), expect(back(bytes))]).flat();
    })
  )
);

const inTurn = both(({ type, send, back, payload }) => [
  passing(`4 MiB of ${type} messages of 4 KiB, not waiting for their echoes`, () => {
    const payloads = Array.from({ length: KIB }, (_, i) => {
      const bytes = payload(4 * KIB);
      bytes.set(toBytes(`message ${i}`.padEnd(14)), 19);
      return bytes;
    });
    return [
      together(...payloads.map((bytes) => send(bytes))),
      expect(...payloads.map((bytes) => back(bytes))),
    ];
  }, heavy),
]);

/** Gives the header of a frame that declares a length, without payload. */
function headerOf(opcode: number, declaredLength: bigint): Uint8Array {
  return encodeReferenceFrame({ opcode, declaredLength, maskingKey: Uint8Array.of(5, 6, 7, 8) });
}

const emptyFragments = both(({ type, opcode, back }) => [
  passing(`${type} message of 50,000 empty fragments`, () => {
    const first = frame(opcode, "", { fin: false });
    const next = continuation("", { fin: false });
    const middle = new Uint8Array(50_000 * next.length);
    for (let i = 0; i < 50_000; i++) middle.set(next, i * next.length);
    return [
      together(concatBytes([first, middle, continuation("end")])),
      expect(back(toBytes("end"))),
    ];
  }, heavy),
]);

const needsLimit = { needsLimit: true } as const;

const tooLarge = both(({ type, opcode, send, payload }) => [
  ...[BigInt(LIMIT) + 1n, 1n << 32n, (1n << 53n) + 1n, (1n << 63n) - 1n].map((length) =>
    failing(
      `header of a ${type} frame of ${length} bytes`,
      1009,
      () => [together(headerOf(opcode, length))],
      needsLimit,
    )
  ),
  failing(`header of a ${type} fragment that makes the message one byte too long`, 1009, () => [
    together(
      send(payload(1000), { fin: false }),
      headerOf(REFERENCE_OPCODES.continuation, BigInt(LIMIT) - 999n),
    ),
  ], { ...needsLimit, unfinished: () => payload(1000) }),
  failing(`a message, then the header of a ${type} frame that is too long`, 1009, () => [
    together(text("before"), headerOf(opcode, BigInt(LIMIT) + 1n)),
    expect(textBack("before")),
  ], needsLimit),
]);

export const limits: Section = {
  name: "9 Limits and performance",
  cases: [
    ...group("9.1", whole),
    ...group("9.3", inFragments),
    ...group("9.5", inWrites),
    ...group("9.7", roundTrips),
    ...group("9.8", inTurn),
    ...group("9.9", emptyFragments),
    ...group("9.10", tooLarge),
  ],
};
