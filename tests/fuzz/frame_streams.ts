/** Streams of frames: valid ones, changed frame by frame and octet by octet. */

import { ProtocolError, type Role } from "../../src/protocol/mod.ts";
import {
  allocations,
  assertSameBytes,
  decodePieces,
  fromHex,
  Random,
  ROLES,
  singly,
  toHex,
  utf8,
} from "../codec/support.ts";
import { readStream } from "../codec/reference_stream.ts";
import { describeControl, describeMessage } from "../protocol/events.ts";
import { type Received, receivePlainly } from "../protocol/reference_receiver.ts";
import { closePayload, EventLog, Side } from "../protocol/support.ts";
import {
  concatBytes,
  encodeReferenceFrame,
  type ReferenceFrameInit,
} from "../support/reference_frames.ts";
import { type BytesInput, check, type Target } from "./target.ts";

const TEXTS = ["", "a", "Hello, world", "é€😀", "\ufeffé", "x".repeat(70), "x".repeat(130)].map(
  utf8,
);
/** Texts that are wrong, from some octet on or at their ends. */
const BAD_TEXTS = ["80", "ff", "f5", "c0 af", "e0 9f 80", "ed a0 80", "f0 8f 80 80", "f4 90 80 80"]
  .concat(["e2 82", "f0 9f", "f0 9f 98", "c3"]).map(fromHex);
const CODES = [999, 1000, 1001, 1004, 1005, 1006, 1014, 1015, 1016, 2999, 3000, 4999, 5000];
/** Octets that headers, lengths and code points turn on. */
const OCTETS = fromHex("00 01 02 03 08 41 7d 7e 7f 80 81 82 83 88 89 8a 8b bf c1 ed fd fe ff");
/** Sizes at which something is done in another way. */
const LARGE_SIZES = [2047, 4095, 4096, 4097, 8191, 8192, 8193, 16_384, 65_535, 65_536, 65_537];

interface Limits {
  maxMessageSize: number;
  maxFragments: number;
}
const LIMITS: Limits = { maxMessageSize: 300, maxFragments: 6 };
const OTHER_LIMITS: readonly Limits[] = [
  { maxMessageSize: 0, maxFragments: 1 },
  { maxMessageSize: 12, maxFragments: 2 },
  { maxMessageSize: 125, maxFragments: Infinity },
  { maxMessageSize: 126, maxFragments: 1 },
  { maxMessageSize: Infinity, maxFragments: Infinity },
];
const LARGE_LIMITS: Limits = { maxMessageSize: 65_536, maxFragments: 6 };

function makeControl(random: Random): ReferenceFrameInit {
  const opcode = random.below(12) === 0 ? 8 : random.pick([9, 10]);
  if (opcode !== 8) return { opcode, payload: random.bytes(random.pick([0, 3, 125])) };
  const reason = random.pick(["", "bye", "é", "x".repeat(123)]);
  const payload = closePayload(random.pick(CODES), reason);
  return { opcode, payload: random.pick([payload, payload, payload.slice(0, random.below(3))]) };
}

/** The frames of some messages, most of them without a fault. */
function makeFrames(random: Random, isLarge: boolean): ReferenceFrameInit[] {
  const frames: ReferenceFrameInit[] = [];
  for (let i = 1 + random.below(isLarge ? 2 : 4); i > 0; i--) {
    const opcode = 1 + random.below(2);
    let payload: Uint8Array = isLarge ? makeLargeText(random) : random.pick(TEXTS);
    if (random.below(8) === 0) {
      payload = concatBytes([payload, random.pick(BAD_TEXTS), random.pick(TEXTS)]);
    }
    const fragments = random.below(3) === 0
      ? random.cut(payload, isLarge ? payload.length : 60)
      : [payload];
    if (fragments.length === 0) fragments.push(payload);
    // Before any byte, they soon are too many.
    if (random.below(10) === 0) {
      fragments.unshift(...Array(random.below(12)).fill(new Uint8Array(0)));
    }
    fragments.forEach((fragment, k) => {
      const fin = k === fragments.length - 1;
      frames.push({ opcode: k === 0 ? opcode : 0, fin, payload: fragment });
      if (random.below(4) === 0) frames.push(makeControl(random));
    });
  }
  return frames;
}

