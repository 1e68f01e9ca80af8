/**
 * Picks the adapter of the runtime.
 *
 * @module
 */

import type { Dialer, Listen } from "../../transport/byte_channel.ts";
import "./turns.ts";

/**
 * Loads what listens on the runtime this runs on: Bun, Deno, or else Node.
 *
 * @returns The adapter's `listen`.
 */
export async function loadListen(): Promise<Listen> {
  // Bun and Deno also have what looks like Node's `process`, so they are asked for first.
  if ("Bun" in globalThis) return (await import("../bun/listen.ts")).listen;
  if ("Deno" in globalThis) return (await import("../deno/listen.ts")).listen;
  return (await import("../node/listen.ts")).listen;
}

/**
 * Loads what connects on the runtime this runs on.
 *
 * @returns The adapter's dialer.
 */
export async function loadDialer(): Promise<Dialer> {
  if ("Deno" in globalThis) return (await import("../deno/dial.ts")).dialer;
  // Bun takes that of Node, too. A connect that Bun.connect has begun can't be given up: it holds its
  // socket, and keeps the process alive, for the two minutes that the system may try.
  return (await import("../node/dial.ts")).dialer;
}
