// @once: it only reads files.

import { describe, it } from "node:test";
import { assert, assertEquals, assertNotMatch } from "@std/assert";
import { readFile, stat } from "node:fs/promises";
import { extractExamples } from "../../tools/extract_examples.ts";

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

  it("describes every entry point, with an example, as JSR's score asks for", async () => {
    const { exports } = await readJson("deno.json");
    for (const [entry, path] of Object.entries<string>(exports)) {
      const text = (await readFile(new URL(path, root), "utf8")).replace(/^#!.*\n/, "");
      const [start, end] = [text.indexOf("/**"), text.indexOf("*/")];
      assertEquals(start, 0, `${path} begins with the module's doc comment`);
      assert(/^ \* @module$/m.test(text.slice(0, end)), `${path} marks it by @module`);
      const [example] = extractExamples(path, text.slice(0, end + "*/".length));
      assert(example !== undefined, `${path} has an example there`);
      const name = `@sluice/websocket${entry.slice(1)}`;
      assert(example.code.includes(`"${name}"`), `the example of ${path} imports ${name}`);
      const summary = text.slice(0, end).split("\n *\n")[0].replaceAll(/\/?\*+/g, "").trim();
      assert(summary.length > 20, `${path} says what it is`);
    }
    const readme = await readFile(new URL("README.md", root), "utf8");
    assert(extractExamples("README.md", readme).length > 0);
    // The description is entered at JSR by hand, where it may have 250 characters.
    const { description } = await readJson("package.json");
    assert(description.length >= 20 && description.length <= 250);
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
    const std = Object.entries<string>(imports).filter(([name]) => name.startsWith("@std/"));
    for (const [name, specifier] of std) {
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

  it("imports no other package but those of brokers, as they are tested", async () => {
    const { imports } = await readJson("deno.json");
    const { devDependencies } = await readJson("package.json");
    const others = Object.keys(imports).filter((name) => !name.startsWith("@std/"));
    assertEquals(others, ["@nats-io/transport-node", "redis"]);
    for (const name of others) {
      assertEquals(imports[name], `npm:${name}@^${devDependencies[name]}`);
    }
  });
});
