/**
 * Measures the CPU time that a TLS server takes for a connection, beside what the runtime has itself: run by
 * Node as `node bench/tls/run.ts [DENO|BUN|NODE EXECUTABLE]...`. Rounds alternate; the median counts. Deno
 * has two: `Deno.listenTls`, whose connections can't be dropped, and `node:tls`.
 *
 * @module
 */

import process from "node:process";
import { type RuntimeName, TestProcess } from "../../tests/support/child_process.ts";
import { HelperProcess } from "../../tests/support/helper_process.ts";
import { summarize } from "../harness/statistics.ts";

const CLIENTS = new URL("../../tests/endurance/memory/tls_clients.ts", import.meta.url);
const SERVER = new URL("server.ts", import.meta.url);
const KINDS = { "FIN at once": 1_000, "plain HTTP": 1_000, "a handshake, and an end": 300 };
const ROUNDS = 5;

for (const executable of process.argv.slice(2)) {
  const runtime = (["deno", "bun"] as const).find((name) => executable.endsWith(name)) ?? "node";
  const names = ["sluice", "own", ...(runtime === "deno" ? ["node:tls"] : [])];
  const module = { url: SERVER, runtime: runtime as RuntimeName, executable };
  const servers = names.map((name) => new HelperProcess<"port" | "CPU", number>(module, name));
  const ports: number[] = [];
  for (const server of servers) ports.push(await server.ask("port"));
  for (const [kind, count] of Object.entries(KINDS)) {
    const times: number[][] = servers.map(() => []);
    for (let round = 0; round <= ROUNDS; round++) {
      for (const [i, server] of servers.entries()) {
        const before = await server.ask("CPU");
        await new TestProcess(CLIENTS, `${ports[i]}`, kind, `${count}`).ended;
        // The first round warms up.
        if (round > 0) times[i].push((await server.ask("CPU") - before) / count);
      }
    }
    const [ours, ...others] = times.map((each) => summarize(each).median);
    const ratios = others.map((other, i) =>
      `${names[i + 1]} ${other.toFixed(0)} us: ${(ours / other).toFixed(2)} times as much`
    );
    console.log(
      `${executable.split("/").at(-1)}, ${kind}: ${ours.toFixed(0)} us, ${ratios.join(", ")}`,
    );
  }
  for (const server of servers) await server.kill();
}
