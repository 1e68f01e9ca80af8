import { HOST, isAll, isDigits } from "./characters.ts";

const MAX_PORT = 65535;
/**
 * The longest host: the limit of DNS (RFC 1035, section 2.3.4), to which URIs should conform (RFC 3986,
 * section 3.2.2). Some runtimes decode longer international names in quadratic time.
 */
const MAX_HOST_LENGTH = 255;

/**
 * Parses `host [":" port]`, the value of a Host header (RFC 9110, section 7.2), and normalises it as URLs
 * and browsers do: to lower case, with IPv6 addresses compressed, without the default port. It is stricter
 * than the grammar, which allows forms that parsers read differently: it refuses percent-encoding, IPv4
 * addresses other than four decimal numbers (`127.1`, `0x7f.1`), future IP versions, and hosts of more than
 * 255 characters.
 *
 * @param value The text.
 * @param secure Whether the default port is that of https, not http.
 * @returns The authority, or `undefined` if the value is malformed.
 */
export function parseAuthority(value: string, secure: boolean): string | undefined {
  const isLiteral = value.startsWith("[");
  // Within brackets, colons belong to the address.
  const colon = value.indexOf(":", isLiteral ? value.indexOf("]") + 1 : 0);
  const host = colon === -1 ? value : value.slice(0, colon);
  if (host.length > MAX_HOST_LENGTH) return undefined;
  const hostname = isLiteral ? parseIpLiteral(host) : parseHostname(host);
  if (hostname === undefined || colon === -1) return hostname;
  const digits = value.slice(colon + 1);
  // "port = *DIGIT": it may be empty (RFC 3986, section 3.2.3).
  if (digits === "") return hostname;
  if (!isDigits(digits) || digits.length > 5) return undefined;
  const port = Number(digits);
  if (port > MAX_PORT) return undefined;
  return port === (secure ? 443 : 80) ? hostname : `${hostname}:${port}`;
}

function parseHostname(text: string): string | undefined {
  // "A server MUST [...] reject" an http URI with an empty host (RFC 9110, section 4.2.1).
  if (!isAll(text, HOST)) return undefined;
  const hostname = text.toLowerCase();
  if (endsInNumber(hostname)) return isIpv4(hostname) ? hostname : undefined;
  // Whether an international name is valid, only the runtime's `URL` can tell.
  return hostname.includes("xn--") && toUrlHostname(hostname) !== hostname ? undefined : hostname;
}

/** Whether a URL parser would read the host name as an IPv4 address: if its last label is a number. */
function endsInNumber(hostname: string): boolean {
  const end = hostname.endsWith(".") ? hostname.length - 1 : hostname.length;
  const label = hostname.slice(hostname.lastIndexOf(".", end - 1) + 1, end);
  return isDigits(label) || /^0x[0-9a-f]*$/.test(label);
}

/** Whether the text is an IPv4 address in the normalised form of URLs. */
function isIpv4(text: string): boolean {
  const labels = text.split(".");
  return labels.length === 4 && labels.every(isIpv4Label);
}

function isIpv4Label(label: string): boolean {
  return isDigits(label) && Number(label) <= 255 && String(Number(label)) === label;
}

function parseIpLiteral(text: string): string | undefined {
  // The characters of an IPv6 address: no zone, no version, and none that would end the host in a URL.
  if (!/^\[[0-9A-Fa-f:.]+\]$/.test(text)) return undefined;
  return toUrlHostname(text);
}

function toUrlHostname(host: string): string | undefined {
  try {
    return new URL(`http://${host}/`).hostname;
  } catch {
    return undefined;
  }
}
