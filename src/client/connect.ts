import type { Dialer } from "../transport/byte_channel.ts";
import { checkOptions } from "../checks.ts";
import { type Clock, systemClock } from "../transport/clock.ts";
import type { ClientCallbacks, ClientConnection } from "./client_connection.ts";
import { ConnectError } from "../errors.ts";
import type { CompressionSettings } from "../extensions/compression_options.ts";
import type { DeflateOffer } from "../extensions/deflate_offer.ts";
import type { ResumeState } from "../resume/resume_state.ts";
import { entries } from "../http1/field_line.ts";
import { abortable } from "../promises.ts";
import { ConnectAttempt } from "./connect_attempt.ts";
import { Deadline } from "./deadline.ts";
import {
  CONNECT_OPTIONS,
  type ConnectOptions,
  type PerAttempt,
  resolveConnectOptions,
} from "./options.ts";
import { parseWebSocketUrl } from "./url.ts";

/**
 * Connects to a WebSocket (RFC 6455, section 4.1), and gives the connection when it is open.
 *
 * @example
 * ```ts
 * import { serve } from "@sluice/websocket";
 * import { connect } from "@sluice/websocket/client";
 *
 * const server = await serve({ port: 0, message: (conn, data) => conn.send(data) });
 *
 * const conn = await connect(server.url);
 * await conn.send("Hello");
 * for await (const message of conn) {
 *   console.log(message); // "Hello"
 *   break;
 * }
 * await conn.close();
 * await server.shutdown();
 * ```
 *
 * @typeParam Data What the connection carries as `conn.data`.
 * @param url A `ws:` or `wss:` URL, or its synonym with `http:` or `https:`, or a function that gives it: see
 * {@linkcode PerAttempt}. A user and password in it are sent as basic authentication.
 * @param options See {@linkcode ConnectOptions}. With callbacks among them, they take what is received;
 * without, it is received by iteration or streams. Callbacks begin, with `open`, a turn of the event loop
 * after the promise has resolved: `const conn = await connect(...)` can be used in all of them.
 * @throws {ConnectError} Where the server can't be reached, or in time, or a function for the URL or the headers
 * fails; its `cause` is why.
 * @throws {UnexpectedResponseError} Where it does not agree to a WebSocket, or not as it must.
 * @throws {RangeError} Where a number among the options is out of its range.
 * @throws {TypeError} Where an option is unknown or of another type, or the URL is none of a WebSocket.
 * @throws The reason of `signal`, once it aborts.
 */
export type Connect = <Data = undefined>(
  url: PerAttempt<string | URL>,
  options?: ConnectOptions<Data> & ClientCallbacks<Data>,
) => Promise<ClientConnection<Data>>;

/** What another call than the program's says of the connection to make. */
export interface Again {
  /** What the client remembers of the server, where it is to go on where another connection ended. */
  readonly resume: ResumeState | undefined;
}

/** A `connect` that may be called for another call, which has checked the names of its options itself. */
export type ConnectAgain = <Data = undefined>(
  url: PerAttempt<string | URL>,
  options?: ConnectOptions<Data> & ClientCallbacks<Data>,
  again?: Again,
) => Promise<ClientConnection<Data>>;

/** Makes a `connect` out of the way to reach servers. */
export function createConnect(
  loadDialer: () => Promise<Dialer>,
  clock: Clock = systemClock,
): ConnectAgain {
  return async <Data>(
    url: PerAttempt<string | URL>,
    options: ConnectOptions<Data> & ClientCallbacks<Data> = {},
    again?: Again,
  ): Promise<ClientConnection<Data>> => {
    if (again === undefined) checkOptions("connect", options, CONNECT_OPTIONS);
    const settings = resolveConnectOptions(options, clock);
    let address = typeof url === "function" ? undefined : parseWebSocketUrl(url);
    const { signal, connectTimeoutMs, compression } = settings;
    signal?.throwIfAborted();
    const deadline = new Deadline(
      clock,
      connectTimeoutMs,
      () =>
        new ConnectError(
          "ETIMEDOUT",
          `Cannot connect${
            address ? ` to ${address.shown}` : ""
          }: it took longer than ${connectTimeoutMs} ms`,
        ),
      signal,
    );
    try {
      const offer = await loadOffer(compression);
      address ??= parseWebSocketUrl(await ask("URL", url, deadline.signal));
      const headers = [...entries(await ask("headers", settings.headers, deadline.signal))];
      const attempt = new ConnectAttempt(
        await loadDialer(),
        { ...settings, headers },
        offer,
        deadline.signal,
        again?.resume,
      );
      return await attempt.connect(address);
    } finally {
      deadline.clear();
    }
  };
}

async function loadOffer(
  compression: CompressionSettings | undefined,
): Promise<DeflateOffer | undefined> {
  if (compression === undefined) return undefined;
  const { DeflateOffer } = await import("../extensions/deflate_offer.ts");
  return await DeflateOffer.create(compression);
}

/** Gives what an attempt uses, of a function where it is one. */
async function ask<T>(name: string, given: PerAttempt<T>, signal: AbortSignal): Promise<T> {
  if (typeof given !== "function") return given;
  const give = given as (info: { signal: AbortSignal }) => T | Promise<T>;
  try {
    // Within a promise, as it may throw.
    return await abortable(Promise.resolve({ signal }).then(give), signal);
  } catch (error) {
    signal.throwIfAborted();
    throw new ConnectError(
      "EOPTION",
      `Cannot connect: the function that gives the ${name} failed`,
      error,
    );
  }
}
