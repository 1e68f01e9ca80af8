/**
 * Section 3: RSV1, RSV2 and RSV3 "MUST be 0 unless an extension is negotiated that defines meanings
 * for non-zero values", and none is.
 *
 * @module
 */

import { REFERENCE_OPCODES } from "../../support/reference_frames.ts";
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
  together,
} from "../case.ts";

const BITS = [1, 2, 3, 4, 5, 6, 7];

const alone = Object.entries(REFERENCE_OPCODES)
  .filter(([name]) => name !== "continuation")
  .flatMap(([name, opcode]) => {
    const payload = name === "close" ? Uint8Array.of(0x03, 0xe8) : "Hi";
    return BITS.map((rsv) =>
      failing(`${name} with RSV ${rsv}`, 1002, () => [together(frame(opcode, payload, { rsv }))])
    );
  });

const empty = BITS.map((rsv) =>
  failing(`empty text with RSV ${rsv}`, 1002, () => [together(text("", { rsv }))])
);

const behindMessage = BITS.flatMap((rsv) =>
  refused(
    `message, then text with RSV ${rsv}, then Ping`,
    1002,
    () => [text("before"), text("reserved", { rsv }), ping("after")],
    { back: [textBack("before")] },
  )
);

const withinMessage = BITS.flatMap((rsv): CaseInit[] => [
  failing(`first fragment with RSV ${rsv}`, 1002, () => [
    together(text("first", { rsv, fin: false }), continuation("second")),
  ]),
  failing(`second fragment with RSV ${rsv}`, 1002, () => [
    together(text("first", { fin: false }), continuation("second", { rsv })),
  ], { unfinished: () => new TextEncoder().encode("first") }),
]);

const firstByte = BITS.flatMap((rsv) =>
  ["text", "ping"].map((name) => {
    const opcode = name === "text" ? REFERENCE_OPCODES.text : REFERENCE_OPCODES.ping;
    return failing(
      `the first byte of a ${name} frame with RSV ${rsv}`,
      1002,
      () => [together(frame(opcode, "never sent", { rsv }).subarray(0, 1))],
    );
  })
);

export const reservedBits: Section = {
  name: "3 Reserved bits",
  cases: [
    ...group("3.1", alone),
    ...group("3.2", empty),
    ...group("3.3", behindMessage),
    ...group("3.4", withinMessage),
    ...group("3.5", firstByte),
  ],
};
