import type { Dialer } from "../transport/byte_channel.ts";
import { checkOptions } from "../checks.ts";
import { type Clock, systemClock } from "../transport/clock.ts";
import type { ClientCallbacks, ClientConnection } from "./client_connection.ts";
import { ConnectError } from "../errors.ts";
import { loadConnectionParts } from "../connection/load_parts.ts";
import type { ResumeState } from "../resume/resume_state.ts";
import { entries } from "../http1/field_line.ts";
import { abortable } from "../abortable.ts";
import { ConnectAttempt } from "./connect_attempt.ts";
import {
  CONNECT_OPTIONS,
  type ConnectOptions,
  type PerAttempt,
  resolveConnectOptions,
} from "./options.ts";
import { parseWebSocketUrl } from "./url.ts";

/**
 * Connects to a WebSocket server (RFC 6455, section 4.1), and resolves to the open connection.
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
 * @typeParam Data The type of `conn.data`.
 * @param url A `ws:` or `wss:` URL, or its synonym with `http:` or `https:`, or a function that returns it: see
 * {@linkcode PerAttempt}. A user and password in it are sent as basic authentication.
 * @param options See {@linkcode ConnectOptions}. If there are callbacks among them, they receive the messages;
 * otherwise receive by iteration or streams. The first callback is called a turn of the event loop after the
 * promise has resolved, so that all of them can use the `conn` of `const conn = await connect(...)`.
 * @throws {ConnectError} If the server can't be reached, or not in time, or a function for the URL or the headers
 * fails; see its `cause`.
 * @throws {UnexpectedResponseError} If the server refuses the WebSocket, or its response breaks the protocol.
 * @throws {RangeError} If a number among the options is out of range.
 * @throws {TypeError} If an option is unknown or of another type, or the URL is not a WebSocket's.
 * @throws The reason of `signal`, once it aborts.
 */
export type Connect = <Data = undefined>(
  url: PerAttempt<string | URL>,
  options?: ConnectOptions<Data> & ClientCallbacks<Data>,
) => Promise<ClientConnection<Data>>;

/**
 * A `connect` with an argument for `reconnecting`, which checks the names of the options itself: the state of the
 * session to resume, if the client resumes.
 */
export type ConnectAgain = <Data = undefined>(
  url: PerAttempt<string | URL>,
  options?: ConnectOptions<Data> & ClientCallbacks<Data>,
  again?: { readonly resume: ResumeState | undefined },
) => Promise<ClientConnection<Data>>;

export function createConnect(
  loadDialer: () => Promise<Dialer>,
  clock: Clock = systemClock,
): ConnectAgain {
  return async <Data>(
    url: PerAttempt<string | URL>,
    options: ConnectOptions<Data> & ClientCallbacks<Data> = {},
    again?: { readonly resume: ResumeState | undefined },
  ): Promise<ClientConnection<Data>> => {
    if (again === undefined) checkOptions("connect", options, CONNECT_OPTIONS);
    const settings = resolveConnectOptions(options, clock);
    let address = typeof url === "function" ? undefined : parseWebSocketUrl(url);
    const { signal, connectTimeoutMs, compression } = settings;
    signal?.throwIfAborted();
    // Not `AbortSignal.any` with a timeout: the time is that of `clock`.
    const controller = new AbortController();
    const onAbort = () => controller.abort(signal!.reason);
    const onTimeout = () => {
      const target = address === undefined ? "" : ` to ${address.shown}`;
      const reason = `it took longer than ${connectTimeoutMs} ms`;
      controller.abort(new ConnectError("ETIMEDOUT", `Cannot connect${target}: ${reason}`));
    };
    const timer = connectTimeoutMs === Infinity
      ? undefined
      : clock.setTimeout(onTimeout, connectTimeoutMs);
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      const { callbacks, connection } = settings;
      const [offer] = await Promise.all([
        compression && import("../extensions/deflate_offer.ts")
          .then(({ DeflateOffer }) => DeflateOffer.create(compression)),
        loadConnectionParts(connection, callbacks !== undefined, again?.resume !== undefined),
      ]);
      address ??= parseWebSocketUrl(await valueOf("URL", url, controller.signal));
      const headers = [...entries(await valueOf("headers", settings.headers, controller.signal))];
      const dialer = await loadDialer();
      const given = { dialer, headers, offer, ended: controller.signal, resume: again?.resume };
      return await new ConnectAttempt({ ...settings, ...given }).connect(address);
    } finally {
      clock.clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
    }
  };
}

/** Gives the value for this attempt: calls the program's function, if it is one. */
async function valueOf<T>(name: string, given: PerAttempt<T>, signal: AbortSignal): Promise<T> {
  if (typeof given !== "function") return given;
  const call = given as (info: { signal: AbortSignal }) => T | Promise<T>;
  try {
    // In a `then`, since it may throw.
    return await abortable(Promise.resolve({ signal }).then(call), signal);
  } catch (error) {
    signal.throwIfAborted();
    const message = `Cannot connect: the function for the ${name} failed`;
    throw new ConnectError("EOPTION", message, error);
  }
}
