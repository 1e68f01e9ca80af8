/** The number of 16-bit groups of an IPv6 address (RFC 4291, section 2.2). */
const GROUPS = 8;

/** Gives the 16-bit groups of an IPv6 address that is known to be valid, in any notation, maybe with a zone. */
export function parseIpv6(text: string): number[] {
  const [address = ""] = text.split("%");
  // An IPv4 address at the end is two groups.
  const hex = address.replace(
    /(\d+)\.(\d+)\.(\d+)\.(\d+)$/,
    (_, a, b, c, d) => `${toHex(a, b)}:${toHex(c, d)}`,
  );
  const [before = [], after = []] = hex.split("::")
    .map((part) => part === "" ? [] : part.split(":"));
  const zeros = Array<string>(Math.max(0, GROUPS - before.length - after.length)).fill("0");
  return [...before, ...zeros, ...after].map((group) => parseInt(group, 16));
}

function toHex(high: string, low: string): string {
  return (Number(high) * 256 + Number(low)).toString(16);
}
