// @once: the tools run on Deno and Node, whatever is tested.

import { describe, it } from "node:test";
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { parseArguments, UsageError } from "../../bench/harness/arguments.ts";
import { leaveOutTooMany, parseDescriptorLimit } from "../../bench/servers/descriptors.ts";
import { listGroups, listWords } from "../../bench/servers/plan.ts";
import { FAN_OUT_SUITE } from "../../bench/servers/suite.ts";

describe("parseArguments()", () => {
  it("has defaults for the whole run, which is the one to keep", () => {
    assertEquals(parseArguments([]), {
      quick: false,
      only: [],
      list: false,
      help: false,
      rounds: 3,
      seconds: 1.5,
      out: "bench/results",
      generator: undefined,
    });
  });

  it("keeps parts of the whole elsewhere", () => {
    assertEquals(parseArguments(["--quick"]).out, ".tmp/bench");
    assertEquals(parseArguments(["--only", "ws"]).out, ".tmp/bench");
    assertEquals(parseArguments(["--only", "ws", "--out", "here"]).out, "here");
  });

  it("splits the command of another load generator", () => {
    assertEquals(parseArguments(["--generator", "./load  --tcp"]).generator, ["./load", "--tcp"]);
    assertThrows(
      () => parseArguments(["--generator", " "]),
      UsageError,
      "--generator is a command",
    );
  });

  it("takes --only any number of times", () => {
    assertEquals(parseArguments(["--only", "a,b", "--only=c"]).only, ["a,b", "c"]);
  });

  for (
    const [flag, value] of [["rounds", "0"], ["rounds", "1.5"], ["seconds", "0"], ["seconds", "x"]]
  ) {
    it(`refuses --${flag} ${value}`, () => {
      assertThrows(() => parseArguments([`--${flag}`, value]), UsageError, `--${flag} is a`);
    });
  }

  it("refuses flags and words that it doesn't know", () => {
    assertThrows(() => parseArguments(["--fast"]), UsageError, "--fast");
    assertThrows(() => parseArguments(["fast"]), UsageError, "fast");
  });
});

describe("listGroups()", () => {
  const namesOf = (only: string[], quick = false) =>
    listGroups({ quick, only }).map((group) =>
      group.map(({ server }) => `${server.runtime} ${server.words[0]}`).join(", ")
    );

  it("chooses cells that have one word of each list", () => {
    assertEquals(namesOf(["node", "64x1x32", "binary", "callback,raw"]), [
      "node26 sluice-callback, node26 raw",
    ]);
    assertEquals(namesOf(["bun,deno", "fan-out", "sluice,native"]), [
      "bun sluice-callback, bun sluice-publish, bun bun-serve, bun bun-serve-publish",
      "deno sluice-callback, deno sluice-publish, deno deno-upgrade",
    ]);
  });

  it("compresses where servers can", () => {
    assertEquals(namesOf(["16x4x1k-takeover"]), [
      "node26 sluice-callback, node26 ws",
      "bun sluice-callback, bun bun-serve",
      "deno sluice-callback",
    ]);
    assertEquals(namesOf(["node", "compression", "memory"]).length, 2);
    assertEquals(namesOf(["node", "unused-compression"]), [
      "node26 sluice-compression-not-offered, node26 sluice-compression-offered",
      "node26 sluice-compression-not-offered",
      "node26 sluice-compression-not-offered, node26 sluice-compression-offered",
    ]);
  });

  it("takes words as a whole", () => {
    assertEquals(namesOf(["node", "64x1x32", "binary", "ws-plain"]), ["node26 ws-plain"]);
    assertThrows(() => namesOf(["64x1"]), RangeError, 'there is no "64x1"');
  });

  it("refuses what leaves nothing", () => {
    assertThrows(() => namesOf(["node", "deno"]), RangeError, "nothing");
  });

  it("gives who asks for something what the quick run leaves out", () => {
    assertEquals(namesOf(["node", "100mib", "ws"], true), ["node26 ws, node26 ws-plain"]);
  });

  it("keeps the servers of a runtime together, so that they take turns", () => {
    for (const group of listGroups({ quick: false, only: [] })) {
      assertEquals(new Set(group.map(({ server }) => server.runtime)).size, 1);
      assertEquals(new Set(group.map(({ workload }) => workload)).size, 1);
    }
  });
});

describe("the suite of messages to many", () => {
  const namesOf = (only: string[]) =>
    listGroups({ quick: false, only }, FAN_OUT_SUITE).map((group) =>
      `${group[0].workload.id}: ${
        group.map(({ server }) => `${server.runtime} ${server.words[0]}`).join(", ")
      }`
    );

  it("compares publish with what others have for it", () => {
    assertEquals(namesOf(["fan-out-10000x10"]), [
      "fan-out-10000x10: node26 sluice-publish, node26 ws",
      "fan-out-10000x10: bun sluice-publish, bun bun-serve-publish",
      "fan-out-10000x10: deno sluice-publish, deno deno-upgrade",
    ]);
    assertEquals(namesOf(["keep-alive", "node"]), ["keep-alive: node26 sluice-callback"]);
  });

  it("has its own words", () => {
    assert(listWords(FAN_OUT_SUITE).includes("fan-out-1000x10-senders"));
    assert(!listWords().includes("fan-out-1000x10"));
    assertThrows(() => namesOf(["64x1x32"]), RangeError, 'there is no "64x1x32"');
  });
});

describe("leaveOutTooMany()", () => {
  it("leaves out what needs more descriptors than there are, and says so once", async () => {
    const groups = listGroups({ quick: false, only: ["fan-out"] }, FAN_OUT_SUITE);
    const said: string[] = [];
    const left = await leaveOutTooMany(groups, (line) => said.push(line), 4096);
    assert(left.length > 0 && left.every(([{ workload }]) => workload.connections === 1000));
    assertEquals(said.map((line) => line.split(";")[0]), [
      "left out: fan-out-10000x1 needs 10200 file descriptors a process, and 4096 are allowed",
      "left out: fan-out-10000x10 needs 10200 file descriptors a process, and 4096 are allowed",
    ]);
    assertEquals(await leaveOutTooMany(groups, () => {}, Infinity), groups);
    await assertRejects(() => leaveOutTooMany(groups, () => {}, 1000), Error, "leaves nothing");
  });

  it("reads what Linux allows", () => {
    const limits = "Limit        Soft Limit  Hard Limit  Units\n" +
      "Max open files            1024                 524288               files     \n";
    assertEquals(parseDescriptorLimit(limits), 524_288);
    assertEquals(parseDescriptorLimit(limits.replace("524288", "unlimited")), Infinity);
    assertEquals(parseDescriptorLimit(""), Infinity);
  });
});
