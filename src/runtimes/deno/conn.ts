/**
 * What is the same of all connections of Deno, accepted or dialled.
 *
 * @module
 */

import type { Address } from "../../transport/byte_channel.ts";
import type { DenoAddr, DenoConn } from "./api.ts";

/** Turns Nagle's algorithm off. */
export function noDelay(conn: DenoConn): void {
  try {
    conn.setNoDelay?.(true);
  } catch {
    // The peer is gone: the first read tells.
  }
}

/** Translates an address. */
export function toAddress(addr: DenoAddr): Address {
  if (addr.transport === "unix") return { transport: "unix", path: addr.path ?? "" };
  return { transport: "tcp", hostname: addr.hostname, port: addr.port };
}
