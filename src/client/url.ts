import { encodeBase64 } from "@std/encoding/base64";

/** The address of a WebSocket, from its URL (RFC 6455, section 3). */
export interface WebSocketAddress {
  /** The URL, with the scheme `wss:` or `ws:`, without user and password. */
  readonly url: string;
  /** The URL for error messages: without the query, which may be a secret. */
  readonly shown: string;
  readonly secure: boolean;
  /** The host name, or the IP address without brackets. */
  readonly hostname: string;
  readonly port: number;
  /** The value of `Host`: without the default port. */
  readonly host: string;
  readonly target: string;
  /** The value of `Authorization` for the user in the URL, if any. */
  readonly authorization: string | undefined;
}

export type ProxyAddress = Omit<WebSocketAddress, "target">;

/**
 * Parses the URL of a WebSocket: `ws:` or `wss:`, or their synonyms `http:` and `https:`.
 *
 * @throws {TypeError} If it is not a URL, or has another scheme, a fragment, or a user name with a colon. The
 * message tells which.
 */
export function parseWebSocketUrl(url: string | URL, base?: string): WebSocketAddress {
  const parsed = parse("connect to", "wss://example.com/", url, base);
  const scheme = parsed.protocol.replace(/^http/, "ws");
  if (scheme !== "ws:" && scheme !== "wss:") {
    throw refusal("connect to", parsed, "its scheme must be ws, wss, http or https");
  }
  // "Fragment identifiers are meaningless in the context of WebSocket URIs and MUST NOT be used on
  // these URIs." (section 3). This applies to an empty one, too.
  if (parsed.href.includes("#")) {
    throw refusal("connect to", parsed, "a WebSocket URL must not have a fragment");
  }
  return toAddress(parsed, scheme === "wss:");
}

/** @throws {TypeError} If it is not a URL, or has another scheme than `http:` or `https:`, or a user with a colon. */
export function parseProxyUrl(url: string | URL): ProxyAddress {
  const parsed = parse("use the proxy", "http://proxy.example:3128", url);
  if (parsed.protocol !== "http:" && parsed.protocol !== "https:") {
    throw refusal("use the proxy", parsed, "its scheme must be http or https");
  }
  return toAddress(parsed, parsed.protocol === "https:");
}

function parse(purpose: string, example: string, url: string | URL, base?: string): URL {
  try {
    return new URL(url, base);
  } catch {
    const shown = JSON.stringify(withoutSecrets(String(url)));
    throw new TypeError(`Cannot ${purpose} ${shown}: it must be a URL, such as "${example}"`);
  }
}

/** Creates the error for a URL. Its message may be logged, and has no credentials. */
function refusal(purpose: string, url: URL, reason: string): TypeError {
  const plain = new URL(url);
  plain.username = plain.password = "";
  // If the scheme is missing, the user name is parsed as the scheme.
  const isWhole = url.href.startsWith(`${url.protocol}//`);
  const shown = isWhole ? withoutQuery(plain.href) : withoutSecrets(url.href);
  return new TypeError(`Cannot ${purpose} ${shown}: ${reason}`);
}

/** Removes everything that may be a user, a query or a fragment from a text that may be a URL. */
export function withoutSecrets(text: string): string {
  // Ambiguous: either the password contains "?" or "#", or the query contains "@".
  if (/[?#].*@/s.test(text)) return text.replace(/^([a-z][a-z0-9+.-]*:)?.*$/is, "$1//...");
  return withoutQuery(text.replace(/^([a-z][a-z0-9+.-]*:)?.*@/is, "$1//"));
}

function withoutQuery(text: string): string {
  return text.replace(/[?#].*$/s, "?...");
}

function toAddress(parsed: URL, secure: boolean): WebSocketAddress {
  const { host, port, pathname, search } = parsed;
  const hostname = parsed.hostname.replace(/^\[(.*)\]$/, "$1");
  const target = `${pathname}${search}`;
  const url = `${secure ? "wss" : "ws"}://${host}${target}`;
  return {
    url,
    shown: withoutQuery(url),
    secure,
    hostname,
    port: port === "" ? (secure ? 443 : 80) : Number(port),
    host,
    target,
    authorization: toAuthorization(parsed),
  };
}

/**
 * Gives the credentials of a URL in the scheme "Basic" of RFC 7617, in UTF-8 as its section 2.1 allows.
 *
 * @throws {TypeError} If the user name has a colon, since the first colon ends the user name (section 2).
 */
function toAuthorization(url: URL): string | undefined {
  const { username, password } = url;
  if (username === "" && password === "") return undefined;
  const user = decodePercent(username);
  if (user.includes(":")) throw refusal("log in to", url, "its user must not have a colon");
  const credentials = `${user}:${decodePercent(password)}`;
  return `Basic ${encodeBase64(credentials)}`;
}

/** Decodes percent-encoded UTF-8. Returns a text with another encoding unchanged. */
function decodePercent(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
