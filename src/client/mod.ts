/** The exports of a client's entry point, without the functions that connect. */

export * from "../connection/mod.ts";
export type { CompressionOptions } from "../extensions/compression_options.ts";
export { ConnectError, UnexpectedResponseError } from "../errors.ts";
export type { TlsClientOptions } from "../transport/byte_channel.ts";
export type { ClientCallbacks, ClientConnection } from "./client_connection.ts";
export type { Connect } from "./connect.ts";
export type { AttemptInfo, ConnectOptions, PerAttempt } from "./options.ts";
export type { ProxyOptions } from "./proxy.ts";
export type { Connections, Reconnecting, ReconnectOptions, Retry } from "./reconnecting.ts";
