import { encodeRequestHead } from "../http1/encode_request.ts";
import { RequestHead } from "../http1/request_head.ts";
import type { WebSocketAddress } from "./url.ts";

/**
 * Encodes the CONNECT request that asks a proxy for a tunnel to a server (RFC 9110, section 9.3.6).
 *
 * @param address The server's address.
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
