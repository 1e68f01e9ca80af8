import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

const nodeModules = fileURLToPath(new URL("../../node_modules/", import.meta.url));

/** Gives the path of Node 22, for peers that are to be the same whatever a test runs on. */
export function findNode(): string {
  const name = readdirSync(nodeModules).find((name) => name.startsWith("node22-"));
  if (name === undefined) throw new Error("Cannot find Node 22 in node_modules");
  return `${nodeModules}${name}/bin/node`;
}
