/**
 * Keeps the server and the load generator on a core each, where the system allows.
 *
 * @module
 */

import { parseCoreList } from "./core_list.ts";

/** Puts a command on a core. */
export interface Cores {
  server(command: string[]): string[];
  generator(command: string[]): string[];
  /** Where what runs, for people. */
  description: string;
}

function unpinned(reason: string): Cores {
  const same = (command: string[]) => command;
  return { server: same, generator: same, description: `not pinned to cores: ${reason}` };
}

/** Finds two cores that the process may use. */
export async function findCores(): Promise<Cores> {
  let status: string;
  try {
    status = await Deno.readTextFile("/proc/self/status");
    await new Deno.Command("taskset", { args: ["--version"] }).output();
  } catch {
    return unpinned("there is no taskset");
  }
  const list = /^Cpus_allowed_list:\s+(\S+)$/m.exec(status)?.[1] ?? "0";
  const [first, second] = parseCoreList(list);
  if (second === undefined) return unpinned("there is but one");
  const pin = (core: number) => (command: string[]) => ["taskset", "-c", String(core), ...command];
  return {
    server: pin(first),
    generator: pin(second),
    description: `server on core ${first}, load generator on core ${second}`,
  };
}
