import type { Names } from "../checks.ts";
import { checks } from "../loaded_checks.ts";
import { cloneBytes, concatBytes, copyBytes } from "./byte_collector.ts";
import { type Frame, MAX_CONTROL_PAYLOAD_LENGTH, MAX_HEADER_LENGTH, type Role } from "./frame.ts";
import { mask } from "./mask.ts";
import { native } from "./native.ts";
import { isControl, isOpcode, Opcode } from "./opcode.ts";
import { OutputBuffer } from "./output_buffer.ts";
import { isUint8Array } from "../basic_values.ts";

/** Up to this many bytes, copying a payload is cheaper than another chunk in the gather write. */
export const MAX_COPIED_LENGTH: number = 16 * 1024;

// Up to this many UTF-16 units a loop beats the call into the runtime's encoder.
const MAX_LOOP_LENGTH = 48;

// A long text is encoded to a scratch buffer, by pieces of so many UTF-16 units.
const MAX_SCRATCH_LENGTH = 64 * 1024;

/** Buffers that no encoder uses at the moment: an idle connection has none, and busy ones share these. */
const spares: OutputBuffer[] = [];
const MAX_SPARES = 64;

const textEncoder = new TextEncoder();
let scratch: Uint8Array | undefined;

/** Options of a {@linkcode FrameEncoder}. */
export interface FrameEncoderOptions {
  /**
   * Returns a client's next masking key: an unpredictable 32-bit integer (RFC 6455, sections 5.3 and
   * 10.3). Not called for a server.
   *
   * @default {randomMaskingKey} A cryptographic random number generator.
   */
  maskingKey?: (() => number) | undefined;
}

const OPTIONS: Names<FrameEncoderOptions> = { maskingKey: true };

/**
 * Encodes frames (RFC 6455, section 5.2), and buffers them until {@linkcode FrameEncoder.take}.
 *
 * @example
 * ```ts
 * import { FrameEncoder, Opcode } from "@sluice/websocket/codec";
 *
 * const encoder = new FrameEncoder("server");
 * encoder.encodeText("Hi");
 * encoder.encode(true, false, Opcode.Ping, new Uint8Array(0));
 * encoder.take(); // [Uint8Array [0x81, 0x02, 0x48, 0x69, 0x89, 0x00]]
 * ```
 */
export class FrameEncoder {
  /** Holds what was encoded: others use it again when nothing is. */
  #output: OutputBuffer | undefined;
  /** `undefined` for a server, whose frames are not masked. */
  readonly #maskingKey: (() => number) | undefined;

  /**
   * Creates an encoder.
   *
   * @param role The side that encodes. A client's frames are masked, a server's are not (section
   * 5.1).
   * @param options See {@linkcode FrameEncoderOptions}.
   * @throws {TypeError} If an option is unknown or of another type.
   */
  constructor(role: Role, options: FrameEncoderOptions = {}) {
    checks?.checkOptions("FrameEncoder", options, OPTIONS);
    checks?.checkFunction("maskingKey", options.maskingKey);
    this.#maskingKey = role === "client" ? options.maskingKey ?? randomMaskingKey : undefined;
  }

  /** The number of bytes encoded and not yet taken. */
  get byteLength(): number {
    return this.#output === undefined ? 0 : this.#output.byteLength;
  }

  /** Returns all encoded bytes in order, as chunks for one gather write, and empties the buffer. */
  take(): Uint8Array[] {
    return this.#output === undefined ? [] : this.#output.take();
  }

  /**
   * Reuses the memory of the chunks taken last, which must have been written out. Only to be called before
   * anything else is taken.
   */
  recycle(): void {
    const output = this.#output;
    if (output === undefined) return;
    output.recycle();
    if (output.byteLength > 0) return;
    this.#output = undefined;
    if (spares.length < MAX_SPARES) spares.push(output);
  }

