import type { Address } from "../transport/byte_channel.ts";

/** The addresses that clients connect to if a server listens on all addresses. */
const LOOPBACK: ReadonlyMap<string, string> = new Map([["0.0.0.0", "127.0.0.1"], ["::", "::1"]]);

/** Gives a URL of a server; its certificate, if it has one, is most likely for the name that was given. */
export function urlOf(addr: Address, given: string | undefined, secure: boolean): string {
  const scheme = secure ? "wss" : "ws";
  if (addr.transport !== "tcp") return `${scheme}://localhost/`;
  const local = LOOPBACK.get(addr.hostname);
  const host = local ?? given ?? addr.hostname;
  return `${scheme}://${host.includes(":") ? `[${host}]` : host}:${addr.port}/`;
}
