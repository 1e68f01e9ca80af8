/**
 * Plays conformance cases against a server.
 *
 * @module
 */

import { concatBytes } from "../support/reference_frames.ts";
import type { Negotiation } from "./agreement.ts";
import type { ConformanceCase, Expected, Section, Step } from "./case.ts";
import { Client, ConformanceFailure, type Received } from "./client.ts";
import { Compression } from "./compression.ts";

/** How to play cases. */
export interface RunOptions {
  /**
   * How long to wait for what must come, in milliseconds. It is no part of any expectation, and
   * only decides how soon a server that does nothing has failed.
   *
   * @default 30000
   */
  deadlineMs?: number;
  /** How many cases to play at once; heavy ones are played one at a time. @default 12 */
  concurrency?: number;
  /**
   * From which duration on, in milliseconds, a light case that passed is played again, alone, and
   * fails where it takes as long again. It finds what only a deadline of the server's brought to an
   * end, and should be a little shorter than that.
   */
  slowMs?: number;
  /** Play no further cases once one has failed for this reason. */
  until?: RegExp;
}

/** What became of a case. */
export interface CaseResult {
  id: string;
  name: string;
  /** What went wrong; undefined where the case passed. */
  failure: string | undefined;
  durationMs: number;
}

const EMPTY = new Uint8Array(0);
const NOTHING: Negotiation = { fields: [], offers: [] };

/** Plays a case. */
export async function runCase(
  url: URL,
  conformanceCase: ConformanceCase,
  options: RunOptions = {},
): Promise<CaseResult> {
  const { id, name } = conformanceCase;
  const started = performance.now();
  let failure: string | undefined;
  try {
    await play(url, conformanceCase, options.deadlineMs ?? 30_000);
  } catch (error) {
    if (!(error instanceof ConformanceFailure)) throw error;
    failure = error.message;
  }
  return { id, name, failure, durationMs: performance.now() - started };
}

/** Plays all cases of the sections. The results are in the order of the cases. */
export async function runSections(
  url: URL,
  sections: readonly Section[],
  options: RunOptions = {},
): Promise<CaseResult[]> {
  const cases = sections.flatMap((section) => section.cases);
  const results: CaseResult[] = [];
  let found = false;
  const playAll = async (chosen: ConformanceCase[], concurrency: number) => {
    const work = async () => {
      while (chosen.length > 0 && !found) {
        const result = await runCase(url, chosen.shift()!, options);
        results.push(result);
        if (result.failure !== undefined) found ||= options.until?.test(result.failure) ?? false;
      }
    };
    await Promise.all(Array.from({ length: concurrency }, work));
  };
  await playAll(cases.filter(({ heavy }) => !heavy), options.concurrency ?? 12);
  await playAll(cases.filter(({ heavy }) => heavy), 1);
  if (options.slowMs !== undefined) await replaySlow(url, cases, results, options.slowMs, options);
  const order = new Map(cases.map(({ id }, index) => [id, index]));
  return results.sort((a, b) => order.get(a.id)! - order.get(b.id)!);
}

/** Replaces the results of slow cases by those of a second try without any load. */
async function replaySlow(
  url: URL,
  cases: readonly ConformanceCase[],
  results: CaseResult[],
  slowMs: number,
  options: RunOptions,
): Promise<void> {
  for (const [index, { id, failure, durationMs }] of results.entries()) {
    const slow = cases.find((one) => one.id === id)!;
    if (slow.heavy || failure !== undefined || durationMs < slowMs) continue;
    const second = await runCase(url, slow, options);
    if (second.failure === undefined && second.durationMs >= slowMs) {
      second.failure = `it took ${Math.round(durationMs)} ms, and then ` +
        `${Math.round(second.durationMs)} ms, as if only a deadline had brought it to its end`;
    }
    results[index] = second;
    if (second.failure !== undefined && options.until?.test(second.failure)) return;
  }
}

