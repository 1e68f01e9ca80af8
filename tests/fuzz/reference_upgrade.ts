/**
 * What an upgrade request must be, read plainly: RFC 6455, sections 4.1 and 4.2.1, and RFC 9112,
 * section 3. It looks at everything, and tells all that is wrong.
 *
 * @module
 */

import { type Extension, readExtensions, readTokens, trim } from "./extensions.ts";

/** A request, and how it came. */
export interface UpgradeInput {
  method: string;
  target: string;
  fields: [name: string, value: string][];
  secure: boolean;
  origin: "same" | "any" | string[];
}

/** What an upgrade request asks for, or the statuses it may be refused with. */
export type ReadUpgrade =
  | {
    host: string;
    key: string;
    subprotocols: string[];
    extensions: Extension[];
    origin: string | undefined;
  }
  | { statuses: Set<number> };

const T = "[!#$%&'*+.^_`|~0-9A-Za-z-]";
/** The name of a protocol, with or without a version (RFC 9110, section 7.8). */
const PROTOCOL = new RegExp(`^${T}+(?:/${T}+)?$`);

/** Gives the values of all fields of a name. */
export function valuesOf({ fields }: Pick<UpgradeInput, "fields">, name: string): string[] {
  return fields.filter((field) => field[0].toLowerCase() === name.toLowerCase())
    .map(([, value]) => value);
}

export function readUpgrade(input: UpgradeInput): ReadUpgrade {
  const statuses = new Set<number>();
  const expect = (holds: boolean, status = 400) => {
    if (!holds) statuses.add(status);
  };
  const values = (name: string) => valuesOf(input, name);

  expect(input.method === "GET", 405);
  const host = readHost(input);
  expect(host !== undefined);
  expect(isOwnTarget(input, host));

  expect(values("Transfer-Encoding").length === 0);
  expect(values("Content-Length").length <= 1);
  expect(values("Content-Length").every((length) => length === "0"));

  expect(isMeantAsUpgrade(input), 426);
  const protocolNames = values("Upgrade").join(",").split(",").map(trim);
  expect(protocolNames.every((name) => name === "" || PROTOCOL.test(name)));
  const options = readTokens(values("Connection").join(", ")) ?? [];
  expect(options.some((option) => option.toLowerCase() === "upgrade"));

  const versions = values("Sec-WebSocket-Version");
  expect(versions.length === 1);
  expect(versions[0] === "13", versions.length === 0 ? 400 : 426);

  // 16 bytes are 21 characters of 6 bits, and 2 bits of a 22nd.
  const [key, ...moreKeys] = values("Sec-WebSocket-Key");
  expect(moreKeys.length === 0 && /^[A-Za-z0-9+/]{21}[AQgw]==$/.test(key ?? ""));

  const protocols = values("Sec-WebSocket-Protocol");
  const subprotocols = protocols.length === 0 ? [] : readTokens(protocols.join(", "));
  expect(subprotocols !== undefined && new Set(subprotocols).size === subprotocols.length);

  const offers = values("Sec-WebSocket-Extensions");
  const extensions = offers.length === 0 ? [] : readExtensions(offers.join(", "));
  expect(extensions !== undefined);

  const origins = values("Origin");
  expect(origins.length <= 1);
  for (const origin of origins) {
    if (input.origin === "same") {
      const scheme = new RegExp(`^${input.secure ? "https" : "http"}://(.*)$`, "i").exec(origin);
      const own = scheme === null ? undefined : readAuthority(scheme[1], input.secure);
      expect(own !== undefined && own === host, 403);
    } else {
      expect(input.origin === "any" || input.origin.includes(origin), 403);
    }
  }

  if (statuses.size > 0) return { statuses };
  return {
    host: host!,
    key,
    subprotocols: subprotocols!,
    extensions: extensions!,
    origin: origins[0],
  };
}

/** The host that a request names; `undefined` where there is none, or more than one. */
export function readHost(input: Pick<UpgradeInput, "fields" | "secure">): string | undefined {
  const hosts = valuesOf(input, "Host");
  return hosts.length === 1 ? readAuthority(hosts[0], input.secure) : undefined;
}

