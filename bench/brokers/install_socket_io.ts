/**
 * Installs Socket.IO, which nothing else here needs, in a folder of its own.
 *
 * @module
 */

import { fileURLToPath } from "node:url";

const folder = new URL("socket_io/", import.meta.url);

interface Manifest {
  version: string;
  dependencies: Record<string, string>;
}

async function readManifest(path: string): Promise<Manifest> {
  return JSON.parse(await Deno.readTextFile(new URL(path, folder)));
}

async function isInstalled(packages: Record<string, string>): Promise<boolean> {
  try {
    const found = await Promise.all(
      Object.keys(packages).map((name) => readManifest(`node_modules/${name}/package.json`)),
    );
    return found.every(({ version }, i) => version === Object.values(packages)[i]);
  } catch {
    return false;
  }
}

/** Installs the packages unless they are there, and gives their versions. */
export async function installSocketIo(): Promise<Record<string, string>> {
  const { dependencies } = await readManifest("package.json");
  if (await isInstalled(dependencies)) return dependencies;
  console.error("Installing Socket.IO (npm ci) ...");
  const { success, stderr } = await new Deno.Command("npm", {
    args: ["ci", "--no-audit", "--no-fund", "--loglevel=error"],
    cwd: fileURLToPath(folder),
    stdin: "null",
  }).output();
  if (!success) throw new Error(`Cannot install Socket.IO: ${new TextDecoder().decode(stderr)}`);
  return dependencies;
}
