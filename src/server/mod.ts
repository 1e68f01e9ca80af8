/** What the entry points have in common. */

export {
  ConnectionClosedError,
  HandshakeError,
  ListenError,
  MessageTooBigError,
  ProtocolError,
  WebSocketError,
} from "../errors.ts";
export { CloseCode } from "../codec/close_code.ts";
export type { OriginPolicy } from "../handshake/origin.ts";
export type { HeaderFields } from "../handshake/field_line.ts";
export type { CloseStatus } from "../protocol/close_payload.ts";
export type { MessageLimits, MessageType } from "../protocol/message_receiver.ts";
export type { ByteStreamPair } from "../connection/stream_channel.ts";
export type { Address, TlsCertificate } from "../connection/byte_channel.ts";
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
export type { Broker, BrokerEvent, BrokerHandler, BrokerStats } from "../topics/broker.ts";
export type { CompressionOptions } from "../extensions/compression_options.ts";
export { accept, type AcceptStreamOptions } from "./accept.ts";
export type { ConnectionHost, PublishOptions, ShutdownOptions } from "./connection_host.ts";
export type {
  AcceptOptions,
  Handler,
  HostOptions,
  RequestInfo,
  ServeOptions,
  UpgradeAcceptance,
  UpgradeResult,
} from "./options.ts";
export type { MemoryBudgetOptions } from "./memory_budget.ts";
export type { Serve } from "./serve.ts";
export type { Server } from "./server.ts";
export type { ServerEvent, ServerStats } from "./stats.ts";
