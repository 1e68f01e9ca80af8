/**
 * Runs one soak: a server, honest clients that never rest, and hostile ones that come and go, so that
 * what they leave behind can be measured.
 *
 * @module
 */

import { setTimeout } from "node:timers/promises";
import type { Module } from "../../support/child_process.ts";
import { HelperProcess } from "../../support/helper_process.ts";
import { HonestClients } from "../rig/honest/honest_clients.ts";
import type { HonestReport } from "../rig/honest/recorder.ts";
import { ProcessStatus } from "../rig/process_status.ts";
import { HONEST_CLIENTS, honestPlan } from "./crew.ts";
import { MIN_CALMS, OWN_DESCRIPTORS } from "./judge.ts";
import type { HostileReport, Ports, ServerSample } from "./reports.ts";
import type { Calm, Measured, Moment } from "./samples.ts";
import { timeOf } from "./words.ts";

/** What to soak, and how. */
export interface SoakOptions {
  /** What the server runs on: a runtime and its executable. */
  runtime: Partial<Module>;
  /** What the clients run on. */
  clients: Partial<Module>;
  durationMs: number;
  /**
   * How long honest clients are alone at first: processes that start at once, and compile, say nothing
   * of the server.
   */
  warmUpMs: number;
  /** How long hostile clients come at a time. */
  attackMs: number;
  /** How long the server has to get rid of what hostile clients left behind. */
  settleMs: number;
  seed: number;
  /** The attacks to make, by their names. @default all */
  attacks?: string[];
  /** What the server is to do wrong. @default nothing */
  faults?: string[];
  /** Called about each second. */
  onMoment?(moment: Moment, measured: Measured): void;
}

/** How long attacks may take to end when they are to. */
const MAX_ATTACK_MS = 20_000;
const POLL_MS = 250;
const REPORT_MS = 1_000;
/** The samples of a calm, of which the least counts: something is always on its way. */
const SAMPLES = 3;
/** So many failures tell what is wrong; more of them are left out. */
const MAX_FAILURES_TOLD = 30;

/** Soaks a server. It never rejects: what goes wrong is among the failures. */
export async function soak(options: SoakOptions): Promise<Measured> {
  const run = new SoakRun(options);
  try {
    await run.start();
    await run.soak();
    await run.end();
  } catch (error) {
    run.fail((error as Error).message);
  } finally {
    await run.kill();
  }
  return run.measured;
}

class SoakRun {
  readonly #options: SoakOptions;
  readonly #server: HelperProcess<"ports" | "sample", Ports | ServerSample>;
  readonly #status: ProcessStatus;
  #startedAt = performance.now();
  #hasBegun = false;
  #honest: HonestClients | undefined;
  #hostile: HelperProcess<"attack" | "rest" | "report", HostileReport> | undefined;
  #reporting: ReturnType<typeof setInterval> | undefined;
  #isAttacked = false;
  #hostileReport: HostileReport = { counts: {}, running: [], failures: [] };
  #waitedForCore = 0;
  readonly measured: Measured = {
    before: { atMs: 0, usedMemory: 0, timers: 0, descriptors: 0, connections: 0, handshakes: 0 },
    moments: [],
    calms: [],
    after: undefined,
    honest: {},
    turnedAway: 0,
    attacks: {},
    failures: [],
  };

  constructor(options: SoakOptions) {
    this.#options = options;
    const { runtime, faults = [] } = options;
    const url = new URL("server.ts", import.meta.url);
    this.#server = new HelperProcess({ ...runtime, url, collectsGarbage: true }, ...faults);
    this.#status = new ProcessStatus(this.#server.pid);
  }

  fail(message: string): void {
    const { failures } = this.measured;
    if (failures.length < MAX_FAILURES_TOLD) failures.push(message);
  }

  /** Starts all processes. */
  async start(): Promise<void> {
    const { clients, seed, attacks = [] } = this.#options;
    const ports = await this.#server.ask<Ports>("ports");
    this.measured.before = await this.#sample();
    this.#honest = new HonestClients(honestPlan(ports, seed), clients);
    const url = new URL("hostile.ts", import.meta.url);
    const args = [JSON.stringify(ports), String(seed), ...attacks];
    this.#hostile = new HelperProcess({ ...clients, url }, ...args);
    // What ends is told by `gone()`.
    this.#reporting = setInterval(() => void this.#report().catch(() => {}), REPORT_MS);
  }

  async #report(): Promise<void> {
    const reports = [this.#hostile!.ask("report"), this.#honest!.report()] as const;
    const [hostile, honest] = await Promise.all(reports);
    this.#receiveHostile(hostile);
    this.#receiveHonest(honest);
  }

  /** Lets everybody get going, and begins to measure. */
  async #warmUp(): Promise<void> {
    while (!((this.measured.honest.echo?.count ?? 0) > 0)) await setTimeout(POLL_MS);
    await setTimeout(this.#options.warmUpMs);
    await this.#honest!.forget();
    this.#hasBegun = true;
    this.#startedAt = performance.now();
  }

