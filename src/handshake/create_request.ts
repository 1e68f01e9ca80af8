import { encodeBase64 } from "@std/encoding/base64";
import { checkList, checkOptions, checkString, invalidType, type Names } from "../checks.ts";
import type { HeaderFields } from "../http1/field_line.ts";
import { RequestHead } from "../http1/request_head.ts";
import { programFields } from "./program_fields.ts";
import { checkSubprotocol } from "./subprotocol.ts";

/** The contents of an upgrade request. */
export interface UpgradeRequestOptions {
  /** Path and query of the URL: begins with a slash. */
  target: string;
  /** Host and port of the URL, without the default port. */
  host: string;
  /** The value of `Sec-WebSocket-Key`: see {@linkcode createKey}. */
  key: string;
  /** The subprotocols to offer, in order of preference. Default: none. */
  subprotocols?: readonly string[] | undefined;
  /** The value of `Sec-WebSocket-Extensions`. Default: none. */
  extensions?: string | undefined;
  /** More header fields; a `Host` among them replaces that of the URL. Default: none. */
  headers?: HeaderFields | undefined;
}

const OPTIONS: Names<UpgradeRequestOptions> = {
  target: true,
  host: true,
  key: true,
  subprotocols: true,
  extensions: true,
  headers: true,
};

/** Creates a `Sec-WebSocket-Key`: 16 random bytes, base64 encoded (RFC 6455, section 4.1). */
export function createKey(): string {
  return encodeBase64(crypto.getRandomValues(new Uint8Array(16)));
}

/**
 * Creates the request of an opening handshake (RFC 6455, section 4.1).
 *
 * @param options The contents of the request.
 * @throws {TypeError} If an option is unknown or of another type, a header field or a subprotocol can't be
 * sent, a subprotocol occurs twice, or a field is one that only the handshake sets. The message names it.
 */
export function createUpgradeRequest(options: UpgradeRequestOptions): RequestHead {
  checkOptions("createUpgradeRequest", options, OPTIONS);
  const { target, host, key, subprotocols = [], extensions, headers } = options;
  for (const [name, value] of Object.entries({ target, host, key })) {
    if (typeof value !== "string") throw invalidType(name, "a string", value);
  }
  checkString("extensions", extensions);
  checkList("subprotocols", subprotocols);
  const fields: [name: string, value: string][] = [
    ["Host", host],
    ["Upgrade", "websocket"],
    ["Connection", "Upgrade"],
    ["Sec-WebSocket-Key", key],
    ["Sec-WebSocket-Version", "13"],
  ];
  for (const subprotocol of subprotocols) checkSubprotocol("offer", subprotocol);
  // "The elements that comprise this value [...] MUST all be unique strings."
  const twice = subprotocols.find((each, i) => subprotocols.indexOf(each) !== i);
  if (twice !== undefined) throw new TypeError(`Cannot offer the subprotocol ${twice} twice`);
  if (subprotocols.length > 0) fields.push(["Sec-WebSocket-Protocol", subprotocols.join(", ")]);
  if (extensions !== undefined) fields.push(["Sec-WebSocket-Extensions", extensions]);
  for (const [name, value] of programFields(headers)) {
    if (String(name).toLowerCase() === "host") fields[0]![1] = value;
    else fields.push([name, value]);
  }
  return new RequestHead("GET", target, fields);
}
