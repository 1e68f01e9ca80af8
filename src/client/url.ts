import { encodeBase64 } from "@std/encoding/base64";

/** Where a WebSocket is, by its URL (RFC 6455, section 3). */
export interface WebSocketAddress {
  /** The URL, as `wss:` or `ws:`, without a user. */
  readonly url: string;
  /** The same for messages: without a query, which may be a secret. */
  readonly shown: string;
  /** Whether it is `wss:`. */
  readonly secure: boolean;
  /** The host name, or the IP address without brackets. */
  readonly hostname: string;
  /** The port. */
  readonly port: number;
  /** The value of Host: without the default port. */
  readonly host: string;
  /** Path and query. */
  readonly target: string;
  /** The value of Authorization for the user in the URL; `undefined` where there is none. */
  readonly authorization: string | undefined;
}

/** Where a proxy is. */
export type ProxyAddress = Omit<WebSocketAddress, "target">;

/**
 * Parses the URL of a WebSocket: `ws:` or `wss:`, or their synonyms `http:` and `https:`.
 *
 * @throws {TypeError} Where it is none, has another scheme, or a fragment, or a user with a colon. The message
 * names which.
 */
export function parseWebSocketUrl(url: string | URL, base?: string): WebSocketAddress {
  const parsed = parse("connect to", "wss://example.com/", url, base);
  const scheme = parsed.protocol.replace(/^http/, "ws");
  if (scheme !== "ws:" && scheme !== "wss:") {
    throw new TypeError(
      `Cannot connect to ${describe(parsed)}: its scheme must be ws, wss, http or https`,
    );
  }
  // "Fragment identifiers are meaningless in the context of WebSocket URIs and MUST NOT be used on
  // these URIs." (section 3); an empty one is one, too.
  if (parsed.href.includes("#")) {
    throw new TypeError(`Cannot connect to ${describe(parsed)}: a WebSocket URL has no fragment`);
  }
  return toAddress(parsed, scheme === "wss:");
}

/**
 * Parses the URL of a proxy.
 *
 * @throws {TypeError} Where it is none, has another scheme than `http:` or `https:`, or a user with a colon.
 */
export function parseProxyUrl(url: string | URL): ProxyAddress {
  const parsed = parse("use the proxy", "http://proxy.example:3128", url);
  if (parsed.protocol !== "http:" && parsed.protocol !== "https:") {
    throw new TypeError(
      `Cannot use the proxy ${describe(parsed)}: its scheme must be http or https`,
    );
  }
  return toAddress(parsed, parsed.protocol === "https:");
}

function parse(purpose: string, example: string, url: string | URL, base?: string): URL {
  try {
    return new URL(url, base);
  } catch {
    const shown = JSON.stringify(withoutSecrets(String(url)));
    throw new TypeError(`Cannot ${purpose} ${shown}: it is no URL, such as "${example}"`);
  }
}

/** Shows a URL in an error, without a password or a token that might end up in a log. */
function describe(url: URL): string {
  // Where a scheme was forgotten, the user is taken for one.
  if (!url.href.startsWith(`${url.protocol}//`)) return withoutSecrets(url.href);
  const shown = new URL(url);
  shown.username = shown.password = "";
  return withoutQuery(shown.href);
}

/** Leaves out whatever stands where a user, a query or a fragment may, in a text that need be no URL. */
export function withoutSecrets(text: string): string {
  // It can't be told whether a password has the mark, or the query has the "@".
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
 * "Basic" of RFC 7617, in UTF-8 as its section 2.1 allows.
 *
 * @throws {TypeError} Where the user has a colon: the password begins behind the first one (section 2).
 */
function toAuthorization(url: URL): string | undefined {
  const { username, password } = url;
  if (username === "" && password === "") return undefined;
  const user = decodePercent(username);
  if (user.includes(":")) {
    throw new TypeError(`Cannot log in to ${describe(url)}: its user has a colon`);
  }
  const credentials = `${user}:${decodePercent(password)}`;
  return `Basic ${encodeBase64(credentials)}`;
}

/** Leaves what is no percent-encoded UTF-8 as it is. */
function decodePercent(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
