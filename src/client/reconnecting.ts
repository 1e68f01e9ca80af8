import { CloseCode } from "../codec/close_code.ts";
import {
  checkBoolean,
  checkFiniteDuration,
  checkFunction,
  checkInteger,
  checkOptions,
  type Names,
  show,
} from "../checks.ts";
import { type Clock, systemClock } from "../transport/clock.ts";
import type { CloseInfo, Connection } from "../connection/connection.ts";
import type { ClientCallbacks, ClientConnection } from "./client_connection.ts";
import { abortable } from "../abortable.ts";
import { coreOf } from "../connection/web_socket_connection.ts";
import { ConnectError, ConnectionClosedError, UnexpectedResponseError } from "../errors.ts";
import { checkDecision } from "../hook_answers.ts";
import { type CallbackResult, callHook, logError, reportError } from "../hooks.ts";
import { MESSAGE_REFUSALS, ResumeState } from "../resume/resume_state.ts";
import { RESUME } from "../resume/subprotocol.ts";
import type { ConnectAgain } from "./connect.ts";
import { CONNECT_OPTIONS, type ConnectOptions, type PerAttempt } from "./options.ts";
import { Pause } from "./pause.ts";
import { dateNow, MAX_DURATION_MS, parseDate } from "../timers.ts";

/** The reason for the next connect attempt, and the delay before it. */
export interface Retry {
  /** The end of the last connection, or the error of the last attempt. */
  readonly cause: CloseInfo | ConnectError | UnexpectedResponseError;
  /** The number of failures in a row, from 1. A connection of less than 10 seconds is one. */
  readonly attempt: number;
  /** The delay in milliseconds, unless {@linkcode Connections.tryNow} is called. */
  readonly delayMs: number;
}

/**
 * Options of {@linkcode Reconnecting}.
 *
 * @typeParam Data The type of `conn.data`.
 */
export interface ReconnectOptions<Data = undefined> extends ConnectOptions<Data> {
  /**
   * The maximum of the first delay, in milliseconds: an integer from 1 to 2,147,483,647. Each delay is a random
   * part of the maximum ("full jitter"), which doubles with each failure: an attempt that failed, or a connection
   * that ended within 10 seconds.
   *
   * @default {1000}
   */
  minDelayMs?: number | undefined;
  /**
   * The upper bound of the doubled maximum, in milliseconds: an integer from `minDelayMs` to 2,147,483,647. A
   * server may request a longer delay.
   *
   * @default {30000}
   */
  maxDelayMs?: number | undefined;
  /**
   * How many failures in a row end the loop: an integer from 1, or `Infinity`. A connection that ended within 10
   * seconds counts as a failure.
   *
   * @default {Infinity}
   */
  maxAttempts?: number | undefined;
  /**
   * Decides whether to connect again. The default is no in these cases, in which another attempt would not help:
   *
   * - the connection was closed with 1008, unless the server refused the client's resume request, which is not
   *   sent again;
   * - the server responded with a status from 400 to 499 other than 408, 425 and 429;
   * - three connections in a row were closed because one side refused a message of the other (1002, 1003, 1007,
   *   1009), such as one larger than `limits.maxMessageSize`.
   *
   * A promise is awaited, unless `signal` aborts. If the function throws, rejects, or does not return a boolean,
   * the decision is no, and the error is reported to `onError`.
   */
  shouldReconnect?: ((cause: Retry["cause"]) => boolean | Promise<boolean>) | undefined;
  /**
   * Whether to offer the subprotocol `sluice.resume.v1`, and to resume if the server supports it: each connection
   * then begins with the messages that were published since the last one, on the topics that the server subscribes
   * the client to. Other servers ignore it. `conn.protocol` is one of `subprotocols` or `""` in either case. A client
   * with `layers` does not resume.
   *
   * @default {true}
   */
  resume?: boolean | undefined;
  /**
   * Called with a topic of which the client has missed messages, or may have, and with the connection on which that
   * became known. The call comes after the first synchronous part of the loop's body for that connection (or, if that
   * begins to receive, at that moment), after the callback `open`, and before the later messages of the topic. The
   * reasons:
   *
   * - the server no longer retains the messages, or the client's share of them is used up
   *   (`resume.replaySizePerMinute`);
   * - the server refused the client's resume request, so that the client starts a new session;
   * - the server's program discarded waiting messages, when it unsubscribed the client or subscribed it again with
   *   another `lag` or `queueSize`;
   * - the client has more than 4,096 topics, or 512 KiB of topic names: it does not track more.
   *
   * State that depends on all messages must be requested from the server again. Errors that it throws or rejects with
   * are reported to `onError`.
   */
  onLost?: ((topic: string, conn: ClientConnection<Data>) => CallbackResult) | undefined;
  /**
   * Decides on the delay, in milliseconds: a finite number from 0, which is rounded up to an integer, and limited to
   * 2,147,483,647. The default is `retry.delayMs`. A promise is awaited, unless `signal` aborts. If the function
   * throws, rejects, or returns another value, the default is used, and the error is reported to `onError`.
   */
  delayMs?: ((retry: Retry) => number | Promise<number>) | undefined;
  /** Called before each delay. Errors that it throws or rejects with are reported to `onError`. */
  onRetry?: ((retry: Retry) => CallbackResult) | undefined;
  /** Ends the loop when it aborts: ends a delay or an attempt, and closes an open connection with 1000. */
  signal?: AbortSignal | undefined;
}

