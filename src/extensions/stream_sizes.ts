import type { CompressionSettings } from "./compression_options.ts";

/**
 * What a stream takes beside its window, in bytes: measured, an inflater takes 11,000 to 22,000 on Node,
 * Bun and Deno, and a deflater, with a table of 64 KiB on Node and 128 KiB elsewhere, between these.
 */
const INFLATER_COST = 13 * 1024;
const DEFLATER_COST = 92 * 1024;

/** The memory that a deflater takes, about, in bytes. */
export function deflaterSize(windowBits: number, memoryLevel: number): number {
  return 2 ** (windowBits + 2) + 2 ** (memoryLevel + 8) + DEFLATER_COST;
}

/**
 * The memory that an inflater takes, about, in bytes.
 *
 * @param produced How many bytes it has given: the system backs its window only as far as it was filled.
 */
export function inflaterSize(windowBits: number, produced: number): number {
  return INFLATER_COST + Math.min(produced, 2 ** windowBits);
}

/** The memory that a connection with context takeover in both directions takes, about, in bytes. */
export function contextSize(settings: CompressionSettings): number {
  const { serverMaxWindowBits, clientMaxWindowBits, memoryLevel } = settings;
  return deflaterSize(serverMaxWindowBits, memoryLevel) +
    inflaterSize(clientMaxWindowBits, Infinity);
}
