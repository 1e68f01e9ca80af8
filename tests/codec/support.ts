import { Buffer } from "node:buffer";
import { assert } from "@std/assert";
import {
  type Frame,
  FrameDecoder,
  type FrameDecoderOptions,
  type FrameHandler,
  type Opcode,
  ProtocolError,
  type Role,
} from "../../src/codec/mod.ts";
import { encodeReferenceFrame } from "../support/reference_frames.ts";

export const ROLES: readonly Role[] = ["server", "client"];

/** The other side: whose frames a role decodes. */
export function peerOf(role: Role): Role {
  return role === "server" ? "client" : "server";
}

/** A repeatable source of randomness (mulberry32). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  /** A number from 0 to 1 (exclusive). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number from 0 to `limit` (exclusive). */
  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  pick<T>(items: ArrayLike<T>): T {
    return items[this.below(items.length)];
  }

  bytes(length: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(length);
    for (let i = 0; i < length; i++) bytes[i] = this.below(256);
    return bytes;
  }

  /** Cuts bytes into pieces, most of them small, with empty ones among them. */
  cut(bytes: Uint8Array, maxSize = 40): Uint8Array[] {
    const pieces = [];
    for (let i = 0; i < bytes.length;) {
      const size = Math.floor(this.next() ** 2 * maxSize);
      pieces.push(bytes.subarray(i, i + size));
      i += size;
    }
    return pieces;
  }
}

/** Cuts bytes into pieces of one byte. */
export function singly(bytes: Uint8Array): Uint8Array[] {
  return Array.from(bytes, (_, i) => bytes.subarray(i, i + 1));
}

/** The ways every stream is tried: whole, byte by byte, and cut at random. */
export function cuttings(bytes: Uint8Array, random: Random, count = 5): Uint8Array[][] {
  const maxSize = Math.max(4, bytes.length / 4);
  const atRandom = Array.from({ length: count }, () => random.cut(bytes, maxSize));
  return [[bytes], singly(bytes), ...atRandom];
}

/** The bytes that a text of hexadecimal digits names. */
export function fromHex(digits: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(digits.match(/[0-9a-f]{2}/gi) ?? [], (pair) => parseInt(pair, 16));
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

export function toHex(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length; i++) text += i === 0 ? HEX[bytes[i]] : " " + HEX[bytes[i]];
  return text;
}

