import type { Address } from "./byte_channel.ts";

import { parseIpv6 } from "./ipv6.ts";

/** How many of the 16-bit groups of an IPv6 address are the network prefix (RFC 4291, section 2.5.4). */
const NETWORK_GROUPS = 4;

/**
 * Gives the group that a limit per address counts together: an IPv4 address, also if mapped to IPv6, or the /64
 * network of an IPv6 address, as one host may use any of it. All peers without an IP address are one group.
 */
export function addressGroup(remote: Address): string {
  if (remote.transport !== "tcp") return remote.transport;
  const { hostname } = remote;
  return hostname.includes(":") ? networkOf(hostname) : hostname;
}

function networkOf(hostname: string): string {
  const groups = parseIpv6(hostname);
  // "::ffff:0:0/96" (RFC 4291, section 2.5.5.2)
  if (groups[5] === 0xffff && groups.slice(0, 5).every((group) => group === 0)) {
    return groups.slice(6).flatMap((group) => [group >> 8, group & 255]).join(".");
  }
  const network = groups.slice(0, NETWORK_GROUPS).map((group) => group.toString(16));
  return `${network.join(":")}::/64`;
}
