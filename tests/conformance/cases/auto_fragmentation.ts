/**
 * Section 10: messages as a client library sends them that cuts everything into fragments of one
 * size.
 *
 * @module
 */

import { REFERENCE_OPCODES } from "../../support/reference_frames.ts";
import {
  binaryBack,
  type CaseInit,
  expect,
  fragments,
  group,
  nothingElse,
  passing,
  ping,
  pongBack,
  type Section,
  textBack,
  toBytes,
  together,
} from "../case.ts";

const TEXT = toBytes("äuto-fragment ".repeat(4370)); // 65,550 bytes

const cases: CaseInit[] = [
  ...[7, 125, 126, 1300, 16384, 65535].map((fragmentSize) =>
    passing(`64 KiB of text in fragments of ${fragmentSize} bytes`, () => [
      together(...fragments(REFERENCE_OPCODES.text, TEXT, fragmentSize)),
      expect(textBack(TEXT)),
      ...nothingElse(),
    ])
  ),
  passing("64 KiB of binary in fragments of 1300 bytes", () => [
    together(...fragments(REFERENCE_OPCODES.binary, TEXT, 1300)),
    expect(binaryBack(TEXT)),
    ...nothingElse(),
  ]),
  passing("64 KiB of text in fragments of 1300 bytes, a Ping behind each", () => {
    const frames = fragments(REFERENCE_OPCODES.text, TEXT, 1300);
    return [
      ...frames.slice(0, -1).flatMap((frame, i) => [
        together(frame, ping(`${i}`)),
        expect(pongBack(`${i}`)),
      ]),
      together(frames[frames.length - 1]),
      expect(textBack(TEXT)),
      ...nothingElse(),
    ];
  }),
  passing("ten messages in fragments of 10 bytes", () => {
    const payloads = Array.from({ length: 10 }, (_, i) => TEXT.subarray(0, i * 13));
    const whole = payloads.map((bytes) => toBytes(new TextDecoder().decode(bytes)));
    return [
      together(...whole.flatMap((bytes) => fragments(REFERENCE_OPCODES.text, bytes, 10))),
      expect(...whole.map((bytes) => textBack(bytes))),
      ...nothingElse(),
    ];
  }),
];

export const autoFragmentation: Section = {
  name: "10 Auto-fragmentation",
  cases: group("10.1", cases),
};
