/**
 * What the benchmarks feed to the codecs.
 *
 * @module
 */

import { FrameEncoder, Opcode } from "../src/codec/mod.ts";

/** Encodes a message as a client does, masked. */
export function clientFrame(payload: string | Uint8Array): Uint8Array {
  const encoder = new FrameEncoder("client");
  if (typeof payload === "string") encoder.encodeText(payload);
  else encoder.encode(true, false, Opcode.Binary, payload);
  return concatenate(encoder.take());
}

/** Puts pieces together. */
export function concatenate(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0));
  let offset = 0;
  for (const piece of pieces) {
    whole.set(piece, offset);
    offset += piece.length;
  }
  return whole;
}

/** Makes a text of about `size` bytes. */
export function textOf(size: number, alphabet: string): string {
  const characters = Array.from(alphabet);
  const text = [];
  let length = 0;
  for (let i = 0; length < size; i++) {
    const character = characters[i % characters.length];
    text.push(character);
    length += new TextEncoder().encode(character).length;
  }
  return text.join("");
}

/** Alphabets by the length of their characters in UTF-8. */
export const ALPHABETS: ReadonlyMap<string, string> = new Map([
  ["ASCII", "The quick brown fox. "],
  ["2-byte mix", "Füße über Ärger, año, ça va. "],
  ["3-byte", "日本語の文字列です。"],
  ["4-byte mix", "🦊 and 🐶 "],
]);
