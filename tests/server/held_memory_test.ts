import { execFile } from "node:child_process";
import { describe, it } from "node:test";
import process from "node:process";
import { promisify } from "node:util";
import { assert } from "@std/assert";
import { moduleCommand } from "../support/child_process.ts";

const run = promisify(execFile);

async function start(...args: string[]): Promise<string> {
  const command = moduleCommand(new URL("held_memory_process.ts", import.meta.url));
  // Bun needs no flag for it.
  if ("Deno" in globalThis) command.splice(1, 0, "--v8-flags=--expose-gc");
  else if (!("Bun" in globalThis)) command.unshift("--expose-gc");
  const { stdout } = await run(process.execPath, [...command, ...args]);
  return stdout;
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
