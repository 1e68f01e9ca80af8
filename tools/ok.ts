/**
 * Runs every check but the tests: `deno task ok`. All of them run, also after one has failed.
 *
 * @module
 */

import { findRuntime } from "./runtimes.ts";
import { setup } from "./setup.ts";

/** What is type checked. */
const SOURCES = ["mod.ts", "src", "tests", "examples", "bench", "tools"];

interface Check {
  name: string;
  command: string[];
}

async function listChecks(): Promise<Check[]> {
  const deno = Deno.execPath();
  const { exports } = JSON.parse(await Deno.readTextFile("deno.json"));
  const entryPoints: string[] = Object.values(exports);
  const node = await findRuntime("node26");
  return [
    { name: "deno fmt --check", command: [deno, "fmt", "--check"] },
    { name: "deno lint", command: [deno, "lint", "--quiet"] },
    { name: "deno check", command: [deno, "check", "--quiet", ...SOURCES] },
    {
      name: "tsc --noEmit",
      command: [node.executable, "node_modules/typescript/bin/tsc", "--noEmit"],
    },
    { name: "deno doc --lint", command: [deno, "doc", "--lint", "--quiet", ...entryPoints] },
    {
      name: "deno publish --dry-run",
      command: [deno, "publish", "--dry-run", "--allow-dirty", "--quiet"],
    },
    { name: "WebAssembly", command: [deno, "run", "-A", "tools/wasm.ts", "--check"] },
    { name: "examples", command: [deno, "run", "-A", "tools/examples.ts"] },
  ];
}

async function run({ name, command }: Check): Promise<boolean> {
  const startedAt = performance.now();
  const { success, stdout, stderr } = await new Deno.Command(command[0], {
    args: command.slice(1),
    stdin: "null",
    // Deno colors what it prints also where it is read by a program.
    env: Deno.stdout.isTerminal() ? {} : { NO_COLOR: "1" },
  }).output();
  const time = `${((performance.now() - startedAt) / 1000).toFixed(1)} s`;
  console.log(`${success ? "ok    " : "FAILED"} ${name} (${time})`);
  if (!success) {
    await Deno.stdout.write(stdout);
    await Deno.stdout.write(stderr);
  }
  return success;
}

try {
  Deno.chdir(new URL("..", import.meta.url));
  await setup();
  const failed: string[] = [];
  for (const check of await listChecks()) {
    if (!await run(check)) failed.push(check.name);
  }
  if (failed.length > 0) {
    console.log(`\nFailed: ${failed.join(", ")}`);
    Deno.exit(1);
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  Deno.exit(2);
}