const OPTIONS: Names<ReconnectOptions & ClientCallbacks> = {
  minDelayMs: true,
  maxDelayMs: true,
  maxAttempts: true,
  shouldReconnect: true,
  delayMs: true,
  resume: true,
  onLost: true,
  onRetry: true,
  ...CONNECT_OPTIONS,
};

/**
 * The result of {@linkcode Reconnecting}: one open connection after the other.
 *
 * @typeParam Data The type of `conn.data`.
 */
export interface Connections<Data = undefined>
  extends AsyncGenerator<ClientConnection<Data>, void, void> {
  /**
   * Makes the next attempt begin at once, for example when the network is back: ends the current delay, or during an
   * attempt, skips the delay after it. It has no effect while a connection is open.
   */
  tryNow(): void;
}

/**
 * Connects, and connects again each time the connection ends. Each iteration of the loop has an open connection.
 * The next one begins when that connection has ended and a new one is open. Leaving the loop closes the connection.
 *
 * If the server supports `sluice.resume.v1`, the client gets the messages that were published between two
 * connections: see {@linkcode ReconnectOptions.resume}.
 *
 * The delay before an attempt is random, up to `minDelayMs`, which doubles with each failure up to `maxDelayMs`.
 * After the close codes 1012 (service restart) and 1013 (try again later) it is longer by 5 to 30 seconds, and after
 * a response with `Retry-After` by the time given there.
 *
 * @example
 * ```ts
 * import { serve } from "@sluice/websocket";
 * import { reconnecting } from "@sluice/websocket/client";
 *
 * const server = await serve({ port: 0, open: (conn) => conn.send("Hello") });
 *
 * for await (const conn of reconnecting(server.url)) {
 *   for await (const message of conn) {
 *     console.log(message); // "Hello"
 *     await conn.close();
 *   }
 *   break; // or stay: the next connection comes after this one
 * }
 * await server.shutdown();
 * ```
 *
 * @typeParam Data The type of `conn.data`.
 * @param url See {@linkcode Connect}.
 * @param options See {@linkcode ReconnectOptions}. If there are callbacks among them, they are called, for each
 * connection, after the first synchronous part of the loop's body.
 * @throws {ConnectionClosedError} From the loop, if the last connection was closed with 1008, one side refused a
 * message of the other three times in a row, `maxAttempts` is reached, or `shouldReconnect` decides so. If the
 * connection was closed with 1000, the loop ends without an error.
 * @throws {UnexpectedResponseError} From the loop, if the server's response is final, `maxAttempts` is reached, or
 * `shouldReconnect` decides so.
 * @throws {ConnectError} From the loop, if `maxAttempts` is reached, or `shouldReconnect` decides so.
 * @throws {RangeError} If a number among the options is out of range.
 * @throws {TypeError} If an option is unknown or of another type, or the URL is not a WebSocket's.
 */
export type Reconnecting = <Data = undefined>(
  url: PerAttempt<string | URL>,
  options?: ReconnectOptions<Data> & ClientCallbacks<Data>,
) => Connections<Data>;