/** ASCII, with a few other characters in between. */
function makeLargeText(random: Random): Uint8Array {
  const text = new Uint8Array(random.pick(LARGE_SIZES)).fill(0x61);
  for (let count = random.below(4); count > 0; count--) {
    const character = random.pick(["é€😀", "\ud83d\ude00", "€"].map(utf8));
    text.set(character, random.below(text.length - character.length));
  }
  return text;
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
    { ...frame, declaredLength: (1n << BigInt(random.below(65))) - 1n, lengthForm: 64 },
    { ...frame, declaredLength: (1n << 63n) + BigInt(random.below(4)), lengthForm: 64 },
    { ...frame, declaredLength: BigInt(random.pick([125, 126, 127, 128])), lengthForm: 16 },
    { ...frame, declaredLength: BigInt(random.pick([65_535, 65_536])), lengthForm: 64 },
    { ...frame, payload: random.bytes(random.below(140)) },
    { ...frame, maskingKey: frame.maskingKey === undefined ? random.bytes(4) : undefined },
  ];
  return random.pick(changes);
}

/** Changes the order or the number of frames. */
function mutateFrames(frames: ReferenceFrameInit[], random: Random): void {
  const place = random.below(frames.length);
  const frame = frames[place];
  switch (random.below(8)) {
    case 0:
      frames.splice(place, 1);
      break;
    case 1:
      frames.push(...frames.slice(place));
      break;
    case 2:
      frames.splice(place, 0, { ...makeControl(random), maskingKey: frame.maskingKey });
      break;
    case 3: // another message within one
      frames.splice(place, 0, { ...frame, opcode: 1 + random.below(2) });
      break;
    case 4: // empty fragments
      for (let count = random.below(8); count > 0; count--) {
        frames.splice(place + 1, 0, {
          ...frame,
          opcode: 0,
          fin: false,
          payload: new Uint8Array(0),
        });
      }
      break;
    default:
      frames[place] = mutateFrame(frame, random);
  }
}

function mutateBytes(bytes: Uint8Array, random: Random): Uint8Array {
  const place = random.below(bytes.length + 1);
  const [head, tail] = [bytes.subarray(0, place), bytes.subarray(place)];
  switch (random.below(6)) {
    case 0:
      return concatBytes([head, Uint8Array.of(random.pick(OCTETS)), tail.subarray(1)]);
    case 1:
      return concatBytes([head, Uint8Array.of(random.pick(OCTETS)), tail]);
    case 2:
      return concatBytes([head, tail.subarray(1 + random.below(4))]);
    case 3:
      return concatBytes([head, bytes.subarray(random.below(bytes.length + 1))]);
    case 4: {
      const changed = bytes.slice();
      changed[place] ^= 1 << random.below(8);
      return changed;
    }
    default:
      return head;
  }
}

/** Makes a stream of frames for a receiver that wants them masked, or not. */
export function makeStream(masked: boolean, random: Random, isLarge = false): Uint8Array {
  if (!isLarge && random.below(8) === 0) {
    return Uint8Array.from({ length: random.below(30) }, () => random.pick(OCTETS));
  }
  const frames: ReferenceFrameInit[] = makeFrames(random, isLarge).map((frame) => ({
    ...frame,
    maskingKey: masked ? random.bytes(4) : undefined,
  }));
  for (let count = random.below(3); count > 0 && frames.length > 0; count--) {
    mutateFrames(frames, random);
  }
  let bytes: Uint8Array = concatBytes(frames.map((frame) => encodeReferenceFrame(shorten(frame))));
  for (let i = random.below(6) - 3; i > 0; i--) bytes = mutateBytes(bytes, random);
  return bytes;
}

/** Makes the frames of a peer that follows the RFC mostly, and closes at the end. */
export function makeSession(random: Random, masked = true): Uint8Array {
  const frames = makeFrames(random, random.below(60) === 0);
  const reason = random.pick(["", "bye", "é"]);
  frames.push({ opcode: 8, payload: closePayload(random.pick([1000, 1001, 3000]), reason) });
  return concatBytes(
    frames.map((frame) =>
      encodeReferenceFrame({ ...frame, maskingKey: masked ? random.bytes(4) : undefined })
    ),
  );
}

