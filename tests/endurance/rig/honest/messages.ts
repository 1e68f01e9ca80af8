/**
 * What honest clients send: every message is another one.
 *
 * @module
 */

import type { Message, Sendable } from "../../../../mod.ts";
import { type Random, sameBytes } from "../../../codec/support.ts";

const WORDS = ["text ", "Grüße ", "世界 ", "🦕🥟 ", "\u0000 ", "\ufeff"];
const KiB = 1024;
/** The default of `maxMessageSize`. */
const MAX_SIZE = 1024 * KiB;
/** What large messages are made of; some of them differ in how it is turned only. */
const PATTERN_SIZE = 65_521;

/** Makes messages that tell from which client they are, and how many were before. */
export class MessageSource {
  readonly #random: Random;
  readonly #name: string;
  readonly #pattern: Uint8Array;
  #count = 0;

  constructor(name: string, random: Random) {
    this.#name = name;
    this.#random = random;
    this.#pattern = random.bytes(PATTERN_SIZE);
  }

  /** A text of some words. */
  text(): string {
    let text = `${this.#name} ${this.#count++} `;
    for (let i = this.#random.below(30); i > 0; i--) text += this.#random.pick(WORDS);
    return text;
  }

  /** Some bytes. */
  bytes(): Uint8Array<ArrayBuffer> {
    const stamp = new TextEncoder().encode(`${this.#name} ${this.#count++} `);
    const bytes = new Uint8Array(stamp.length + this.#random.below(600));
    bytes.set(this.#pattern.subarray(0, bytes.length));
    bytes.set(stamp);
    return bytes;
  }

  /** A text or bytes. */
  small(): Message {
    return this.#random.below(2) === 0 ? this.text() : this.bytes();
  }

  /** Many bytes or a long text: up to the largest that the server takes. */
  large(): Message {
    const size = this.#random.below(4) === 0 ? MAX_SIZE : 32 * KiB + this.#random.below(256 * KiB);
    if (this.#random.below(3) === 0) {
      const text = this.text().replaceAll(/[^\x20-\x7e]/g, "");
      return text.padEnd(size, text);
    }
    const bytes = new Uint8Array(size);
    const start = this.#random.below(PATTERN_SIZE);
    for (let i = 0; i < size; i += PATTERN_SIZE) {
      bytes.set(this.#pattern.subarray(0, size - i), i);
    }
    bytes.copyWithin(0, start, start + 1000);
    return bytes;
  }

  /** The parts of a message, some of them empty. */
  parts(): string[] | Uint8Array[] {
    const count = 2 + this.#random.below(8);
    if (this.#random.below(2) === 0) return Array.from({ length: count }, () => this.text());
    return Array.from(
      { length: count },
      () => this.#random.below(4) === 0 ? new Uint8Array(0) : this.bytes(),
    );
  }

  /** The payload of a Ping. */
  ping(): Uint8Array<ArrayBuffer> {
    return this.bytes().slice(0, this.#random.below(126));
  }
}

/** Checks an echo, without printing a megabyte. */
export function checkEcho(what: string, actual: Sendable, expected: Sendable): void {
  if (isSame(actual, expected)) return;
  throw new Error(`${what}: got ${describe(actual)} instead of ${describe(expected)}`);
}

function isSame(a: Sendable, b: Sendable): boolean {
  if (typeof a === "string" || typeof b === "string") return a === b;
  return sameBytes(a, b);
}

function describe(message: Sendable): string {
  if (typeof message === "string") return `a text of ${message.length}: "${message.slice(0, 60)}"`;
  const begin = new TextDecoder("latin1").decode(message.subarray(0, 30));
  return `${message.length} bytes: ${JSON.stringify(begin)}`;
}
