/**
 * The runtimes that npm installed, for processes that run on another one than the test.
 *
 * @module
 */

import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Module, RuntimeName } from "./child_process.ts";

const nodeModules = fileURLToPath(new URL("../../node_modules/", import.meta.url));

/** Where the executables are: a folder, how the package's name begins, and the path in it. */
const PLACES = {
  deno: ["@deno/", "", "/deno"],
  bun: ["@oven/", "bun-", "/bin/bun"],
  node22: ["", "node22-", "/bin/node"],
  node26: ["", "node26-", "/bin/node"],
} as const;

/** Gives the path of a runtime. */
export function findInstalled(id: keyof typeof PLACES): string {
  const [folder, start, path] = PLACES[id];
  const name = readdirSync(nodeModules + folder).find((name) => name.startsWith(start));
  if (name === undefined) throw new Error(`Cannot find node_modules/${folder}${start}*`);
  return `${nodeModules}${folder}${name}${path}`;
}

/** Gives a module as it runs on Node 22, so that it is the same whatever the test runs on. */
export function onNode(url: URL): Module {
  return { url, runtime: "node", executable: findInstalled("node22") };
}

/** Gives a module as it runs on Deno, on Bun and on Node. */
export function onThreeRuntimes(url: URL): Module[] {
  return ([["deno", "deno"], ["bun", "bun"], ["node", "node22"]] as const)
    .map(([runtime, id]): Module & { runtime: RuntimeName } => ({
      url,
      runtime,
      executable: findInstalled(id),
    }));
}
