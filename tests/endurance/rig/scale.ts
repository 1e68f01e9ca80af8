/**
 * How much the stress tests do: what fits a run of all tests, or with `SLUICE_STRESS=full` what the
 * project promises.
 *
 * @module
 */

import { existsSync } from "node:fs";
import process from "node:process";
import { skipUnless } from "../../support/skip.ts";

const isFull = process.env.SLUICE_STRESS === "full";

export const KiB = 1024;
export const MiB: number = 1024 * KiB;

/** Picks a figure: the first one, or the second with `SLUICE_STRESS=full`. */
export function scaled(usual: number, full: number): number {
  return isFull ? full : usual;
}

/** The `skip` option of tests that measure a process: only Linux tells. */
export const skip: false | string = skipUnless(
  existsSync("/proc/self/status"),
  "the stress tests need Linux: they read /proc",
);

/** Only decides how soon a hang is seen. */
export const TIMEOUT_MS: number = scaled(150_000, 1_800_000);

/** Tells how far a long test has come. */
export function progress(text: string): void {
  console.log(`${new Date().toISOString().slice(11, 19)} ${text}`);
}

/** Writes a number of bytes for people. */
export function mib(bytes: number): string {
  return `${(bytes / MiB).toFixed(1)} MiB`;
}
