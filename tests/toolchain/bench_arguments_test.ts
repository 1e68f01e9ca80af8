import { describe, it } from "node:test";
import { assertEquals, assertThrows } from "@std/assert";
import { parseArguments, UsageError } from "../../bench/servers/arguments.ts";
import { listGroups } from "../../bench/servers/plan.ts";

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
    });
  });

  it("keeps parts of the whole elsewhere", () => {
    assertEquals(parseArguments(["--quick"]).out, ".tmp/bench");
    assertEquals(parseArguments(["--only", "ws"]).out, ".tmp/bench");
    assertEquals(parseArguments(["--only", "ws", "--out", "here"]).out, "here");
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