async function play(url: URL, { steps, ...rest }: ConformanceCase, deadlineMs: number) {
  const { early = false, negotiation = NOTHING } = rest;
  const earlySteps = early ? await steps(new Compression(undefined)) : [];
  const client = await Client.open(url, negotiation, takeFirst(rest.id, earlySteps), deadlineMs);
  try {
    const remaining = early ? earlySteps : await steps(client.compression);
    for (const step of remaining) await playStep(client, step);
    await receiveClose(client, rest);
    await client.finish();
  } finally {
    client.abort();
    client.compression.close();
  }
}

/** Takes what is sent together with the request from the steps. */
function takeFirst(id: string, steps: Step[]): Uint8Array {
  const first = steps.shift();
  if (first === undefined) return EMPTY;
  if (!("writes" in first)) throw new TypeError(`Case ${id} does not begin with a write`);
  return concatBytes(first.writes);
}

async function playStep(client: Client, step: Step): Promise<void> {
  if ("writes" in step) {
    await client.send(step.writes);
  } else if ("pauseMs" in step) {
    await new Promise((resolve) => setTimeout(resolve, step.pauseMs));
  } else if ("end" in step) {
    client.end();
  } else {
    await receiveAll(client, step.expect);
  }
}

/** Waits for all of these: messages in their order, and pongs in theirs. */
async function receiveAll(client: Client, expected: readonly Expected[]): Promise<void> {
  const messages = expected.filter(({ type }) => type !== "pong");
  const pongs = expected.filter(({ type }) => type === "pong");
  while (messages.length + pongs.length > 0) {
    const wanted = [messages, pongs].filter(([first]) => first !== undefined);
    const what = wanted.map(([first]) => describe(first)).join(" and ");
    const received = await client.receive(what);
    const queue = received.type === "pong" ? pongs : messages;
    if (queue.length === 0 || !isSame(received, queue[0])) {
      throw new ConformanceFailure(`expected ${what}, got ${describe(received)}`);
    }
    const { maxWireSize = Infinity } = queue[0];
    if ("wireSize" in received && received.wireSize > maxWireSize) {
      throw new ConformanceFailure(
        `expected ${what} in ${maxWireSize} bytes on the wire or fewer, not ${received.wireSize}`,
      );
    }
    queue.shift();
  }
}

/** Waits for the Close frame and for the server's end of the connection. */
async function receiveClose(
  client: Client,
  { close, unfinished }: Omit<ConformanceCase, "steps">,
): Promise<void> {
  const what = `a Close frame with ${close.join(" or ")}`;
  const received = await client.receive(what);
  if (received.type !== "close" || !close.includes(received.code)) {
    throw new ConformanceFailure(`expected ${what}, got ${describe(received)}`);
  }
  const sent = unfinished?.() ?? EMPTY;
  const begun = received.unfinished;
  if (begun.length > sent.length || !isEqual(begun, sent.subarray(0, begun.length))) {
    throw new ConformanceFailure(
      `the server closed within an echo that is none: ${describeBytes(begun)}`,
    );
  }
  const end = await client.receive("the server's end of the connection, after its Close frame");
  if (end.type !== "end") {
    throw new ConformanceFailure(`expected the end of the connection, got ${describe(end)}`);
  }
}

function isSame(received: Received, expected: Expected): boolean {
  return received.type === expected.type && isEqual(received.payload, expected.payload);
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) {
    if (a[i] !== b[i]) return false;
  }
  return true;
}

function describe(received: Received | Expected): string {
  if (received.type === "end") return "the end of the connection";
  if (received.type === "close") {
    const code = received.code === 1005 ? "no code" : received.code;
    return `a Close frame with ${code} (${JSON.stringify(received.reason)})`;
  }
  const name = received.type === "pong" ? "a Pong" : `a ${received.type} message`;
  return `${name} of ${received.payload.length} bytes (${describeBytes(received.payload)})`;
}

function describeBytes(bytes: Uint8Array): string {
  const shown = Array.from(bytes.subarray(0, 16), (byte) => byte.toString(16).padStart(2, "0"));
  return shown.join(" ") + (bytes.length > 16 ? " ..." : "");
}
