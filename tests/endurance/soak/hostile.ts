/**
 * The process of the hostile clients. The arguments are the ports as JSON, the seed, and the names of
 * the attacks to make: all, if there are none. Told to `attack`, it attacks; told to `rest`, it begins no
 * more attacks: those that take longer than a grace are cut off, which is an attack as well. It answers
 * with what has come of it, and ends when its input does.
 *
 * @module
 */

import process from "node:process";
import { Random } from "../../codec/support.ts";
import { answerRequests } from "../../support/helper_process.ts";
import { allAttacks } from "../attacks/all.ts";
import type { Attack } from "../attacks/attack.ts";
import { type Attacker, Target } from "../attacks/target.ts";
import { deafSubscribers } from "./deaf_subscribers.ts";
import type { HostileReport, Ports } from "./reports.ts";

/** How many attacks are made at once of those that are over within seconds, and of the others. */
const QUICK_AT_ONCE = 3;
const SLOW_AT_ONCE = 3;
const GRACE_MS = 3_000;
/** How large crowds are, compared with those of an attack that is made alone. */
const SCALE = 0.25;
const MAX_FAILURES = 5;

const ports: Ports = JSON.parse(process.argv[2]);
const random = new Random(Number(process.argv[3]));
const names = process.argv.slice(4);
const attacks = [...allAttacks, deafSubscribers]
  .filter(({ name }) => names.length === 0 || names.includes(name));
const slow = attacks.filter(({ isSlow }) => isSlow);
const quick = attacks.filter((attack) => !slow.includes(attack));

const counts: Record<string, number> = {};
const running = new Map<CutTarget, string>();
let failures: string[] = [];
let round = new AbortController();
let grace: ReturnType<typeof setTimeout> | undefined;

/** The server as one attack sees it, until the attack is cut off. */
class CutTarget extends Target {
  #isCut = false;

  override async connect(): Promise<Attacker> {
    const attacker = await super.connect();
    if (!this.#isCut) return attacker;
    attacker.socket.reset();
    throw new Error("cut off");
  }

  cut(): void {
    this.#isCut = true;
    this.reset();
  }
}

async function attackOnce(attack: Attack, signal: AbortSignal): Promise<void> {
  const isHandler = random.below(2) === 0 && attack !== deafSubscribers;
  const target = new CutTarget({
    port: isHandler ? ports.handler : ports.callbacks,
    seed: random.below(2 ** 31),
    scale: SCALE,
    signal,
  });
  running.set(target, attack.name);
  try {
    await attack.run(target);
    if (running.has(target)) counts[attack.name] = (counts[attack.name] ?? 0) + 1;
  } catch (error) {
    if (running.has(target) && failures.length < MAX_FAILURES) {
      failures.push(describe(attack, error));
    }
  } finally {
    target.cut();
    running.delete(target);
  }
}

function describe({ name }: Attack, error: unknown): string {
  // deno-lint-ignore no-control-regex
  const text = String(error).replaceAll(/\x1b\[\d+m/g, "").replaceAll(/\s+/g, " ");
  return `${name}: ${text.slice(0, 400)}`;
}

/** Attacks until the signal aborts. */
async function work(attacks: Attack[], signal: AbortSignal): Promise<void> {
  while (!signal.aborted && attacks.length > 0) await attackOnce(random.pick(attacks), signal);
}

/** Drops the hostile clients that are left. */
function cutOff(): void {
  for (const target of running.keys()) {
    running.delete(target);
    target.cut();
  }
}

function report(): HostileReport {
  const report = { counts, running: [...running.values()], failures };
  failures = [];
  return report;
}

await answerRequests((request: "attack" | "rest" | "report") => {
  if (request === "report") return report();
  round.abort();
  clearTimeout(grace);
  if (request === "attack") {
    round = new AbortController();
    for (let i = 0; i < QUICK_AT_ONCE; i++) void work(quick, round.signal);
    for (let i = 0; i < SLOW_AT_ONCE; i++) void work(slow, round.signal);
  } else grace = setTimeout(cutOff, GRACE_MS);
  return report();
});
process.exit(0);
