import type { Dialer, Listen } from "../../transport/byte_channel.ts";
import "./event_loop.ts";

export async function loadListen(): Promise<Listen> {
  // Bun and Deno come first, since they have the globals of Node, too.
  if ("Bun" in globalThis) return (await import("../bun/listen.ts")).listen;
  if ("Deno" in globalThis) return (await import("../deno/listen.ts")).listen;
  return (await import("../node/listen.ts")).listen;
}

export async function loadDialer(): Promise<Dialer> {
  if ("Deno" in globalThis) return (await import("../deno/dial.ts")).dialer;
  // Also for Bun: a pending Bun.connect can't be cancelled. It holds its socket, and keeps the process alive,
  // for the two minutes until the system's timeout.
  return (await import("../node/dial.ts")).dialer;
}
