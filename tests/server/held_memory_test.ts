import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { TestProcess } from "../support/child_process.ts";

async function start(...args: string[]): Promise<string> {
  const url = new URL("held_memory_process.ts", import.meta.url);
  const measuring = new TestProcess({ url, collectsGarbage: true }, ...args);
  assertEquals(await measuring.ended, 0, measuring.errors);
  return measuring.printed;
}

/** On Bun the objects of requests are not a part of what its heap tells. */
const NATIVE_ON_BUN = /its request/;

/** Gives the kinds of which too much or too little is counted, and how many kinds there are. */
function judge(output: string): { count: number; wrong: Map<string, string> } {
  const wrong = new Map<string, string>();
  let count = 0;
  for (const [, kind, counted, grown] of output.matchAll(/(.*)\ncounted (\d+) grown (-?\d+)/g)) {
    count++;
    if ("Bun" in globalThis && NATIVE_ON_BUN.test(kind)) continue;
    const ratio = Number(counted) / Number(grown);
    if (!(ratio >= 2 / 3 && ratio <= 1.5)) wrong.set(kind, `${kind}: ${counted} for ${grown}`);
  }
  return { count, wrong };
}

describe("what the memory budget counts", () => {
  it("is within a factor of 1.5 of what the process grows by", async () => {
    const output = await start();
    const { count, wrong } = judge(output);
    assert(count > 15, output);
    // What a runtime frees late is taken for a part of the next kind: measured alone, it is not there.
    for (const kind of [...wrong.keys()]) {
      for (let i = 0; i < 2 && wrong.has(kind); i++) {
        const again = judge(await start(kind));
        assert(again.count === 1, `${kind} is not measured alone`);
        if (again.wrong.size === 0) wrong.delete(kind);
      }
    }
    assert(wrong.size === 0, [...wrong.values()].join("\n"));
  });
});
