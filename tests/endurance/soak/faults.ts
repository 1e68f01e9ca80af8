/**
 * What a server does wrong on purpose, so that it is known that the soak notices.
 *
 * @module
 */

import { openSync } from "node:fs";
import type { Message } from "../../../mod.ts";

/** The names of the faults. */
export const FAULTS = ["memory", "timers", "descriptors", "loss", "garble", "stall"] as const;

/** Something wrong with a server. */
export type Fault = typeof FAULTS[number];

/** What of each connection is never freed. */
const KEPT_SIZE = 256 * 1024;
/** Of so many broadcasts, one is sent to nobody. */
const LOST_EVERY = 20;
/** Of so many echoes, one is another text. */
const GARBLED_EVERY = 100;
const STALL_EVERY_MS = 2_000;
const STALL_MS = 1_500;

/** Makes the mistakes that it is told to. */
export class Mistakes {
  readonly #faults: ReadonlySet<string>;
  readonly #kept: Uint8Array[] = [];
  readonly #timers: ReturnType<typeof setInterval>[] = [];
  #broadcasts = 0;
  #echoes = 0;

  constructor(faults: readonly string[]) {
    this.#faults = new Set(faults);
    if (this.#faults.has("stall")) this.#timers.push(setInterval(stall, STALL_EVERY_MS));
  }

  /** Makes those that are due when a connection is opened. */
  open(): void {
    // Not zeros, which take no room before something is written.
    if (this.#faults.has("memory")) this.#kept.push(new Uint8Array(KEPT_SIZE).fill(1));
    if (this.#faults.has("timers")) this.#timers.push(setInterval(() => {}, 1e9));
    if (this.#faults.has("descriptors")) openSync("/dev/null", "r");
  }

  /** Tells whether a broadcast is to be lost. */
  loses(): boolean {
    return this.#faults.has("loss") && ++this.#broadcasts % LOST_EVERY === 0;
  }

  /** Gives the echo of a message. */
  echo(message: Message): Message {
    const isGarbled = this.#faults.has("garble") && ++this.#echoes % GARBLED_EVERY === 0;
    return isGarbled ? "something else" : message;
  }

  /** Lets the process end. */
  clear(): void {
    for (const timer of this.#timers) clearInterval(timer);
  }
}

function stall(): void {
  const endsAt = performance.now() + STALL_MS;
  while (performance.now() < endsAt);
}
