import { entries, type HeaderFields } from "../http1/field_line.ts";

/** The names, in lower case, of the header fields that only the opening handshake sets. */
const RESERVED: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "sec-websocket-accept",
  "sec-websocket-extensions",
  "sec-websocket-key",
  "sec-websocket-protocol",
  "sec-websocket-version",
  "transfer-encoding",
  "upgrade",
]);

/** Gives the header fields that a program adds to a handshake, and throws a `TypeError` for those it may not set. */
export function* programFields(
  headers: HeaderFields | undefined,
): Generator<readonly [name: string, value: string]> {
  for (const field of entries(headers)) {
    const [name] = field;
    if (RESERVED.has(String(name).toLowerCase())) {
      throw new TypeError(
        `Cannot set the header ${JSON.stringify(name)}: it belongs to the handshake`,
      );
    }
    yield field;
  }
}
