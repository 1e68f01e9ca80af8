/**
 * Honest clients in a process of their own, so that what they wait for is the server.
 *
 * @module
 */

import type { Module } from "../../../support/child_process.ts";
import { HelperProcess } from "../../../support/helper_process.ts";
import type { HonestPlan } from "./honest_process.ts";
import type { HonestReport } from "./recorder.ts";

/** The clients, as the test sees them. */
export class HonestClients extends HelperProcess<"report" | "forget", HonestReport> {
  /** Starts them, by default on the runtime of the test. */
  constructor(plan: HonestPlan, on: Partial<Module> = {}) {
    const url = new URL("honest_process.ts", import.meta.url);
    super({ ...on, url }, JSON.stringify(plan));
  }

  /** Gives what they have come to; asked again, what they came to since then. */
  report(): Promise<HonestReport> {
    return this.ask("report");
  }

  /** Forgets how long things took. */
  async forget(): Promise<void> {
    await this.ask("forget");
  }
}
