/**
 * Keeps the server and the load generator on a core each, where the system allows.
 *
 * @module
 */

/** Puts a command on a core. */
export interface Cores {
  server(command: string[]): string[];
  generator(command: string[]): string[];
  /** Where what runs, for people. */
  description: string;
}

/** Parses the list of cores of Linux: `"0-2,5"`. */
export function parseCoreList(list: string): number[] {
  return list.split(",").flatMap((range) => {
    const [first, last = first] = range.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
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