  #getOutput(): OutputBuffer {
    return this.#output ??= spares.pop() ?? new OutputBuffer();
  }

  /**
   * Encodes a frame.
   *
   * @param fin Whether it is the last fragment of its message.
   * @param rsv1 Whether the message is compressed (RFC 7692, section 6).
   * @param opcode The type of the frame.
   * @param payload The payload, not masked.
   * @returns Whether the output refers to `payload` itself instead of a copy, as with a server's payloads
   * above 16 KiB: it must then not change until it has been written out.
   */
  encode(fin: boolean, rsv1: boolean, opcode: Opcode, payload: Uint8Array): boolean {
    const output = this.#getOutput();
    const length = payload.length;
    const copied = length <= MAX_COPIED_LENGTH;
    output.reserve(copied ? MAX_HEADER_LENGTH + length : MAX_HEADER_LENGTH);
    const first = (fin ? 0x80 : 0) | (rsv1 ? 0x40 : 0) | opcode;
    const key = this.#encodeHeader(output, first, length);
    if (copied) {
      const start = output.position;
      copyBytes(payload, 0, length, output.block, start);
      output.position = start + length;
      if (this.#maskingKey !== undefined) mask(output.block, key, start, start + length);
      return false;
    }
    if (this.#maskingKey === undefined) {
      output.appendReference(payload);
      return true;
    }
    const masked = cloneBytes(payload, 0, length);
    mask(masked, key);
    output.appendReference(masked);
    return false;
  }

  /** Appends frames that are already encoded. They must not change until they have been written out. */
  append(frames: Uint8Array): void {
    this.#getOutput().appendReference(frames);
  }

  /**
   * Encodes a text message as one frame. A lone surrogate becomes U+FFFD, as with the standard
   * `WebSocket`.
   */
  encodeText(text: string): void {
    const length = text.length;
    // UTF-8 has at most three octets for each UTF-16 unit.
    if (length * 3 > MAX_COPIED_LENGTH) {
      if (seemsAscii(text) && this.#encodeAscii(text)) return;
      if (length <= MAX_SCRATCH_LENGTH) this.#encodeByScratch(text);
      else this.encode(true, false, Opcode.Text, encodeLongText(text));
      return;
    }
    const output = this.#getOutput();
    output.reserve(MAX_HEADER_LENGTH + length * 3);
    const block = output.block;
    const start = output.position;
    // The text goes where it belongs if it is ASCII, as most is; the header is written once the length is known.
    const keyLength = this.#maskingKey === undefined ? 0 : 4;
    let textStart = start + (length < 126 ? 2 : 4) + keyLength;
    let i = 0;
    if (length <= MAX_LOOP_LENGTH) {
      for (; i < length; i++) {
        const unit = text.charCodeAt(i);
        if (unit >= 0x80) break;
        block[textStart + i] = unit;
      }
    }
    let byteLength = i;
    if (i < length) {
      byteLength = textEncoder.encodeInto(text, block.subarray(textStart)).written;
      if (length < 126 && byteLength >= 126) {
        block.copyWithin(textStart + 2, textStart, textStart + byteLength);
        textStart += 2;
      }
    }
    const key = this.#encodeHeader(output, 0x80 | Opcode.Text, byteLength);
    if (keyLength !== 0) mask(block, key, textStart, textStart + byteLength);
    output.position = textStart + byteLength;
  }

  /** Encodes a long text behind its header, if it is ASCII, and otherwise returns `false`. */
  #encodeAscii(text: string): boolean {
    const output = this.#getOutput();
    const { length } = text;
    output.reserveBlock(MAX_HEADER_LENGTH + length);
    const start = (length < 0x10000 ? 4 : 10) + (this.#maskingKey === undefined ? 0 : 4);
    const end = start + length;
    const { block } = output;
    if (textEncoder.encodeInto(text, block.subarray(start, end)).read < length) {
      // The header of another encoding must not keep this block.
      output.reserveBlock(MAX_HEADER_LENGTH);
      return false;
    }
    const key = this.#encodeHeader(output, 0x80 | Opcode.Text, length);
    if (this.#maskingKey !== undefined) mask(block, key, start, end);
    output.position = end;
    return true;
  }

  /** Encodes a text that fits the scratch buffer. */
  #encodeByScratch(text: string): void {
    const output = this.#getOutput();
    scratch ??= new Uint8Array(MAX_SCRATCH_LENGTH * 3);
    const { written } = textEncoder.encodeInto(text, scratch);
    output.reserveBlock(MAX_HEADER_LENGTH + written);
    const key = this.#encodeHeader(output, 0x80 | Opcode.Text, written);
    const start = output.position;
    copyBytes(scratch, 0, written, output.block, start);
    output.position = start + written;
    if (this.#maskingKey !== undefined) mask(output.block, key, start, output.position);
  }

  /** Writes a header at the output's position, and returns the masking key in it. */
  #encodeHeader(output: OutputBuffer, first: number, payloadLength: number): number {
    const block = output.block;
    const maskBit = this.#maskingKey === undefined ? 0 : 0x80;
    let i = output.position;
    block[i++] = first;
    if (payloadLength < 126) {
      block[i++] = maskBit | payloadLength;
    } else if (payloadLength < 0x10000) {
      block[i++] = maskBit | 126;
      block[i++] = payloadLength >>> 8;
      block[i++] = payloadLength;
    } else {
      block[i++] = maskBit | 127;
      i = encodeUint32(block, i, Math.floor(payloadLength / 0x100000000));
      i = encodeUint32(block, i, payloadLength);
    }
    let key = 0;
    if (this.#maskingKey !== undefined) {
      key = this.#maskingKey();
      i = encodeUint32(block, i, key);
    }
    output.position = i;
    return key;
  }
}

/** Whether some units of a long text, from all over it, are ASCII. */
function seemsAscii(text: string): boolean {
  const step = text.length >> 4;
  for (let i = 0; i < text.length; i += step) if (text.charCodeAt(i) >= 0x80) return false;
  return true;
}

/** Encodes a text that does not fit the scratch buffer to a new array. */
function encodeLongText(text: string): Uint8Array {
  if (native.encode !== undefined) return native.encode(text);
  // With its copies, this takes half as long as `encode` on Deno.
  scratch ??= new Uint8Array(MAX_SCRATCH_LENGTH * 3);
  const { length } = text;
  const pieces: Uint8Array[] = [];
  let size = 0;
  for (let start = 0, end = 0; start < length; start = end) {
    end = Math.min(start + MAX_SCRATCH_LENGTH, length);
    // Not between the halves of a character.
    if (end < length && (text.charCodeAt(end) & 0xfc00) === 0xdc00) end--;
    const { written } = textEncoder.encodeInto(text.slice(start, end), scratch);
    pieces.push(cloneBytes(scratch, 0, written));
    size += written;
  }
  return concatBytes(pieces, size);
}

function encodeUint32(block: Uint8Array, start: number, value: number): number {
  block[start] = value >>> 24;
  block[start + 1] = value >>> 16;
  block[start + 2] = value >>> 8;
  block[start + 3] = value;
  return start + 4;
}

/**
 * Checks a frame of the caller's before it is encoded (RFC 6455, sections 5.2 and 5.5).
 *
 * @throws {TypeError} If the payload is not a `Uint8Array`, or the frame breaks the RFC: a reserved opcode,
 * RSV1 on a continuation, or a control frame that is fragmented, compressed or too long.
 */
export function checkFrame(frame: Frame): void {
  const { opcode, fin, rsv1, payload } = frame;
  if (!Number.isInteger(opcode) || opcode < 0 || opcode > 15 || !isOpcode(opcode)) {
    throw new TypeError(`Cannot encode a frame with the reserved opcode ${opcode}`);
  }
  if (rsv1 && opcode === Opcode.Continuation) {
    throw new TypeError("Cannot encode a continuation frame with RSV1 set");
  }
  if (!isUint8Array(payload)) {
    throw new TypeError("Cannot encode a frame with a payload that is not a Uint8Array");
  }
  if (!isControl(opcode)) return;
  if (!fin) throw new TypeError("Cannot encode a fragmented control frame");
  if (rsv1) throw new TypeError("Cannot encode a control frame with RSV1 set");
  if (payload.length > MAX_CONTROL_PAYLOAD_LENGTH) {
    throw new TypeError(
      `Cannot encode a control frame with a payload of ${payload.length} bytes: at most ` +
        `${MAX_CONTROL_PAYLOAD_LENGTH} are allowed`,
    );
  }
}

const keys = new Uint32Array(256);
let keysLeft = 0;

/** Returns an unpredictable masking key (RFC 6455, section 10.3). */
export function randomMaskingKey(): number {
  if (keysLeft === 0) {
    crypto.getRandomValues(keys);
    keysLeft = keys.length;
  }
  const key = keys[--keysLeft]!;
  // Clear it: no used key stays in memory.
  keys[keysLeft] = 0;
  return key;
}
