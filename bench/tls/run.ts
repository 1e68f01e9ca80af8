/**
 * Measures the CPU time that a TLS server takes for a connection, beside what the runtime has itself: run by
 * Node as `node bench/tls/run.ts [DENO|BUN|NODE EXECUTABLE]...`. Rounds alternate; the median counts. Deno
 * has two: `Deno.listenTls`, whose connections can't be dropped, and `node:tls`.
 *
 * @module
 */

import { spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const CLIENTS = fileURLToPath(
  new URL("../../tests/endurance/memory/tls_clients.ts", import.meta.url),
);
const SERVER = fileURLToPath(new URL("server.ts", import.meta.url));
const KINDS = { "FIN at once": 1_000, "plain HTTP": 1_000, "a handshake, and an end": 300 };
const ROUNDS = 5;

class Server {
  readonly #child;
  readonly #lines;

  constructor(executable: string, kind: string) {
    const isDeno = executable.endsWith("deno");
    const args = isDeno ? ["run", "-A", "--no-check", SERVER] : [SERVER];
    this.#child = spawn(executable, [...args, kind], { stdio: ["pipe", "pipe", "inherit"] });
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  async read(): Promise<number> {
    return Number((await this.#lines.next()).value);
  }

  cpuTime(): Promise<number> {
    this.#child.stdin.write("\n");
    return this.read();
  }

  stop(): void {
    this.#child.kill("SIGKILL");
  }
}

async function come(port: number, kind: string, count: number): Promise<void> {
  const args = [CLIENTS, String(port), kind, String(count)];
  await once(spawn(process.execPath, args, { stdio: ["ignore", "inherit", "ignore"] }), "exit");
}

for (const executable of process.argv.slice(2)) {
  const names = ["sluice", "own", ...(executable.endsWith("deno") ? ["node:tls"] : [])];
  const servers = names.map((name) => new Server(executable, name));
  const ports: number[] = [];
  for (const server of servers) ports.push(await server.read());
  for (const [kind, count] of Object.entries(KINDS)) {
    const times: number[][] = servers.map(() => []);
    for (let round = 0; round <= ROUNDS; round++) {
      for (const [i, server] of servers.entries()) {
        const before = await server.cpuTime();
        await come(ports[i], kind, count);
        // The first round warms up.
        if (round > 0) times[i].push((await server.cpuTime() - before) / count);
      }
    }
    const [ours, ...others] = times.map((each) => each.sort((a, b) => a - b)[ROUNDS >> 1]);
    const ratios = others.map((other, i) =>
      `${names[i + 1]} ${other.toFixed(0)} us: ${(ours / other).toFixed(2)} times as much`
    );
    console.log(
      `${executable.split("/").at(-1)}, ${kind}: ${ours.toFixed(0)} us, ${ratios.join(", ")}`,
    );
  }
  for (const server of servers) server.stop();
}
