/**
 * What is measured together, and reported in one file.
 *
 * @module
 */

import type { UsageInit } from "../harness/arguments.ts";
import type { ServerKind } from "./servers.ts";
import type { Workload } from "./workloads.ts";

/** A part of the workloads, and how it is reported. */
export interface Suite extends UsageInit {
  /** The heading of the report. */
  heading: string;
  chart: {
    title: string;
    subtitle: string;
    /** The names there is room for, of the servers that are shown; the first peer is what others are measured by. */
    names: Record<string, string>;
  };
  /** Which of our servers the others are compared with, by its first word. */
  ours: string;
  /** Tells whether a server is measured under a workload. */
  includes(workload: Workload, server: ServerKind): boolean;
}

/** One server under one load, of all kinds. */
export const SERVERS_SUITE: Suite = {
  task: "bench:servers",
  file: "servers",
  minutes: { whole: "45 minutes", quick: "three minutes" },
  heading: "Whole servers beside each other",
  chart: {
    title: "What a message costs the server",
    subtitle: "CPU time a message, and memory where the row says so. Shorter is better; in each " +
      "group the dotted line is the server most used on that runtime; ws is with its addon bufferutil.",
    names: {
      "ws": "ws",
      "bun-serve": "Bun.serve",
      "deno-upgrade": "Deno native",
      "raw": "raw TCP",
    },
  },
  ours: "sluice-callback",
  includes: ({ isAboutScale }) => !isAboutScale,
};

/** Those that are measured with many subscribers. */
const FAN_OUT_SERVERS = ["sluice-publish", "ws", "bun-serve-publish", "deno-upgrade"];

/** Messages to many, and what connections cost that say nothing. */
export const FAN_OUT_SUITE: Suite = {
  task: "bench:fanout",
  file: "fan_out",
  minutes: { whole: "seven minutes", quick: "two minutes" },
  heading: "Messages to many",
  chart: {
    title: "What one delivery of a message to many costs the server",
    subtitle:
      "CPU time a delivery. Shorter is better; the dotted line is Bun.serve's publish, and " +
      "on Node and Deno a loop over all connections; ws is with its addon bufferutil.",
    names: {
      "ws": "ws, loop",
      "bun-serve-publish": "Bun publish",
      "deno-upgrade": "Deno, loop",
    },
  },
  ours: "sluice-publish",
  includes: ({ kind }, { words: [id] }) =>
    kind === "fan-out" ? FAN_OUT_SERVERS.includes(id) : id === "sluice-callback" &&
      ["keep-alive", "idle", "subscribed", "handshake"].includes(kind),
};
