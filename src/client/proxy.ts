import { checkNames, type Names } from "../checks.ts";
import type { TlsClientOptions } from "../transport/byte_channel.ts";
import { isPlainObject } from "../values.ts";
import { matchesNoProxy } from "./no_proxy.ts";
import { parseProxyUrl, type ProxyAddress, type WebSocketAddress } from "./url.ts";

/** A proxy, and the options of its TLS. */
export interface ProxyOptions {
  /** An `http:` or `https:` URL, or `"environment"`: see {@linkcode ConnectOptions.proxy}. */
  url: string | URL;
  /**
   * The TLS options for an `https:` proxy. Those for the server are not used for the proxy. Default: see each.
   */
  tls?: TlsClientOptions | undefined;
}

export interface ProxySettings {
  /** The address; `undefined` for that of the environment. */
  readonly address: ProxyAddress | undefined;
  readonly tls: TlsClientOptions;
}

const OPTIONS: Names<ProxyOptions> = { url: true, tls: true };

export type ReadEnvironment = (name: string) => string | undefined;

/** The variables that name the proxy. The first one that is not empty is used. */
const VARIABLES = {
  secure: ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"],
  plain: ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"],
};

/** @throws {TypeError} If it is not the URL of a proxy, or an option is unknown. */
export function resolveProxy(
  given: string | URL | ProxyOptions | undefined,
): ProxySettings | undefined {
  if (given === undefined) return undefined;
  const options = isPlainObject(given) ? given as ProxyOptions : { url: given as string | URL };
  checkNames("proxy", options, OPTIONS);
  const { url, tls = {} } = options;
  return { address: url === "environment" ? undefined : parseProxyUrl(url), tls };
}

/** @throws {TypeError} If the value of the environment is not the URL of a proxy. */
export function findProxy(
  { address }: ProxySettings,
  server: WebSocketAddress,
  read: ReadEnvironment = () => undefined,
): ProxyAddress | undefined {
  if (address !== undefined) return address;
  const first = (names: readonly string[]) => names.map(read).find((value) => !!value);
  // In a CGI program, `HTTP_PROXY` is the value of the header field `Proxy`, which any client can send.
  const isCgi = read("REQUEST_METHOD") !== undefined;
  const names = server.secure
    ? VARIABLES.secure
    : VARIABLES.plain.filter((name) => name !== "HTTP_PROXY" || !isCgi);
  const url = first(names);
  if (url === undefined) return undefined;
  if (matchesNoProxy(first(["no_proxy", "NO_PROXY"]) ?? "", server)) return undefined;
  return parseProxyUrl(url.includes("://") ? url : `http://${url}`);
}
