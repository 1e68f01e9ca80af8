/**
 * Picks the adapter of the runtime.
 *
 * @module
 */

import type { Listen } from "../connection/byte_channel.ts";

/**
 * Loads what listens on the runtime this runs on: Bun, Deno, or else Node.
 *
 * @returns The adapter's `listen`.
 */
export async function loadListen(): Promise<Listen> {
  // Bun and Deno also have what looks like Node's `process`, so they are asked for first.
  if ("Bun" in globalThis) return (await import("./bun_listen.ts")).listen;
  if ("Deno" in globalThis) return (await import("./deno_listen.ts")).listen;
  return (await import("./node_listen.ts")).listen;
}
