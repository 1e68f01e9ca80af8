/**
 * What is measured, and under which load.
 *
 * @module
 */

import { chooser } from "../harness/choice.ts";
import type { RuntimeId } from "../harness/programs.ts";
import type { Dialect, Shape } from "./task.ts";

/** A broker, by the command that starts it. */
export type BrokerId = "redis" | "nats";

/** A pair of servers and the broker between them. */
export interface Candidate {
  /** Its name on the command line, together with the runtime and the broker. */
  family: "sluice" | "socket.io";
  runtime: RuntimeId;
  broker: BrokerId;
  /** The program, below `programs/`. */
  program: string;
  dialect: Dialect;
}

function sluice(runtime: RuntimeId, broker: BrokerId): Candidate {
  return { family: "sluice", runtime, broker, program: "sluice.ts", dialect: "plain" };
}

/** All pairs; in each round they take turns in this order. */
export const CANDIDATES: readonly Candidate[] = [
  {
    family: "socket.io",
    runtime: "node26",
    broker: "redis",
    program: "socket_io.ts",
    dialect: "socket.io",
  },
  ...(["redis", "nats"] as const).flatMap((broker) =>
    (["node26", "bun", "deno"] as const).map((runtime) => sluice(runtime, broker))
  ),
];

/** The loads: one message on the way at a time for the latency, and many for the throughput. */
export const SHAPES: readonly Shape[] = [
  { id: "1x1", subscribers: 1, inFlight: 1 },
  { id: "1x64", subscribers: 1, inFlight: 64 },
  { id: "100x1", subscribers: 100, inFlight: 1 },
  { id: "100x16", subscribers: 100, inFlight: 16 },
];

/** The length of messages, in bytes. */
export const SIZE = 256;

const RUNTIME_NAMES: Record<RuntimeId, string> = { node26: "Node", bun: "Bun", deno: "Deno" };
const BROKER_NAMES: Record<BrokerId, string> = { redis: "Redis", nats: "NATS" };

/** A name for people: of the servers, of the runtime, and of the broker. */
export function namesOf({ family, runtime, broker }: Candidate): string[] {
  return [
    family === "sluice" ? "Sluice" : "Socket.IO",
    RUNTIME_NAMES[runtime],
    BROKER_NAMES[broker],
  ];
}

/** A load for people. */
export function titleOf({ subscribers, inFlight }: Shape): string {
  const to = subscribers === 1 ? "1 subscriber" : `${subscribers} subscribers`;
  return `${to}, ${inFlight} on the way`;
}

/** One pair under one load. */
export interface BrokerCell {
  candidate: Candidate;
  shape: Shape;
}

function wordsOf({ candidate, shape }: BrokerCell): string[] {
  const { family, runtime, broker } = candidate;
  return [family, runtime === "node26" ? "node" : runtime, broker, shape.id];
}

/** Lists the words that `--only` knows. */
export function listWords(): string {
  const cells = SHAPES.flatMap((shape) => CANDIDATES.map((candidate) => ({ candidate, shape })));
  return [...new Set(cells.flatMap(wordsOf))].join(", ");
}

/**
 * Chooses what is measured: by the words, and by the brokers that there are.
 *
 * @throws {RangeError} Where nothing is left, or a word is unknown.
 */
export function chooseCells(
  { quick, only }: { quick: boolean; only: string[] },
  brokers: ReadonlySet<BrokerId>,
): BrokerCell[] {
  const all = SHAPES.flatMap((shape) => CANDIDATES.map((candidate) => ({ candidate, shape })));
  const isChosen = chooser(only, all, wordsOf, listWords);
  const cells = all.filter((cell) =>
    brokers.has(cell.candidate.broker) && (!quick || cell.candidate.runtime === "node26") &&
    isChosen(cell)
  );
  if (cells.length === 0) throw new RangeError("nothing is left to measure");
  return cells;
}
