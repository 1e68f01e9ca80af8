import { after, before, describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { execFile } from "node:child_process";
import { readdir, readFile, realpath, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { replacePorts } from "../../tools/example_ports.ts";
import { extractExamples } from "../../tools/extract_examples.ts";
import { playsAll } from "../support/plays_all.ts";
import { skipUnless } from "../support/skip.ts";
import { hasNpm, Project } from "./project.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const skip = skipUnless(hasNpm, "needs npm, which comes with Node");

/** A program of one's own: it serves, and is its own client, by the runtime's WebSocket. */
const ECHO = `
import { serve } from "@sluice/websocket";

const server = await serve({
  port: 0,
  hostname: "127.0.0.1",
  compression: true,
  message: (conn, data) => conn.send(data),
});
const { addr } = server;
if (addr.transport !== "tcp") throw new Error("This is no port");
const text = "from the package ".repeat(1000);
const socket = new WebSocket(\`ws://127.0.0.1:\${addr.port}/\`);
const echo = await new Promise((resolve, reject) => {
  socket.onopen = () => socket.send(text);
  socket.onmessage = ({ data }) => resolve(data);
  socket.onerror = () => reject(new Error("The client failed"));
});
await server.shutdown();
console.log(echo === text ? "echoed" : "garbled");
`;

const PACKAGE = "@sluice/websocket";

/** Prints what each of the modules that are named exports. */
const LIST = `
import process from "node:process";

const names = {};
for (const name of process.argv.slice(2)) names[name] = Object.keys(await import(name)).sort();
console.log(JSON.stringify(names));
`;

const REQUIRE = `
const { serve } = require("@sluice/websocket");
const { FrameDecoder } = require("@sluice/websocket/codec");
console.log(typeof serve, typeof FrameDecoder);
`;

async function readText(path: string): Promise<string> {
  return await readFile(path, "utf8");
}

async function readSourceNames(): Promise<string[]> {
  const paths = await readdir(`${root}src`, { recursive: true });
  const names = paths.filter((path) => path.endsWith(".ts"))
    .map((path) => `src/${path.replaceAll("\\", "/")}`);
  return ["mod.ts", ...names];
}

async function readEntryPoints(): Promise<Record<string, string>> {
  const { exports } = JSON.parse(await readText(`${root}deno.json`));
  const entries = Object.entries<string>(exports);
  return Object.fromEntries(
    entries.map(([entry, path]) => [`${PACKAGE}${entry.slice(1)}`, path]),
  );
}

/** Whether a snippet needs no other package, such as a framework. */
function isSelfContained(code: string): boolean {
  return Array.from(code.matchAll(/ from "([^"]+)"/g), ([, specifier]) => specifier)
    .every((specifier) => specifier.startsWith("node:") || specifier.startsWith(PACKAGE));
}

/** Whether this runtime has what the guides say that not all have. */
function isKnownHere(code: string): boolean {
  return !code.includes("URLPattern") || "URLPattern" in globalThis;
}

describe("the npm package", () => {
  let project: Project;
  /** The modules of the README and of the guides, and whether each can be run. */
  const snippets: { name: string; code: string; runs: boolean }[] = [];

  before(async () => {
    if (skip) return;
    project = await Project.create();
    const guides = (await readdir(`${root}docs`)).filter((name) => name.endsWith(".md"));
    for (const file of ["README.md", ...guides.map((name) => `docs/${name}`)]) {
      const text = await readText(`${root}${file}`);
      for (const { line, code, runsOn } of extractExamples(file, text)) {
        if (!isSelfContained(code)) continue;
        const name = `./${file.replaceAll(/[^\w]/g, "_")}_${line}.ts`;
        await project.write(name, await replacePorts(code));
        // Brokers need packages that are not installed here, and say that nobody is there.
        const runs = runsOn === "deno" && isKnownHere(code) && !code.includes("/brokers/");
        snippets.push({ name, code, runs });
      }
    }
    await project.write("echo.ts", ECHO);
    await project.write("list.js", LIST);
    await project.write("require.cjs", REQUIRE);
  });

  after(() => project?.remove());

  it("holds what it should, and nothing else", { skip }, async () => {
    const compiled = (await readSourceNames()).flatMap((name) =>
      [".js", ".js.map", ".d.ts"].map((ending) => name.replace(/\.ts$/, ending))
    );
    const others = ["CHANGELOG.md", "LICENSE", "README.md", "package.json", "std/LICENSE"];
    const isStd = (path: string) => /^std\/(?:encoding|crypto)\/\w+\.js$/.test(path);
    assertEquals(
      project.packed.filter((path) => !isStd(path)),
      [...compiled, ...others].sort(),
    );
    assert(project.packed.some(isStd));
  });

  it("depends on nothing, and needs nothing that is not there", { skip }, async () => {
    const installed = await project.listInstalled();
    assertEquals(installed, project.packed.map((path) => `@sluice/websocket/${path}`));
    const manifest = JSON.parse(await readText(`${project.installed}/package.json`));
    const { name, version, license } = JSON.parse(await readText(`${root}deno.json`));
    assertEquals([manifest.name, manifest.version, manifest.license], [name, version, license]);
    assertEquals(
      Object.keys(manifest).filter((key) => /dependencies|scripts/i.test(key)),
      ["peerDependencies", "peerDependenciesMeta"],
    );
    const peers = Object.keys(manifest.peerDependencies);
    assertEquals(peers, ["@nats-io/transport-node", "redis"]);
    for (const peer of peers) assertEquals(manifest.peerDependenciesMeta[peer], { optional: true });
    for (const path of project.packed.filter((path) => /\.(?:js|d\.ts)$/.test(path))) {
      const text = await readText(`${project.installed}/${path}`);
      const code = text.replaceAll(/\/\*[^]*?\*\//g, "");
      for (
        const [, , specifier] of code.matchAll(/(?<!["'])\b(?:from|import)\s*\(?(["'])(.*?)\1/g)
      ) {
        if (specifier.startsWith("node:")) continue;
        if (path.startsWith("src/brokers/") && peers.includes(specifier)) continue;
        assert(/^\.{1,2}\/.*\.js$/.test(specifier), `${path} imports "${specifier}"`);
        const { pathname } = new URL(specifier, `file:///${path}`);
        assert(project.packed.includes(pathname.slice(1)), `${path} imports "${specifier}"`);
      }
    }
  });

  it("names no place of the machine it was made on, and no registry", { skip }, async () => {
    for (const path of project.packed) {
      const text = await readText(`${project.installed}/${path}`);
      for (const place of [root, dirname(project.folder), "node_modules"]) {
        assert(!text.includes(place), `${path} names ${place}`);
      }
      const host = /\b(?:registry|npm)\.[a-z]+\.[a-z]+/.exec(text)?.[0];
      assertEquals(host, undefined, `${path} names ${host}`);
    }
  });

  it("leads debuggers to the sources", { skip }, async () => {
    for (const name of await readSourceNames()) {
      const module = name.replace(/\.ts$/, ".js");
      const base = module.slice(module.lastIndexOf("/") + 1);
      const code = await readText(`${project.installed}/${module}`);
      assertEquals(/^\/\/# sourceMappingURL=(.*)$/m.exec(code)?.[1], `${base}.map`);
      const map = JSON.parse(await readText(`${project.installed}/${module}.map`));
      assertEquals([map.file, map.sources], [base, [base.replace(/\.js$/, ".ts")]]);
      assertEquals(map.sourcesContent, [await readText(root + name)]);
    }
  });

  it("exports the same by every entry point as the sources", { skip }, async () => {
    // Importing a program runs it.
    const { [`${PACKAGE}/cli`]: _program, ...entryPoints } = await readEntryPoints();
    const expected: Record<string, string[]> = {};
    for (const [name, path] of Object.entries(entryPoints)) {
      expected[name] = Object.keys(await import(new URL(path, `file://${root}`).href)).sort();
    }
    const { stdout, stderr } = await project.run("list.js", ...Object.keys(entryPoints));
    assertEquals(stderr, "");
    assertEquals(JSON.parse(stdout), expected);
  });

  it("serves", { skip }, async () => {
    assertEquals(await project.run("echo.ts"), { status: 0, stdout: "echoed\n", stderr: "" });
  });

  it("has the client for the command line as a program", { skip }, async () => {
    const program = `${project.installed}/../../.bin/sluice`;
    const { status, stdout } = await project.run(await realpath(program), "--version");
    const { version } = JSON.parse(await readText(`${root}deno.json`));
    assertEquals([status, stdout], [0, `sluice ${version}\n`]);
    assertEquals((await readText(program)).split("\n")[0], "#!/usr/bin/env node");
  });

  it(
    "checks options also in a bundle, from which what is not used is left out",
    { skip },
    async () => {
      const program = `import { FrameDecoder } from "@sluice/websocket/codec";
      try { new FrameDecoder("server", {}, { typo: 1 }); } catch (error) { console.log(error.name); }`;
      await writeFile(`${project.folder}/decode.js`, program);
      const [name] = (await readdir(`${root}node_modules/@oven`)).filter((name) =>
        /^bun-/.test(name)
      );
      const bun = `${root}node_modules/@oven/${name}/bin/bun`;
      const flags = ["build", "decode.js", "--target=node", "--outfile=bundle.js"];
      await promisify(execFile)(bun, flags, { cwd: project.folder });
      assertEquals((await project.run("bundle.js")).stdout, "TypeError\n");
    },
  );

  it("can be had by require()", { skip }, async () => {
    const { status, stdout } = await project.run("require.cjs");
    assertEquals([status, stdout], [0, "function function\n"]);
  });

  it("runs what the README and the guides show", { skip }, async () => {
    const names = snippets.filter(({ runs }) => runs).map(({ name }) => name);
    assert(names.length >= 4);
    const { status, stderr } = await project.run(`${root}tools/run_example.ts`, ...names);
    assertEquals([status, stderr], [0, ""]);
  });

  // TypeScript says the same whatever it runs on.
  if (!playsAll) return;
  it("has types for programs with those of the DOM, and with those of Node", { skip }, async () => {
    const needsNode = ({ code }: { code: string }) => /"node:|\/brokers\//.test(code);
    const portable = snippets.filter((snippet) => !needsNode(snippet)).map(({ name }) => name);
    const all = snippets.map(({ name }) => name);
    assert(portable.length >= 4 && portable.length < all.length);
    const entryPoints = Object.keys(await readEntryPoints());
    const code = entryPoints.map((name, index) => `export * as a${index} from "${name}";\n`).join(
      "",
    );
    await project.write("entry_points.ts", code);
    const dom = { lib: ["esnext", "dom"], types: [] };
    assertEquals(await project.check(["echo.ts", ...portable], dom), "");
    await project.addNodeTypes();
    await project.addBrokerPackages();
    const node = { lib: ["esnext"], types: ["node"] };
    assertEquals(await project.check(["echo.ts", "entry_points.ts", ...all], node), "");
  });
});
