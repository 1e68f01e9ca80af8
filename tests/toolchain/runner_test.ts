// @once: it starts the runner, which runs all the runtimes.

import { after, before, describe, it } from "node:test";
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { TestProcess } from "../support/child_process.ts";
import { findInstalled } from "../support/installed_runtimes.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

const IMPORT = 'import { describe, it } from "node:test";\n';
const FILES: Record<string, string> = {
  "pass_test.ts": `${IMPORT} it("passes", () => {}); it("waits", { skip: "no time" }, () => {});`,
  "fail_test.ts": `${IMPORT} describe("a", () => { it("b", () => { throw new Error("boo"); }); });`,
  "throw_test.ts": `${IMPORT} throw new Error("outside of any test"); it("c", () => {});`,
  "hang_test.ts": `${IMPORT} it("hangs", () => new Promise((f) => setTimeout(f, 1e6)));`,
  "none_test.ts": "",
  "once_test.ts": `// @once: why\n${IMPORT} it("passes", () => {});`,
  "engines_test.ts": `// @engines: why\n${IMPORT} it("passes", () => {});`,
  "measures_test.ts": `// @measures\n${IMPORT} it("passes", () => {});`,
  "waits_test.ts": `// @waits\n${IMPORT} it("passes", () => {});`,
};

/** Runs the runner on the folder; gives its status and what it printed. */
async function runTests(folder: string, words: string[]): Promise<[number, string]> {
  const options = ["--folder", folder, "--deadline", "3", ...words];
  const command = [findInstalled("deno"), "run", "-A", "tools/test.ts", ...options];
  const program = new TestProcess({ command, cwd: root, env: { NO_COLOR: "1" } });
  await program.ended;
  return [program.status!, program.printed];
}

describe("tools/test.ts", () => {
  let folder: string;

  before(async () => {
    await mkdir(`${root}.tmp`, { recursive: true });
    // Within the repository, so that the packages are found.
    folder = await mkdtemp(`${root}.tmp/runner-`);
    for (const [name, text] of Object.entries(FILES)) await writeFile(`${folder}/${name}`, text);
  });

  after(() => rm(folder, { recursive: true }));

  it("ends with status 0 where every test passed or was skipped", async () => {
    const [status, output] = await runTests(folder, ["pass_test"]);
    assertEquals(output.trimEnd().split("\n").at(-1), "4 passed, 0 failed");
    assertStringIncludes(output, "pass_test.ts > waits: no time (Deno");
    assertEquals(status, 0);
  });

  it("runs a file on every runtime, or on the first, or on one of each engine, as it says", async () => {
    const words = ["once_test", "engines_test", "measures_test", "waits_test"];
    const [status, output] = await runTests(folder, words);
    assertEquals(output.trimEnd().split("\n").at(-1), "11 passed, 0 failed");
    assertMatch(output, /^Deno \S+ +3 /m);
    assertMatch(output, /^Bun \S+ +3 /m);
    assertMatch(output, /^Node 22\S+ +3 /m);
    assertMatch(output, /^Node 26\S+ +2 /m);
    assertEquals(status, 0);
  });

  it("counts a failed test on every runtime, and shows it", async () => {
    const [status, output] = await runTests(folder, ["fail_test"]);
    assertEquals(output.trimEnd().split("\n").at(-1), "0 passed, 4 failed");
    assertEquals(output.match(/FAILED a > b\n +.*Error.*: boo/g)?.length, 4);
    assertEquals(status, 1);
  });

  it("counts a file that fails outside of its tests, or has none", async () => {
    const [status, output] = await runTests(folder, ["throw_test", "none_test"]);
    assertEquals(output.match(/^failed: .*throw_test\.ts \(/gm)?.length, 4);
    assertEquals(output.match(/^failed: .*none_test\.ts \(/gm)?.length, 4);
    assertEquals(status, 1);
  });

  it("ends a file that hangs", async () => {
    const [status, output] = await runTests(folder, ["hang_test", "--runtime", "node22"]);
    assertStringIncludes(output, "did not end within 3 s");
    assertEquals(output.trimEnd().split("\n").at(-1), "0 passed, 1 failed");
    assertEquals(status, 1);
  });
});
