import { RequestHead } from "../http1/request_head.ts";
import { encodeRequestHead } from "../handshake/upgrade_request.ts";
import type { WebSocketAddress } from "./url.ts";

/**
 * Encodes the request that makes a proxy a tunnel to a server (RFC 9110, section 9.3.6).
 *
 * @param address Where the server is.
 * @param authorization The credentials for the proxy, if any.
 */
export function encodeTunnelRequest(
  { hostname, port }: WebSocketAddress,
  authorization: string | undefined,
): Uint8Array {
  const authority = hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
  const fields: [name: string, value: string][] = [["Host", authority]];
  if (authorization !== undefined) fields.push(["Proxy-Authorization", authorization]);
  return encodeRequestHead(new RequestHead("CONNECT", authority, fields));
}
