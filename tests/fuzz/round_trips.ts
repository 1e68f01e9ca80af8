/**
 * Two sides that talk: what each encodes is read by the reference and received by the other, cut
 * anywhere. Their outputs share memory, so that they are filled and taken by turns.
 */

import { FrameEncoder } from "../../src/codec/mod.ts";
import { peerOf, Random, ROLES, sameBytes, toHex, utf8 } from "../codec/support.ts";
import {
  describeClose,
  describeControl,
  describeFrames,
  describeMessage,
} from "../protocol/events.ts";
import { closePayload, Side } from "../protocol/support.ts";
import { concatBytes, decodeReferenceFrame, frameFaults } from "../support/reference_frames.ts";
import { check, type Target } from "./target.ts";

/** Lengths at which something is done in another way, in bytes and in UTF-16 units. */
const LENGTHS = [0, 1, 2, 24, 25, 41, 42, 43, 47, 48, 49, 63, 64, 124, 125, 126, 127, 128, 200];
const LARGE_LENGTHS = [4095, 4096, 5461, 5462, 16_383, 16_384, 16_385, 65_535, 65_536, 70_000];
const UNITS = ["x", "é", "€", "😀", "\ud83d", "\ude00", "\0", "\x7f", "\ufeff", "\uffff"];

/** What everything follows from. */
export interface SeedInput {
  seed: number;
}

function makeText(random: Random, length: number): string {
  const few = random.below(2) === 0 ? ["x"] : UNITS.slice(0, 1 + random.below(UNITS.length));
  if (length > 1000) {
    const at = random.below(length);
    return "x".repeat(at) + few.at(-1)! + "x".repeat(length - at);
  }
  let text = "";
  while (text.length < length) text += random.pick(few);
  return text;
}

/** Cuts a text's bytes, also within characters. */
function cutInTwo(bytes: Uint8Array, random: Random): Uint8Array[] {
  const at = random.below(bytes.length + 1);
  return [bytes.subarray(0, at), bytes.subarray(at)];
}

class Talker extends Side {
  readonly random: Random;
  /** What it has said, as the other side must understand it. */
  said: string[] = [];
  /** What was taken and is not written yet, and what it must be. */
  readonly unwritten: { chunks: Uint8Array[]; bytes: Uint8Array }[] = [];
  isOver = false;

  constructor(role: "client" | "server", random: Random) {
    super(role, { maskingKey: () => random.below(2 ** 32) | 0, maxMessageSize: 300_000 });
    this.random = random;
  }

  length(): number {
    return this.random.pick(this.random.below(40) === 0 ? LARGE_LENGTHS : LENGTHS);
  }

  /** Sends something, and spoils what the output does not refer to. */
  speak(): void {
    const { random, protocol } = this;
    switch (random.below(9)) {
      case 0:
      case 1:
      case 2: {
        const text = makeText(random, this.length());
        check(!protocol.sendMessage(text), () => "refers to a string");
        this.said.push(describeMessage("text", text.toWellFormed()));
        break;
      }
      case 3:
      case 4: {
        const bytes = this.#bytes();
        this.said.push(describeMessage("binary", bytes));
        if (!protocol.sendMessage(bytes)) bytes.fill(0xee);
        break;
      }
      case 5: {
        const text = utf8(makeText(random, this.length()));
        this.said.push(describeMessage("text", text));
        const pieces = random.below(2) === 0
          ? cutInTwo(text, random)
          : random.cut(text, 1 + text.length);
        pieces.push(new Uint8Array(0));
        pieces.forEach((piece, i) => {
          const own = piece.slice();
          if (!protocol.sendFragment("text", own, i === pieces.length - 1)) own.fill(0xee);
          if (i < pieces.length - 1 && random.below(4) === 0) this.#control();
        });
        // The message ends behind what was sent within it.
        const at = this.said.lastIndexOf(describeMessage("text", text));
        this.said.push(...this.said.splice(at, 1));
        break;
      }
      case 6:
      case 7:
        this.#control();
        break;
      default: {
        if (random.below(6) > 0) return;
        const reason = random.below(2) === 0 ? "" : makeText(random, 41);
        const closeCode = random.pick([1000, 1005, 3000, 4999]);
        this.isOver = true;
        if (closeCode === 1005) this.said.push(describeClose(new Uint8Array(0)));
        else this.said.push(describeClose(closePayload(closeCode, reason)));
        check(protocol.sendClose({ closeCode, reason }), () => "no Close");
      }
    }
  }

  #bytes(): Uint8Array {
    const length = this.length();
    if (length <= 1000) return this.random.bytes(length);
    const bytes = new Uint8Array(length);
    for (let i = 0; i < 20; i++) bytes[this.random.below(length)] = this.random.below(256);
    return bytes;
  }

  #control(): void {
    const payload = this.random.bytes(this.random.pick([0, 1, 48, 49, 125]));
    const isPing = this.random.below(2) === 0;
    this.said.push(describeControl(isPing ? 9 : 10, payload));
    if (isPing) this.protocol.sendPing(payload);
    else this.protocol.sendPong(payload);
    payload.fill(0xee);
  }
}