/** Leaves out a length that 7 or 16 bits do not hold. */
function shorten(frame: ReferenceFrameInit): ReferenceFrameInit {
  const { declaredLength = 0n, lengthForm } = frame;
  const fits = lengthForm === undefined || declaredLength < 1n << BigInt(lengthForm);
  return fits ? frame : { ...frame, lengthForm: undefined };
}

/** A stream, who receives it, and what decides what the receiver does meanwhile. */
export interface StreamInput extends BytesInput {
  role: Role;
  limits: Limits;
  /** After how many bytes the receiver sends a Close frame; Infinity for never. */
  closeAt: number;
  /** Whether messages come in pieces: never, always, or by turns. */
  streaming: boolean | undefined;
  /** Whether the receiver stops in between. */
  stops: boolean;
  /** Whether the size of all arrays is watched. */
  watchesMemory: boolean;
  cut: number;
}

export const FRAME_STREAMS: Target<StreamInput> = {
  make(random) {
    const role = random.pick(ROLES);
    const isLarge = random.below(150) === 0;
    const bytes = makeStream(role === "server", random, isLarge);
    return {
      bytes,
      role,
      limits: isLarge ? LARGE_LIMITS : random.below(5) === 0 ? random.pick(OTHER_LIMITS) : LIMITS,
      closeAt: random.below(6) === 0 ? random.below(bytes.length + 1) : Infinity,
      streaming: random.pick([false, true, undefined]),
      stops: random.below(3) === 0,
      watchesMemory: random.below(50) === 77,
      cut: random.below(2 ** 31),
    };
  },

  check(input) {
    const { bytes, role, limits, closeAt } = input;
    const expected = receivePlainly(bytes, { masked: role === "server", ...limits, closeAt });
    const random = new Random(input.cut);
    const before = bytes.subarray(0, closeAt);
    const after = bytes.subarray(before.length);
    const cuttings = [
      [[before], [after]],
      [random.cut(before), random.cut(after)],
      [random.cut(before, 200), random.cut(after, 200)],
    ];
    const isLong = bytes.length > 2000;
    if (!isLong) cuttings.push([singly(before), singly(after)]);
    for (const pieces of cuttings) {
      const receive = () => receivePieces(input, pieces[0], pieces[1], random);
      let received!: Received;
      if (input.watchesMemory) {
        const [largest = 0] = allocations(() => void (received = receive())).sort((a, b) => b - a);
        // Nothing is reserved by what a peer declares. (The output is gathered in 64 KiB.)
        const most = Math.max(closeAt === Infinity ? 1024 : 65_536, 4 * bytes.length);
        check(largest <= most, () => `an array of ${largest} bytes: ${show(input)}`);
      } else {
        received = receive();
      }
      const message = () =>
        `${JSON.stringify(received)} instead of ${JSON.stringify(expected)}: ${show(input)}`;
      check(received.closeCode === expected.closeCode, message);
      check(received.events.join("\n") === expected.events.join("\n"), message);
      if (pieces === cuttings[3]) check(received.failedAt === expected.failedAt, message);
    }
    return expected.closeCode === undefined ? "received" : `failed ${expected.closeCode}`;
  },
};

function show({ bytes, role, limits, closeAt, streaming, stops }: StreamInput): string {
  const options = JSON.stringify({ role, limits, closeAt: String(closeAt), streaming, stops });
  return `${toHex(bytes.subarray(0, 1000))} ${options}`;
}

/** Puts down events when all is over: what was handed on must not change meanwhile. */
class LateLog extends EventLog {
  readonly late: (() => string)[] = [];
  onEvent: () => void = () => {};

  override receiveMessage(data: string | Uint8Array): void {
    check(this.type === undefined, () => "a message within a streamed one");
    this.late.push(() => describeMessage(typeof data === "string" ? "text" : "binary", data));
    this.onEvent();
  }

  override receiveMessageChunk(bytes: Uint8Array, start: number, end: number): void {
    super.receiveMessageChunk(bytes, start, end);
    this.onEvent();
  }

  override receiveMessageEnd(): void {
    super.receiveMessageEnd();
    const line = this.events.pop()!;
    this.late.push(() => line);
    this.onEvent();
  }

  override receivePing(payload: Uint8Array): void {
    // It lies in the input, which may be overwritten.
    const line = describeControl(9, payload);
    this.late.push(() => line);
    this.onEvent();
  }

  override receivePong(payload: Uint8Array): void {
    this.late.push(() => describeControl(10, payload));
    this.onEvent();
  }

