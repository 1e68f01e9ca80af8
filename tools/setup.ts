/**
 * Installs the development dependencies with `npm ci` where `node_modules` does not hold what
 * `package-lock.json` asks for, and does nothing where it does. Every task that needs them starts
 * with this; of tasks started at the same time one installs and the others wait.
 *
 * @module
 */

import process from "node:process";

/** What a lockfile says of a package. */
export interface LockedPackage {
  /** Its version. */
  version?: string;
  /** The hash of its archive. */
  integrity?: string;
  /** The folder it is a link to. */
  resolved?: string;
  /** Whether the installation may go on without it. */
  optional?: boolean;
  /** The operating systems it is for, by the names `process.platform` has. */
  os?: string[];
  /** The processors it is for, by the names `process.arch` has. */
  cpu?: string[];
  /** The C libraries it is for. */
  libc?: string[];
}

/** The part of `package-lock.json` that matters here. */
export interface Lockfile {
  /** The packages, by their folder. */
  packages: Record<string, LockedPackage>;
}

const root = new URL("../", import.meta.url);

/** Reads a lockfile; `undefined` where there is none or it was cut short. */
async function readLockfile(path: string): Promise<Lockfile | undefined> {
  try {
    return JSON.parse(await Deno.readTextFile(new URL(path, root)));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function isForThisPlatform({ os, cpu, libc }: LockedPackage): boolean {
  return (os?.includes(process.platform) ?? true) && (cpu?.includes(process.arch) ?? true) &&
    (libc?.includes("glibc") ?? true);
}

/** Tells whether `installed` (npm's own record of `node_modules`) holds all that `wanted` names. */
export function satisfies(installed: Lockfile, wanted: Lockfile): boolean {
  return Object.entries(wanted.packages).every(([path, locked]) => {
    // "" is the root, and what lies outside node_modules is the target of a link.
    if (!path.startsWith("node_modules/")) return true;
    const found = installed.packages[path];
    // npm goes on without an optional package, also where a download failed.
    if (found === undefined) return locked.optional === true && !isForThisPlatform(locked);
    return found.version === locked.version && found.integrity === locked.integrity &&
      found.resolved === locked.resolved;
  });
}

async function isInstalled(): Promise<boolean> {
  const wanted = await readLockfile("package-lock.json");
  if (wanted === undefined) throw new Error("Cannot set up: package-lock.json is missing");
  // npm writes this file last, so an installation that was interrupted has none.
  const installed = await readLockfile("node_modules/.package-lock.json");
  return installed !== undefined && satisfies(installed, wanted);
}

/** The environment without `node_modules/.bin` in PATH: npm must not start a Node it is replacing. */
function environmentForNpm(): Record<string, string> {
  const env = Deno.env.toObject();
  env.PATH = (env.PATH ?? "").split(":").filter((folder) => !folder.endsWith("node_modules/.bin"))
    .join(":");
  return env;
}

async function npmCi(): Promise<void> {
  console.error("Installing the development dependencies (npm ci) ...");
  let output: Deno.CommandOutput;
  try {
    output = await new Deno.Command("npm", {
      args: ["ci", "--no-audit", "--no-fund", "--loglevel=error"],
      cwd: root,
      env: environmentForNpm(),
      clearEnv: true,
      stdin: "null",
    }).output();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new Error("Cannot set up: npm is not on the PATH; it comes with Node");
  }
  if (!output.success) {
    const text = new TextDecoder().decode(output.stderr) + new TextDecoder().decode(output.stdout);
    throw new Error(`Cannot set up: npm ci ended with status ${output.code}\n${text}`);
  }
}

/** Installs the development dependencies, unless they are there. */
export async function setup(): Promise<void> {
  if (await isInstalled()) return;
  await Deno.mkdir(new URL(".tmp/", root), { recursive: true });
  // The lock is the kernel's, so it ends with its holder, whatever that dies of.
  const lock = await Deno.open(new URL(".tmp/setup.lock", root), { create: true, write: true });
  try {
    await lock.lock(true);
    if (!await isInstalled()) await npmCi();
  } finally {
    lock.close();
  }
  if (!await isInstalled()) {
    throw new Error(
      "Cannot set up: npm ci left out a package that package-lock.json names; try again",
    );
  }
}

if (import.meta.main) {
  try {
    await setup();
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    Deno.exit(1);
  }
}
