/** A server, as a list of exceptions sees it. */
interface Server {
  readonly hostname: string;
  readonly port: number;
}

/** A name or an address, in brackets or without, and a port. */
const ENTRY = /^(?:\[(.+)\]|([^:]+|.*:.*:.*?))(?::(\d+))?$/;

/**
 * Whether the variable `NO_PROXY` excepts a server: names, which stand for all below them too, with or
 * without a dot or `*.` before them; IP addresses; networks, as `10.0.0.0/8`; each with a port, if it is for
 * that alone; `*` for all. They stand behind commas or spaces.
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

/** Whether an address is one, or in a network, whichever way both are written. */
function isWithin(host: string, network: string): boolean {
  const [base = "", prefix] = network.split("/");
  const address = parseAddress(host);
  const other = parseAddress(base);
  if (address === undefined || other === undefined || address.length !== other.length) return false;
  const length = prefix === undefined ? address.length : Number(prefix);
  return (prefix === undefined || /^\d+$/.test(prefix)) && length <= address.length &&
    address.slice(0, length) === other.slice(0, length);
}

/** Gives the bits of an IP address as digits; `undefined` where it is none. */
function parseAddress(text: string): string | undefined {
  const isV6 = text.includes(":");
  if (!isV6 && !/^\d+\.\d+\.\d+\.\d+$/.test(text)) return undefined;
  let host: string;
  try {
    ({ hostname: host } = new URL(isV6 ? `http://[${text}]` : `http://${text}`));
  } catch {
    return undefined;
  }
  if (!isV6) return host.split(".").map((byte) => toBits(Number(byte), 8)).join("");
  const [before = [], after] = host.slice(1, -1).split("::").map((part) =>
    part === "" ? [] : part.split(":")
  );
  const zeros = after === undefined ? 0 : 8 - before.length - after.length;
  return [...before, ...Array<string>(zeros).fill("0"), ...after ?? []]
    .map((group) => toBits(parseInt(group, 16), 16)).join("");
}

function toBits(value: number, length: number): string {
  return value.toString(2).padStart(length, "0");
}