/** Whether one of the protocols in `Upgrade` is websocket. */
export function isMeantAsUpgrade(input: Pick<UpgradeInput, "fields">): boolean {
  return valuesOf(input, "Upgrade").join(",").split(",")
    .some((element) => /^websocket$/i.test(trim(element)));
}

/** The length of a body: the statuses it may be refused with, or the length. */
export function readContentLength(
  input: Pick<UpgradeInput, "fields">,
): { length: number | undefined } | { statuses: Set<number> } {
  const lengths = valuesOf(input, "Content-Length");
  const statuses = new Set<number>();
  if (lengths.length > 1) statuses.add(400);
  const values = valuesOf(input, "Transfer-Encoding");
  if (values.length > 0) {
    const codings = readTokens(values.join(", "))?.map((coding) => coding.toLowerCase()) ?? [];
    const isWellFormed = codings.pop() === "chunked" && !codings.includes("chunked");
    if (!isWellFormed || lengths.length > 0) statuses.add(400);
    else statuses.add(codings.length > 0 ? 501 : 411);
  }
  for (const length of lengths) {
    if (!/^[0-9]+$/.test(length) || BigInt(length) > 2n ** 53n - 1n) statuses.add(400);
  }
  if (statuses.size > 0) return { statuses };
  return { length: lengths.length === 0 ? undefined : Number(lengths[0]) };
}

/** Whether the target is a path, or a URL of the host. */
export function isOwnTarget(
  { target, secure }: Pick<UpgradeInput, "target" | "secure">,
  host: string | undefined,
): boolean {
  if (target.includes("#")) return false;
  if (target.startsWith("/")) return true;
  const url = new RegExp(`^${secure ? "https" : "http"}://([^/?]*)`, "i").exec(target);
  return url !== null && host !== undefined && readAuthority(url[1], secure) === host;
}

const BYTE = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])";
const IPV4 = new RegExp(`^${BYTE}[.]${BYTE}[.]${BYTE}[.]${BYTE}$`);

/** Reads host and port to the form that URLs give them; `undefined` where it is not to be accepted. */
export function readAuthority(text: string, secure: boolean): string | undefined {
  const match = /^(\[[^\]]*\]|[^:[\]]*)(?::([0-9]{0,5}))?$/.exec(text);
  if (match === null) return undefined;
  const [, name, digits = ""] = match;
  if (Number(digits) > 65_535 || name.length > 255) return undefined;
  const host = name.startsWith("[") ? readIpv6(name.slice(1, -1)) : readName(name.toLowerCase());
  if (host === undefined) return undefined;
  const isDefault = digits === "" || Number(digits) === (secure ? 443 : 80);
  return isDefault ? host : `${host}:${Number(digits)}`;
}

function readName(name: string): string | undefined {
  if (!/^[a-z0-9._~!$&'()*+,;=-]+$/.test(name)) return undefined;
  // What ends in a number is an IPv4 address, or nothing.
  const last = name.replace(/[.]$/, "").split(".").at(-1)!;
  if (/^(?:[0-9]+|0x[0-9a-f]*)$/.test(last) && !IPV4.test(name)) return undefined;
  return name;
}

/** Reads an IPv6 address, and writes it as RFC 5952 has it. */
function readIpv6(text: string): string | undefined {
  const ipv4 = /^(.*:)([0-9.]+)$/.exec(text);
  let hex = text;
  if (ipv4 !== null && ipv4[2].includes(".")) {
    if (!IPV4.test(ipv4[2])) return undefined;
    const [a, b, c, d] = ipv4[2].split(".").map(Number);
    hex = `${ipv4[1]}${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
  }
  const halves = hex.split("::");
  if (halves.length > 2) return undefined;
  const [head, tail = []] = halves.map((half) => half === "" ? [] : half.split(":"));
  if (![...head, ...tail].every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const groups = [...head, ...new Array<string>(missing).fill("0"), ...tail]
    .map((group) => parseInt(group, 16).toString(16));
  // The longest run of zeroes, the first of several, but not a single one.
  for (let length = 8; length > 1; length--) {
    for (let start = 0; start + length <= 8; start++) {
      if (!groups.slice(start, start + length).every((group) => group === "0")) continue;
      return `[${groups.slice(0, start).join(":")}::${groups.slice(start + length).join(":")}]`;
    }
  }
  return `[${groups.join(":")}]`;
}
