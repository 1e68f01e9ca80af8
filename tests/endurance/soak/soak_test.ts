import { assert, assertEquals } from "@std/assert";
import { describe, it } from "node:test";
import { MiB, skip } from "../rig/scale.ts";
import { quickAttacks } from "../attacks/quick.ts";
import { drawSoakChart } from "./chart.ts";
import { judge } from "./judge.ts";
import type { Latency } from "../rig/honest/recorder.ts";
import { soak } from "./run.ts";
import type { Measured, Moment } from "./samples.ts";
import { encodeTable } from "./table.ts";

const TIMEOUT_MS = 120_000;
const BOUNDS = { maxWaitMs: 1_000 };

/** A soak of seconds. */
function soakShortly(faults: string[]): Promise<Measured> {
  return soak({
    runtime: {},
    clients: {},
    durationMs: 3_000,
    warmUpMs: 500,
    attackMs: 800,
    settleMs: 1_000,
    seed: 1,
    attacks: quickAttacks.map(({ name }) => name),
    faults,
  });
}

describe("soak()", () => {
  // Side by side, as they mostly wait. How long anybody waits for them is the machine's doing here.
  const faults = ["memory", "timers", "descriptors", "loss", "garble"];
  const soaks = skip ? [] : [[], faults].map(soakShortly);
  const judgeSoak = async (index: number) => judge(await soaks[index], { maxWaitMs: Infinity });

  it("finds nothing wrong with a server", { skip, timeout: TIMEOUT_MS }, async () => {
    assertEquals(await judgeSoak(0), []);
  });

  it("finds what is wrong with another one", { skip, timeout: TIMEOUT_MS }, async () => {
    const problems = await judgeSoak(1);
    for (
      const expected of [
        /memory is not flat: after garbage was collected/,
        /there were \d+ timers without attacks/,
        /there were \d+ descriptors without attacks/,
        /\d+ timers were left when all clients had gone/,
        /\d+ descriptors were left when all clients had gone/,
        /got broadcast \d+ after \d+/,
        /got a text of 14: "something else" instead of/,
      ]
    ) {
      assert(
        problems.some((problem) => expected.test(problem)),
        `${expected} is not among the problems: ${problems.join("\n")}`,
      );
    }
  });
});

describe("judge()", () => {
  it("finds nothing where nothing is", () => {
    assertEquals(judge(measuredWith({}), BOUNDS), []);
  });

  it("takes what was told as it is", () => {
    assertEquals(judge(measuredWith({ failures: ["boo"] }), BOUNDS), ["boo"]);
  });

  it("forgives what comes and goes", () => {
    const measured = measuredWith({});
    measured.calms[8].usedMemory = 100 * MiB;
    assertEquals(judge(measured, BOUNDS), []);
  });

  it("sees memory grow slowly", () => {
    const measured = measuredWith({});
    measured.calms.forEach((calm, i) => calm.usedMemory += i * MiB);
    assertEquals(judge(measured, BOUNDS), [
      "memory is not flat: after garbage was collected, 13.0 MiB were in use in the first third " +
      "and 20.0 MiB in the last one",
    ]);
  });

  it("sees memory in RAM grow, after the runtime's heap has grown", () => {
    const measured = measuredWith({});
    for (const moment of measured.moments) moment.resident += Math.min(moment.atMs, 180_000) * 500;
    assertEquals(judge(measured, BOUNDS), []);
    for (const moment of measured.moments) moment.resident += moment.atMs * 300;
    assertEquals(judge(measured, BOUNDS).map((problem) => problem.split(":")[0]), [
      "memory in RAM is not flat",
    ]);
  });

  it("sees too much memory in RAM", () => {
    const measured = measuredWith({});
    measured.moments[100].resident = 600 * MiB;
    assertEquals(judge(measured, BOUNDS), ["600.0 MiB were in RAM; 512.0 MiB are the most"]);
  });

  it("sees what was left", () => {
    const measured = measuredWith({});
    measured.after!.timers = 1;
    assertEquals(judge(measured, BOUNDS), [
      "1 timers were left when all clients had gone; there were 0 before they came",
    ]);
  });

  it("sees an honest client wait, unless nobody had a core", () => {
    const measured = measuredWith({});
    measured.moments[3].longest.ms = 1_500;
    assertEquals(judge(measured, BOUNDS), [
      'at 0:03 an honest client waited 1500 ms for "echo"; 1000 ms are the most (of them the ' +
      "server had no core for 0.00 ms; attacks: floods)",
    ]);
    measured.moments[3].waitedForCore = 600;
    assertEquals(judge(measured, BOUNDS), []);
  });

  it("allows some large messages to be turned away, but not most", () => {
    assertEquals(judge(measuredWith({ turnedAway: 10 }), BOUNDS), []);
    assertEquals(judge(measuredWith({ turnedAway: 11 }), BOUNDS), [
      "of the large messages, 11 were turned away, and 10 were served",
    ]);
  });

  it("wants to have seen something", () => {
    const measured = measuredWith({ honest: {}, attacks: {}, calms: [] });
    const problems = judge(measured, BOUNDS);
    assert(problems.includes("the soak was too short: it came to 0 calms"));
    assert(problems.includes('no honest client came to "echo"'));
    assert(problems.includes("no attack was made to its end"));
  });
});

describe("the report", () => {
  const soaks = [{ label: "Runtime <1>", measured: measuredWith({}), problems: ["boo"] }];

  it("has a row for each runtime", () => {
    const [head, row, ...more] = encodeTable(soaks).split("\n");
    assertEquals(head.length, row.length);
    assertEquals(more, []);
    assert(row.startsWith("Runtime <1>"));
    assert(row.includes("10.0 MiB → 10.0 MiB"), row);
  });

  it("has a chart of the lines, and of when there were attacks", () => {
    const chart = drawSoakChart("A & B", soaks);
    assert(chart.includes("Runtime &lt;1>"));
    assertEquals(chart.match(/<polyline /g)?.length, 5);
    // Once beneath each of the two plots.
    assertEquals(chart.match(/class="attack"/g)?.length, 2);
    assert(!/NaN|undefined|Infinity/.test(chart));
  });
});

/** A soak of ten minutes that is flat, apart from what is given. */
function measuredWith(changes: Partial<Measured>): Measured {
  const latency: Latency = { count: 10, p50: 1, p99: 5, max: 20 };
  const calm = { timers: 0, descriptors: 20, connections: 0, handshakes: 0, usedMemory: 10 * MiB };
  const what = [
    "open",
    "echo",
    "ping",
    "burst",
    "fragments",
    "slow",
    "close",
    "large",
    "broadcast",
  ];
  return {
    before: { ...calm, atMs: 0 },
    moments: Array.from({ length: 600 }, (_, i): Moment => ({
      atMs: i * 1_000,
      isAttacked: i < 590,
      resident: 100 * MiB,
      descriptors: 40,
      latency,
      longest: { what: "echo", ms: 20 },
      waitedForCore: 0,
      attacks: ["floods"],
    })),
    calms: Array.from({ length: 12 }, (_, i) => ({ ...calm, atMs: i * 50_000, connections: 17 })),
    after: { ...calm, atMs: 600_000 },
    honest: Object.fromEntries(what.map((name) => [name, latency])),
    turnedAway: 0,
    attacks: { floods: 100 },
    failures: [],
    ...changes,
  };
}
