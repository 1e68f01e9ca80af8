// @once: it only reads files.

import { describe, it } from "node:test";
import { assert, assertEquals, assertMatch, assertNotMatch } from "@std/assert";
import { readFile } from "node:fs/promises";
import { checkRelease } from "../../tools/release.ts";
import { OLDEST, RUNTIME_IDS } from "../../tools/runtimes.ts";

const WORKFLOWS = ["ci", "release"];

async function readText(path: string): Promise<string> {
  return await readFile(new URL(`../../${path}`, import.meta.url), "utf8");
}

function readWorkflow(name: string): Promise<string> {
  return readText(`.github/workflows/${name}.yml`);
}

/** The versions of a runtime that the matrix names for Linux. */
function versionsOf(workflow: string, runtime: string): string[] {
  const entries = workflow.matchAll(
    /- \{ os: ubuntu-latest, runtime: (\w+), version: ([\w.]+)[ ,]/g,
  );
  return [...entries].filter(([, name]) => name === runtime).map(([, , version]) => version);
}

describe("the workflows", () => {
  for (const name of WORKFLOWS) {
    it(`${name}: pins its actions, and names no registry and no secret`, async () => {
      const workflow = await readWorkflow(name);
      const uses = [...workflow.matchAll(/uses: (.*)/g)].map(([, action]) => action);
      assert(uses.length > 0);
      for (const action of uses) assertMatch(action, /^[\w-]+\/[\w-]+@v\d+(?:\.\d+)*$/);
      assertNotMatch(workflow, /registry|\bhttps?:|secrets\./);
    });

    it(`${name}: runs tasks and tools that there are`, async () => {
      const workflow = await readWorkflow(name);
      const { tasks } = JSON.parse(await readText("deno.json"));
      for (const [, task] of workflow.matchAll(/deno task ([\w:]+)/g)) assert(task in tasks, task);
      for (const [path] of workflow.matchAll(/tools\/[\w/]+\.ts/g)) {
        assert((await readText(path)).length > 0);
      }
    });

    it(`${name}: is indented by spaces, and may write only where it publishes`, async () => {
      const workflow = await readWorkflow(name);
      assertNotMatch(workflow, /\t/);
      const jobs = workflow.slice(workflow.indexOf("\njobs:")).split(/\n(?= {2}\w+:\n)/).slice(1);
      for (const job of jobs) {
        assertEquals(/id-token: write/.test(job), / publish(?: |$)/m.test(job), job);
        assertMatch(job, /timeout-minutes: \d+/);
      }
      assert(workflow.includes("\npermissions:\n  contents: read\n"));
    });
  }

  it("test the oldest and the newest of each runtime, on three systems", async () => {
    const workflow = await readWorkflow("ci");
    for (const [runtime, oldest] of Object.entries(OLDEST)) {
      const versions = versionsOf(workflow, runtime);
      assertEquals(versions[0], oldest);
      assert(versions.length > 1, `${runtime} has one version`);
    }
    assertEquals(versionsOf(workflow, "deno").at(-1), "latest");
    assertEquals(versionsOf(workflow, "bun").at(-1), "latest");
    const [, ...majors] = versionsOf(workflow, "node");
    for (const id of RUNTIME_IDS.filter((id) => id.startsWith("node"))) {
      assert(majors.includes(id.slice("node".length)), id);
    }
    for (const system of ["ubuntu", "macos", "windows"]) assertMatch(workflow, RegExp(system));
  });

  it("agree with the README", async () => {
    const { deno, bun, node } = OLDEST;
    const readme = (await readText("README.md")).replaceAll(/\s+/g, " ");
    assert(readme.includes(`Deno ${deno}, Bun ${bun} and Node ${node}, or newer`));
  });
});

describe("checkRelease()", () => {
  const release = { deno: "1.2.3", npm: "1.2.3", changelog: "# Changelog\n\n## 1.2.3 (today)\n" };

  it("accepts a release whose versions agree", () => {
    assertEquals(checkRelease("v1.2.3", release), []);
    const changelog = "## 2.0.0-rc.1\n";
    const early = { deno: "2.0.0-rc.1", npm: "2.0.0-rc.1", changelog };
    assertEquals(checkRelease("v2.0.0-rc.1", early), []);
  });

  it("names each thing that does not", () => {
    assertEquals(checkRelease("v1.2.3", { ...release, deno: "1.2.2" }).length, 1);
    assertEquals(checkRelease("v1.2.3", { ...release, npm: "1.2.2" }).length, 1);
    assertEquals(checkRelease("v1.2.3", { ...release, changelog: "## 1.2.30\n" }).length, 1);
    assertEquals(checkRelease("v1.2.4", release).length, 3);
    for (const tag of ["1.2.3", "v1.2", "release", ""]) {
      assertMatch(checkRelease(tag, release).join(), /is no version/);
    }
  });
});
