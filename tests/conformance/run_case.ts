/**
 * Plays conformance cases against a server, or against a client.
 *
 * @module
 */

import { sameBytes } from "../codec/support.ts";
import { concatBytes } from "../support/reference_frames.ts";
import type { Negotiation } from "./agreement.ts";
import type { ConformanceCase, Expected, Section, Step } from "./case.ts";
import { Compression } from "./compression.ts";
import { ConformanceFailure, type Peer, type Received } from "./peer.ts";

/** The side that plays: a client, or a server. */
export interface Side {
  /**
   * Opens a connection.
   *
   * @param negotiation What is offered, or agreed to.
   * @param early Is sent together with this side's head.
   */
  open(negotiation: Negotiation, early: Uint8Array, deadlineMs: number): Promise<Peer>;
  /** Makes the steps of a client those of this side. */
  translate(steps: Step[]): Step[];
  /** Ends TCP behind the other side's Close frame, which had this code, each side when it is due. */
  finish(peer: Peer, closeCode: number): Promise<void>;
}

/** How to play cases. */
export interface RunOptions {
  /**
   * How long to wait for what must come, in milliseconds. It is no part of any expectation, and
   * only decides how soon a server that does nothing has failed.
   *
   * @default 30000
   */
  deadlineMs?: number;
  /** How many cases to play at once; heavy ones, and those that need room alone, one at a time. @default 12 */
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
  side: Side,
  conformanceCase: ConformanceCase,
  options: RunOptions = {},
): Promise<CaseResult> {
  const { id, name } = conformanceCase;
  const started = performance.now();
  let failure: string | undefined;
  try {
    await play(side, conformanceCase, options.deadlineMs ?? 30_000);
  } catch (error) {
    if (!(error instanceof ConformanceFailure)) throw error;
    failure = error.message;
  }
  return { id, name, failure, durationMs: performance.now() - started };
}

/** Plays all cases of the sections. The results are in the order of the cases. */
export async function runSections(
  side: Side,
  sections: readonly Section[],
  options: RunOptions = {},
): Promise<CaseResult[]> {
  const cases = sections.flatMap((section) => section.cases);
  const results: CaseResult[] = [];
  let found = false;
  const playAll = async (chosen: ConformanceCase[], concurrency: number) => {
    const work = async () => {
      while (chosen.length > 0 && !found) {
        const result = await runCase(side, chosen.shift()!, options);
        results.push(result);
        if (result.failure !== undefined) found ||= options.until?.test(result.failure) ?? false;
      }
    };
    await Promise.all(Array.from({ length: concurrency }, work));
  };
  await playAll(cases.filter(({ heavy, alone }) => !heavy && !alone), options.concurrency ?? 12);
  await playAll(cases.filter(({ heavy, alone }) => heavy || alone), 1);
  if (options.slowMs !== undefined) await replaySlow(side, cases, results, options.slowMs, options);
  const order = new Map(cases.map(({ id }, index) => [id, index]));
  return results.sort((a, b) => order.get(a.id)! - order.get(b.id)!);
}

/** Replaces the results of slow cases by those of a second try without any load. */
async function replaySlow(
  side: Side,
  cases: readonly ConformanceCase[],
  results: CaseResult[],
  slowMs: number,
  options: RunOptions,
): Promise<void> {
  for (const [index, { id, failure, durationMs }] of results.entries()) {
    const slow = cases.find((one) => one.id === id)!;
    if (slow.heavy || failure !== undefined || durationMs < slowMs) continue;
    const second = await runCase(side, slow, options);
    if (second.failure === undefined && second.durationMs >= slowMs) {
      second.failure = `it took ${Math.round(durationMs)} ms, and then ` +
        `${Math.round(second.durationMs)} ms, as if only a deadline had brought it to its end`;
    }
    results[index] = second;
    if (second.failure !== undefined && options.until?.test(second.failure)) return;
  }
}

async function play(side: Side, { steps, ...rest }: ConformanceCase, deadlineMs: number) {
  const { early = false, negotiation = NOTHING } = rest;
  const make = async (compression: Compression) => side.translate(await steps(compression));
  const earlySteps = early ? await make(new Compression(undefined)) : [];
  const peer = await side.open(negotiation, takeFirst(rest.id, earlySteps), deadlineMs);
  try {
    const remaining = early ? earlySteps : await make(peer.compression);
    for (const step of remaining) await playStep(peer, step);
    await side.finish(peer, await receiveClose(peer, rest));
  } finally {
    peer.abort();
    peer.compression.close();
  }
}

/** Takes what is sent together with the request from the steps. */
function takeFirst(id: string, steps: Step[]): Uint8Array {
  const first = steps.shift();
  if (first === undefined) return EMPTY;
  if (!("writes" in first)) throw new TypeError(`Case ${id} does not begin with a write`);
  return concatBytes(first.writes);
}

async function playStep(peer: Peer, step: Step): Promise<void> {
  if ("writes" in step) {
    await peer.send(step.writes);
  } else if ("pauseMs" in step) {
    await new Promise((resolve) => setTimeout(resolve, step.pauseMs));
  } else if ("end" in step) {
    peer.end();
  } else {
    await receiveAll(peer, step.expect);
  }
}

/** Waits for all of these: messages in their order, and pongs in theirs. */
async function receiveAll(peer: Peer, expected: readonly Expected[]): Promise<void> {
  const messages = expected.filter(({ type }) => type !== "pong");
  const pongs = expected.filter(({ type }) => type === "pong");
  while (messages.length + pongs.length > 0) {
    const wanted = [messages, pongs].filter(([first]) => first !== undefined);
    const what = wanted.map(([first]) => describe(first)).join(" and ");
    const received = await peer.receive(what);
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

/** Waits for the Close frame. Gives its code. */
async function receiveClose(
  peer: Peer,
  { close, unfinished }: Omit<ConformanceCase, "steps">,
): Promise<number> {
  const what = `a Close frame with ${close.join(" or ")}`;
  const received = await peer.receive(what);
  if (received.type !== "close" || !close.includes(received.code)) {
    throw new ConformanceFailure(`expected ${what}, got ${describe(received)}`);
  }
  const sent = unfinished?.() ?? EMPTY;
  const begun = received.unfinished;
  if (begun.length > sent.length || !sameBytes(begun, sent.subarray(0, begun.length))) {
    throw new ConformanceFailure(
      `the connection was closed within an echo that is none: ${describeBytes(begun)}`,
    );
  }
  return received.code;
}

function isSame(received: Received, expected: Expected): boolean {
  return received.type === expected.type && sameBytes(received.payload, expected.payload);
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