  override receiveClose(status: { closeCode: number; reason: string }): void {
    super.receiveClose(status);
    const line = this.events.pop()!;
    this.late.push(() => line);
  }
}

function receivePieces(
  { role, limits, streaming, stops, closeAt }: StreamInput,
  before: readonly Uint8Array[],
  after: readonly Uint8Array[],
  random: Random,
): Received {
  const log = new LateLog();
  const { protocol } = new Side(role, limits, log);
  if (stops) {
    log.onEvent = () => {
      if (random.below(3) === 0) protocol.stopReceiving();
    };
  }
  protocol.streaming = streaming ?? random.below(2) === 0;
  let given = 0;
  const receive = (piece: Uint8Array): void => {
    // What is lent is overwritten afterwards, as a socket's buffer would be.
    const lent = random.below(3) > 0;
    // What is around a piece, and where it lies in memory, must not matter.
    const offset = random.below(5);
    const array = concatBytes([new Uint8Array(offset + 1), piece, Uint8Array.of(0x81)]);
    const copy = array.subarray(offset);
    const end = copy.length - 1;
    given += piece.length;
    for (let position = 1; position < end;) {
      const next = protocol.receive(copy, position, end, lent);
      check(next > position && next <= end && (stops || next === end), () => "bytes not taken");
      position = next;
      check(protocol.collectedLength <= Math.min(limits.maxMessageSize, given), () => "kept more");
    }
    if (lent) copy.fill(0x55);
    if (streaming === undefined && random.below(3) === 0) {
      protocol.streaming = random.below(2) === 0;
    }
  };
  const received: Received = { events: [], closeCode: undefined, failedAt: undefined };
  try {
    before.forEach(receive);
    if (closeAt !== Infinity) protocol.sendClose({ closeCode: 1000, reason: "" });
    after.forEach(receive);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    received.closeCode = error.closeCode;
    received.failedAt = given;
    // Nothing is received any more.
    check(protocol.receive(Uint8Array.of(0xff, 0xff)) === 2, () => "went on behind an error");
  }
  received.events = log.late.map((describe) => describe());
  return received;
}

/** A stream for a decoder that may allow RSV1. */
export interface DecoderInput extends BytesInput {
  role: Role;
  allowRsv1: boolean;
  cut: number;
}

export const FRAME_DECODER: Target<DecoderInput> = {
  make(random) {
    const role = random.pick(ROLES);
    const bytes = makeStream(role === "server", random, random.below(150) === 0);
    return { bytes, role, allowRsv1: random.below(2) === 0, cut: random.below(2 ** 31) };
  },

  check({ bytes, role, allowRsv1, cut }) {
    const { frames, failedAt } = readStream(bytes, { masked: role === "server", allowRsv1 });
    const whole = frames.filter(({ whole }) => whole);
    const random = new Random(cut);
    const message = () => `${role}, ${allowRsv1}: ${toHex(bytes.subarray(0, 1000))}`;
    const single = bytes.length > 2000 ? [bytes] : singly(bytes);
    for (const pieces of [single, [bytes], random.cut(bytes)]) {
      const decoded = decodePieces(role, pieces, { allowRsv1 });
      check(decoded.closeCode === (failedAt === undefined ? undefined : 1002), message);
      check(decoded.frames.length === whole.length, message);
      decoded.frames.forEach(({ fin, rsv1, opcode, payload }, i) => {
        const frame = whole[i];
        check(fin === frame.fin && rsv1 === frame.rsv1 && opcode === frame.opcode, message);
        assertSameBytes(payload, frame.payload);
      });
      if (pieces === single && bytes.length <= 2000) check(decoded.failedAt === failedAt, message);
      const last = frames.length > whole.length ? frames.at(-1) : undefined;
      check(isAbout(decoded.declaredLength, last && Number(last.declaredLength)), message);
    }
    return failedAt === undefined ? "decoded" : "failed";
  },
};

/** Whether two lengths are the same, apart from what a number can't hold of those past 2^53. */
function isAbout(actual: number | undefined, expected: number | undefined): boolean {
  if (actual === undefined || expected === undefined || expected <= Number.MAX_SAFE_INTEGER) {
    return actual === expected;
  }
  return Math.abs(actual - expected) <= expected * 2 ** -50;
}
