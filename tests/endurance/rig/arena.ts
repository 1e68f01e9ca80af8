/**
 * Holds a server to what is promised while it is attacked: the outcome, what honest clients wait for,
 * memory and descriptors.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { setTimeout } from "node:timers/promises";
import { KiB, MiB, mib, progress } from "./scale.ts";
import { ServerProcess } from "./server_process.ts";
import { decodeUtf8 } from "../../support/raw_client.ts";
import type { Attack } from "../attacks/attack.ts";
import { HonestClients } from "./honest/honest_clients.ts";
import { Target, type TargetOptions } from "../attacks/target.ts";

/** The longest that an honest client may wait. */
const MAX_WAIT_MS = 1_000;
/**
 * How much the server may grow. On Bun, a server of `Bun.listen` that drops what it gets grows by 28 to 38 MiB
 * in the flood of Pongs: each read has memory of its own, which is collected once some 32 MiB are there.
 */
const MAX_GROWTH = ("Bun" in globalThis ? 48 : 30) * MiB;
/** What JavaScript may use more when an attack is over, for code that was compiled and the like. */
const MAX_LEFT = 3 * MiB;
/** What a runtime may open for itself, in all. */
const OWN_DESCRIPTORS = 2;
/** Nothing that the server waits for takes longer, when the attackers have gone. */
const SETTLE_MS = 15_000;

/** What honest clients have waited for, in milliseconds. */
export interface Waits {
  /** The longest wait for an echo, and what 99 of 100 were below. */
  echoMs: number;
  echo99Ms: number;
  /** The longest wait for a new connection and its first echo. */
  arrivalMs: number;
}

/** A server has grown too much. */
export class GrowthError extends Error {}

/** A server with honest clients. */
export class Arena {
  readonly server: ServerProcess;
  readonly #name: string;
  readonly #honest: HonestClients;
  /** How many descriptors the server had open when nobody had attacked it yet. */
  #descriptors = 0;

  /** Starts `arena_server.ts` in a style, with more arguments if need be, and honest clients of it. */
  static async start(style: string, more: string[] = []): Promise<Arena> {
    const script = new URL("arena_server.ts", import.meta.url);
    const server = await ServerProcess.start(script, [style, ...more]);
    const arena = new Arena(style, server);
    try {
      let echoes = 0;
      while (echoes === 0) {
        await setTimeout(20);
        echoes = (await arena.#honest.report()).total.echo?.count ?? 0;
      }
      arena.#descriptors = await arena.#countDescriptors();
      return arena;
    } catch (error) {
      arena.kill();
      throw error;
    }
  }

  private constructor(name: string, server: ServerProcess) {
    this.#name = name;
    this.server = server;
    const urls = [`ws://127.0.0.1:${server.port}/`];
    this.#honest = new HonestClients({
      seed: 1,
      server: server.pid,
      groups: [
        { peer: "raw", count: 1, urls, way: "stay", intervalMs: 20 },
        { peer: "raw", count: 1, urls, way: "visit", intervalMs: 100 },
      ],
    });
  }

  /** Makes an attack, and drops what is left of its connections. */
  async attack(attack: Attack, options: Partial<TargetOptions> = {}): Promise<void> {
    const target = new Target({ port: this.server.port, ...options });
    try {
      await attack.run(target);
    } catch (error) {
      throw new Error(`${attack.name}: ${(error as Error).message}`, { cause: error });
    } finally {
      target.reset();
    }
  }

  /**
   * Does something hostile by `body`, and checks what it does to the server and to honest clients.
   *
   * @param maxGrowth By how many bytes the server may grow meanwhile.
   * @throws {GrowthError} Where it grew by more, and nothing else was wrong.
   */
  async hold(
    what: string,
    body: () => Promise<void>,
    maxGrowth: number = MAX_GROWTH,
  ): Promise<void> {
    await this.#settle();
    const used = await this.server.usedMemory();
    await this.takeWaits();
    this.server.resetPeak();
    const resident = this.server.residentSize;
    const cpu = this.server.cpuMs;
    const startedAt = performance.now();

    await body();

    const tookMs = performance.now() - startedAt;
    const busy = (this.server.cpuMs - cpu) / tookMs;
    const growth = this.server.peakSize - resident;
    await this.#settle();
    const waits = await this.takeWaits();
    const left = await this.#measureLeft(used);
    progress(
      `${this.#name}, ${what}: ${(tookMs / 1000).toFixed(1)} s, busy ${
        (busy * 100).toFixed(0)
      } %, ` +
        `${mib(growth)} grown, ${(left / KiB).toFixed(0)} KiB left, waits ${describe(waits)}`,
    );
    assert(waits.echoMs < MAX_WAIT_MS, `an honest client waited ${waits.echoMs} ms`);
    assert(waits.arrivalMs < MAX_WAIT_MS, `a new honest client waited ${waits.arrivalMs} ms`);
    assert(left < MAX_LEFT, `the server still uses ${mib(left)} more`);
    if (growth >= maxGrowth) throw new GrowthError(`the server grew by ${mib(growth)}`);
  }

  /** Gives the longest time that the server's event loop was kept since this was called last, in ms. */
  async takeStall(): Promise<number> {
    const target = new Target({ port: this.server.port });
    try {
      const client = await target.open();
      client.sendText("longest stall");
      return Number(decodeUtf8(await target.readMessage(client)));
    } finally {
      target.reset();
    }
  }

  /** Gives what honest clients waited for since this was called last; throws if one was not served. */
  async takeWaits(): Promise<Waits> {
    const { recent, failures } = await this.#honest.report();
    assertEquals(failures, [], "honest clients were not served");
    const { echo, arrival } = recent;
    return { echoMs: echo?.max ?? 0, echo99Ms: echo?.p99 ?? 0, arrivalMs: arrival?.max ?? 0 };
  }

  /** Ends all, and checks that they end by themselves, in order. */
  async stop(): Promise<void> {
    const status = await this.#honest.stop();
    assertEquals({ status, errors: this.#honest.errors }, { status: 0, errors: "" });
    await this.server.stop();
  }

  /** Ends all, whatever they do. */
  kill(): void {
    void this.#honest.kill();
    this.server.kill();
  }

  /** Counts the descriptors; one comes and goes with each new honest client. */
  async #countDescriptors(): Promise<number> {
    let fewest = Infinity;
    for (let i = 0; i < 10; i++) {
      fewest = Math.min(fewest, this.server.descriptors);
      await setTimeout(20);
    }
    return fewest;
  }

  /** Waits until nothing is open that the attackers had the server open. */
  async #settle(): Promise<void> {
    const endsAt = performance.now() + SETTLE_MS;
    for (;;) {
      const left = await this.#countDescriptors() - this.#descriptors;
      if (left <= OWN_DESCRIPTORS) return;
      assert(performance.now() < endsAt, `${left} descriptors are left`);
    }
  }

  /** Waits until no more memory is in use than before, or for some time; gives how much more it is. */
  async #measureLeft(before: number): Promise<number> {
    const endsAt = performance.now() + SETTLE_MS;
    for (;;) {
      const left = await this.server.usedMemory() - before;
      if (left < MAX_LEFT || performance.now() > endsAt) return left;
      await setTimeout(100);
    }
  }
}

function describe({ echoMs, arrivalMs }: Waits): string {
  return `${echoMs.toFixed(0)} and ${arrivalMs.toFixed(0)} ms`;
}
