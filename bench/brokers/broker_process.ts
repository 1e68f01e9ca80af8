/**
 * Redis and NATS as they are installed, on a free port.
 *
 * @module
 */

import { start } from "../harness/children.ts";
import type { BrokerId } from "./candidates.ts";

const START_DEADLINE_MS = 10_000;

/** The commands. */
export const COMMANDS: Record<BrokerId, string> = { redis: "redis-server", nats: "nats-server" };

/** Tells whether a broker is installed. */
export async function isInstalled(broker: BrokerId): Promise<boolean> {
  try {
    return (await new Deno.Command(COMMANDS[broker], { args: ["--version"] }).output()).success;
  } catch {
    return false;
  }
}

/** Tells the version of a broker. */
export async function readVersion(broker: BrokerId): Promise<string> {
  const { stdout } = await new Deno.Command(COMMANDS[broker], { args: ["--version"] }).output();
  const version = /\d+\.\d+\.\d+/.exec(new TextDecoder().decode(stdout))?.[0] ?? "";
  return `${COMMANDS[broker]} ${version}`;
}

/** A broker that runs. */
export interface BrokerProcess extends AsyncDisposable {
  pid: number;
  port: number;
}

function findPort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

async function untilListening(port: number): Promise<void> {
  const deadline = performance.now() + START_DEADLINE_MS;
  for (;;) {
    try {
      using _conn = await Deno.connect({ hostname: "127.0.0.1", port });
      return;
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

/** Starts a broker that keeps nothing on disk. */
export async function startBroker(
  broker: BrokerId,
  pin: (command: string[]) => string[],
): Promise<BrokerProcess> {
  const port = findPort();
  const folder = await Deno.makeTempDir({ prefix: "sluice-bench-" });
  const args = broker === "redis"
    ? ["--port", `${port}`, "--bind", "127.0.0.1", "--dir", folder, "--save", ""]
    : ["--port", `${port}`, "--addr", "127.0.0.1", "--log", `${folder}/log`];
  const child = start(pin([COMMANDS[broker], ...args]));
  // What it prints is read, or it would wait for that one day.
  const output = child.stdout.pipeTo(new WritableStream());
  await untilListening(port);
  return {
    pid: child.pid,
    port,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.status;
      await output.catch(() => {});
      await Deno.remove(folder, { recursive: true });
    },
  };
}
