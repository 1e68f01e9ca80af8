import type { CompressionSettings } from "./compression_options.ts";

/**
 * The memory of a stream besides its windows, in bytes. Measured on Node, Bun and Deno, an inflater takes 11,000 to
 * 22,000. A deflater has a table of 64 KiB on Node and 128 KiB elsewhere; this is between the two.
 */
const INFLATER_COST = 13 * 1024;
const DEFLATER_COST = 92 * 1024;

export function deflaterSize(windowBits: number, memoryLevel: number): number {
  return 2 ** (windowBits + 2) + 2 ** (memoryLevel + 8) + DEFLATER_COST;
}

/** @param produced How many bytes it has returned: the system backs its window only as far as it was filled. */
export function inflaterSize(windowBits: number, produced: number): number {
  return INFLATER_COST + Math.min(produced, 2 ** windowBits);
}

/** The approximate memory of a connection with context takeover in both directions, in bytes. */
export function contextSize(settings: CompressionSettings): number {
  const { serverMaxWindowBits, clientMaxWindowBits, memoryLevel } = settings;
  return deflaterSize(serverMaxWindowBits, memoryLevel) +
    inflaterSize(clientMaxWindowBits, Infinity);
}
