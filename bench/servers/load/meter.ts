/**
 * Measures a stretch of time: the CPU time of the server and of the generator, and how long it was.
 *
 * @module
 */

import process from "node:process";
import {
  readThreadTimes,
  readWaitingTime,
  type ThreadTimes,
  timeBetween,
} from "../../harness/process_usage.ts";

/** What a stretch of time has cost. */
export interface Usage {
  seconds: number;
  /** CPU time of the server, in microseconds; `undefined` where the system doesn't tell. */
  serverUs: number | undefined;
  /** CPU time of the generator, in microseconds. */
  generatorUs: number | undefined;
  /** How long the two have waited for a core that another process had, in microseconds. */
  waitingUs: number;
}

/** Starts to measure when it is created. */
export class Meter {
  readonly #pid: number;
  readonly #server: ThreadTimes | undefined;
  readonly #generator: ThreadTimes | undefined;
  readonly #waiting: number;
  readonly #startedAt: number;

  constructor(pid: number) {
    this.#pid = pid;
    this.#generator = readThreadTimes(process.pid);
    this.#server = readThreadTimes(pid);
    this.#waiting = readWaiting(pid);
    this.#startedAt = performance.now();
  }

  /** Tells what it has cost so far. */
  read(): Usage {
    return {
      seconds: (performance.now() - this.#startedAt) / 1000,
      serverUs: between(this.#server, readThreadTimes(this.#pid)),
      generatorUs: between(this.#generator, readThreadTimes(process.pid)),
      waitingUs: readWaiting(this.#pid) - this.#waiting,
    };
  }
}

function readWaiting(pid: number): number {
  return (readWaitingTime(pid) + readWaitingTime(process.pid)) / 1000;
}

function between(before: ThreadTimes | undefined, after: ThreadTimes | undefined) {
  if (before === undefined || after === undefined) return undefined;
  return timeBetween(before, after);
}
