/**
 * What the servers are made to do.
 *
 * @module
 */

import type { Compression } from "./compression.ts";

/** What a message consists of: octets, letters, characters of one to four octets, or a list as JSON. */
export type PayloadKind = "binary" | "ascii" | "utf8" | "json";

/**
 * `echo`: messages are sent back. `fan-out`: a message is sent to all. `handshake`: connections are
 * opened and closed. `idle`: connections are opened and kept. `subscribed`: the same, and
 * each is subscribed to three topics. `memory`: connections are opened, and
 * kept after a message was sent back on each. `large`: one large message is sent back. `keep-alive`: the
 * server asks idle connections whether they are there.
 */
export type WorkloadKind =
  | "echo"
  | "fan-out"
  | "handshake"
  | "idle"
  | "subscribed"
  | "memory"
  | "large"
  | "keep-alive";

/** Tells whether a workload is about the memory that a connection takes. */
export function isAboutMemory({ kind }: Workload): boolean {
  return kind === "idle" || kind === "subscribed" || kind === "memory";
}

/** One workload. */
export interface Workload {
  /** Its name, also on the command line. */
  id: string;
  kind: WorkloadKind;
  /** What it is, for people. */
  title: string;
  /** How many connections there are; for handshakes, how many are opened at a time. */
  connections: number;
  /** How many messages each connection has on the way; in a fan-out, each of the senders. */
  inFlight: number;
  /** In a fan-out, how many connections send; 1 unless it is set. */
  senders?: number;
  /** The length of a message's payload, in bytes. */
  size: number;
  payload: PayloadKind;
  /** How messages are compressed, in both directions; `undefined` where they are not. */
  compression?: Compression;
  /** Part of the quick run. */
  quick: boolean;
  /** Part of `bench:fanout` only. */
  isAboutScale?: boolean;
}

const KIB = 1024;
const MIB = 1024 * 1024;

/** A size for people, and short. */
export function nameOfSize(size: number): string {
  if (size >= MIB) return `${size / MIB} MiB`;
  return size >= KIB ? `${size / KIB} KiB` : `${size} B`;
}

const TITLES: Record<PayloadKind, string> = {
  binary: "binary",
  ascii: "ASCII text",
  utf8: "mixed text",
  json: "JSON",
};

/** Words for how messages are compressed. */
export const COMPRESSION_TITLES: Record<Compression, string> = {
  "no-takeover": "compressed",
  "takeover": "with takeover",
};

function echo(
  connections: number,
  inFlight: number,
  size: number,
  payload: PayloadKind,
  quick: boolean,
): Workload {
  const sizeId = nameOfSize(size).replace(/ (.)?i?B$/, "$1");
  const count = connections.toLocaleString("en");
  return {
    id: `${connections}x${inFlight}x${sizeId}`,
    kind: "echo",
    title: `${count} × ${inFlight} × ${nameOfSize(size)}, ${TITLES[payload]}`,
    connections,
    inFlight,
    size,
    payload,
    quick,
  };
}

function echoes(payload: PayloadKind, quick: (size: number) => boolean): Workload[] {
  const shapes = [[64, 1, 32], [64, 1, KIB], [8, 64, 32], [4, 4, 64 * KIB], [2, 1, MIB]];
  return shapes.map(([connections, inFlight, size]) =>
    echo(connections, inFlight, size, payload, quick(size))
  );
}

/** Many messages at a time, so that the server's work is what counts, and not the kernel's. */
function compressedEchoes(compression: Compression): Workload[] {
  return [128, KIB, 16 * KIB].map((size) => {
    const workload = echo(16, 4, size, "json", size === KIB);
    const title = `${workload.title}, ${COMPRESSION_TITLES[compression]}`;
    return { ...workload, id: `${workload.id}-${compression}`, title, compression };
  });
}

function compressedMemory(compression: Compression): Workload {
  return {
    id: `memory-${compression}`,
    kind: "memory",
    title: `1,000 after 1 KiB of JSON, ${COMPRESSION_TITLES[compression]}, KiB of one`,
    connections: 1000,
    inFlight: 1,
    size: KIB,
    payload: "json",
    compression,
    quick: compression === "takeover",
  };
}

/** Messages to many, `count` of them together: from one connection, or from as many as there are messages. */
function fanOut(connections: number, count: number, size: number, from: "one" | "many"): Workload {
  const many = from === "many";
  const to = connections.toLocaleString("en");
  const id = `fan-out-${connections}x${count}${many ? "-senders" : ""}`;
  const together = count === 1 ? "" : many ? `, ${count} senders` : `, ${count} together`;
  return {
    id,
    kind: "fan-out",
    title: `${nameOfSize(size)} to ${to} connections${together}, a delivery`,
    connections,
    inFlight: many ? 1 : count,
    senders: many ? count : 1,
    size,
    payload: "binary",
    quick: count === 10,
    isAboutScale: true,
  };
}

/** The workloads, in the order they run. */
export const WORKLOADS: readonly Workload[] = [
  ...echoes("binary", () => true),
  ...echoes("ascii", (size) => size === KIB),
  ...echoes("utf8", () => false),
  echo(1000, 1, 32, "binary", false),
  echo(5000, 1, 32, "binary", false),
  {
    id: "fan-out",
    kind: "fan-out",
    title: "1 KiB to 1,000 connections, a delivery",
    connections: 1000,
    inFlight: 1,
    size: KIB,
    payload: "binary",
    quick: true,
  },
  fanOut(1000, 10, KIB, "one"),
  fanOut(1000, 10, KIB, "many"),
  fanOut(1000, 100, 128, "one"),
  fanOut(10_000, 1, KIB, "one"),
  fanOut(10_000, 10, KIB, "one"),
  {
    id: "keep-alive",
    kind: "keep-alive",
    title: "5,000 idle connections, a Ping and its Pong",
    connections: 5000,
    inFlight: 0,
    size: 0,
    payload: "binary",
    quick: true,
    isAboutScale: true,
  },
  {
    id: "subscribed",
    kind: "subscribed",
    title: "5,000 idle connections with three topics each, KiB of one",
    connections: 5000,
    inFlight: 0,
    size: 0,
    payload: "binary",
    quick: false,
    isAboutScale: true,
  },
  {
    id: "handshakes",
    kind: "handshake",
    title: "handshake, then closed",
    connections: 32,
    inFlight: 1,
    size: 0,
    payload: "binary",
    quick: true,
  },
  {
    id: "idle",
    kind: "idle",
    title: "5,000 idle connections, KiB of one",
    connections: 5000,
    inFlight: 0,
    size: 0,
    payload: "binary",
    quick: true,
  },
  {
    id: "100MiB",
    kind: "large",
    title: "a message of 100 MiB, 1 MiB of it",
    connections: 1,
    inFlight: 1,
    size: 100 * MIB,
    payload: "binary",
    quick: false,
  },
  ...compressedEchoes("no-takeover"),
  ...compressedEchoes("takeover"),
  compressedMemory("no-takeover"),
  compressedMemory("takeover"),
];