/** The duration, in milliseconds, after which a connection is no failure: the delays start again. */
const LASTING_MS = 10_000;
/** How many connections in a row may end because one side refused a message of the other. */
const MAX_REFUSALS = 3;
/** The duration of a connection, in milliseconds, after which such refusals are counted from 1 again. */
const LONG_MS = 60_000;
/** The delay after 1012 and 1013: "a randomized delay of 5 - 30 seconds" (1012). */
const RESTART_DELAY_MS = [5_000, 30_000] as const;
const HOOKS = ["shouldReconnect", "delayMs", "onRetry", "onLost", "onError"] as const;
/** The statuses from 400 to 499 that are temporary. */
const TEMPORARY: ReadonlySet<number> = new Set([408, 425, 429]);

/**
 * Creates a `reconnecting` that uses a `connect`.
 *
 * @param random A random number from 0 to 1 (exclusive).
 */
export function createReconnecting(
  connect: ConnectAgain,
  clock: Clock = systemClock,
  random: () => number = Math.random,
): Reconnecting {
  return (url, options = {}) => {
    const pause = new Pause(clock);
    const connections = reconnect(connect, url, options, clock, random, pause);
    return Object.assign(connections, { tryNow: () => pause.end() });
  };
}

async function* reconnect<Data>(
  connect: ConnectAgain,
  url: PerAttempt<string | URL>,
  options: ReconnectOptions<Data> & ClientCallbacks<Data>,
  clock: Clock,
  random: () => number,
  pause: Pause,
): AsyncGenerator<ClientConnection<Data>, void, void> {
  checkOptions("reconnecting", options, OPTIONS);
  const { minDelayMs = 1_000, maxDelayMs = 30_000, maxAttempts = Infinity, signal } = options;
  checkFiniteDuration("minDelayMs", minDelayMs, 1);
  checkFiniteDuration("maxDelayMs", maxDelayMs, 1);
  if (maxDelayMs < minDelayMs) {
    const least = `at least minDelayMs, which is ${minDelayMs}`;
    throw new RangeError(`maxDelayMs must be ${least}, got ${maxDelayMs}`);
  }
  checkInteger("maxAttempts", maxAttempts, 1);
  for (const name of HOOKS) checkFunction(name, options[name]);
  const { resume: isResuming = true } = options;
  checkBoolean("resume", isResuming);
  const fail = (error: unknown) => reportError(options.onError?.bind(options) ?? logError, error);
  /** The connection of the loop's current iteration. */
  let current: ClientConnection<Data> | undefined;
  // It is called between received messages, so its promise is not awaited.
  const onLost = (topic: string) => callHook(() => options.onLost?.(topic, current!), fail);
  const isOwn = [options.subprotocols].flat().includes(RESUME);
  const hasLayers = (options.layers?.length ?? 0) > 0;
  if (hasLayers && options.resume === true) {
    const reason = "a connection has one of them, or resumes";
    throw new TypeError(`resume must not be true with layers: ${reason}`);
  }
  const isOffered = isResuming && !isOwn && !hasLayers;
  const resume = isOffered ? new ResumeState(onLost) : undefined;
  const shouldReconnect = options.shouldReconnect?.bind(options) ?? mayHelp;
  /** How many connections in a row ended because one side refused a message of the other. */
  let refusals = 0;
  for (let failures = 0;;) {
    const result = await connect(url, options, { resume }).catch((error: unknown) => {
      if (isFailure(error) || signal?.aborted) return error as ConnectError;
      throw error;
    });
    if (signal?.aborted) return;
    let cause: Retry["cause"];
    let isNewSession = false;
    if (isFailure(result)) {
      cause = result;
    } else {
      current = result;
      const openedAt = clock.now();
      // Measured now, since the loop's body may run longer than the connection.
      const lasted = result.closed.then(() => clock.now() - openedAt);
      pause.isDue = false;
      const close = () => void result.close();
      signal?.addEventListener("abort", close, { once: true });
      try {
        yield result;
        cause = await result.closed;
        pause.isDue = true;
      } finally {
        signal?.removeEventListener("abort", close);
        await result.close();
      }
      if (signal?.aborted) return;
      isNewSession = resume?.end(cause.closeCode, cause.initiator === "remote") ?? false;
      const lastedMs = await lasted;
      if (lastedMs >= LASTING_MS) failures = 0;
      if (!isRefusal(result, cause)) refusals = 0;
      else refusals = lastedMs >= LONG_MS ? 1 : refusals + 1;
    }
    failures++;
    const isByDefault = options.shouldReconnect === undefined;
    const isHopeless = refusals >= MAX_REFUSALS && isByDefault;
    // The server refused the resume request, which the next attempt does not send.
    const isWorthwhile = isNewSession && isByDefault;
    const goesOn = failures < maxAttempts && !isHopeless && (isWorthwhile ||
      await abortable(
        ask(() => shouldReconnect(cause), toDecision, false, fail),
        signal,
      ).catch(() => false));
    if (signal?.aborted) return;
    if (!goesOn) {
      if (isFailure(cause)) throw cause;
      const { closeCode, reason } = cause;
      if (closeCode === CloseCode.NormalClosure) return;
      const [refuser, sender] = cause.initiator === "local"
        ? ["this client", "the server"]
        : ["the server", "this client"];
      const why = isHopeless
        ? `: ${refuser} refused what ${sender} sent ${refusals} times in a row`
        : "";
      throw new ConnectionClosedError(`Cannot go on reconnecting${why}`, closeCode, reason);
    }
    const longestMs = Math.min(minDelayMs * 2 ** (failures - 1), maxDelayMs);
    const waitMs = serverDelayMs(cause, random) + Math.round(random() * longestMs);
    const retry = { cause, attempt: failures, delayMs: Math.min(waitMs, MAX_DURATION_MS) };
    const delayMs = options.delayMs === undefined ? retry.delayMs : await abortable(
      ask(() => options.delayMs!(retry), toDelay, retry.delayMs, fail),
      signal,
    ).catch(() => 0);
    if (signal?.aborted) return;
    callHook(() => options.onRetry?.({ cause, attempt: failures, delayMs }), fail);
    await pause.wait(delayMs, signal);
    if (signal?.aborted) return;
  }
}

