import type { Address } from "./byte_channel.ts";

/** An IPv4 address within IPv6, as a socket of both has it (RFC 4291, section 2.5.5.2). */
const MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;

/**
 * Gives what stands for whoever has an address: an IPv4 address, the first 64 bits of an IPv6 address, of
 * which one customer has all the rest, or the way it came, where there is no address.
 */
export function groupOf(address: Address): string {
  if (address.transport !== "tcp") return address.transport;
  const hostname = address.hostname.replace(/%.*$/, "");
  if (!hostname.includes(":")) return hostname;
  const [, mapped] = MAPPED.exec(hostname) ?? [];
  if (mapped !== undefined) return mapped;
  const [head = [], tail] = hostname.toLowerCase().split("::").map((part) =>
    part === "" ? [] : part.split(":")
  );
  // An IPv4 address at the end stands for two groups; it is never among the first four.
  const rest = tail === undefined ? 0 : tail.length + (tail.at(-1)?.includes(".") ? 1 : 0);
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - head.length - rest);
  const groups = [...head, ...Array<string>(zeros).fill("0"), ...tail ?? []];
  return `${groups.slice(0, 4).map((group) => parseInt(group, 16).toString(16)).join(":")}::/64`;
}