  /** Attacks and rests in turns, until the time is over; the last turn may take longer. */
  async soak(): Promise<void> {
    const { durationMs, attackMs } = this.#options;
    const gone = [this.#server, this.#honest!, this.#hostile!].map((child) => child.gone());
    for (const promise of gone) promise.catch(() => {});
    const rounds = async () => {
      await this.#warmUp();
      while (this.#now < durationMs || this.measured.calms.length < MIN_CALMS) {
        this.#isAttacked = true;
        this.#receiveHostile(await this.#hostile!.ask("attack"));
        await setTimeout(attackMs);
        this.#receiveHostile(await this.#hostile!.ask("rest"));
        await this.#untilRest();
        this.#isAttacked = false;
        this.measured.calms.push(await this.#calm());
      }
    };
    await Promise.race([...gone, rounds()]);
  }

  /** Has all clients leave, and then the server. */
  async end(): Promise<void> {
    clearInterval(this.#reporting);
    await this.#report();
    await this.#stop("hostile clients", this.#hostile!);
    await this.#stop("honest clients", this.#honest!);
    this.measured.after = await this.#settle(0);
    await this.#stop("server", this.#server);
    for (
      const [name, { errors }] of [["server", this.#server], [
        "honest clients",
        this.#honest!,
      ]] as const
    ) {
      if (errors !== "") this.fail(`the ${name} complained: ${errors.slice(0, 4_000)}`);
    }
  }

  async kill(): Promise<void> {
    clearInterval(this.#reporting);
    await Promise.all([this.#hostile, this.#honest, this.#server].map((each) => each?.kill()));
  }

  get #now(): number {
    return performance.now() - this.#startedAt;
  }

  /** Waits until no attack is being made. */
  async #untilRest(): Promise<void> {
    const endsAt = this.#now + MAX_ATTACK_MS;
    // What was being made when the last report was written is not of interest.
    await setTimeout(POLL_MS);
    while (this.#hostileReport.running.length > 0) {
      if (this.#now > endsAt) {
        throw new Error(`attacks did not end: ${this.#hostileReport.running.join(", ")}`);
      }
      await setTimeout(POLL_MS);
    }
  }

  /** Measures the server without hostile clients: the least of some samples. */
  async #calm(): Promise<Calm> {
    const samples = [await this.#settle(HONEST_CLIENTS)];
    while (samples.length < SAMPLES) {
      await setTimeout(POLL_MS);
      samples.push(await this.#sample());
    }
    const least = (of: (calm: Calm) => number) => Math.min(...samples.map(of));
    return {
      atMs: this.#now,
      usedMemory: least(({ usedMemory }) => usedMemory),
      timers: least(({ timers }) => timers),
      descriptors: least(({ descriptors }) => descriptors),
      connections: least(({ connections }) => connections),
      handshakes: least(({ handshakes }) => handshakes),
    };
  }

  /** Waits until the server has no more than some connections, and all descriptors are closed. */
  async #settle(connections: number): Promise<Calm> {
    const endsAt = this.#now + this.#options.settleMs;
    const { before } = this.measured;
    for (;;) {
      const sample = await this.#sample();
      const isSettled = sample.connections + sample.handshakes <= connections &&
        sample.descriptors <= before.descriptors + OWN_DESCRIPTORS + connections &&
        (connections > 0 || sample.timers <= before.timers);
      if (isSettled || this.#now > endsAt) return sample;
      await setTimeout(POLL_MS);
    }
  }

  async #sample(): Promise<Calm> {
    const sample = await this.#server.ask<ServerSample>("sample");
    return { ...sample, atMs: this.#now, descriptors: this.#status.descriptors };
  }

  #receiveHonest({ total, recent, longest, turnedAway, failures }: HonestReport): void {
    for (const failure of failures) this.fail(`${timeOf(this.#now)} honest client: ${failure}`);
    this.measured.honest = total;
    this.measured.turnedAway = turnedAway;
    if (!this.#hasBegun) return;
    const { residentSize, descriptors, waitedForCore } = this.#status;
    const moment: Moment = {
      resident: residentSize,
      descriptors,
      atMs: this.#now,
      isAttacked: this.#isAttacked,
      latency: recent.echo ?? { count: 0, p50: 0, p99: 0, max: 0 },
      longest,
      waitedForCore: waitedForCore - this.#waitedForCore,
      attacks: this.#hostileReport.running,
    };
    this.#waitedForCore = waitedForCore;
    this.measured.moments.push(moment);
    this.#options.onMoment?.(moment, this.measured);
  }

  #receiveHostile(report: HostileReport): void {
    for (const failure of report.failures) this.fail(`${timeOf(this.#now)} attack: ${failure}`);
    this.#hostileReport = report;
    this.measured.attacks = report.counts;
  }

  async #stop(name: string, helper: { stop(): Promise<number | string> }): Promise<void> {
    const how = await helper.stop();
    if (how !== 0) this.fail(`the ${name} ended with ${how} when it was to end`);
  }
}
