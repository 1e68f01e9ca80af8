// @once: the bundler is Bun's, on every runtime.

import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { assertGreater, assertLess } from "@std/assert";
import { skipUnless } from "../support/skip.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** The largest start of an echo server, in bytes, minified and compressed. */
const MAX_SIZE = 30_000;

/** The bundler: that of the Bun which npm installed for the tests. */
function findBun(): string | undefined {
  const folder = `${root}node_modules/@oven`;
  const [name] = readdirSync(folder).filter((name) => name.startsWith("bun-"));
  return name && `${folder}/${name}/bin/bun`;
}

const bun = findBun();
const skip = skipUnless(bun !== undefined, "needs the Bun that npm installs");

/** Bundles a program for Node, and gives the chunks by their names. */
async function bundle(program: string): Promise<Map<string, string>> {
  const folder = await mkdtemp(`${tmpdir()}/sluice-size-`);
  try {
    await writeFile(`${folder}/echo.ts`, program);
    const flags = ["--target=node", "--minify", "--splitting", `--outdir=${folder}/out`];
    await promisify(execFile)(bun!, ["build", `${folder}/echo.ts`, ...flags], { cwd: root });
    const chunks = new Map<string, string>();
    for (const name of readdirSync(`${folder}/out`)) {
      chunks.set(name, await readFile(`${folder}/out/${name}`, "utf8"));
    }
    return chunks;
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Gives the size of what is loaded at the start: a chunk, and all that it imports statically. */
function sizeOfStart(chunks: Map<string, string>, entry: string): number {
  const loaded = new Set<string>();
  const queue = [entry];
  for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
    if (loaded.has(name)) continue;
    loaded.add(name);
    const imports = chunks.get(name)!.matchAll(/(?:\bfrom|\bimport)\s*"\.\/([^"]+)"/g);
    for (const [, imported] of imports) queue.push(imported);
  }
  return [...loaded].reduce((sum, name) => sum + gzipSync(chunks.get(name)!).length, 0);
}

describe("the bundle of an echo server", () => {
  it("starts with no more than an echo server needs", { skip }, async () => {
    const chunks = await bundle(`
      import { serve } from "${root}src/runtimes/node/mod.ts";
      await serve({ port: 8080, message: (conn, data) => conn.send(data) });
    `);
    const size = sizeOfStart(chunks, "echo.js");
    assertLess(size, MAX_SIZE);
    // Otherwise this has not found all of it.
    assertGreater(size, MAX_SIZE / 2);
  });
});
