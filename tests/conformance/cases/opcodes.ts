/**
 * Section 4: "if an unknown opcode is received, the receiving endpoint MUST fail the connection".
 *
 * @module
 */

import {
  type CaseInit,
  continuation,
  failing,
  frame,
  group,
  ping,
  refused,
  type Section,
  text,
  textBack,
  toBytes,
  together,
} from "../case.ts";

function casesOf(opcodes: number[]): CaseInit[] {
  return opcodes.flatMap((opcode): CaseInit[] => [
    failing(`opcode ${opcode}`, 1002, () => [together(frame(opcode))]),
    failing(`opcode ${opcode} with a payload`, 1002, () => [
      together(frame(opcode, "reserved")),
    ]),
    failing(`opcode ${opcode}, not the last fragment`, 1002, () => [
      together(frame(opcode, "reserved", { fin: false }), continuation("rest")),
    ]),
    failing(`the first byte of a frame with opcode ${opcode}`, 1002, () => [
      together(frame(opcode, "never sent").subarray(0, 1)),
    ]),
    failing(`opcode ${opcode} between two fragments`, 1002, () => [
      together(text("first", { fin: false }), frame(opcode, "reserved"), continuation("second")),
    ], { unfinished: () => toBytes("first") }),
    ...["", "reserved"].flatMap((payload) =>
      refused(
        `message, then opcode ${opcode} with "${payload}", then Ping`,
        1002,
        () => [text("before"), frame(opcode, payload), ping("after")],
        { back: [textBack("before")] },
      )
    ),
  ]);
}

export const opcodes: Section = {
  name: "4 Reserved opcodes",
  cases: [
    ...group("4.1", casesOf([3, 4, 5, 6, 7])),
    ...group("4.2", casesOf([11, 12, 13, 14, 15])),
  ],
};
