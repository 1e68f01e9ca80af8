import { parseArgs } from "node:util";
import { findRuntime } from "../../tools/runtimes.ts";
import { soak } from "./soak/run.ts";
import { judge } from "./soak/judge.ts";
const name = Deno.args[0];
const kind = (n: string) => n.replace(/\d+/, "") as "deno";
const r = await findRuntime(name), c = await findRuntime("node26");
const m = await soak({
  runtime: { kind: kind(r.id), executable: r.executable },
  clients: { kind: "node", executable: c.executable },
  durationMs: Number(Deno.args[1]) * 1000,
  attackMs: Number(Deno.args[2]) * 1000,
  seed: 1,
  faults: Deno.args.slice(3),
  onMoment(x, m) {
    console.log(
      (x.atMs / 1000).toFixed(0),
      x.isAttacked,
      (x.resident / 1e6).toFixed(0),
      x.descriptors,
      x.latency.count,
      x.latency.p50.toFixed(2),
      x.latency.p99.toFixed(1),
      x.longestWait.toFixed(0),
      x.waitedForCore.toFixed(0),
      x.attacks.join("|"),
      m.failures.length,
      m.calms.length,
    );
  },
});
console.log(m.before, m.calms, m.after, m.honest, m.attacks);
console.log(judge(m, { maxWaitMs: 1000 }));
