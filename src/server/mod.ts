/** What the servers' entry points have in common. */

export * from "../connection/mod.ts";
export { HandshakeError, ListenError } from "../errors.ts";
export type { CompressionOptions } from "../extensions/compression_options.ts";
export type { OriginCheck, OriginPolicy } from "../handshake/origin_policy.ts";
export type { ByteStreamPair } from "../transport/stream_channel.ts";
export type { TlsCertificate } from "../transport/byte_channel.ts";
export type * from "../topics/cluster/broker.ts";
export type { PresenceChange, PresenceOptions, PresentMember } from "../topics/presence/options.ts";
export type {
  LagPolicy,
  PresenceEntry,
  SubscribeOptions,
  Subscription,
} from "../topics/fan_out/subscription.ts";
export { accept, type AcceptStreamOptions } from "./accept.ts";
export type { ConnectionHost, PublishOptions, ShutdownOptions } from "./connection_host.ts";
export type {
  AcceptedData,
  AcceptOptions,
  AnyAcceptance,
  Handler,
  HostOptions,
  RequestInfo,
  ServeOptions,
  UpgradeAcceptance,
  UpgradeResult,
} from "./options.ts";
export type { MemoryBudgetOptions } from "./memory_budget.ts";
export type { ResumeOptions } from "./resume_options.ts";
export type { Serve } from "./serve.ts";
export type { Server } from "./server.ts";
export type { ServerCallbacks, ServerConnection } from "./server_connection.ts";
export type { ServerEvent, ServerStats } from "./stats.ts";
