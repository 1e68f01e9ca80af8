/**
 * permessage-deflate as RFC 7692 describes it, over `node:zlib` as every program can use it: for
 * tests to hold the real one against. It shares no code with `src/`.
 *
 * @module
 */

import {
  constants,
  createDeflateRaw,
  type DeflateRaw,
  deflateRawSync,
  inflateRawSync,
} from "node:zlib";
import { concatBytes } from "./reference_frames.ts";

/** What both sides agreed upon. */
export interface ReferenceParameters {
  serverNoContextTakeover: boolean;
  clientNoContextTakeover: boolean;
  serverMaxWindowBits: number;
  clientMaxWindowBits: number;
}

/** How to compress, where it matters to a test. */
export interface DeflateOptions {
  level?: number;
  strategy?: number;
}

/** What ends the data of a message, and is not sent (section 7.2.1). */
const TAIL = Uint8Array.of(0, 0, 0xff, 0xff);
const EMPTY = new Uint8Array(0);
/** A block that is put behind a message, of one byte: the byte itself is not in there. */
const END = Uint8Array.of(0x72, 0x05, 0x00);
const END_BYTE = 0x45;

/** Compresses a message with an empty window. */
export function deflateAlone(
  message: Uint8Array,
  windowBits: number = 15,
  options: DeflateOptions = {},
): Uint8Array {
  const deflated = deflateRawSync(message, {
    finishFlush: constants.Z_SYNC_FLUSH,
    ...withWindow(windowBits),
    ...options,
  });
  return withoutTail(deflated);
}

/** Gives a message that was compressed with an empty window. */
export function inflateAlone(payload: Uint8Array): Uint8Array {
  const input = concatBytes([payload, TAIL]);
  return new Uint8Array(inflateRawSync(input, { finishFlush: constants.Z_SYNC_FLUSH }));
}

/** The options of a window. zlib has none of 256 bytes to compress with, but can do without. */
function withWindow(windowBits: number): { windowBits: number; strategy?: number } {
  if (windowBits > 8) return { windowBits };
  return { windowBits: 9, strategy: constants.Z_HUFFMAN_ONLY };
}

function withoutTail(deflated: Uint8Array): Uint8Array {
  // "If the resulting data does not end with an empty DEFLATE block with no compression [...], append
  // an empty DEFLATE block with no compression": a sync flush always ends with one.
  return new Uint8Array(deflated.subarray(0, -TAIL.length));
}

/** Compresses the messages of one direction, one after the other. */
export class ReferenceDeflater {
  readonly #windowBits: number;
  readonly #keepsWindow: boolean;
  #stream: DeflateRaw | undefined;

  constructor(windowBits: number, keepsWindow: boolean) {
    this.#windowBits = windowBits;
    this.#keepsWindow = keepsWindow;
  }

  /** Gives the payload of a message, all of its fragments together. */
  async deflate(message: Uint8Array): Promise<Uint8Array> {
    if (!this.#keepsWindow) return deflateAlone(message, this.#windowBits);
    // A flush of nothing new gives nothing; the block with which an empty message begins is sent.
    if (message.length === 0) return Uint8Array.of(0);
    this.#stream ??= createDeflateRaw(withWindow(this.#windowBits));
    const stream = this.#stream;
    const chunks: Uint8Array[] = [];
    const collect = (chunk: Uint8Array) => void chunks.push(new Uint8Array(chunk));
    const { promise: flushed, resolve, reject } = Promise.withResolvers<void>();
    stream.on("data", collect).on("error", reject);
    stream.write(message);
    stream.flush(constants.Z_SYNC_FLUSH, () => resolve());
    await flushed;
    stream.off("data", collect).off("error", reject);
    return withoutTail(concatBytes(chunks));
  }

  /** Ends it. */
  close(): void {
    this.#stream?.close();
  }
}

/** Decompresses the messages of one direction. It throws where it can't. */
export class ReferenceInflater {
  readonly #windowBits: number;
  readonly #keepsWindow: boolean;
  #window: Uint8Array = EMPTY;

  constructor(windowBits: number, keepsWindow: boolean) {
    this.#windowBits = windowBits;
    this.#keepsWindow = keepsWindow;
  }

  /** Gives a message. It must be one without BFINAL, as almost all senders' are. */
  inflate(payload: Uint8Array): Uint8Array {
    const output = this.#inflate(concatBytes([payload, TAIL, END]));
    // Where it does not end with a block, what follows is something else to zlib.
    if (output.at(-1) !== END_BYTE) throw new Error("it does not end with a block");
    const message = output.subarray(0, -1);
    if (this.#keepsWindow) {
      this.#window = concatBytes([this.#window, message]).slice(-(2 ** this.#windowBits));
    }
    return message;
  }

