/**
 * The processes that are started, so that none is left behind.
 *
 * @module
 */

const running = new Set<Deno.ChildProcess>();

/** Starts a process whose output is read. */
export function start(
  [executable, ...args]: string[],
  env: Record<string, string> = {},
): Deno.ChildProcess {
  const child = new Deno.Command(executable, {
    args,
    env,
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  running.add(child);
  void child.status.then(() => running.delete(child));
  return child;
}

/** Ends what still runs where a signal ends the benchmark. */
export function endWithSignals(): void {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => {
      for (const child of running) child.kill("SIGKILL");
      Deno.exit(1);
    });
  }
}
