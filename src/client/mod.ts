/** What a client's entry point exports, but for what connects. */

export * from "../connection/mod.ts";
export { ConnectError, UnexpectedResponseError } from "../errors.ts";
export type { TlsClientOptions } from "../connection/byte_channel.ts";
export type { Connect } from "./connect.ts";
export type { ConnectOptions } from "./options.ts";
export type { Reconnecting, ReconnectOptions, Retry } from "./reconnecting.ts";
