/** What the client's entry points have in common. */

export {
  ConnectError,
  ConnectionClosedError,
  MessageTooBigError,
  ProtocolError,
  UnexpectedResponseError,
  WebSocketError,
} from "../errors.ts";
export { CloseCode } from "../codec/close_code.ts";
export type { HeaderFields } from "../handshake/field_line.ts";
export type { CloseStatus } from "../protocol/close_payload.ts";
export type { MessageLimits, MessageType } from "../protocol/message_receiver.ts";
export type { Address, TlsClientOptions } from "../connection/byte_channel.ts";
export type {
  CloseInfo,
  Connection,
  ConnectionCallbacks,
  ConnectionStats,
  IncomingMessage,
  Message,
  SendOptions,
  TrySendResult,
  WaitOptions,
} from "../connection/connection.ts";
export type { LagPolicy, SubscribeOptions, Subscription } from "../connection/subscriber.ts";
export type {
  ConnectionOptions,
  KeepAlive,
  Limits,
  RateLimits,
  SendQueueOverflow,
} from "../connection/options.ts";
export type { CompressionOptions } from "../extensions/compression_options.ts";
export type { Connect } from "./connect.ts";
export type { ConnectOptions } from "./options.ts";
export type { Reconnecting, ReconnectOptions, Retry } from "./reconnecting.ts";
