/**
 * Shows how a soak goes.
 *
 * @module
 */

import { mib } from "../rig/scale.ts";
import type { Measured, Moment } from "./samples.ts";
import { ms, timeOf } from "./words.ts";

const INTERVAL_MS = 5_000;

/** Prints a line every few seconds. */
export class Progress {
  readonly #label: string;
  readonly #durationMs: number;
  #nextMs = 0;
  #told = 0;

  constructor(label: string, durationMs: number) {
    this.#label = label;
    this.#durationMs = durationMs;
  }

  /** Takes how it goes. */
  show(moment: Moment, measured: Measured): void {
    for (const failure of measured.failures.slice(this.#told)) console.log(`  ${failure}`);
    this.#told = measured.failures.length;
    if (moment.atMs < this.#nextMs) return;
    this.#nextMs = moment.atMs + INTERVAL_MS;
    const { atMs, isAttacked, resident, descriptors, latency, attacks } = moment;
    const calm = measured.calms.at(-1);
    const made = Object.values(measured.attacks).reduce((a, b) => a + b, 0);
    console.log(
      [
        `${this.#label} ${timeOf(atMs)}/${timeOf(this.#durationMs)}`,
        `${mib(resident)} in RAM`,
        calm === undefined ? "" : `${mib(calm.usedMemory)} in use`,
        `${descriptors} descriptors`,
        `echo p50 ${ms(latency.p50)}, p99 ${ms(latency.p99)}, max ${ms(latency.max)}`,
        isAttacked ? `${made} attacks made, ${attacks.length} going on` : "calm",
      ].filter((part) => part !== "").join("; "),
    );
  }
}
