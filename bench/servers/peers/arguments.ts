/**
 * What the servers are told on the command line: the kind of the workload, and what goes with it.
 *
 * @module
 */

import process from "node:process";
import type { ServerCompression } from "../compression.ts";

/** The kind of the workload. */
export const kind: string = process.argv[2];

/** The variant of the server: a style, say. */
export const variant: string = process.argv[3];

/** How it compresses. */
export const compression = process.argv[4] as ServerCompression;

/** The limits that the large message needs; the others do with the defaults. */
export const maxMessageSize: number | undefined = kind === "large" ? 256 * 1024 * 1024 : undefined;

/** Tells the benchmark where the server is, and what it is. */
export function announce(port: number, detail = ""): void {
  console.log(`listening on port ${port} ${detail}`);
}
