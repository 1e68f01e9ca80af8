import { parseIpv6 } from "../transport/ipv6.ts";
import type { WebSocketAddress } from "./url.ts";

/** The part of a server's address that `NO_PROXY` applies to. */
type Server = Pick<WebSocketAddress, "hostname" | "port">;

/** A name or an address, with or without brackets, and an optional port. */
const ENTRY = /^(?:\[(.+)\]|([^:]+|.*:.*:.*?))(?::(\d+))?$/;

/**
 * Whether a server is in the list `NO_PROXY`. Its entries are separated by commas or spaces: host names, which
 * include their subdomains, with or without a leading `.` or `*.`; IP addresses; networks such as
 * `10.0.0.0/8`; `*` for all servers. An entry with a port applies to that port only.
 */
export function matchesNoProxy(list: string, { hostname, port }: Server): boolean {
  const host = hostname.toLowerCase().replace(/\.$/, "");
  return list.toLowerCase().split(/[\s,]+/).some((entry) => {
    if (entry === "*") return true;
    const match = ENTRY.exec(entry);
    const plain = match?.[1] ?? match?.[2];
    const itsPort = match?.[3];
    if (plain === undefined || (itsPort !== undefined && Number(itsPort) !== port)) return false;
    const name = plain.replace(/^\*?\./, "").replace(/\.$/, "");
    return name === host || isWithin(host, name) ||
      (parseAddress(host) === undefined && name !== "" && host.endsWith(`.${name}`));
  });
}

/** Whether `host` is the IP address `network`, or in the network `network`, in any notation. */
function isWithin(host: string, network: string): boolean {
  const [base = "", prefix] = network.split("/");
  const address = parseAddress(host);
  const other = parseAddress(base);
  if (address === undefined || other === undefined || address.length !== other.length) return false;
  const length = prefix === undefined ? address.length : Number(prefix);
  return (prefix === undefined || /^\d+$/.test(prefix)) && length <= address.length &&
    address.slice(0, length) === other.slice(0, length);
}

/** Gives the bits of an IP address as a text of `0` and `1`; `undefined` if it is not an address. */
function parseAddress(text: string): string | undefined {
  const isV6 = text.includes(":");
  if (!isV6 && !/^\d+\.\d+\.\d+\.\d+$/.test(text)) return undefined;
  const url = isV6 ? `http://[${text}]` : `http://${text}`;
  if (!URL.canParse(url)) return undefined;
  const { hostname: host } = new URL(url);
  if (!isV6) return host.split(".").map((byte) => toBits(Number(byte), 8)).join("");
  return parseIpv6(host.slice(1, -1)).map((group) => toBits(group, 16)).join("");
}

function toBits(value: number, length: number): string {
  return value.toString(2).padStart(length, "0");
}
