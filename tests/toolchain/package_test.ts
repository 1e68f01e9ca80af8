import { describe, it } from "node:test";
import { assert, assertEquals, assertNotMatch } from "@std/assert";
import { readFile, stat } from "node:fs/promises";

const root = new URL("../../", import.meta.url);

async function readJson(path: string) {
  return JSON.parse(await readFile(new URL(path, root), "utf8"));
}

describe("the package", () => {
  it("has one name, version and list of entry points", async () => {
    const deno = await readJson("deno.json");
    const npm = await readJson("package.json");
    const lock = await readJson("package-lock.json");
    assertEquals([npm.name, npm.version, npm.license], [deno.name, deno.version, deno.license]);
    assertEquals(npm.exports, deno.exports);
    assertEquals([lock.name, lock.version], [npm.name, npm.version]);
  });

  it("has every entry point", async () => {
    const { exports } = await readJson("deno.json");
    for (const path of Object.values<string>(exports)) {
      assert((await stat(new URL(path, root))).isFile(), `${path} is a file`);
    }
  });

  it("locks no address of a registry, and pins every dependency", async () => {
    const lock = await readFile(new URL("package-lock.json", root), "utf8");
    assertNotMatch(lock, /"resolved": "https?:/);
    const { devDependencies, optionalDependencies } = await readJson("package.json");
    for (const range of Object.values<string>({ ...devDependencies, ...optionalDependencies })) {
      assertNotMatch(range, /[\^~*><]|latest/);
    }
  });

  it("has a stand-in for every @std package that is imported", async () => {
    const { imports, workspace } = await readJson("deno.json");
    const { devDependencies } = await readJson("package.json");
    for (const [name, specifier] of Object.entries<string>(imports)) {
      const folder = `tools/std/${name.replace("@std/", "")}`;
      assert(workspace.includes(`./${folder}`), `${name} is in the workspace`);
      assertEquals(devDependencies[name], `file:${folder}`);
      const deno = await readJson(`${folder}/deno.json`);
      const npm = await readJson(`${folder}/package.json`);
      assertEquals([deno.name, deno.version], [npm.name, npm.version]);
      assertEquals(deno.publish, false);
      assertEquals(specifier, `jsr:${name}@^${deno.version}`);
    }
  });
});
