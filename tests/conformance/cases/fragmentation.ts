/**
 * Section 5: messages in fragments, control frames between them, and frames where none may be
 * (RFC 6455, section 5.4).
 *
 * @module
 */

import { REFERENCE_OPCODES } from "../../support/reference_frames.ts";
import {
  answered,
  binary,
  binaryBack,
  type CaseInit,
  close,
  closed,
  continuation,
  CUTS,
  expect,
  failing,
  fragments,
  frame,
  group,
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

const more = { fin: false };
const first = toBytes("first");
const inFirst = { unfinished: first };

const fragmentedControl = [
  { name: "Ping", opcode: REFERENCE_OPCODES.ping, payload: toBytes("one ") },
  { name: "Pong", opcode: REFERENCE_OPCODES.pong, payload: toBytes("one ") },
  { name: "Close", opcode: REFERENCE_OPCODES.close, payload: Uint8Array.of(0x03, 0xe8) },
].flatMap(({ name, opcode, payload }): CaseInit[] => {
  const begin = () => frame(opcode, payload, more);
  return [
    ...refused(`${name} in two fragments`, 1002, () => [begin(), continuation("two")]),
    failing(`the first byte of a ${name} in fragments`, 1002, () => [
      together(begin().subarray(0, 1)),
    ]),
    failing(`${name} in two fragments, between those of a message`, 1002, () => [
      together(text(first, more), begin(), continuation("two")),
    ], { unfinished: () => first }),
  ];
});

const twoFragments = [
  ...answered(
    "text in two fragments",
    () => [text("first ", more), continuation("second")],
    textBack("first second"),
  ),
  ...answered(
    "binary in two fragments",
    () => [binary("first ", more), continuation("second")],
    binaryBack("first second"),
  ),
];

const controlBetween: CaseInit[] = [
  ...CUTS.map(({ name, cut }) =>
    passing(`Ping between two fragments, ${name}`, () => [
      cut(text("first ", more), ping("between"), continuation("second")),
      expect(pongBack("between")),
      expect(textBack("first second")),
    ])
  ),
  ...answered(
    "Pong between two fragments",
    () => [text("first ", more), pong("between"), continuation("second")],
    textBack("first second"),
  ),
  ...CUTS.map(({ name, cut }) =>
    passing(`pings around each of five fragments, ${name}`, () => [
      cut(
        ...[ping("0"), text("a", more), ping("1"), continuation("b", more)],
        ...[ping("2"), continuation("c", more), ping("3"), continuation("d", more)],
        ...[ping("4"), continuation("e")],
      ),
      expect(...["0", "1", "2", "3", "4"].map((payload) => pongBack(payload))),
      expect(textBack("abcde")),
    ])
  ),
  ...CUTS.map(({ name, cut }) =>
    passing(`a Ping is answered before the rest of the message is sent, ${name}`, () => [
      cut(text("1, ", more), continuation("2, ", more), ping("first ping")),
      expect(pongBack("first ping")),
      cut(continuation("3, ", more), continuation("4, ", more), ping("second"), continuation("5")),
      expect(pongBack("second")),
      expect(textBack("1, 2, 3, 4, 5")),
    ])
  ),
];

const nothingToContinue: CaseInit[] = [
  ...[
    { what: "last continuation", begin: () => continuation("of nothing") },
    { what: "continuation", begin: () => continuation("of nothing", more) },
    { what: "empty continuation", begin: () => continuation("") },
  ].flatMap(({ what, begin }) =>
    refused(`${what} of nothing, then a message`, 1002, () => [begin(), text("after")])
  ),
  ...refused("continuation of a finished message, then a message", 1002, () => [
    ...[text("first ", more), continuation("second"), continuation("third", more), text("after")],
  ], { back: [textBack("first second")] }),
  ...refused("continuation of a message of one frame", 1002, () => [
    ...[text("whole"), continuation("more"), text("after")],
  ], { back: [textBack("whole")] }),
];

const firstBytes: CaseInit[] = [
  failing("the first byte of a continuation of nothing", 1002, () => [
    together(continuation("never sent").subarray(0, 1)),
  ]),
  failing("the first byte of a message within a message", 1002, () => [
    together(text(first, more), text("never sent").subarray(0, 1)),
  ], { unfinished: () => first }),
];

const KINDS = { text, binary };

const withinMessage: CaseInit[] = Object.entries(KINDS).flatMap(([outer, begin]) =>
  Object.entries(KINDS).flatMap(([inner, second]) => [
    ...refused(`${inner} message within a ${outer} message`, 1002, () => [
      ...[begin(first, more), second("second"), continuation("third")],
    ], inFirst),
    ...refused(`${inner} message in fragments within a ${outer} message`, 1002, () => [
      ...[begin(first, more), second("second", more), continuation("third")],
    ], inFirst),
  ])
);

const emptyFragments: CaseInit[] = [
  ...Object.entries(KINDS).flatMap(([type, begin]) =>
    answered(
      `${type} in three empty fragments`,
      () => [begin("", more), continuation("", more), continuation("")],
      begin === text ? textBack("") : binaryBack(""),
    )
  ),
  ...answered("empty fragments around each full one", () => [
    text("", more),
    ...["a", "", "b"].map((payload) => continuation(payload, more)),
    continuation(""),
  ], textBack("ab")),
];

const several = answered(
  "whole and fragmented messages in turn",
  () => [
    text("one"),
    ...fragments(REFERENCE_OPCODES.binary, "two in fragments of 3", 3),
    binary("three"),
    ...fragments(REFERENCE_OPCODES.text, "four in fragments of 1", 1),
    text(""),
  ],
  textBack("one"),
  binaryBack("two in fragments of 3"),
  binaryBack("three"),
  textBack("four in fragments of 1"),
  textBack(""),
);

const behindClose = closed("Close between two fragments", [1000], () => [
  ...[text(first, more), close(1000), continuation("second")],
], inFirst);

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
