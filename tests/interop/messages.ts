/**
 * Messages of every size, and whether they came back as they were.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import type { Message } from "../../mod.ts";

const WORDS = ["text ", "Grüße ", "世界 ", "🦕🥟 "];
const WORDS_SIZE = sizeOf(WORDS.join(""));

function sizeOf(text: string): number {
  return new TextEncoder().encode(text).length;
}

/** A text whose UTF-8 has that many bytes, with characters of one to four bytes where they fit. */
export function textOf(size: number): string {
  let text = WORDS.join("").repeat(Math.floor(size / WORDS_SIZE));
  let rest = size % WORDS_SIZE;
  for (const word of WORDS) {
    if (sizeOf(word) > rest) break;
    text += word;
    rest -= sizeOf(word);
  }
  return text + "x".repeat(rest);
}

/** Bytes of all values. */
export function bytesOf(size: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(size);
  for (let i = 0; i < size; i++) bytes[i] = (i * 31) ^ (i >>> 8);
  return bytes;
}

export function bothOf(size: number): Message[] {
  return [textOf(size), bytesOf(size)];
}

/** Compares without printing megabytes. */
export function assertMessage(actual: Message, expected: Message): void {
  assertEquals(typeof actual, typeof expected);
  assertEquals(actual.length, expected.length);
  const isSame = typeof actual === "string" || typeof expected === "string"
    ? actual === expected
    : Buffer.compare(actual, expected) === 0;
  assertEquals(isSame, true, `the message of ${expected.length} came back changed`);
}
