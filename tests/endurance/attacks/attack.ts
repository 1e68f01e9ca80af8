import type { Attacker, Target } from "./target.ts";

/** What a hostile client does, and what must come of it. */
export interface Attack {
  /** A few words. */
  readonly name: string;
  /** What the documentation promises, in one sentence. `run` holds the server to it. */
  readonly outcome: string;
  /**
   * How long it takes, in milliseconds, where a deadline of the server's decides: many such attacks
   * are best run side by side. The others are over within seconds.
   *
   * @default 0
   */
  readonly deadlineMs?: number;
  /** Attacks, and throws where something else comes of it. */
  run(target: Target): Promise<void>;
}

/** Makes an attack of one connection, which is open. */
export function byOne(
  name: string,
  outcome: string,
  body: (attacker: Attacker, target: Target) => Promise<void>,
): Attack {
  return { name, outcome, run: async (target) => await body(await target.open(), target) };
}

/** Makes an attack of many connections, which are open, all at once. */
export function byCrowd(
  name: string,
  outcome: string,
  options: { count: number; deadlineMs?: number },
  body: (attacker: Attacker, target: Target) => Promise<void>,
): Attack {
  const { count, deadlineMs } = options;
  const run = async (target: Target) => {
    await target.crowd(count, async () => await body(await target.open(), target));
  };
  return { name, outcome, run, ...deadlineMs !== undefined && { deadlineMs } };
}
