/**
 * Requests of clients, as text.
 *
 * @module
 */

/** The key of RFC 6455, section 1.3. */
export const KEY = "dGhlIHNhbXBsZSBub25jZQ==";
/** What the RFC has the server answer to {@linkcode KEY}. */
export const ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/** What differs from the usual request. */
export interface RequestInit {
  method?: string;
  target?: string;
  version?: string;
  /** Fields to replace, to leave out (`undefined`), to repeat (a list) or to add. */
  headers?: Record<string, string | string[] | undefined>;
}

/** The head of a plain HTTP request. */
export function httpRequest(init: RequestInit = {}, base: Record<string, string> = {}): string {
  const { method = "GET", target = "/", version = "HTTP/1.1", headers = {} } = init;
  const fields: Record<string, string | string[] | undefined> = {
    Host: "example.com",
    ...base,
    ...headers,
  };
  let head = `${method} ${target} ${version}\r\n`;
  for (const [name, value] of Object.entries(fields)) {
    for (const each of value === undefined ? [] : [value].flat()) head += `${name}: ${each}\r\n`;
  }
  return `${head}\r\n`;
}

/** The head of a request for a WebSocket. */
export function upgradeRequest(init: RequestInit = {}): string {
  return httpRequest(init, {
    Upgrade: "websocket",
    Connection: "Upgrade",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
  });
}
