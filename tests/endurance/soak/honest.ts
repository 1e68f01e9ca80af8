/**
 * The process of the honest clients: apart from the hostile ones, so that what they wait is the
 * server's doing. The arguments are the ports as JSON, and the seed. It prints a report each second,
 * forgets what it measured when it reads a line, and ends when its input does, after all clients have
 * closed in order.
 *
 * @module
 */

import process from "node:process";
import { createInterface } from "node:readline";
import { Random } from "../../codec/support.ts";
import type { Peer } from "../../interop/peer.ts";
import { wsPeer } from "../../interop/ws_peer.ts";
import { Broadcast, publish, subscribe } from "./broadcast.ts";
import { ECHO_CLIENTS, SUBSCRIBERS } from "./crew.ts";
import { HonestClient } from "./exercises.ts";
import { createRawPeer } from "./raw_peer.ts";
import { Recorder } from "./recorder.ts";
import type { Ports } from "./reports.ts";

const REPORT_MS = 1_000;

const ports: Ports = JSON.parse(process.argv[2]);
const seed = Number(process.argv[3]);
const [callbacks, handler] = [ports.callbacks, ports.handler].map((port) =>
  `ws://127.0.0.1:${port}`
);
const urls = [
  `${callbacks}/`,
  `${callbacks}/slow`,
  `${callbacks}/close`,
  `${handler}/`,
  `${handler}/streams`,
  `${handler}/messages`,
];

const recorder = new Recorder();
const broadcast = new Broadcast();
const stop = new AbortController();
const { signal } = stop;
let lastSeed = seed;
const nextRandom = () => new Random(lastSeed++);

const kinds: (() => Peer)[] = [() => wsPeer, () => createRawPeer(nextRandom())];
const clients = kinds.flatMap((createPeer) => [
  ...Array.from({ length: ECHO_CLIENTS }, (_, i) => {
    const peer = createPeer();
    return new HonestClient(`${peer.name} ${i}`, peer, urls, nextRandom(), recorder).run(signal);
  }),
  ...Array.from(
    { length: SUBSCRIBERS },
    () =>
      subscribe(
        createPeer(),
        `${callbacks}/subscribe`,
        nextRandom(),
        recorder,
        broadcast,
        signal,
      ),
  ),
]);
// Those who receive broadcasts wait for the next one before they leave.
const stopPublisher = new AbortController();
const publisher = publish(
  wsPeer,
  `${callbacks}/publish`,
  nextRandom(),
  recorder,
  broadcast,
  stopPublisher.signal,
);

const report = () => console.log(JSON.stringify(recorder.report()));
const timer = setInterval(report, REPORT_MS);
for await (const _line of createInterface({ input: process.stdin })) recorder.forget();
stop.abort();
await Promise.all(clients);
stopPublisher.abort();
await publisher;
clearInterval(timer);
report();
