/**
 * The protocol of an open WebSocket (RFC 6455, sections 5 to 7) without I/O, for both roles:
 * fragmentation, control frames, the closing handshake, limits. Bytes in, calls on a handler;
 * commands in, bytes out.
 *
 * @example
 * ```ts
 * import { Protocol } from "@sluice/websocket/protocol";
 *
 * const server = new Protocol("server", {
 *   receiveMessage: (data) => server.sendMessage(data), // an echo server
 *   receiveMessageStart: () => {},
 *   receiveMessageChunk: () => {},
 *   receiveMessageEnd: () => {},
 *   receivePing: (payload) => server.sendPong(payload),
 *   receivePong: () => {},
 *   receiveClose: (status) => server.sendClose(status),
 * });
 * // The masked "Hello" of RFC 6455, section 5.7.
 * server.receive(
 *   new Uint8Array([0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]),
 * );
 * console.log(server.takeOutput()); // [Uint8Array [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]]
 * ```
 *
 * @module
 */

import "../checks.ts";
import "../codec/mask_simd.ts";

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
