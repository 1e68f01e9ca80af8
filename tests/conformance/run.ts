/**
 * Plays the conformance cases against any echo server, and prints a table:
 *
 *     deno task conformance [--limit] [--compression] [--deadline MS] [--json FILE] ws://127.0.0.1:8080/ [CASE]...
 *
 * CASEs pick by number: `6`, `6.4` or `6.4.1`. The server must take messages of 16 MiB and of
 * 50,001 fragments; with `--limit`, 16 MiB must be the largest, and the cases that go past it are
 * played too. With `--compression`, those are played that need permessage-deflate. `--deadline` (10,000) says how long to wait for what does not come. `--json` writes
 * the results to a file. Exits with status 1 where a case failed, and with 2 where none could be
 * played.
 *
 * @module
 */

import { writeFileSync } from "node:fs";
import process from "node:process";
import { parseArgs } from "node:util";
import type { ConformanceCase, Section } from "./case.ts";
import { COMPRESSION_SECTIONS, SECTIONS } from "./cases/mod.ts";
import { clientOf } from "./client.ts";
import { type CaseResult, runSections } from "./run_case.ts";

function isWebSocketUrl(text: string): boolean {
  return URL.canParse(text) && new URL(text).protocol === "ws:";
}

function isChosen({ id, needsLimit }: ConformanceCase, words: string[], limit: boolean): boolean {
  if (needsLimit && !limit) return false;
  return words.length === 0 || words.some((word) => `${id}.`.startsWith(`${word}.`));
}

function printTable(sections: readonly Section[], results: readonly CaseResult[]): void {
  const byId = new Map(results.map((result) => [result.id, result]));
  for (const { name, cases } of sections) {
    const ofSection = cases.map(({ id }) => byId.get(id)!);
    const failed = ofSection.filter(({ failure }) => failure !== undefined);
    const time = ofSection.reduce((sum, { durationMs }) => sum + durationMs, 0);
    console.log(
      `${name.padEnd(28)}${String(ofSection.length).padStart(5)} cases` +
        `${String(failed.length).padStart(5)} failed${(time / 1000).toFixed(1).padStart(8)} s`,
    );
    for (const { id, name, failure } of failed) {
      console.log(`  ${id.padEnd(8)} ${name}\n           ${failure}`);
    }
  }
}

async function main(): Promise<boolean> {
  const { values, positionals: [target, ...words] } = parseArgs({
    allowPositionals: true,
    options: {
      limit: { type: "boolean" },
      compression: { type: "boolean" },
      deadline: { type: "string", default: "10000" },
      json: { type: "string" },
    },
  });
  const deadlineMs = Number(values.deadline);
  if (target === undefined || !isWebSocketUrl(target) || !(deadlineMs > 0)) {
    throw new TypeError(
      "Usage: conformance [--limit] [--compression] [--deadline MS] [--json FILE] " +
        "ws://HOST:PORT/ [CASE]...",
    );
  }
  const sections = [...SECTIONS, ...values.compression ? COMPRESSION_SECTIONS : []]
    .map(({ name, cases }) => ({
      name,
      cases: cases.filter((one) => isChosen(one, words, values.limit ?? false)),
    }))
    .filter(({ cases }) => cases.length > 0);
  if (sections.length === 0) throw new TypeError(`No case has a number like ${words.join(", ")}`);
  const started = performance.now();
  const results = await runSections(clientOf(new URL(target)), sections, {
    deadlineMs,
    slowMs: 4500,
  });
  printTable(sections, results);
  if (values.json !== undefined) writeFileSync(values.json, JSON.stringify(results, null, 1));
  const failed = results.filter(({ failure }) => failure !== undefined).length;
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`${results.length - failed} passed, ${failed} failed in ${seconds} s`);
  return failed === 0;
}

try {
  process.exitCode = await main() ? 0 : 1;
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 2;
}
