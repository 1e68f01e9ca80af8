import type { Target } from "./target.ts";

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
