/**
 * The opening handshake of RFC 6455, section 4, on its own, for both sides: strict parsers of request
 * and response heads, the upgrade request and its validation, and the responses and theirs.
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
 *   parser.push(bytes); // as often as bytes arrive, until there is a head
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

export { HandshakeError, UnexpectedResponseError, WebSocketError } from "../errors.ts";
export { computeAccept } from "./accept_key.ts";
export type { HeaderFields } from "../http1/field_line.ts";
export { HeaderFieldList } from "../http1/header_fields.ts";
export { parseContentLength } from "../http1/content_length.ts";
export { type ExtensionOffer, parseExtensions, parseTokenList } from "../http1/field_values.ts";
export {
  isUpgrade,
  type UpgradeRequest,
  upgradeRequired,
  validateUpgrade,
  type ValidateUpgradeOptions,
} from "./negotiate.ts";
export { type OriginCheck, type OriginPolicy, validateOriginPolicy } from "./origin.ts";
export { toRequest } from "../http1/request.ts";
export { RequestHead } from "../http1/request_head.ts";
export { type RequestHeadLimits, RequestHeadParser } from "../http1/request_head_parser.ts";
export {
  encodeRefusal,
  encodeResponseHead,
  encodeSwitchingProtocols,
  type RefusalOptions,
  type ResponseHeadOptions,
  type SwitchingProtocols,
} from "../http1/response_head.ts";
export { ResponseHead, ResponseHeadParser } from "../http1/response_head_parser.ts";
export { selectSubprotocol } from "./subprotocol.ts";
export {
  createKey,
  createUpgradeRequest,
  encodeRequestHead,
  type UpgradeRequestOptions,
} from "./upgrade_request.ts";
export {
  type ExpectedUpgrade,
  type UpgradeResponse,
  validateUpgradeResponse,
} from "./upgrade_response.ts";