function isFailure(value: unknown): value is ConnectError | UnexpectedResponseError {
  return value instanceof ConnectError || value instanceof UnexpectedResponseError;
}

/** Whether a connection ended because one side refused a message of the other. */
function isRefusal(conn: Connection, { initiator, closeCode }: CloseInfo): boolean {
  if (initiator === "remote") return MESSAGE_REFUSALS.has(closeCode);
  return coreOf(conn)?.closing.reason.failure !== undefined;
}

/** Asks the program. After an error, which goes to `fail`, the default is used. */
async function ask<T>(
  call: () => unknown,
  check: (answer: unknown) => T,
  byDefault: T,
  fail: (error: unknown) => void,
): Promise<T> {
  try {
    return check(await call());
  } catch (error) {
    fail(error);
    return byDefault;
  }
}

function toDecision(answer: unknown): boolean {
  checkDecision("shouldReconnect", answer);
  return answer;
}

/** The default of `shouldReconnect`. */
function mayHelp(cause: Retry["cause"]): boolean {
  if (cause instanceof UnexpectedResponseError) {
    const { status } = cause;
    return status < 400 || status > 499 || TEMPORARY.has(status);
  }
  return cause instanceof ConnectError || cause.closeCode !== CloseCode.PolicyViolation;
}

/** The delay that the server requests, in milliseconds. */
function serverDelayMs(cause: Retry["cause"], random: () => number): number {
  if (cause instanceof UnexpectedResponseError) {
    return parseRetryAfterMs(cause.headers.get("Retry-After") ?? "");
  }
  if (cause instanceof ConnectError) return 0;
  const { closeCode } = cause;
  if (closeCode !== CloseCode.ServiceRestart && closeCode !== CloseCode.TryAgainLater) return 0;
  const [min, max] = RESTART_DELAY_MS;
  return Math.round(min + random() * (max - min));
}

/** Parses seconds or a date (RFC 9110, section 10.2.3). Returns 0 for other values and past dates. */
function parseRetryAfterMs(value: string): number {
  if (/^\d+$/.test(value)) return Number(value) * 1_000;
  const date = parseDate(value);
  return Number.isNaN(date) ? 0 : Math.max(0, date - dateNow());
}

/** Checks the result of `delayMs`, which need not be an integer, since programs compute it; timers need one. */
function toDelay(value: unknown): number {
  if (typeof value === "number" && value >= 0 && value < Infinity) {
    return Math.min(Math.ceil(value), MAX_DURATION_MS);
  }
  const ErrorClass = typeof value === "number" ? RangeError : TypeError;
  const expected = "a finite number of milliseconds from 0 on";
  throw new ErrorClass(`delayMs must return ${expected}, got ${show(value)}`);
}
