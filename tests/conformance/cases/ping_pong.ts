/**
 * Section 2: pings are answered by pongs with the same payload, in order; pongs nobody asked for
 * are taken without a word; control frames carry 125 bytes at most.
 *
 * @module
 */

import { encodeReferenceFrame, REFERENCE_OPCODES } from "../../support/reference_frames.ts";
import {
  answered,
  apart,
  type CaseInit,
  expect,
  failing,
  group,
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
  answered(`Ping with ${what}`, () => [ping(payload)], pongBack(payload))
);

const unsolicited = PAYLOADS.flatMap(({ what, payload }) =>
  answered(`Pong nobody asked for, with ${what}`, () => [pong(payload)])
);

const names = Array.from({ length: 10 }, (_, i) => `ping ${i}`);

const several: CaseInit[] = [
  ...answered(
    "ten pings",
    () => names.map((payload) => ping(payload)),
    ...names.map((payload) => pongBack(payload)),
  ),
  ...answered(
    "Pong, Ping, Pong",
    () => [pong("not asked for"), ping("asked for"), pong("not asked for")],
    pongBack("asked for"),
  ),
  ...answered(
    "messages and pings in turn",
    () => names.flatMap((payload) => [text(payload), ping(payload)]),
    ...names.flatMap((payload) => [textBack(payload), pongBack(payload)]),
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
