/** What the entry points of servers and clients have in common. */

export {
  ConnectionClosedError,
  MessageTooBigError,
  ProtocolError,
  WebSocketError,
  type WebSocketErrorOptions,
} from "../errors.ts";
export type { Optional } from "../checks.ts";
export type { CallbackResult } from "../hooks.ts";
export { CloseCode } from "../codec/close_code.ts";
export type { HeaderFields } from "../http1/field_line.ts";
export type { CloseStatus } from "../protocol/close_payload.ts";
export type { MessageLimits, MessageType } from "../protocol/message_receiver.ts";
export type { Address } from "../transport/byte_channel.ts";
export type {
  CloseInfo,
  Connection,
  ConnectionCallbacks,
  ConnectionStats,
  IncomingMessage,
  Message,
  Sendable,
  SendableStream,
  SendOptions,
  SendStreamOptions,
  TrySendResult,
  WaitOptions,
} from "./connection.ts";
export type { LayerDefinition, LayerInfo } from "./layer_definition.ts";
export type { LayerConnection, MessageLayer } from "./message_layer.ts";
export type {
  ConnectionOptions,
  KeepAlive,
  Limits,
  RateLimits,
  SendQueueOverflow,
} from "./options.ts";
