/**
 * The servers that are measured.
 *
 * @module
 */

import type { RuntimeId } from "../harness/programs.ts";
import type { UnusedCompression } from "./compression.ts";
import type { PayloadKind, Workload } from "./workloads.ts";

/** Whose server it is: ours, another's, or none but TCP. */
export type Family = "sluice" | "peer" | "raw";

/** One server: a program on a runtime. */
export interface ServerKind {
  /** What it is asked for by on the command line; the first is its name in the results. */
  words: string[];
  /** Its name, for people. */
  title: string;
  family: Family;
  runtime: RuntimeId;
  /** The program, below `peers/`. */
  program: string;
  /** What the program is told after the kind of the workload. */
  variant: string;
  env: Record<string, string>;
  /** Compression that it has on, though messages are not compressed. */
  unusedCompression?: UnusedCompression;
  /** Whether it takes part. */
  joins(workload: Workload): boolean;
}

/** The name of a server in the results: unique together with its runtime. */
export function idOf({ words, runtime }: ServerKind): string {
  return `${runtime}/${words[0]}`;
}

const isScaling = ({ kind, connections }: Workload) => kind === "echo" && connections >= 1000;
const isEcho = (payloads: PayloadKind[]) => (workload: Workload) =>
  workload.kind === "echo" && !isScaling(workload) && payloads.includes(workload.payload);
const isBinaryEcho = isEcho(["binary"]);
const isCompressed = ({ compression }: Workload) => compression !== undefined;
/** Messages below the size from which on Sluice compresses them. */
const isSmallEcho = (workload: Workload) => isBinaryEcho(workload) && workload.size < 1024;

function sluice(runtime: RuntimeId, style: string, joins: ServerKind["joins"]): ServerKind {
  return {
    words: [`sluice-${style}`, "sluice", style],
    title: `Sluice, ${style}`,
    family: "sluice",
    runtime,
    program: "sluice.ts",
    variant: style,
    env: {},
    joins,
  };
}

/** Sluice with compression that is not used: what it costs to have it. */
function unused(
  runtime: RuntimeId,
  unusedCompression: UnusedCompression,
  joins: ServerKind["joins"],
): ServerKind {
  const kind = sluice(runtime, "callback", joins);
  const words = [`sluice-compression-${unusedCompression}`, "sluice", "unused-compression"];
  const title = unusedCompression === "offered"
    ? "compression agreed upon, messages too small"
    : "compression on, not offered";
  return { ...kind, words, title, unusedCompression };
}

function peer(
  runtime: RuntimeId,
  words: string[],
  title: string,
  program: string,
  rest: Partial<ServerKind> = {},
): ServerKind {
  const joins = (workload: Workload) => !isScaling(workload);
  return { words, title, family: "peer", runtime, program, variant: "", env: {}, joins, ...rest };
}

function raw(runtime: RuntimeId, title: string, program: string): ServerKind {
  const joins = (workload: Workload) =>
    workload.kind !== "fan-out" && workload.payload === "binary";
  return peer(runtime, ["raw"], title, program, { family: "raw", joins });
}

function crossws(runtime: RuntimeId, program: string): ServerKind {
  const joins = (workload: Workload) =>
    isBinaryEcho(workload) || (workload.kind !== "echo" && !isCompressed(workload));
  return peer(runtime, ["crossws"], "crossws", program, { joins });
}

function sluices(runtime: RuntimeId): ServerKind[] {
  return [
    sluice(runtime, "callback", () => true),
    sluice(runtime, "publish", ({ kind }) => kind === "fan-out"),
    unused(
      runtime,
      "not-offered",
      (workload) => isSmallEcho(workload) || (isBinaryEcho(workload) && workload.size === 1024),
    ),
    unused(runtime, "offered", isSmallEcho),
    sluice(runtime, "iteration", isBinaryEcho),
    sluice(runtime, "streams", isBinaryEcho),
    sluice(runtime, "messages", isBinaryEcho),
    sluice(runtime, "bodies", (workload) => isBinaryEcho(workload) || workload.kind === "large"),
  ];
}

/** The servers, by runtime; in each round they take turns in this order. */
export const SERVERS: readonly ServerKind[] = [
  ...sluices("node26"),
  peer("node26", ["ws", "bufferutil"], "ws with bufferutil", "ws.ts"),
  peer("node26", ["ws-plain", "ws"], "ws", "ws.ts", {
    env: { WS_NO_BUFFER_UTIL: "1" },
    joins: (workload) => !isScaling(workload) && !isCompressed(workload),
  }),
  crossws("node26", "crossws_node.ts"),
  raw("node26", "raw TCP", "raw_node.ts"),
  ...sluices("bun"),
  peer("bun", ["bun-serve", "native"], "Bun.serve", "bun_serve.ts"),
  peer("bun", ["bun-serve-publish", "native"], "Bun.serve, publish", "bun_serve.ts", {
    variant: "publish",
    joins: ({ kind }) => kind === "fan-out",
  }),
  crossws("bun", "crossws_bun.ts"),
  raw("bun", "raw TCP", "raw_bun.ts"),
  ...sluices("deno"),
  peer("deno", ["deno-upgrade", "native"], "Deno.upgradeWebSocket", "deno_upgrade.ts", {
    // It has no compression.
    joins: (workload) => !isScaling(workload) && !isCompressed(workload),
  }),
  crossws("deno", "crossws_deno.ts"),
  raw("deno", "raw TCP", "raw_deno.ts"),
];
