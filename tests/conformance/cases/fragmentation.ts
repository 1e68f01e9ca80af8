/**
 * Section 5: messages in fragments, control frames between them, and frames where none may be
 * (RFC 6455, section 5.4).
 *
 * @module
 */

import { REFERENCE_OPCODES } from "../../support/reference_frames.ts";
import {
  binary,
  binaryBack,
  type CaseInit,
  close,
  continuation,
  CUTS,
  expect,
  failing,
  fragments,
  frame,
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

const more = { fin: false };

const fragmentedControl = [
  { name: "Ping", opcode: REFERENCE_OPCODES.ping, payload: toBytes("one ") },
  { name: "Pong", opcode: REFERENCE_OPCODES.pong, payload: toBytes("one ") },
  { name: "Close", opcode: REFERENCE_OPCODES.close, payload: Uint8Array.of(0x03, 0xe8) },
].flatMap(({ name, opcode, payload }): CaseInit[] => [
  ...CUTS.map((way) =>
    failing(`${name} in two fragments, ${way.name}`, 1002, () => [
      way.cut(frame(opcode, payload, more), continuation("two")),
    ])
  ),
  failing(`the first byte of a ${name} in fragments`, 1002, () => [
    together(frame(opcode, payload, more).subarray(0, 1)),
  ]),
  failing(`${name} in two fragments, between those of a message`, 1002, () => [
    together(text("first", more), frame(opcode, payload, more), continuation("two")),
  ], { unfinished: () => toBytes("first") }),
]);

const twoFragments: CaseInit[] = CUTS.flatMap(({ name, cut }) => [
  passing(`text in two fragments, ${name}`, () => [
    cut(text("first ", more), continuation("second")),
    expect(textBack("first second")),
    ...nothingElse(),
  ]),
  passing(`binary in two fragments, ${name}`, () => [
    cut(binary("first ", more), continuation("second")),
    expect(binaryBack("first second")),
    ...nothingElse(),
  ]),
]);

const controlBetween: CaseInit[] = [
  ...CUTS.map(({ name, cut }) =>
    passing(`Ping between two fragments, ${name}`, () => [
      cut(text("first ", more), ping("between"), continuation("second")),
      expect(pongBack("between")),
      expect(textBack("first second")),
    ])
  ),
  ...CUTS.map(({ name, cut }) =>
    passing(`Pong between two fragments, ${name}`, () => [
      cut(text("first ", more), pong("between"), continuation("second")),
      expect(textBack("first second")),
      ...nothingElse(),
    ])
  ),
  ...CUTS.map(({ name, cut }) =>
    passing(`pings around each of five fragments, ${name}`, () => [
      cut(
        ping("0"),
        text("a", more),
        ping("1"),
        continuation("b", more),
        ping("2"),
        continuation("c", more),
        ping("3"),
        continuation("d", more),
        ping("4"),
        continuation("e"),
      ),
      expect(...["0", "1", "2", "3", "4"].map((payload) => pongBack(payload))),
      expect(textBack("abcde")),
    ])
  ),
  ...CUTS.map(({ name, cut }) =>
    passing(`a Ping is answered before the rest of the message is sent, ${name}`, () => [
      cut(text("fragment 1, ", more), continuation("fragment 2, ", more), ping("first ping")),
      expect(pongBack("first ping")),
      cut(
        continuation("fragment 3, ", more),
        continuation("fragment 4, ", more),
        ping("second ping"),
        continuation("fragment 5"),
      ),
      expect(pongBack("second ping")),
      expect(textBack("fragment 1, fragment 2, fragment 3, fragment 4, fragment 5")),
    ])
  ),
];

const nothingToContinue: CaseInit[] = CUTS.flatMap(({ name, cut }) => [
  failing(`last continuation of nothing, then a message, ${name}`, 1002, () => [
    cut(continuation("of nothing"), text("after")),
  ]),
  failing(`continuation of nothing, then a message, ${name}`, 1002, () => [
    cut(continuation("of nothing", more), text("after")),
  ]),
  failing(`empty continuation of nothing, then a message, ${name}`, 1002, () => [
    cut(continuation(""), text("after")),
  ]),
  failing(`continuation of a finished message, then a message, ${name}`, 1002, () => [
    cut(
      text("first ", more),
      continuation("second"),
      continuation("third", more),
      text("after"),
    ),
    expect(textBack("first second")),
  ]),
  failing(`continuation of a message of one frame, ${name}`, 1002, () => [
    cut(text("whole"), continuation("more"), text("after")),
    expect(textBack("whole")),
  ]),
  failing(`continuation of nothing, then a message in fragments, twice, ${name}`, 1002, () => [
    cut(
      continuation("of nothing", more),
      text("first ", more),
      continuation("second"),
      continuation("of nothing", more),
      text("first ", more),
      continuation("second"),
    ),
  ]),
]);

const firstBytes: CaseInit[] = [
  failing("the first byte of a continuation of nothing", 1002, () => [
    together(continuation("never sent").subarray(0, 1)),
  ]),
  failing("the first byte of a message within a message", 1002, () => [
    together(text("first", more), text("never sent").subarray(0, 1)),
  ], { unfinished: () => toBytes("first") }),
];

const withinMessage: CaseInit[] = CUTS.flatMap(({ name, cut }) =>
  [
    { outer: "text", inner: "text", begin: text, second: text },
    { outer: "text", inner: "binary", begin: text, second: binary },
    { outer: "binary", inner: "text", begin: binary, second: text },
    { outer: "binary", inner: "binary", begin: binary, second: binary },
  ].flatMap(({ outer, inner, begin, second }): CaseInit[] => [
    failing(`${inner} message within a ${outer} message, ${name}`, 1002, () => [
      cut(begin("first", more), second("second"), continuation("third")),
    ], { unfinished: () => toBytes("first") }),
    failing(`${inner} message in fragments within a ${outer} message, ${name}`, 1002, () => [
      cut(begin("first", more), second("second", more), continuation("third")),
    ], { unfinished: () => toBytes("first") }),
  ])
);

const emptyFragments: CaseInit[] = CUTS.flatMap(({ name, cut }) => [
  passing(`text in three empty fragments, ${name}`, () => [
    cut(text("", more), continuation("", more), continuation("")),
    expect(textBack("")),
    ...nothingElse(),
  ]),
  passing(`binary in three empty fragments, ${name}`, () => [
    cut(binary("", more), continuation("", more), continuation("")),
    expect(binaryBack("")),
    ...nothingElse(),
  ]),
  passing(`empty fragments around each full one, ${name}`, () => [
    cut(
      text("", more),
      continuation("a", more),
      continuation("", more),
      continuation("b", more),
      continuation(""),
    ),
    expect(textBack("ab")),
    ...nothingElse(),
  ]),
]);

const several: CaseInit[] = CUTS.map(({ name, cut }) =>
  passing(`whole and fragmented messages in turn, ${name}`, () => [
    cut(
      text("one"),
      ...fragments(REFERENCE_OPCODES.binary, "two in fragments of 3", 3),
      binary("three"),
      ...fragments(REFERENCE_OPCODES.text, "four in fragments of 1", 1),
      text(""),
    ),
    expect(
      textBack("one"),
      binaryBack("two in fragments of 3"),
      binaryBack("three"),
      textBack("four in fragments of 1"),
      textBack(""),
    ),
    ...nothingElse(),
  ])
);

const behindClose: CaseInit[] = CUTS.map(({ name, cut }) => ({
  name: `Close between two fragments, ${name}`,
  steps: () => [cut(text("first", more), close(1000), continuation("second"))],
  close: [1000],
  unfinished: () => toBytes("first"),
}));

export const fragmentation: Section = {
  name: "5 Fragmentation",
  cases: [
    ...group("5.1", fragmentedControl),
    ...group("5.2", twoFragments),
    ...group("5.3", controlBetween),
    ...group("5.4", nothingToContinue),
    ...group("5.5", firstBytes),
    ...group("5.6", withinMessage),
    ...group("5.7", emptyFragments),
    ...group("5.8", several),
    ...group("5.9", behindClose),
  ],
};
