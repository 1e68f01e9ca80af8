/**
 * The opening handshake of RFC 6455, section 4, for both sides and without I/O: strict parsers of request
 * and response heads, and functions that create and validate upgrade requests and responses.
 *
 * @example
 * ```ts
 * import {
 *   computeAccept,
 *   encodeRefusal,
 *   encodeSwitchingProtocols,
 *   HandshakeError,
 *   RequestHeadParser,
 *   selectSubprotocol,
 *   validateUpgrade,
 * } from "@sluice/websocket/handshake";
 *
 * const parser = new RequestHeadParser();
 * const bytes = new TextEncoder().encode(
 *   "GET /chat HTTP/1.1\r\n" +
 *     "Host: server.example.com\r\n" +
 *     "Upgrade: websocket\r\n" +
 *     "Connection: Upgrade\r\n" +
 *     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
 *     "Origin: http://server.example.com\r\n" +
 *     "Sec-WebSocket-Protocol: chat, superchat\r\n" +
 *     "Sec-WebSocket-Version: 13\r\n\r\n",
 * );
 *
 * let response: Uint8Array | undefined;
 * try {
 *   parser.push(bytes); // for each chunk that arrives, until there is a head
 *   if (parser.head !== undefined) {
 *     const upgrade = validateUpgrade(parser.head, { secure: false });
 *     response = encodeSwitchingProtocols({
 *       accept: await computeAccept(upgrade.key),
 *       protocol: selectSubprotocol("chat", upgrade.subprotocols),
 *     });
 *   }
 * } catch (error) {
 *   if (!(error instanceof HandshakeError)) throw error;
 *   response = encodeRefusal(error);
 * }
 * console.log(new TextDecoder().decode(response)); // "HTTP/1.1 101 Switching Protocols" ...
 * ```
 *
 * @module
 */

import "../checks.ts";
import "../http1/head_faults.ts";

export { HandshakeError, UnexpectedResponseError, WebSocketError } from "../errors.ts";
export { computeAccept } from "./accept_key.ts";
export type { HeaderFields } from "../http1/field_line.ts";
export { HeaderFieldList } from "../http1/header_field_list.ts";
export { parseContentLength } from "../http1/content_length.ts";
export { type ExtensionOffer, parseExtensions, parseTokenList } from "../http1/field_values.ts";
export { isUpgrade, type UpgradeRequest, upgradeRequired } from "./parse_upgrade.ts";
export { validateUpgrade, type ValidateUpgradeOptions } from "./validate_request.ts";
export { type OriginCheck, type OriginPolicy, validateOriginPolicy } from "./origin_policy.ts";
export { toRequest } from "../http1/request.ts";
export { RequestHead } from "../http1/request_head.ts";
export type { RequestHeadLimits } from "../http1/head_limits.ts";
export { RequestHeadParser } from "../http1/request_head_parser.ts";
export { encodeRequestHead } from "../http1/encode_request.ts";
export {
  encodeRefusal,
  encodeResponseHead,
  type RefusalOptions,
  type ResponseHeadOptions,
} from "../http1/encode_response.ts";
export { ResponseHead } from "../http1/response_head.ts";
export { ResponseHeadParser } from "../http1/response_head_parser.ts";
export { encodeSwitchingProtocols, type SwitchingProtocols } from "./create_response.ts";
export { selectSubprotocol } from "./subprotocol.ts";
export { createKey, createUpgradeRequest, type UpgradeRequestOptions } from "./create_request.ts";
export {
  type ExpectedUpgrade,
  type UpgradeResponse,
  validateUpgradeResponse,
} from "./validate_response.ts";
