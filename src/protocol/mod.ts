/**
 * The protocol of an open WebSocket (RFC 6455, sections 5 to 7) without I/O, for both roles:
 * fragmentation, control frames, the closing handshake, limits. Bytes in, calls on a handler;
 * commands in, bytes out.
 *
 * @example
 * ```ts
 * import { Protocol } from "@sluice/websocket/protocol";
 *
 * const protocol = new Protocol("server", {
 *   receiveMessage: (data) => console.log(data),
 *   receiveMessageStart: () => {},
 *   receiveMessageChunk: () => {},
 *   receiveMessageEnd: () => {},
 *   receivePing: (payload) => protocol.sendPong(payload),
 *   receivePong: () => {},
 *   receiveClose: (status) => protocol.sendClose(status),
 * });
 * protocol.sendMessage("Hello");
 * console.log(protocol.takeOutput()); // [Uint8Array [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]]
 * ```
 *
 * @module
 */

import "../checks.ts";

export { MessageTooBigError, ProtocolError, WebSocketError } from "../errors.ts";
export type { Role } from "../codec/frame.ts";
export type { HandlerResult } from "../codec/frame_decoder.ts";
export type { FrameEncoderOptions } from "../codec/frame_encoder.ts";
export type { CloseStatus } from "./close_payload.ts";
export type {
  MessageCompression,
  MessageDeflation,
  MessageInflation,
} from "./message_compression.ts";
export type { MessageHandler, MessageLimits, MessageType } from "./message_receiver.ts";
export {
  Protocol,
  type ProtocolHandler,
  type ProtocolOptions,
  type ProtocolState,
} from "./protocol.ts";
