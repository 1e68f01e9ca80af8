import { checkNames, type Names } from "../checks.ts";
import type { TlsClientOptions } from "../transport/byte_channel.ts";
import { isPlainObject } from "../values.ts";
import { matchesNoProxy } from "./no_proxy.ts";
import { parseProxyUrl, type ProxyAddress, type WebSocketAddress } from "./url.ts";

/** A proxy, and how its TLS is checked. */
export interface ProxyOptions {
  /** An `http:` or `https:` URL, or `"environment"`: see {@linkcode ConnectOptions.proxy}. */
  url: string | URL;
  /**
   * How the TLS of an `https:` proxy checks it, and proves to it who the client is. Those for the server are
   * no business of a proxy, and are not used for it. Default: see each.
   */
  tls?: TlsClientOptions | undefined;
}

/** The proxy, checked and complete. */
export interface ProxySettings {
  /** Where it is; `undefined` where the environment says it. */
  readonly address: ProxyAddress | undefined;
  readonly tls: TlsClientOptions;
}

const OPTIONS: Names<ProxyOptions> = { url: true, tls: true };

/** Gives the value of an environment variable. */
export type ReadEnvironment = (name: string) => string | undefined;

/** The variables that name the proxy, the first of which counts that is not empty. */
const VARIABLES = {
  secure: ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"],
  plain: ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"],
};

/**
 * Checks the option.
 *
 * @throws {TypeError} Where it is no URL of a proxy, or an option is unknown.
 */
export function resolveProxy(
  given: string | URL | ProxyOptions | undefined,
): ProxySettings | undefined {
  if (given === undefined) return undefined;
  const options = isPlainObject(given) ? given as ProxyOptions : { url: given as string | URL };
  checkNames("proxy", options, OPTIONS);
  const { url, tls = {} } = options;
  return { address: url === "environment" ? undefined : parseProxyUrl(url), tls };
}

/**
 * Finds the proxy for a server; gives `undefined` where there is none for it.
 *
 * @throws {TypeError} Where the environment names none that can be used.
 */
export function findProxy(
  { address }: ProxySettings,
  server: WebSocketAddress,
  read: ReadEnvironment = () => undefined,
): ProxyAddress | undefined {
  if (address !== undefined) return address;
  const first = (names: readonly string[]) => names.map(read).find((value) => !!value);
  // Of a CGI program, `HTTP_PROXY` is a header field that any client can send.
  const isCgi = read("REQUEST_METHOD") !== undefined;
  const names = server.secure
    ? VARIABLES.secure
    : VARIABLES.plain.filter((name) => name !== "HTTP_PROXY" || !isCgi);
  const url = first(names);
  if (url === undefined) return undefined;
  if (matchesNoProxy(first(["no_proxy", "NO_PROXY"]) ?? "", server)) return undefined;
  return parseProxyUrl(url.includes("://") ? url : `http://${url}`);
}
