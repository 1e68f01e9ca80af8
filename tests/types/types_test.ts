// @once: TypeScript runs on Node, and says the same whatever is tested.

import { after, before, describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { copyFile, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { execFile } from "node:child_process";
import { tmpdir } from "node:os";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { buildPackage } from "../../tools/npm.ts";
import { findInstalled } from "../support/installed_runtimes.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** The newest TypeScript, and the oldest that is supported. */
const COMPILERS = { newest: "typescript", oldest: "oldest-typescript" };
/** The types of Node, by the folder that they are in. */
const NODE_TYPES = { 22: "types-node-22", 24: "types-node-24", 26: "@types/node" };
/** What is checked of every TypeScript, every version of the types of Node, with and without the DOM. */
const COMBINATIONS: [age: keyof typeof COMPILERS, node: keyof typeof NODE_TYPES, dom: boolean][] = [
  ["oldest", 22, true],
  // With the DOM of the oldest TypeScript, the types of Node 26 contradict it by themselves.
  ["oldest", 26, false],
  ["newest", 22, false],
  ["newest", 24, true],
  ["newest", 26, false],
];

/** Runs a program; gives what it printed if it failed, or `""`. */
function run(file: string, args: string[], cwd: string): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const options = { cwd, env: { ...process.env, NO_COLOR: "1" } };
  execFile(file, args, options, (error, stdout, stderr) => {
    resolve(error === null ? "" : `${stdout}${stderr}` || String(error));
  });
  return promise;
}

async function readEntryPoints(): Promise<Record<string, string>> {
  return JSON.parse(await readFile(`${root}deno.json`, "utf8")).exports;
}

describe("the types of the npm package", { concurrency: 2 }, () => {
  let base: string;
  let projects = 0;

  before(async () => {
    base = await mkdtemp(`${tmpdir()}/sluice-types-`);
    await buildPackage(`${base}/node_modules/@sluice/websocket`);
    await link(base, { redis: "redis", "@nats-io": "@nats-io" });
  });

  after(() => rm(base, { recursive: true }));

  /** Gives a folder packages of this repository, by the names that they are to have. */
  async function link(folder: string, packages: Record<string, string>): Promise<void> {
    await mkdir(`${folder}/node_modules/@types`, { recursive: true });
    for (const [name, place] of Object.entries(packages)) {
      const target = `${root}node_modules/${place}`;
      await symlink(target, `${folder}/node_modules/${name}`, "junction");
    }
  }

  /** Makes a project that imports all of the package, but for what `leftOut` names. */
  async function createProject(packages: Record<string, string>, leftOut = /^$/): Promise<string> {
    const folder = `${base}/project-${projects++}`;
    await link(folder, packages);
    await writeFile(`${folder}/package.json`, JSON.stringify({ type: "module" }));
    await copyFile(`${root}tests/types/program.ts`, `${folder}/program.ts`);
    const names = Object.keys(await readEntryPoints()).filter((name) => !leftOut.test(name));
    const lines = names.map((name, i) =>
      `export * as _${i} from "@sluice/websocket${name.slice(1)}";`
    );
    await writeFile(`${folder}/entry_points.ts`, lines.join("\n"));
    return folder;
  }

  /** Checks the project. */
  async function check(
    folder: string,
    age: keyof typeof COMPILERS,
    options: Record<string, unknown>,
  ): Promise<void> {
    const compilerOptions = {
      ...{ target: "es2022", module: "nodenext", strict: true, noEmit: true, skipLibCheck: false },
      ...options,
    };
    const files = ["program.ts", "entry_points.ts"];
    await writeFile(`${folder}/tsconfig.json`, JSON.stringify({ compilerOptions, files }));
    const tsc = `${root}node_modules/${COMPILERS[age]}/bin/tsc`;
    assertEquals(await run(findInstalled("node26"), [tsc], folder), "");
  }

  for (const [age, node, dom] of COMBINATIONS) {
    const title = `satisfy the ${age} TypeScript with the types of Node ${node}, ` +
      `and ${dom ? "" : "not "}those of the DOM`;
    it(title, async () => {
      const strictest = dom || node === 24;
      // The types of NATS themselves don't satisfy these settings.
      const leftOut = strictest ? /nats/ : undefined;
      const folder = await createProject({ "@types/node": NODE_TYPES[node] }, leftOut);
      await check(folder, age, {
        lib: dom ? ["es2024", "dom", "dom.asynciterable"] : ["es2024"],
        types: ["node"],
        exactOptionalPropertyTypes: strictest,
        noUncheckedIndexedAccess: strictest,
      });
    });
  }

  it("need no types but those of the DOM, where a program needs none", async () => {
    const folder = await createProject({}, /node|brokers/);
    const lib = ["es2022", "dom", "dom.asynciterable"];
    await check(folder, "newest", { lib, types: [] });
  });

  it("satisfy the settings that Bun begins a project with", async () => {
    const folder = await createProject({ "@types/bun": "@types/bun" });
    await check(folder, "newest", {
      ...{ lib: ["esnext"], target: "esnext", module: "preserve", moduleDetection: "force" },
      ...{ allowJs: true, moduleResolution: "bundler", allowImportingTsExtensions: true },
      ...{ verbatimModuleSyntax: true, skipLibCheck: true, noFallthroughCasesInSwitch: true },
      ...{ noUncheckedIndexedAccess: true, noImplicitOverride: true, types: ["bun"] },
    });
  });

  it("satisfy Deno's own settings", async () => {
    const folder = await createProject({ "@types/node": "@types/node" }, /brokers/);
    const args = ["check", "--quiet", "program.ts", "entry_points.ts"];
    assertEquals(await run(findInstalled("deno"), args, folder), "");
  });
});

describe("the types of the sources", () => {
  it("satisfy the strictest settings", async () => {
    const folder = await mkdtemp(`${tmpdir()}/sluice-types-`);
    try {
      const compilerOptions = {
        ...{ target: "esnext", module: "nodenext", lib: ["es2024"], noEmit: true, strict: true },
        ...{ skipLibCheck: true, allowImportingTsExtensions: true, types: ["node"] },
        typeRoots: [`${root}node_modules/@types`],
        ...{ exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true },
        ...{ noImplicitOverride: true, noImplicitReturns: true, noUnusedLocals: true },
        ...{ noPropertyAccessFromIndexSignature: true, noUnusedParameters: true },
      };
      const files = Object.values(await readEntryPoints()).map((path) => root + path);
      await writeFile(`${folder}/tsconfig.json`, JSON.stringify({ compilerOptions, files }));
      const tsc = `${root}node_modules/${COMPILERS.newest}/bin/tsc`;
      assertEquals(await run(findInstalled("node26"), [tsc, "-p", folder], root), "");
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe("the README", () => {
  it("says which TypeScript, and which types of Node, are the oldest", async () => {
    const { devDependencies } = JSON.parse(await readFile(`${root}package.json`, "utf8"));
    const [, oldest] = /typescript@(\d+\.\d+)\./.exec(devDependencies[COMPILERS.oldest])!;
    const readme = (await readFile(`${root}README.md`, "utf8")).replaceAll(/\s+/g, " ");
    assert(readme.includes(`TypeScript ${oldest}, or newer, with \`@types/node\` 22, or newer`));
  });
});
