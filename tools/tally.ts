/**
 * Counts what the tests did on each runtime.
 *
 * @module
 */

import { stripVTControlCharacters } from "node:util";
import type { FileResult } from "./test_file.ts";

/** How many files are named as the slowest. */
const SLOWEST_SHOWN = 10;
/** How many characters of what a failed test said are repeated at the end. */
const FAILURE_LENGTH = 300;

/** The results of one runtime. */
export class RuntimeTally {
  /** The runtime's name and version. */
  readonly label: string;
  /** The results, in the order they came. */
  readonly results: FileResult[] = [];
  /** How many tests passed. */
  passed = 0;
  /** How many tests failed. */
  failed = 0;
  /** How many tests were skipped. */
  skipped = 0;
  /** How long its files took, in all, in milliseconds; some of them ran side by side. */
  tookMs = 0;
  readonly #files: number;

  /** Creates the tally of a runtime that is to run so many files. */
  constructor(label: string, files: number) {
    this.label = label;
    this.#files = files;
  }

  /** Adds the results of a file. */
  add(result: FileResult): void {
    this.results.push(result);
    for (const { outcome } of result.tests) this[outcome]++;
    this.tookMs += result.tookMs;
  }

  /** Whether every file has its results. */
  get isComplete(): boolean {
    return this.results.length === this.#files;
  }

  /** Tells on one line how far it is. */
  line(): string {
    const counts = `${this.passed} passed, ${this.failed} failed, ${this.skipped} skipped`;
    return `${this.label}: ${counts} (${this.results.length} of ${this.#files} files)`;
  }
}

/** Writes a time for people. */
export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

/** Gives one line for each skipped test: what is missing, and on which runtimes. */
function skippedLines(tallies: RuntimeTally[]): string[] {
  const reasons = new Map<string, string>();
  const runtimes = new Map<string, string[]>();
  for (const { label, results } of tallies) {
    for (const { file, tests, skipReasons } of results) {
      for (const test of tests.filter(({ outcome }) => outcome === "skipped")) {
        const name = `${file} > ${test.name}`;
        // Only Node reports the reason; on the others it is what the file printed.
        const reason = test.detail || skipReasons.join("; or ");
        if (test.detail !== "" || !reasons.has(name)) reasons.set(name, reason);
        runtimes.set(name, [...runtimes.get(name) ?? [], label]);
      }
    }
  }
  return [...runtimes].map(([name, labels]) =>
    `skipped: ${name}: ${reasons.get(name) || "no reason given"} (${labels.join(", ")})`
  );
}

/** Gives one line for each failed test, with the beginning of what it said. */
function failedLines(tallies: RuntimeTally[]): string[] {
  return tallies.flatMap(({ label, results }) =>
    results.flatMap(({ file, tests }) =>
      tests.filter(({ outcome }) => outcome === "failed").map(({ name, detail }) => {
        const whole = name === file ? file : `${file} > ${name}`;
        const words = stripVTControlCharacters(detail).replace(/\s+/g, " ");
        return `failed: ${whole} (${label}): ${words.slice(0, FAILURE_LENGTH)}`;
      })
    )
  );
}

/** Gives the files that took longest, in all, and on each runtime. */
function slowestLine(tallies: RuntimeTally[]): string {
  const times = new Map<string, number[]>();
  for (const { results } of tallies) {
    for (const { file, tookMs } of results) times.set(file, [...times.get(file) ?? [], tookMs]);
  }
  const sum = (each: number[]) => each.reduce((total, ms) => total + ms, 0);
  const slowest = [...times].sort(([, a], [, b]) => sum(b) - sum(a)).slice(0, SLOWEST_SHOWN);
  const each = slowest.map(([file, ms]) => `${file} (${ms.map((one) => seconds(one)).join(", ")})`);
  return `slowest: ${each.join("; ")}`;
}

/**
 * Gives the skipped and the failed tests by name, the slowest files, a table of the runtimes, how long all
 * took, and what really ran in all.
 */
export function summaryTable(tallies: RuntimeTally[], tookMs: number): string {
  const rows = [
    ["runtime", "passed", "failed", "skipped", "time in files"],
    ...tallies.map((tally) => [
      tally.label,
      `${tally.passed}`,
      `${tally.failed}`,
      `${tally.skipped}`,
      seconds(tally.tookMs),
    ]),
  ];
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const table = rows.map((row) =>
    row.map((cell, column) =>
      column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column])
    ).join("  ")
  );
  const passed = tallies.reduce((sum, tally) => sum + tally.passed, 0);
  const failed = tallies.reduce((sum, tally) => sum + tally.failed, 0);
  const sum = `${passed} passed, ${failed} failed`;
  const lines = [...skippedLines(tallies), ...failedLines(tallies), slowestLine(tallies)];
  return ["", ...lines, "", ...table, "", `took ${seconds(tookMs)}`, sum].join("\n");
}
