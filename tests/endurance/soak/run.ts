/**
 * Runs one soak: a server, honest clients that never rest, and hostile ones that come and go, so that
 * what they leave behind can be measured.
 *
 * @module
 */

import { setTimeout } from "node:timers/promises";
import { SoakChild } from "./child.ts";
import { HONEST_CLIENTS } from "./crew.ts";
import { countDescriptors, OWN_DESCRIPTORS, readStatus } from "./process_status.ts";
import type { HonestReport, HostileReport, Ports, ServerSample } from "./reports.ts";
import { MIN_CALMS } from "./judge.ts";
import { commandOf, type SoakRuntime } from "./runtime.ts";
import type { Calm, Measured, Moment } from "./samples.ts";
import { timeOf } from "./words.ts";

/** What to soak, and how. */
export interface SoakOptions {
  /** What the server runs on. */
  runtime: SoakRuntime;
  /** What the clients run on. */
  clients: SoakRuntime;
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
    run.kill();
  }
  return run.measured;
}

class SoakRun {
  readonly #options: SoakOptions;
  readonly #server: SoakChild;
  #startedAt = performance.now();
  #hasBegun = false;
  #honest: SoakChild | undefined;
  #hostile: SoakChild | undefined;
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
    this.#server = new SoakChild("server", [...commandOf(runtime, "server.ts"), ...faults]);
  }

  fail(message: string): void {
    const { failures } = this.measured;
    if (failures.length < MAX_FAILURES_TOLD) failures.push(message);
  }

  /** Starts all processes. */
  async start(): Promise<void> {
    const { clients, seed, attacks = [] } = this.#options;
    const ports = await this.#server.nextLine() as Ports;
    this.measured.before = await this.#sample();
    const args = [JSON.stringify(ports), String(seed)];
    this.#honest = new SoakChild("honest clients", [...commandOf(clients, "honest.ts"), ...args]);
    this.#honest.onLine = (report) => this.#receiveHonest(report as HonestReport);
    this.#hostile = new SoakChild("hostile clients", [
      ...commandOf(clients, "hostile.ts"),
      ...args,
      ...attacks,
    ]);
    this.#hostile.onLine = (report) => this.#receiveHostile(report as HostileReport);
  }

  /** Lets everybody get going, and begins to measure. */
  async #warmUp(): Promise<void> {
    while (!((this.measured.honest.echo?.count ?? 0) > 0)) await setTimeout(POLL_MS);
    await setTimeout(this.#options.warmUpMs);
    this.#honest!.send("forget");
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
        this.#hostile!.send("attack");
        await setTimeout(attackMs);
        this.#hostile!.send("rest");
        await this.#untilRest();
        this.#isAttacked = false;
        this.measured.calms.push(await this.#calm());
      }
    };
    await Promise.race([...gone, rounds()]);
  }

  /** Has all clients leave, and then the server. */
  async end(): Promise<void> {
    await this.#stop(this.#hostile!);
    await this.#stop(this.#honest!);
    this.measured.after = await this.#settle(0);
    await this.#stop(this.#server);
    if (this.#server.errors !== "") this.fail(`the server complained: ${this.#server.errors}`);
  }

  kill(): void {
    for (const child of [this.#hostile, this.#honest, this.#server]) child?.kill();
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
    this.#server.send("sample");
    const sample = await this.#server.nextLine() as ServerSample;
    return { ...sample, atMs: this.#now, descriptors: countDescriptors(this.#server.pid) };
  }

  #receiveHonest({ total, recent, longest, turnedAway, failures }: HonestReport): void {
    for (const failure of failures) this.fail(`${timeOf(this.#now)} honest client: ${failure}`);
    this.measured.honest = total;
    this.measured.turnedAway = turnedAway;
    const status = readStatus(this.#server.pid);
    // Where it has ended, that is told elsewhere.
    if (status === undefined || !this.#hasBegun) return;
    const moment: Moment = {
      ...status,
      atMs: this.#now,
      isAttacked: this.#isAttacked,
      latency: recent,
      longest,
      waitedForCore: status.waitedForCore - this.#waitedForCore,
      attacks: this.#hostileReport.running,
    };
    this.#waitedForCore = status.waitedForCore;
    this.measured.moments.push(moment);
    this.#options.onMoment?.(moment, this.measured);
  }

  #receiveHostile(report: HostileReport): void {
    for (const failure of report.failures) this.fail(`${timeOf(this.#now)} attack: ${failure}`);
    this.#hostileReport = report;
    this.measured.attacks = report.counts;
  }

  async #stop(child: SoakChild): Promise<void> {
    const problem = await child.stop();
    if (problem !== undefined) this.fail(problem);
  }
}
