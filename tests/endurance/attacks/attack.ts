import type { ServeOptions } from "../../../mod.ts";
import type { Attacker, Target } from "./target.ts";

/** What a hostile client does, and what must come of it. */
export interface Attack {
  /** A few words. */
  readonly name: string;
  /** What the documentation promises, in one sentence. `run` holds the server to it. */
  readonly outcome: string;
  /** Whether a deadline of the server's decides how long it takes; the others are over within seconds. */
  readonly isSlow?: true;
  /** Whether the program is given messages: then it matters what style of program it is. */
  readonly reachesProgram?: true;
  /** Attacks, and throws where something else comes of it. */
  run(target: Target): Promise<void>;
}

/** The defaults of `closeTimeoutMs`, and of both times of `keepAlive`. */
export const CLOSE_MS = 5_000;
export const SILENCE_MS = 40_000;

/** The options of a server whose peers have a part of those times, such as a tenth. */
export function deadlinesAt(pace: number): ServeOptions {
  const timeoutMs = SILENCE_MS / 2 * pace;
  return {
    closeTimeoutMs: CLOSE_MS * pace,
    keepAlive: { intervalMs: timeoutMs, timeoutMs },
  };
}

type Flags = Pick<Attack, "isSlow" | "reachesProgram">;

/** Makes an attack of one connection, which is open. */
export function byOne(
  name: string,
  outcome: string,
  body: (attacker: Attacker, target: Target) => Promise<void>,
  flags: Flags = {},
): Attack {
  return {
    name,
    outcome,
    run: async (target) => await body(await target.open(), target),
    ...flags,
  };
}

/** Makes an attack of many connections, which are open, all at once. */
export function byCrowd(
  name: string,
  outcome: string,
  { count, ...flags }: { count: number } & Flags,
  body: (attacker: Attacker, target: Target) => Promise<void>,
): Attack {
  const run = async (target: Target) => {
    await target.crowd(count, async () => await body(await target.open(), target));
  };
  return { name, outcome, run, ...flags };
}
