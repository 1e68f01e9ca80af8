/** Streams of frames: valid ones, changed frame by frame and octet by octet. */

import { assert, assertEquals } from "@std/assert";
import { fromHex, type Random, singly, toHex, utf8 } from "../codec/support.ts";
import { receivePlainly } from "../protocol/reference_receiver.ts";
import { closePayload, receivePieces } from "../protocol/support.ts";
import {
  concatBytes,
  encodeReferenceFrame,
  type ReferenceFrameInit,
} from "../support/reference_frames.ts";
import type { Role } from "../../src/protocol/mod.ts";

const LIMITS = { maxMessageSize: 300, maxFragments: 6 };
const TEXTS = ["", "a", "Hello, world", "é€😀", "\ufeffé", "x".repeat(70), "x".repeat(130)];
const BAD_TEXTS = ["80", "ff", "c0 af", "ed a0 80", "f4 90 80 80", "e2 82", "f0 9f"].map(fromHex);
const CODES = [1000, 1001, 1004, 1005, 1006, 1014, 1015, 2999, 3000, 4999, 5000];
/** Octets that headers, lengths and code points turn on. */
const OCTETS = fromHex("00 01 02 03 08 41 7d 7e 7f 80 81 82 83 88 89 8a 8b bf c1 ed fd fe ff");

/** The frames of some messages, most of them without a fault. */
function makeFrames(random: Random): ReferenceFrameInit[] {
  const frames: ReferenceFrameInit[] = [];
  const control = () => {
    const opcode = random.below(12) === 0 ? 8 : random.pick([9, 10]);
    const payload = opcode === 8
      ? closePayload(random.pick(CODES), random.pick(["", "bye", "é"]))
      : random.bytes(random.pick([0, 3, 125]));
    frames.push({ opcode, payload });
  };
  for (let i = 1 + random.below(4); i > 0; i--) {
    const opcode = 1 + random.below(2);
    const payload = random.below(12) === 0
      ? concatBytes([utf8(random.pick(TEXTS)), random.pick(BAD_TEXTS)])
      : utf8(random.pick(TEXTS));
    const fragments = random.below(3) === 0 ? random.cut(payload, 60) : [payload];
    if (fragments.length === 0) fragments.push(payload);
    fragments.forEach((fragment, k) => {
      const fin = k === fragments.length - 1;
      frames.push({ opcode: k === 0 ? opcode : 0, fin, payload: fragment });
      if (random.below(4) === 0) control();
    });
  }
  return frames;
}

/** Changes a frame into one that is most likely wrong. */
function mutateFrame(frame: ReferenceFrameInit, random: Random): ReferenceFrameInit {
  const length = BigInt(frame.payload!.length);
  const changes: ReferenceFrameInit[] = [
    { ...frame, opcode: random.below(16) },
    { ...frame, fin: !(frame.fin ?? true) },
    { ...frame, rsv: random.below(8) },
    { ...frame, lengthForm: 16 },
    { ...frame, lengthForm: 64 },
    { ...frame, declaredLength: length + BigInt(random.below(5)) },
    { ...frame, declaredLength: 1n << BigInt(random.below(64)), lengthForm: 64 },
    { ...frame, payload: random.bytes(random.below(140)) },
    { ...frame, maskingKey: frame.maskingKey === undefined ? random.bytes(4) : undefined },
  ];
  return random.pick(changes);
}

function mutateBytes(bytes: Uint8Array, random: Random): Uint8Array {
  const place = random.below(bytes.length + 1);
  const [head, tail] = [bytes.subarray(0, place), bytes.subarray(place)];
  switch (random.below(5)) {
    case 0:
      return concatBytes([head, Uint8Array.of(random.pick(OCTETS)), tail.subarray(1)]);
    case 1:
      return concatBytes([head, Uint8Array.of(random.pick(OCTETS)), tail]);
    case 2:
      return concatBytes([head, tail.subarray(1 + random.below(4))]);
    case 3:
      return concatBytes([head, bytes.subarray(random.below(bytes.length + 1))]);
    default:
      return head;
  }
}

function makeStream(masked: boolean, random: Random): Uint8Array {
  let frames: ReferenceFrameInit[] = makeFrames(random).map((frame) => ({
    ...frame,
    maskingKey: masked ? random.bytes(4) : undefined,
  }));
  const place = random.below(frames.length);
  const mutation = random.below(8);
  if (mutation < 4) {
    frames[place] = { maskingKey: undefined, ...mutateFrame(frames[place], random) };
  } else if (mutation === 4) frames.splice(place, 1);
  else if (mutation === 5) frames = [...frames, ...frames.slice(place)];
  let bytes = concatBytes(frames.map((frame) => encodeReferenceFrame(shorten(frame))));
  for (let i = random.below(3); i > 0; i--) bytes = mutateBytes(bytes, random);
  return bytes;
}

/** Leaves out a length that 7 or 16 bits do not hold. */
function shorten(frame: ReferenceFrameInit): ReferenceFrameInit {
  const { declaredLength = 0n, lengthForm } = frame;
  const fits = lengthForm === undefined || declaredLength < 1n << BigInt(lengthForm);
  return fits ? frame : { ...frame, lengthForm: undefined };
}

/** Has a stream received, cut in several ways, and by the reference. Gives the reference's outcome. */
export function fuzzFrameStream(
  random: Random,
  role: Role,
  streaming: boolean,
): { bytes: Uint8Array; closeCode: number | undefined } {
  const masked = role === "server";
  const bytes = makeStream(masked, random);
  compareWithReference(bytes, random, role, streaming);
  const { closeCode } = receivePlainly(bytes, { masked, ...LIMITS });
  return { bytes, closeCode };
}

/** The same with octets that headers turn on, in no order. */
export function fuzzFrameNoise(random: Random, role: Role): void {
  const bytes = Uint8Array.from({ length: random.below(30) }, () => random.pick(OCTETS));
  compareWithReference(bytes, random, role, false);
}

function compareWithReference(
  bytes: Uint8Array,
  random: Random,
  role: Role,
  streaming: boolean,
): void {
  const expected = receivePlainly(bytes, { masked: role === "server", ...LIMITS });
  const message = toHex(bytes);
  const options = { streaming, ...LIMITS };
  const single = receivePieces(role, singly(bytes), options);
  assertEquals(single.failedAt, expected.failedAt, message);
  for (const pieces of [[bytes], random.cut(bytes), random.cut(bytes, 200)]) {
    const cut = receivePieces(role, pieces, options);
    assertEquals(cut.events, expected.events, message);
    assertEquals(cut.closeCode, expected.closeCode, message);
  }
  assertEquals(single.events, expected.events, message);
  assertEquals(single.closeCode, expected.closeCode, message);
  assert(single.side.protocol.collectedLength <= LIMITS.maxMessageSize);
}
