/**
 * What Linux tells of a process.
 *
 * @module
 */

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { KiB } from "./scale.ts";

/** How long the main thread of a process has waited for a core so far, in milliseconds. */
export function waitedForCore(pid: number | "self"): number {
  return Number(readFileSync(`/proc/${pid}/schedstat`, "latin1").split(" ")[1]) / 1e6;
}

/** How a process stands. Each property throws once the process has ended. */
export class ProcessStatus {
  readonly #pid: number;

  constructor(pid: number) {
    this.#pid = pid;
  }

  /** The memory in RAM, in bytes. */
  get residentSize(): number {
    return this.#size("VmRSS");
  }

  /** The most memory that was in RAM since {@linkcode ProcessStatus.resetPeak}, in bytes. */
  get peakSize(): number {
    return this.#size("VmHWM");
  }

  /** Forgets the peak so far. */
  resetPeak(): void {
    writeFileSync(`/proc/${this.#pid}/clear_refs`, "5");
  }

  /** The number of open descriptors. */
  get descriptors(): number {
    return readdirSync(`/proc/${this.#pid}/fd`).length;
  }

  /** The time that the processor has spent for the process, in milliseconds. */
  get cpuMs(): number {
    const stat = readFileSync(`/proc/${this.#pid}/stat`, "latin1");
    // Behind the name, which ends at the last parenthesis; in units of 10 ms.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) * 10;
  }

  /** How long its main thread has waited for a core so far, in milliseconds. */
  get waitedForCore(): number {
    return waitedForCore(this.#pid);
  }

  #size(field: string): number {
    const status = readFileSync(`/proc/${this.#pid}/status`, "latin1");
    return Number(new RegExp(`^${field}:\\s*(\\d+) kB$`, "m").exec(status)![1]) * KiB;
  }
}
