/**
 * What the servers are made to do.
 *
 * @module
 */

/** What a message consists of: octets, letters, or characters of one to four octets. */
export type PayloadKind = "binary" | "ascii" | "utf8";

/**
 * `echo`: messages are sent back. `fan-out`: a message is sent to all. `handshake`: connections are
 * opened and closed. `idle`: connections are opened and kept. `large`: one large message is sent back.
 */
export type WorkloadKind = "echo" | "fan-out" | "handshake" | "idle" | "large";

/** One workload. */
export interface Workload {
  /** Its name, also on the command line. */
  id: string;
  kind: WorkloadKind;
  /** What it is, for people. */
  title: string;
  /** How many connections there are; for handshakes, how many are opened at a time. */
  connections: number;
  /** How many messages each connection has on the way. */
  inFlight: number;
  /** The length of a message's payload, in bytes. */
  size: number;
  payload: PayloadKind;
  /** Part of the quick run. */
  quick: boolean;
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
];
