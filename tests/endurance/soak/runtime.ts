/**
 * How each runtime runs a module of the soak.
 *
 * @module
 */

import process from "node:process";
import { fileURLToPath } from "node:url";

/** A runtime. */
export interface SoakRuntime {
  kind: "deno" | "bun" | "node";
  /** The path of its executable. */
  executable: string;
}

/** The runtime that this runs on. */
export function ownRuntime(): SoakRuntime {
  const kind = "Bun" in globalThis ? "bun" : "Deno" in globalThis ? "deno" : "node";
  return { kind, executable: process.execPath };
}

const FLAGS: Record<SoakRuntime["kind"], string[]> = {
  deno: ["run", "--allow-all", "--no-check", "--quiet", "--v8-flags=--expose-gc"],
  bun: ["run"],
  node: ["--expose-gc", "--disable-warning=ExperimentalWarning"],
};

/** The command that runs a module of this folder, where garbage can be collected. */
export function commandOf({ kind, executable }: SoakRuntime, file: string): string[] {
  return [executable, ...FLAGS[kind], fileURLToPath(new URL(file, import.meta.url))];
}
