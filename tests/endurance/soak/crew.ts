/**
 * The honest clients of a soak.
 *
 * @module
 */

import type { HonestPlan } from "../rig/honest/honest_process.ts";
import type { Ports } from "./reports.ts";

/** The clients of a kind that are given their echoes; there are two kinds. */
const ECHO_CLIENTS = 6;

/** The clients of a kind that receive broadcasts. */
const SUBSCRIBERS = 2;

/** All of them, the one that publishes included. */
export const HONEST_CLIENTS: number = 2 * (ECHO_CLIENTS + SUBSCRIBERS) + 1;

/** What they do, on every way to write a program. */
export function honestPlan(ports: Ports, seed: number): HonestPlan {
  const [callbacks, handler] = [ports.callbacks, ports.handler]
    .map((port) => `ws://127.0.0.1:${port}`);
  const urls = [
    ...["/", "/slow", "/close"].map((path) => callbacks + path),
    ...["/", "/streams", "/messages"].map((path) => handler + path),
  ];
  const subscribe = [`${callbacks}/subscribe`];
  return {
    seed,
    groups: [
      ...(["ws", "raw, cut"] as const).flatMap((peer) => [
        { peer, count: ECHO_CLIENTS, urls, way: "exercise" as const },
        { peer, count: SUBSCRIBERS, urls: subscribe, way: "subscribe" as const },
      ]),
      { peer: "ws", count: 1, urls: [`${callbacks}/publish`], way: "publish" },
    ],
  };
}
