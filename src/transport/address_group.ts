import type { Address } from "./byte_channel.ts";

/** The 16-bit groups of an IPv6 address, and how many of them name a network (RFC 4291, 2.5.4). */
const GROUPS = 8;
const NETWORK_GROUPS = 4;

/**
 * Names those that a limit for one address counts together: an IPv4 address, also where IPv6 carries
 * it (`::ffff:192.0.2.1`), or the /64 network of an IPv6 address, since one host may use any address
 * of its network. What has no IP address is one group.
 */
export function addressGroup(remote: Address): string {
  if (remote.transport !== "tcp") return remote.transport;
  const { hostname } = remote;
  return hostname.includes(":") ? networkOf(hostname) : hostname;
}

function networkOf(hostname: string): string {
  const [address = ""] = hostname.toLowerCase().split("%");
  const dotted = address.slice(address.lastIndexOf(":") + 1);
  const isDotted = dotted.includes(".");
  // The dotted end stands for two groups.
  const hex = isDotted ? `${address.slice(0, -dotted.length)}0:0` : address;
  const [before = [], after] = hex.split("::").map((part) => part === "" ? [] : part.split(":"));
  const groups = after === undefined
    ? before
    : [...before, ...Array(Math.max(0, GROUPS - before.length - after.length)).fill("0"), ...after];
  const numbers = groups.map((group) => parseInt(group, 16));
  // "::ffff:0:0/96" (RFC 4291, section 2.5.5.2)
  if (numbers[5] === 0xffff && numbers.slice(0, 5).every((number) => number === 0)) {
    if (isDotted) return dotted;
    return [numbers[6]! >> 8, numbers[6]! & 255, numbers[7]! >> 8, numbers[7]! & 255].join(".");
  }
  const network = numbers.slice(0, NETWORK_GROUPS).map((number) => number.toString(16));
  return `${network.join(":")}::/64`;
}
