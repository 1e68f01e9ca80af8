/**
 * The process of {@linkcode HonestClients}: it does what its argument, a plan as JSON, says, until its
 * input ends, and all clients have closed in order.
 *
 * @module
 */

import process from "node:process";
import { Random } from "../../../codec/support.ts";
import type { Peer } from "../../../interop/peer.ts";
import { wsPeer } from "../../../interop/ws_peer.ts";
import { answerRequests } from "../../../support/helper_process.ts";
import { waitedForCore } from "../process_status.ts";
import { Broadcast, publish, subscribe } from "./broadcast.ts";
import { HonestClient } from "./honest_client.ts";
import { createRawPeer } from "./raw_peer.ts";
import { Recorder } from "./recorder.ts";

/** Some honest clients. */
export interface HonestGroup {
  /** What they are: the package `ws`, or the client of the tests, which may cut its bytes anywhere. */
  peer: "ws" | "raw" | "raw, cut";
  count: number;
  /** What they connect to: one of these, drawn anew for each connection. */
  urls: string[];
  /**
   * What they do: everything there is; echo small messages and stay; or echo one each, and come again.
   * Those that subscribe must be given all that is published, in order.
   */
  way: "exercise" | "stay" | "visit" | "subscribe" | "publish";
  /** How long those that stay or visit rest, in milliseconds. */
  intervalMs?: number;
}

/** What there is to be done. */
export interface HonestPlan {
  seed: number;
  groups: HonestGroup[];
  /**
   * The process of the server: the time in which it, or this process, has work to do and no core to do it
   * on is no part of any wait. On a busy machine, that may be longer than anything the server does.
   */
  server?: number;
}

const plan: HonestPlan = JSON.parse(process.argv[2]);
const { server } = plan;
const recorder = new Recorder(
  server === undefined
    ? undefined
    : () => performance.now() - waitedForCore(server) - waitedForCore("self"),
);
const broadcast = new Broadcast();
let lastSeed = plan.seed;
const nextRandom = () => new Random(lastSeed++);
const PEERS: Record<HonestGroup["peer"], () => Peer> = {
  ws: () => wsPeer,
  raw: () => createRawPeer(),
  "raw, cut": () => createRawPeer(nextRandom()),
};

function run({ peer, urls, way, intervalMs = 0 }: HonestGroup, signal: AbortSignal, i: number) {
  const created = PEERS[peer]();
  const random = nextRandom();
  if (way === "subscribe") return subscribe(created, urls[0], random, recorder, broadcast, signal);
  if (way === "publish") return publish(created, urls[0], random, recorder, broadcast, signal);
  const client = new HonestClient(`${created.name} ${i}`, created, urls, random, recorder);
  if (way === "stay") return client.stay(intervalMs, signal);
  if (way === "visit") return client.visit(intervalMs, signal);
  return client.exercise(signal);
}

const stop = new AbortController();
// Those who receive broadcasts wait for the next one before they leave.
const stopPublishers = new AbortController();
const start = (isPublisher: boolean, { signal }: AbortController) =>
  plan.groups.filter(({ way }) => (way === "publish") === isPublisher).flatMap((group) =>
    Array.from({ length: group.count }, (_, i) => run(group, signal, i))
  );
const clients = start(false, stop);
const publishers = start(true, stopPublishers);

await answerRequests((request: "report" | "forget") => {
  if (request === "forget") recorder.forget();
  return recorder.report();
});
stop.abort();
await Promise.all(clients);
stopPublishers.abort();
await Promise.all(publishers);
const { failures } = recorder.report();
if (failures.length > 0) console.error(failures.join("\n"));
process.exit(0);
