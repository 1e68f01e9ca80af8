/**
 * Makes the npm package: `deno task pack` writes it to `.tmp/npm/`, which is what a release
 * publishes. It is the sources as JavaScript modules and declarations, at the same paths, without a
 * dependency: the modules of @std that are used come along, and what brokers need is an optional
 * peer. Tests make it on every runtime.
 *
 * @module
 */

import { execFile } from "node:child_process";
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, posix } from "node:path";
import process from "node:process";
import { fileURLToPath, pathToFileURL } from "node:url";
import { OLDEST } from "./runtimes.ts";

const root = new URL("../", import.meta.url);

/** What is copied as it is. */
const DOCUMENTS = ["README.md", "CHANGELOG.md", "LICENSE"];

/** The entry point that is a program. */
const PROGRAM = "./cli";

const STD_IMPORT = /(["'])@std\/([\w-]+)\/([\w-]+)\1/g;
const RELATIVE_IMPORT = /((?:\bfrom|\bimport)\s*\(?\s*)(["'])(\.{1,2}\/[^"']+)\2/g;

async function readText(path: string, base: URL = root): Promise<string> {
  return await readFile(new URL(path, base), "utf8");
}

async function readJson(path: string) {
  return JSON.parse(await readText(path));
}

/** Runs a program to its end; gives what it printed where it failed. */
function run(file: string, args: string[]): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  execFile(file, args, { cwd: fileURLToPath(root) }, (error, stdout, stderr) => {
    if (error === null) resolve();
    else reject(new Error(`Cannot make the package: tsc failed\n${stdout}${stderr}`));
  });
  return promise;
}

/** Runs the TypeScript compiler on the runtime that this runs on. */
async function compile(entryPoints: string[], folder: string): Promise<void> {
  const config = {
    extends: fileURLToPath(new URL("tsconfig.json", root)),
    compilerOptions: {
      rootDir: fileURLToPath(root),
      outDir: folder,
      noEmit: false,
      // Types are checked once, by `deno task ok`; without them, each file is compiled by itself.
      noCheck: true,
      target: "es2022",
      newLine: "lf",
      rewriteRelativeImportExtensions: true,
      sourceMap: true,
      inlineSources: true,
    },
    include: [],
    files: entryPoints.map((path) => fileURLToPath(new URL(path, root))),
  };
  await mkdir(new URL(".tmp/", root), { recursive: true });
  const scratch = await mkdtemp(fileURLToPath(new URL(".tmp/tsc-", root)));
  try {
    const project = `${scratch}/tsconfig.json`;
    await writeFile(project, JSON.stringify(config));
    const tsc = fileURLToPath(new URL("node_modules/typescript/bin/tsc", root));
    const flags = "Deno" in globalThis ? ["run", "--allow-all", "--quiet"] : [];
    await run(process.execPath, [...flags, tsc, "--project", project]);
  } finally {
    await rm(scratch, { recursive: true });
  }
}

/** Gives the path that a module of @std has in the npm package that carries it. */
async function findStdModule(name: string, entry: string): Promise<string> {
  const { exports } = await readJson(`tools/std/${name}/package.json`);
  const file: string | undefined = exports[`./${entry}`]?.default;
  if (file === undefined) throw new Error(`Cannot find @std/${name}/${entry} in tools/std/${name}`);
  const text = await readText(`tools/std/${name}/${file.slice(2)}`);
  const path = /from "deno-std\/([^"]+)"/.exec(text)?.[1];
  if (path === undefined) throw new Error(`Cannot read tools/std/${name}/${file}`);
  return path;
}

/** Copies a module of @std and those it imports, notices included. */
async function copyStdModule(path: string, folder: URL, copied: Set<string>): Promise<void> {
  if (copied.has(path)) return;
  copied.add(path);
  const target = new URL(`std/${path}`, folder);
  await mkdir(dirname(fileURLToPath(target)), { recursive: true });
  const source = new URL(`node_modules/deno-std/${path}`, root);
  await copyFile(source, target);
  // Not those in the examples of its comments.
  const code = (await readText(source.href)).replaceAll(/\/\*[^]*?\*\//g, "");
  for (const [, , , specifier] of code.matchAll(RELATIVE_IMPORT)) {
    await copyStdModule(posix.join(posix.dirname(path), specifier), folder, copied);
  }
}

/** Makes the imports of @std in a module relative, and copies what they name. */
async function bindStd(path: string, text: string, folder: URL, copied: Set<string>) {
  let bound = text;
  for (const [statement, quote, name, entry] of text.matchAll(STD_IMPORT)) {
    const module = await findStdModule(name, entry);
    await copyStdModule(module, folder, copied);
    const target = posix.relative(posix.dirname(path), `std/${module}`);
    bound = bound.replace(statement, `${quote}${target}${quote}`);
  }
  return bound;
}

/** Names the source beside the map, where debuggers look for it; its text is in the map. */
function withLocalSource(path: string, text: string): string {
  const source = posix.basename(path).replace(/\.js\.map$/, ".ts");
  return JSON.stringify({ ...JSON.parse(text), sourceRoot: undefined, sources: [source] });
}

/** The compiler leaves `.ts` in the imports of declarations, which not all editors understand. */
function withRewrittenImports(text: string): string {
  return text.replace(
    RELATIVE_IMPORT,
    (_, before, quote, specifier) =>
      `${before}${quote}${specifier.replace(/\.ts$/, ".js")}${quote}`,
  );
}

async function finishOutput(folder: URL): Promise<void> {
  const copied = new Set<string>();
  for (const entry of await readdir(folder, { recursive: true })) {
    const path = entry.replaceAll("\\", "/");
    if (!/\.(?:js|d\.ts|js\.map)$/.test(path) || path.startsWith("std/")) continue;
    const text = await readText(path, folder);
    let finished = text;
    if (path.endsWith(".map")) finished = withLocalSource(path, text);
    else if (path.endsWith(".js")) finished = await bindStd(path, text, folder, copied);
    else finished = withRewrittenImports(text);
    if (path.endsWith(".d.ts") && /["']@std\//.test(finished)) {
      throw new Error(`Cannot declare ${path} without the types of @std`);
    }
    if (finished !== text) await writeFile(new URL(path, folder), finished);
  }
  if (copied.size === 0) return;
  await copyFile(new URL("tools/std/LICENSE", root), new URL("std/LICENSE", folder));
}

/** Gives the packages that only users of some entry points need, with the versions that they take. */
async function findOptionalPeers(): Promise<Record<string, string>> {
  const { imports } = await readJson("deno.json");
  const peers = Object.values<string>(imports).flatMap((specifier) => {
    const match = /^npm:(.+)@([^@]+)$/.exec(specifier);
    return match === null ? [] : [[match[1], match[2]]];
  });
  return Object.fromEntries(peers);
}

/** The modules that are imported for what they do when they are loaded: a bundler must not leave them out. */
const SELF_REGISTERING = [
  "./src/checks.js",
  "./src/codec/mask_simd.js",
  "./src/http1/head_faults.js",
  "./src/runtimes/deno/malloc.js",
  "./src/runtimes/deno/utf8.js",
  "./src/runtimes/node/young_collections.js",
  "./src/runtimes/shared/event_loop.js",
  "./src/runtimes/shared/native.js",
];

/** Gives the `package.json` of the package. */
async function createManifest(exports: Record<string, string>) {
  const { name, version, description, keywords, license, type } = await readJson("package.json");
  const entries = Object.entries(exports).map(([entry, path]) => {
    const module = path.replace(/\.ts$/, "");
    return [entry, { types: `${module}.d.ts`, default: `${module}.js` }];
  });
  const program = exports[PROGRAM].replace(/\.ts$/, ".js");
  const peers = await findOptionalPeers();
  return {
    name,
    version,
    description,
    keywords,
    license,
    type,
    // The program does what it does when it is imported, and so do the parts that make themselves known.
    sideEffects: [program, ...SELF_REGISTERING],
    bin: { sluice: program },
    engines: Object.fromEntries(
      Object.entries(OLDEST).map(([runtime, version]) => [runtime, `>=${version}`]),
    ),
    exports: { ...Object.fromEntries(entries), "./package.json": "./package.json" },
    peerDependencies: peers,
    peerDependenciesMeta: Object.fromEntries(
      Object.keys(peers).map((peer) => [peer, { optional: true }]),
    ),
  };
}

/** Makes the package in `folder`, which is emptied first. */
export async function buildPackage(folder: string): Promise<void> {
  const { exports } = await readJson("deno.json");
  const url = pathToFileURL(`${folder}/`);
  await rm(folder, { recursive: true, force: true });
  await compile(Object.values(exports), folder);
  await finishOutput(url);
  for (const name of DOCUMENTS) await copyFile(new URL(name, root), new URL(name, url));
  const manifest = await createManifest(exports);
  await writeFile(new URL("package.json", url), JSON.stringify(manifest, undefined, 2) + "\n");
}

if (import.meta.main) {
  const folder = fileURLToPath(new URL(".tmp/npm", root));
  await buildPackage(folder);
  console.log("The npm package is in .tmp/npm");
}