export const ROUND_TRIPS: Target<SeedInput> = {
  make: (random) => ({ seed: random.below(2 ** 31) }),

  check({ seed }) {
    const random = new Random(seed);
    // Two conversations, each of a server and a client.
    const talkers = [...ROLES, ...ROLES].map((role) => new Talker(role, random));
    for (let turns = 1 + random.below(8); turns > 0; turns--) {
      for (let words = random.below(6); words > 0; words--) {
        const talker = random.pick(talkers);
        if (!talker.isOver) talker.speak();
      }
      const i = random.below(talkers.length);
      deliver(talkers[i], talkers[i ^ 1], talkers);
    }
    talkers.forEach((talker, i) => deliver(talker, talkers[i ^ 1], talkers));
    talkers.forEach((talker, i) => deliver(talker, talkers[i ^ 1], []));
    for (const { chunks, bytes } of talkers.flatMap(({ unwritten }) => unwritten)) {
      check(sameBytes(concatBytes(chunks), bytes), () => "changed before it was written");
    }
    return talkers.some(({ isOver }) => isOver) ? "closed" : "open";
  },
};

/** Gives the output of one to the other, while all may speak. */
function deliver(talker: Talker, other: Talker, all: Talker[]): void {
  const { random, protocol } = talker;
  const { outputLength } = protocol;
  const chunks = protocol.takeOutput();
  const bytes = concatBytes(chunks);
  recycle(talker, all, chunks);
  check(bytes.length === outputLength && protocol.outputLength === 0, () => "outputLength");
  check(chunks.every((chunk) => chunk.length > 0), () => "an empty chunk");
  // By the reference, which finds a frame that must not be sent.
  const read = talker.said.splice(0);
  describeFrames(bytes, talker.role);
  // By the other side; a Ping behind its own Close is not handed on.
  const expected = other.isOver
    ? read.filter((line) => line.startsWith("pong") || line.startsWith("close"))
    : read;
  other.protocol.streaming = random.below(2) === 0;
  for (const piece of random.cut(bytes, 1 + bytes.length)) other.protocol.receive(piece.slice());
  const events = other.takeEvents();
  check(
    events.join("\n") === expected.join("\n"),
    () => `${JSON.stringify(events)} instead of ${JSON.stringify(expected)}`,
  );
}

/**
 * Has the memory of what was taken used again, where it has been written; else it must stay as it is,
 * whatever happens meanwhile.
 */
function recycle(talker: Talker, all: Talker[], chunks: Uint8Array[]): void {
  const { random, protocol } = talker;
  switch (random.below(6)) {
    case 0:
    case 1:
      protocol.recycleOutput();
      return;
    case 2: // What was taken last is nothing.
      check(protocol.takeOutput().length === 0, () => "taken and still there");
      protocol.recycleOutput();
      break;
    case 3: // Others use the memory first, whose output must stay as it is.
      for (let words = random.below(4); words > 0 && all.length > 0; words--) {
        const other = random.pick(all);
        if (other !== talker && !other.isOver) other.speak();
      }
      protocol.recycleOutput();
      return;
  }
  talker.unwritten.push({ chunks, bytes: concatBytes(chunks) });
}

/** Encodes frames by themselves, and has the reference read each. */
export const FRAME_ENCODER: Target<SeedInput> = {
  make: (random) => ({ seed: random.below(2 ** 31) }),

  check({ seed }) {
    const random = new Random(seed);
    const role = random.pick(ROLES);
    const key = random.bytes(4);
    const maskingKey = () => (key[0] << 24) | (key[1] << 16) | (key[2] << 8) | key[3];
    const encoder = new FrameEncoder(role, { maskingKey });
    const expected: { first: number; payload: Uint8Array }[] = [];
    for (let count = 1 + random.below(4); count > 0; count--) {
      const length = random.pick(random.below(30) === 0 ? LARGE_LENGTHS : LENGTHS);
      if (random.below(2) === 0) {
        const text = makeText(random, length);
        encoder.encodeText(text);
        expected.push({ first: 0x81, payload: utf8(text) });
      } else {
        const opcode = random.pick([0, 1, 2, 8, 9, 10] as const);
        const payload = random.bytes(opcode < 8 ? length : length % 126);
        const [fin, rsv1] = [random.below(2) === 0, random.below(4) === 0];
        encoder.encode(fin, rsv1, opcode, payload);
        expected.push({ first: (fin ? 0x80 : 0) + (rsv1 ? 0x40 : 0) + opcode, payload });
      }
    }
    const bytes = concatBytes(encoder.take());
    let position = 0;
    for (const { first, payload } of expected) {
      const found = decodeReferenceFrame(bytes, position);
      const message = () =>
        `${role} ${first.toString(16)} ${payload.length}: ${toHex(bytes.subarray(0, 200))}`;
      check(found !== undefined && bytes[position] === first, message);
      check(sameBytes(found.frame.payload, payload), message);
      const { maskingKey } = found.frame;
      check(role === "server" ? maskingKey === undefined : sameBytes(maskingKey!, key), message);
      // What any bit of the first octet means is the caller's business here, all else is not.
      const faults = frameFaults(found, role).filter((fault) =>
        !/RSV|fragmented|[Cc]lose/.test(fault)
      );
      check(faults.length === 0, () => `${faults}: ${message()}`);
      position = found.end;
    }
    check(position === bytes.length, () => `${bytes.length - position} bytes more`);
    check(encoder.byteLength === 0 && encoder.take().length === 0, () => "taken and still there");
    return peerOf(role);
  },
};
