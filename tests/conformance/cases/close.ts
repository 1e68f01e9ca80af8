/**
 * Section 7: the closing handshake (RFC 6455, sections 5.5.1, 7.1 and 7.4). The server answers a
 * Close frame by one with the same code, or fails the connection; then it ends the TCP connection,
 * first and without a reset, whatever else the client has sent.
 *
 * @module
 */

import { concatBytes } from "../../support/reference_frames.ts";
import {
  apart,
  binary,
  binaryBack,
  type CaseInit,
  chopped,
  close,
  closed,
  continuation,
  expect,
  failing,
  frame,
  group,
  ping,
  pong,
  refused,
  type Section,
  type Step,
  text,
  textBack,
  toBytes,
  together,
} from "../case.ts";

/** Makes a case whose steps hold a Close frame, which the server answers with one of `codes`. */
function answeredWith(name: string, codes: number[], steps: () => Step[]): CaseInit {
  return { name, steps, close: codes };
}

// A Close frame without a code may be answered by one without a code or by a normal closure.
const NO_CODE = [1005, 1000];

/** What may come behind a Close frame, and is passed over. */
const AFTER: Record<string, () => Uint8Array> = {
  "a second Close": () => close(1000),
  "a Close with another code": () => close(1001),
  "a Ping": () => ping("after"),
  "a Pong": () => pong("after"),
  "text": () => text("after"),
  "binary": () => binary("after"),
  "an invalid frame": () => frame(3, "after", { rsv: 7 }),
  "text that is not UTF-8": () => text(Uint8Array.of(0xff)),
};

const behaviour: CaseInit[] = [
  answeredWith("Close at once", [1000], () => [together(close(1000))]),
  answeredWith("a message, its echo, then Close", [1000], () => [
    together(text("before")),
    expect(textBack("before")),
    together(close(1000)),
  ]),
  ...closed("messages and Close", [1000], () => [text("before"), binary("and this"), close(1000)], {
    back: [textBack("before"), binaryBack("and this")],
  }),
  ...Object.entries(AFTER).flatMap(([what, frame]) =>
    closed(`${what} after Close`, [1000], () => [close(1000), frame()])
  ),
  ...closed("Close within a fragmented message", [1000], () => [
    ...[text("first", { fin: false }), close(1000), continuation("second")],
  ], { unfinished: toBytes("first") }),
  answeredWith("256 KiB of text, a message, Close, Ping", [1000], () => {
    const long = "sluice/close ".repeat(20165);
    return [
      together(text(long), text("short"), close(1000), ping("after")),
      expect(textBack(long), textBack("short")),
    ];
  }),
  answeredWith("Close, then the client's end of the connection", [1000], () => [
    together(close(1000)),
    { end: true },
  ]),
  answeredWith("a message, Close, then the client's end of the connection", [1000], () => [
    together(text("before"), close(1000)),
    { end: true },
    expect(textBack("before")),
  ]),
];

const payloadLengths: CaseInit[] = [
  ...closed("empty Close", NO_CODE, () => [close()]),
  ...refused("Close of one byte", 1002, () => [frame(8, Uint8Array.of(3))]),
  ...closed("Close with a code", [1000], () => [close(1000)]),
  ...closed("Close with a code and a reason", [1000], () => [close(1000, "good bye")]),
  ...closed("Close with a reason of 123 bytes", [1000], () => [close(1000, "*".repeat(123))]),
  ...refused("Close with a reason of 124 bytes", 1002, () => [close(1000, "*".repeat(124))]),
];

const reasons: CaseInit[] = [
  ...["κόσμε", "\ufeffmark", "𝄞", "\u0000", "é".repeat(61)].map((reason) =>
    answeredWith(`reason ${JSON.stringify(reason.slice(0, 8))}`, [1000], () => [
      together(close(1000, reason)),
    ])
  ),
  ...[
    [0xff],
    [0xc3],
    [0xed, 0xa0, 0x80],
    [0xc0, 0xaf],
    [0xf4, 0x90, 0x80, 0x80],
    [...toBytes("κόσμε"), 0xed, 0xa0, 0x80, ...toBytes("edited")],
    [...toBytes("a".repeat(122)), 0xc3],
  ].flatMap((bytes, index) => {
    const reason = Uint8Array.from(bytes);
    return [
      failing(`reason ${index + 1} that is not UTF-8`, 1007, () => [together(close(1000, reason))]),
      failing(
        `reason ${index + 1} that is not UTF-8, byte by byte`,
        1007,
        () => [chopped(1, close(1000, reason))],
      ),
    ];
  }),
];

const VALID_CODES = [
  ...[1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014],
  ...[3000, 3001, 3999, 4000, 4001, 4999],
];
const INVALID_CODES = [
  ...[0, 1, 2, 125, 255, 256, 999, 1004, 1005, 1006, 1015, 1016, 1100, 1999, 2000, 2999],
  ...[5000, 5001, 9999, 32768, 65535],
];

const validCodes = VALID_CODES.flatMap((code) => [
  answeredWith(`code ${code}`, [code], () => [together(close(code))]),
  answeredWith(`code ${code} with a reason`, [code], () => [together(close(code, "a reason"))]),
]);

const invalidCodes = INVALID_CODES.flatMap((code) => [
  failing(`code ${code}`, 1002, () => [together(close(code))]),
  failing(`code ${code} with a reason`, 1002, () => [together(close(code, "a reason"))]),
]);

/** What a client may send behind the frame that ends the connection. */
const BEHIND: { name: string; bytes: () => Uint8Array }[] = [
  { name: "half a frame", bytes: () => text("never finished").subarray(0, 9) },
  { name: "64 KiB of zeros", bytes: () => new Uint8Array(65536) },
  { name: "1 MiB of messages", bytes: () => manyMessages() },
];

function manyMessages(): Uint8Array {
  return concatBytes(Array.from({ length: 16 }, () => binary(new Uint8Array(65536))));
}

const behind: CaseInit[] = BEHIND.flatMap(({ name, bytes }) => [
  answeredWith(`${name} in the write of the Close`, [1000], () => [together(close(1000), bytes())]),
  answeredWith(`${name} behind the Close`, [1000], () => [apart(close(1000), bytes())]),
  failing(`${name} in the write of a reserved opcode`, 1002, () => [
    together(text("before"), frame(3), bytes()),
    expect(textBack("before")),
  ]),
  failing(`${name} behind a reserved opcode`, 1002, () => [
    apart(text("before"), frame(3), bytes()),
    expect(textBack("before")),
  ]),
  failing(`${name} behind text that is not UTF-8`, 1007, () => [
    apart(text("before"), text(Uint8Array.of(0xff)), bytes()),
    expect(textBack("before")),
  ]),
  failing(`${name} behind a Close with a wrong code`, 1002, () => [
    apart(text("before"), close(1005), bytes()),
    expect(textBack("before")),
  ]),
]);

export const closing: Section = {
  name: "7 Close",
  cases: [
    ...group("7.1", behaviour),
    ...group("7.3", payloadLengths),
    ...group("7.5", reasons),
    ...group("7.7", validCodes),
    ...group("7.9", invalidCodes),
    ...group("7.10", behind),
  ],
};
