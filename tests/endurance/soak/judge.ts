/**
 * Decides whether a server has stood a soak.
 *
 * @module
 */

import { MiB, mib } from "../rig/scale.ts";
import { HONEST_CLIENTS } from "./crew.ts";
import type { Calm, Measured } from "./samples.ts";
import { median, ms, timeOf } from "./words.ts";

/** What a server may do. */
export interface Bounds {
  /** The longest that an honest client may wait for anything, in milliseconds. */
  maxWaitMs: number;
}

/**
 * How much more of JavaScript's memory may be in use in the last third of the calms than in the first
 * one. The least of a few samples, after garbage was collected, varies by less than 1 MiB while
 * nothing leaks: a few of the honest clients' messages are on their way, and the runtimes go on
 * compiling code for some minutes. A leak of 1 KiB a connection is more than this after some thousand
 * connections, which are made within minutes.
 */
const MAX_USED_GROWTH = 4 * MiB;

/**
 * How much more may be in RAM at the busiest moments of the last third than of the first one. What
 * is in RAM besides is garbage, which the runtimes let grow as they see fit.
 */
const MAX_RESIDENT_GROWTH = 64 * MiB;
/** For so long, in milliseconds, the runtimes' heaps grow to the size they then keep. */
const RESIDENT_WARM_UP_MS = 180_000;

/**
 * How much may ever be in RAM: what the runtime itself takes (up to 100 MiB), the memory budget of
 * 16 MiB, and garbage. Of that, Node 26 was seen to keep 210 MiB while 20 MiB were in use.
 */
const MAX_RESIDENT = 512 * MiB;

/**
 * Timers of a server without hostile clients: connections share one for each length of time, and
 * each has its own while it closes.
 */
const MAX_TIMERS = 20 + HONEST_CLIENTS;

/** Sockets and connections of honest clients: one that was closed may not be gone yet. */
const MAX_CONNECTIONS = 2 * HONEST_CLIENTS;

/** Runtimes open a few descriptors of their own when they need them first. */
export const OWN_DESCRIPTORS = 6;

/** The calms that it takes to compare some: the first is the warm-up's. */
export const MIN_CALMS = 3;

/** How long a moment lasts. */
const MOMENT_MS = 1_000;

/** How many problems of a kind are told. */
const MAX_TOLD = 3;

/** Tells in plain words what is wrong; an empty list where nothing is. */
export function judge(measured: Measured, { maxWaitMs }: Bounds): string[] {
  return [
    ...measured.failures,
    ...judgeMemory(measured),
    ...few(measured.calms.flatMap((calm) => judgeCalm(calm, measured.before))),
    ...judgeEnd(measured),
    ...few(judgeWaits(measured, maxWaitMs)),
    ...judgeService(measured),
  ];
}

function judgeMemory({ calms, moments }: Measured): string[] {
  const problems: string[] = [];
  const used = thirds(calms.map(({ usedMemory }) => usedMemory));
  if (calms.length < MIN_CALMS) {
    problems.push(`the soak was too short: it came to ${calms.length} calms`);
  } else if (used.last - used.first > MAX_USED_GROWTH) {
    problems.push(
      `memory is not flat: after garbage was collected, ${mib(used.first)} were in use in the ` +
        `first third and ${mib(used.last)} in the last one`,
    );
  }
  const attacked = moments.filter(({ isAttacked, atMs }) =>
    isAttacked && atMs > RESIDENT_WARM_UP_MS
  );
  const resident = thirds(attacked.map(({ resident }) => resident));
  if (resident.last - resident.first > MAX_RESIDENT_GROWTH) {
    problems.push(
      `memory in RAM is not flat: it was ${mib(resident.first)} in the first third and ` +
        `${mib(resident.last)} in the last one`,
    );
  }
  const peak = Math.max(...moments.map(({ resident }) => resident));
  if (peak > MAX_RESIDENT) {
    problems.push(`${mib(peak)} were in RAM; ${mib(MAX_RESIDENT)} are the most`);
  }
  return problems;
}

function judgeCalm(calm: Calm, before: Calm): string[] {
  const at = timeOf(calm.atMs);
  const problems: string[] = [];
  const check = (what: string, count: number, most: number) => {
    if (count <= most) return;
    problems.push(`at ${at} there were ${count} ${what} without attacks; ${most} are the most`);
  };
  check("timers", calm.timers, before.timers + MAX_TIMERS);
  check("descriptors", calm.descriptors, before.descriptors + OWN_DESCRIPTORS + MAX_CONNECTIONS);
  check("connections", calm.connections + calm.handshakes, MAX_CONNECTIONS);
  return problems;
}

function judgeEnd({ before, after }: Measured): string[] {
  if (after === undefined) return [];
  const problems: string[] = [];
  for (const what of ["timers", "descriptors", "connections", "handshakes"] as const) {
    const own = what === "descriptors" ? OWN_DESCRIPTORS : 0;
    if (after[what] <= before[what] + own) continue;
    problems.push(
      `${after[what]} ${what} were left when all clients had gone; there were ${before[what]} ` +
        "before they came",
    );
  }
  return problems;
}

/** What the server itself waited for a core is nothing that it could do about. */
function judgeWaits({ moments }: Measured, maxWaitMs: number): string[] {
  return moments.flatMap((moment, i) => {
    const { atMs, longest, attacks } = moment;
    // The moments in which it was waited.
    const waitedForCore = moments.slice(0, i + 1)
      .filter((other) => other.atMs > atMs - longest.ms - MOMENT_MS)
      .reduce((sum, other) => sum + other.waitedForCore, 0);
    if (longest.ms - waitedForCore <= maxWaitMs) return [];
    const during = attacks.join(", ") || "none";
    return [
      `at ${timeOf(atMs)} an honest client waited ${ms(longest.ms)} for "${longest.what}"; ` +
      `${maxWaitMs} ms are the most (of them the server had no core for ${ms(waitedForCore)}; ` +
      `attacks: ${during})`,
    ];
  });
}

/** Where nobody was served, or nobody attacked, the rest says nothing. */
function judgeService({ honest, turnedAway, attacks }: Measured): string[] {
  const problems: string[] = [];
  for (const what of ["open", "echo", "ping", "burst", "fragments", "slow", "close", "broadcast"]) {
    if (!((honest[what]?.count ?? 0) > 0)) problems.push(`no honest client came to "${what}"`);
  }
  const large = honest.large?.count ?? 0;
  if (turnedAway > large) {
    problems.push(
      `of the large messages, ${turnedAway} were turned away, and ${large} were served`,
    );
  }
  if (Object.keys(attacks).length === 0) problems.push("no attack was made to its end");
  return problems;
}

/** The medians of the first third and of the last one. */
function thirds(values: number[]): { first: number; last: number } {
  // What came first belongs to the warm-up.
  const steady = values.slice(Math.ceil(values.length / 10));
  const third = Math.max(1, Math.floor(steady.length / 3));
  return { first: median(steady.slice(0, third)), last: median(steady.slice(-third)) };
}

function few(problems: string[]): string[] {
  if (problems.length <= MAX_TOLD) return problems;
  return [...problems.slice(0, MAX_TOLD), `... and ${problems.length - MAX_TOLD} times more so`];
}
