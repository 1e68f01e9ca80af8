/**
 * The runtimes that npm installed, for tests that need several at once.
 *
 * @module
 */

import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { ForeignModule, RuntimeName } from "../support/child_process.ts";

const nodeModules = fileURLToPath(new URL("../../node_modules/", import.meta.url));

/** Where the executables are: a folder, how the package's name begins, and the path in it. */
const PLACES: Readonly<Record<RuntimeName, [folder: string, start: string, path: string]>> = {
  deno: ["@deno/", "", "/deno"],
  bun: ["@oven/", "bun-", "/bin/bun"],
  node: ["", "node22-", "/bin/node"],
};

/** Gives a module as it runs on Deno, on Bun and on Node. */
export function onThreeRuntimes(url: URL): ForeignModule[] {
  return (["deno", "bun", "node"] as const).map((runtime) => {
    const [folder, start, path] = PLACES[runtime];
    const name = readdirSync(nodeModules + folder).find((name) => name.startsWith(start));
    if (name === undefined) throw new Error(`Cannot find node_modules/${folder}${start}*`);
    return { url, runtime, executable: `${nodeModules}${folder}${name}${path}` };
  });
}