export function utf8(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

/** Whether both have the same bytes: large messages have no time for a loop. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

/** Asserts equality; unlike `assertEquals` it is fast for long arrays, and prints a few bytes. */
export function assertSameBytes(actual: Uint8Array, expected: Uint8Array, message = ""): void {
  if (sameBytes(actual, expected)) return;
  let i = 0;
  while (actual[i] === expected[i]) i++;
  const show = (bytes: Uint8Array) => `${bytes.length} bytes, ${toHex(bytes.slice(i, i + 16))}...`;
  throw new Error(`${message} from byte ${i}: ${show(actual)} instead of ${show(expected)}`);
}

/** Masking keys that are different at each octet, as the reference and as the encoder take them. */
export const KEY: Uint8Array = fromHex("37fa213d");
export const KEY_NUMBER = 0x37fa213d;

/** Encodes frames of `sender` plainly: those of a client are masked. */
export function encodePlainly(
  sender: Role,
  frame: Frame,
  maskingKey: Uint8Array = KEY,
): Uint8Array {
  return encodeReferenceFrame({
    fin: frame.fin,
    rsv: frame.rsv1 ? 4 : 0,
    opcode: frame.opcode,
    maskingKey: sender === "client" ? maskingKey : undefined,
    payload: frame.payload,
  });
}

/** Builds a frame; what is left out is as in a whole message. */
export function frameOf(
  opcode: number,
  payload: Uint8Array | string = "",
  { fin = true, rsv1 = false }: { fin?: boolean; rsv1?: boolean } = {},
): Frame {
  const bytes = typeof payload === "string" ? utf8(payload) : payload;
  return { fin, rsv1, opcode: opcode as Opcode, payload: bytes };
}

/** Puts down what a decoder finds, and holds the decoder to the order of its calls. */
export class FrameRecorder implements FrameHandler {
  readonly frames: Frame[] = [];
  /** What was declared of the frame in progress. */
  declaredLength: number | undefined;
  #fin = false;
  #rsv1 = false;
  #opcode: Opcode = 0;
  #payload: number[] = [];

  receiveFrame(
    fin: boolean,
    rsv1: boolean,
    opcode: Opcode,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    assert(this.declaredLength === undefined, "a frame begins within another");
    this.frames.push({ fin, rsv1, opcode, payload: Uint8Array.from(bytes.subarray(start, end)) });
  }

  receiveFrameStart(fin: boolean, rsv1: boolean, opcode: Opcode, payloadLength: number): void {
    assert(this.declaredLength === undefined, "a frame begins within another");
    this.declaredLength = payloadLength;
    this.#fin = fin;
    this.#rsv1 = rsv1;
    this.#opcode = opcode;
    this.#payload = [];
  }

  receiveFramePayload(bytes: Uint8Array, start: number, end: number): void {
    assert(start < end, "an empty piece");
    for (let i = start; i < end; i++) this.#payload.push(bytes[i]);
    assert(this.#payload.length <= this.declaredLength!, "more than was declared");
  }

  receiveFrameEnd(): void {
    assert(this.#payload.length === this.declaredLength, "less than was declared");
    this.declaredLength = undefined;
    const payload = Uint8Array.from(this.#payload);
    this.frames.push({ fin: this.#fin, rsv1: this.#rsv1, opcode: this.#opcode, payload });
  }
}

/** What became of a stream. */
export interface Decoded {
  frames: Frame[];
  /** What was declared of the frame in progress, if its length came. */
  declaredLength: number | undefined;
  /** The error's code, if there was one. */
  closeCode: number | undefined;
  /** The number of bytes given when the error came. */
  failedAt: number | undefined;
}

/**
 * Feeds pieces to a decoder, and overwrites them afterwards, as a socket's buffer would be. Any error
 * but a `ProtocolError` escapes.
 */
export function decodePieces(
  role: Role,
  pieces: Iterable<Uint8Array>,
  options?: FrameDecoderOptions,
): Decoded {
  const recorder = new FrameRecorder();
  const decoder = new FrameDecoder(role, recorder, options);
  let given = 0;
  const outcome = (closeCode?: number, failedAt?: number): Decoded => ({
    frames: recorder.frames,
    declaredLength: recorder.declaredLength,
    closeCode,
    failedAt,
  });
  for (const piece of pieces) {
    const copy = piece.slice();
    given += copy.length;
    try {
      assert(decoder.decode(copy) === copy.length);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      return outcome(error.closeCode, given);
    }
    copy.fill(0x55);
  }
  return outcome();
}

/** Asserts that frames are the same. */
export function assertFrames(actual: readonly Frame[], expected: readonly Frame[]): void {
  const show = (frames: readonly Frame[]) =>
    frames.map(({ fin, rsv1, opcode, payload }) =>
      `${fin ? "fin " : ""}${rsv1 ? "rsv1 " : ""}opcode ${opcode}, ${payload.length} bytes`
    ).join("; ");
  assert(show(actual) === show(expected), `${show(actual)} instead of ${show(expected)}`);
  actual.forEach(({ payload }, i) => assertSameBytes(payload, expected[i].payload, `frame ${i}`));
}

/** The lengths of the arrays that `fn` creates, as they are created. */
export function allocations(fn: (lengths: readonly number[]) => void): number[] {
  const lengths: number[] = [];
  const original = globalThis.Uint8Array;
  globalThis.Uint8Array = new Proxy(original, {
    construct(target, args) {
      if (typeof args[0] === "number") lengths.push(args[0]);
      return Reflect.construct(target, args);
    },
  });
  try {
    fn(lengths);
  } finally {
    globalThis.Uint8Array = original;
  }
  return lengths;
}
