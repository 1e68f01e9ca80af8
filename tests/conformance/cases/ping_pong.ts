/**
 * Section 2: pings are answered by pongs with the same payload, in order; pongs nobody asked for
 * are taken without a word; control frames carry 125 bytes at most.
 *
 * @module
 */

import { encodeReferenceFrame, REFERENCE_OPCODES } from "../../support/reference_frames.ts";
import {
  apart,
  type CaseInit,
  CUTS,
  expect,
  failing,
  group,
  nothingElse,
  passing,
  ping,
  pong,
  pongBack,
  type Section,
  text,
  textBack,
  toBytes,
  together,
} from "../case.ts";

const PAYLOADS: { what: string; payload: Uint8Array }[] = [
  { what: "nothing", payload: new Uint8Array(0) },
  { what: "text", payload: toBytes("are you there?") },
  {
    what: "bytes that are not UTF-8",
    payload: Uint8Array.of(0, 0xff, 0xfe, 0xc0, 0x80, 0xed, 0xa0),
  },
  { what: "124 bytes", payload: new Uint8Array(124).fill(0xfe) },
  { what: "125 bytes", payload: new Uint8Array(125).fill(0xfe) },
];

const pings = PAYLOADS.flatMap(({ what, payload }) =>
  CUTS.map(({ name, cut }) =>
    passing(
      `Ping with ${what}, ${name}`,
      () => [cut(ping(payload)), expect(pongBack(payload)), ...nothingElse()],
    )
  )
);

const unsolicited = PAYLOADS.flatMap(({ what, payload }) =>
  CUTS.map(({ name, cut }) =>
    passing(
      `Pong nobody asked for, with ${what}, ${name}`,
      () => [cut(pong(payload)), ...nothingElse()],
    )
  )
);

const names = Array.from({ length: 10 }, (_, i) => `ping ${i}`);

const several: CaseInit[] = [
  ...CUTS.map(({ name, cut }) =>
    passing(`ten pings, ${name}`, () => [
      cut(...names.map((payload) => ping(payload))),
      expect(...names.map((payload) => pongBack(payload))),
      ...nothingElse(),
    ])
  ),
  ...CUTS.map(({ name, cut }) =>
    passing(`Pong, Ping, Pong, ${name}`, () => [
      cut(pong("not asked for"), ping("asked for"), pong("not asked for")),
      expect(pongBack("asked for")),
      ...nothingElse(),
    ])
  ),
  ...CUTS.map(({ name, cut }) =>
    passing(`messages and pings in turn, ${name}`, () => [
      cut(...names.flatMap((payload) => [text(payload), ping(payload)])),
      expect(...names.flatMap((payload) => [textBack(payload), pongBack(payload)])),
      ...nothingElse(),
    ])
  ),
  passing("a Ping after each Pong", () =>
    names.flatMap((payload) => [
      together(ping(payload)),
      expect(pongBack(payload)),
    ])),
];

const tooLong = [
  { name: "Ping", encode: ping, opcode: REFERENCE_OPCODES.ping },
  { name: "Pong", encode: pong, opcode: REFERENCE_OPCODES.pong },
].flatMap(({ name, encode, opcode }): CaseInit[] => {
  const maskingKey = Uint8Array.of(9, 8, 7, 6);
  return [
    ...[126, 127, 65535, 65536].map((length) =>
      failing(
        `${name} of ${length} bytes`,
        1002,
        () => [together(encode(new Uint8Array(length)), ping("after"))],
      )
    ),
    failing(
      `${name} of 126 bytes, its first two bytes`,
      1002,
      () => [together(encode(new Uint8Array(126)).subarray(0, 2))],
    ),
    failing(`${name} of 5 bytes, the length in 16 bits`, 1002, () => [
      together(
        encodeReferenceFrame({ opcode, maskingKey, payload: toBytes("short"), lengthForm: 16 }),
      ),
    ]),
    failing(`${name} of 5 bytes, the length in 64 bits`, 1002, () => [
      together(
        encodeReferenceFrame({ opcode, maskingKey, payload: toBytes("short"), lengthForm: 64 }),
      ),
    ]),
    failing(`${name} of 126 bytes between a message and a Ping`, 1002, () => [
      apart(text("before"), encode(new Uint8Array(126)), ping("after")),
      expect(textBack("before")),
    ]),
  ];
});

export const pingPong: Section = {
  name: "2 Pings and pongs",
  cases: [
    ...group("2.1", pings),
    ...group("2.2", unsolicited),
    ...group("2.3", several),
    ...group("2.4", tooLong),
  ],
};
