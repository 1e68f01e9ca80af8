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

describe("what the memory budget counts", () => {
  it("is within a factor of 1.5 of what the process grows by", async () => {
    const kinds = (await start()).trim().split("\n");
    assert(kinds.length > 15);
    const wrong: string[] = [];
    for (const kind of kinds) {
      if ("Bun" in globalThis && NATIVE_ON_BUN.test(kind)) continue;
      const output = await start(kind);
      const [, counted, grown] = /counted (\d+) grown (-?\d+)/.exec(output) ?? [];
      const ratio = Number(counted) / Number(grown);
      if (!(ratio >= 2 / 3 && ratio <= 1.5)) wrong.push(`${kind}: ${output}`);
    }
    assert(wrong.length === 0, wrong.join("\n"));
  });
});