  /** Gives what the begin of a message tells of it. */
  inflateBegin(payload: Uint8Array): Uint8Array {
    return this.#inflate(payload);
  }

  #inflate(input: Uint8Array): Uint8Array {
    // The window comes as blocks in front: on Deno a dictionary has no effect (Deno 2.9).
    const output = inflateRawSync(concatBytes([storedBlocks(this.#window), input]), {
      finishFlush: constants.Z_SYNC_FLUSH,
      windowBits: this.#windowBits,
      // Within one chunk of output, zlib would take any distance: small ones have it see those that are
      // too far back for the window.
      chunkSize: this.#windowBits < 15 ? 64 : 64 * 1024,
    });
    return new Uint8Array(output.subarray(this.#window.length));
  }
}

/** Encodes bytes as blocks without compression (RFC 1951, section 3.2.4). */
export function storedBlocks(bytes: Uint8Array): Uint8Array {
  const blocks: Uint8Array[] = [];
  for (let i = 0; i < bytes.length; i += 65535) {
    const block = bytes.subarray(i, i + 65535);
    const { length } = block;
    blocks.push(
      Uint8Array.of(0, length & 255, length >> 8, ~length & 255, (~length >> 8) & 255),
      block,
    );
  }
  return concatBytes(blocks);
}

// The codes of RFC 1951, section 3.2.5: the first length or distance of each, and its extra bits.
const LENGTHS: Code[] = codes(3, 28, (i) => i < 8 ? 0 : Math.floor(i / 4) - 1);
LENGTHS.push({ first: 258, extraBits: 0 });
const DISTANCES: Code[] = codes(1, 30, (i) => i < 4 ? 0 : Math.floor(i / 2) - 1);

interface Code {
  first: number;
  extraBits: number;
}

function codes(first: number, count: number, bitsOf: (index: number) => number): Code[] {
  return Array.from({ length: count }, (_, i) => {
    const code = { first, extraBits: bitsOf(i) };
    first += 2 ** code.extraBits;
    return code;
  });
}

/** A block with the fixed codes (RFC 1951, section 3.2.6), written symbol by symbol. */
export class FixedBlock {
  /** Whole bytes, and the bits of the next one. */
  readonly #bytes: number[] = [];
  #bits = 0;
  #bitCount = 0;

  constructor() {
    // BFINAL 0, and BTYPE 01, the lower bit first.
    this.#number(0b010, 3);
  }

  literal(byte: number): this {
    return byte < 144 ? this.#code(0x30 + byte, 8) : this.#code(0x190 + byte - 144, 9);
  }

  /** Repeats `length` bytes (3 to 258) from `distance` bytes before (1 to 32,768). */
  match(length: number, distance: number): this {
    const lengthCode = LENGTHS.findLastIndex(({ first }) => first <= length);
    const symbol = 257 + lengthCode;
    if (symbol < 280) this.#code(symbol - 256, 7);
    else this.#code(0xc0 + symbol - 280, 8);
    this.#extra(length, LENGTHS[lengthCode]);
    const distanceCode = DISTANCES.findLastIndex(({ first }) => first <= distance);
    this.#code(distanceCode, 5);
    return this.#extra(distance, DISTANCES[distanceCode]);
  }

  /** Ends the block, and gives it as the payload of a message. */
  end(): Uint8Array {
    this.#code(0, 7);
    // The empty block that follows, of which only the first bits are sent.
    this.#number(0, 3);
    if (this.#bitCount > 0) this.#number(0, 8 - this.#bitCount);
    return Uint8Array.from(this.#bytes);
  }

  /** Huffman codes begin with their highest bit. */
  #code(code: number, bits: number): this {
    for (let i = bits - 1; i >= 0; i--) this.#number((code >> i) & 1, 1);
    return this;
  }

  /** Other numbers begin with their lowest one. */
  #number(value: number, bits: number): this {
    this.#bits |= value << this.#bitCount;
    this.#bitCount += bits;
    for (; this.#bitCount >= 8; this.#bitCount -= 8) {
      this.#bytes.push(this.#bits & 0xff);
      this.#bits >>>= 8;
    }
    return this;
  }

  #extra(value: number, { first, extraBits }: Code): this {
    return this.#number(value - first, extraBits);
  }
}
