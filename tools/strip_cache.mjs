/**
 * Has Node 22 take the types out of a source once, and not in every process that imports it: with it, a
 * test file starts in 0.15 s instead of 0.4 s. Node 26 does so by itself, in its compile cache. The runner
 * of the tests preloads this, by `--import`.
 */

import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import * as modules from "node:module";
import process from "node:process";
import { fileURLToPath } from "node:url";

const root = new URL("../", import.meta.url);
const folder = new URL(".tmp/stripped/", root);

/** Gives a source without types, from the folder if it is there. */
function strip(source) {
  const name = createHash("sha256").update(process.version).update(source).digest("hex");
  const path = new URL(`${name}.js`, folder);
  try {
    return readFileSync(path, "utf8");
  } catch {
    const stripped = modules.stripTypeScriptTypes(source);
    mkdirSync(folder, { recursive: true });
    // Renamed, so that no other process reads a part of it.
    const unfinished = new URL(`${name}.${process.pid}`, folder);
    writeFileSync(unfinished, stripped);
    renameSync(unfinished, path);
    return stripped;
  }
}

// Node 22.12 has no such hooks.
if (/^v22\./.test(process.version) && modules.registerHooks !== undefined) {
  modules.registerHooks({
    load(url, context, nextLoad) {
      const isOurs = url.startsWith(root.href) && url.endsWith(".ts");
      if (!isOurs || url.includes("/node_modules/")) return nextLoad(url, context);
      const source = strip(readFileSync(fileURLToPath(url), "utf8"));
      return { format: "module", source, shortCircuit: true };
    },
  });
}
