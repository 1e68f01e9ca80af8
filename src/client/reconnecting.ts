import { CloseCode } from "../codec/close_code.ts";
import {
  checkBoolean,
  checkFiniteDuration,
  checkFunction,
  checkInteger,
  checkOptions,
  MAX_DURATION_MS,
  type Names,
  show,
} from "../checks.ts";
import { type Clock, systemClock } from "../transport/clock.ts";
import type { CloseInfo, Connection } from "../connection/connection.ts";
import type { ClientCallbacks, ClientConnection } from "./client_connection.ts";
import { abortable } from "../promises.ts";
import { coreOf } from "../connection/web_socket_connection.ts";
import { ConnectError, ConnectionClosedError, UnexpectedResponseError } from "../errors.ts";
import { type CallbackResult, callHook, checkDecision, logError, reportError } from "../hooks.ts";
import { ResumeState } from "../resume/resume_state.ts";
import { RESUME } from "../resume/subprotocol.ts";
import type { ConnectAgain } from "./connect.ts";
import { CONNECT_OPTIONS, type ConnectOptions, type PerAttempt } from "./options.ts";
import { Pause } from "./pause.ts";
import { dateNow, parseDate } from "../timers.ts";

/** Why a connection has to be made again, and when that will be tried. */
export interface Retry {
  /** How the connection ended, or why there was none. */
  readonly cause: CloseInfo | ConnectError | UnexpectedResponseError;
  /** The attempts since a connection last lasted: from 1. */
  readonly attempt: number;
  /** How long is waited, in milliseconds, unless {@linkcode Connections.tryNow} is called. */
  readonly delayMs: number;
}

/**
 * Options of {@linkcode Reconnecting}.
 *
 * @typeParam Data What connections carry as `conn.data`.
 */
export interface ReconnectOptions<Data = undefined> extends ConnectOptions<Data> {
  /**
   * The longest first wait, in milliseconds: an integer from 1 to 2,147,483,647. Each wait is a random
   * part of it ("full jitter"), and it doubles with every attempt that fails, and every connection that
   * ended within 10 seconds.
   *
   * @default {1000}
   */
  minDelayMs?: number | undefined;
  /**
   * What the doubling ends at, in milliseconds: an integer from `minDelayMs` to 2,147,483,647. A server
   * may ask for more.
   *
   * @default {30000}
   */
  maxDelayMs?: number | undefined;
  /**
   * How many attempts in a row may fail before it is given up: an integer from 1, or `Infinity`. A
   * connection that ended within 10 seconds counts as one that failed.
   *
   * @default {Infinity}
   */
  maxAttempts?: number | undefined;
  /**
   * Decides whether to go on. By default it ends where the connection was closed with 1008, or the server
   * answered with a status from 400 to 499 other than 408, 425 and 429, or where one side ended three
   * connections in a row for what the other had sent (1002, 1003, 1007, 1009), as with 1009 for a message
   * larger than `limits.maxMessageSize`: asking again would not help. It goes on after 1008 where the server
   * refused how far the client got, since that is not said again. A promise is awaited, unless `signal`
   * aborts. Where it throws, rejects, or gives neither `true` nor `false`, the answer is no, and the error
   * is reported to `onError`.
   */
  shouldReconnect?: ((cause: Retry["cause"]) => boolean | Promise<boolean>) | undefined;
  /**
   * Whether to offer the subprotocol `sluice.resume.v1`, and resume where the server speaks it: the messages
   * that were published meanwhile, on the topics that the server subscribes the client to, come first on
   * the next connection. Others don't notice, and `conn.protocol` is one of `subprotocols`, or none. A client
   * with `layers` does not resume.
   *
   * @default {true}
   */
  resume?: boolean | undefined;
  /**
   * Is told of a topic of which messages were, or may have been, missed, and of the connection on which that
   * is known. It is called behind the first synchronous part of the loop's body, which has that connection
   * (or, if that asks for messages, when it does), behind the callback `open`, and before the messages that
   * come behind those that were missed. The server does not keep them any more, does not give this client
   * more of them (`resume.replaySizePerMinute`), or refused to hear how far the client got, which then begins
   * afresh; or its program dropped what still waited, as it unsubscribed the client or subscribed it again with
   * another `lag` or `queueSize`. So are topics past 4,096, and past 512 KiB of names: no more are remembered.
   * What depends on having all messages has to be asked for anew. What it throws, or rejects with, is reported
   * to `onError`.
   */
  onLost?: ((topic: string, conn: ClientConnection<Data>) => CallbackResult) | undefined;
  /**
   * Decides how long to wait, in milliseconds: any finite number from 0 on, rounded up to an integer;
   * 2,147,483,647 is waited at most. By default it is `retry.delayMs`. A promise is awaited, unless `signal`
   * aborts. Where it throws, rejects, or gives anything else, it is the default, and the error is reported to
   * `onError`.
   */
  delayMs?: ((retry: Retry) => number | Promise<number>) | undefined;
  /** Takes notice of each wait, before it begins. What it throws, or rejects with, is reported to `onError`. */
  onRetry?: ((retry: Retry) => CallbackResult) | undefined;
  /** Ends everything when it aborts: a wait, an attempt, and the connection, with 1000. */
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
 * What {@linkcode Reconnecting} gives: one open connection after the other.
 *
 * @typeParam Data What connections carry as `conn.data`.
 */
export interface Connections<Data = undefined>
  extends AsyncGenerator<ClientConnection<Data>, void, void> {
  /**
   * Has the next attempt made at once, as when the network is back: ends the wait, or, while an attempt is
   * under way, leaves out the one behind it. Nothing changes while a connection is open.
   */
  tryNow(): void;
}

/**
 * Connects, and connects again whenever the connection has ended. Each turn of the loop has a
 * connection that is open; the next begins when that one has ended, and a new one is open. Leaving the
 * loop closes the connection.
 *
 * Where the server speaks `sluice.resume.v1`, nothing that was published meanwhile is missed: see
 * {@linkcode ReconnectOptions.resume}.
 *
 * It waits between attempts: a random time up to `minDelayMs`, doubled with every failure up to
 * `maxDelayMs`. After the close codes 1012 (service restart) and 1013 (try again later) it waits for 5
 * to 30 seconds, and after a response with `Retry-After` for at least as long as that says.
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
 * @typeParam Data What connections carry as `conn.data`.
 * @param url See {@linkcode Connect}.
 * @param options See {@linkcode ReconnectOptions}. Callbacks among them begin, for each connection, behind
 * the first synchronous part of the loop's body.
 * @throws {ConnectionClosedError} From the loop, where the connection was closed with 1008, one side
 * refused what the other sent three times in a row, or attempts are used up. If that or `shouldReconnect`
 * ends it behind a connection that the server closed with 1000, the loop just ends.
 * @throws {UnexpectedResponseError} From the loop, where the server refuses for good, or the attempts
 * are used up.
 * @throws {ConnectError} From the loop, where the attempts are used up.
 * @throws {RangeError} Where a number among the options is out of its range.
 * @throws {TypeError} Where an option is unknown or of another type, or the URL is none of a WebSocket.
 */
export type Reconnecting = <Data = undefined>(
  url: PerAttempt<string | URL>,
  options?: ReconnectOptions<Data> & ClientCallbacks<Data>,
) => Connections<Data>;

/** A connection that lasted for so long was a success: waiting begins anew. */
const LASTING_MS = 10_000;
/** So many connections in a row are enough that one side ends for what the other has sent. */
const MAX_REFUSALS = 3;
/** A connection that lasted for so long is no further one of them. */
const LONG_MS = 60_000;
/** What a server closes with that refuses what was sent: it would be sent again. */
const REFUSALS: ReadonlySet<number> = new Set([
  CloseCode.ProtocolError,
  CloseCode.UnsupportedData,
  CloseCode.InvalidFramePayloadData,
  CloseCode.MessageTooBig,
]);
/** How long after 1012 and 1013 is waited: "a randomized delay of 5 - 30 seconds" (1012). */
const RESTART_DELAY_MS = [5_000, 30_000] as const;
/** Statuses from 400 to 499 that may pass. */
const PASSING: ReadonlySet<number> = new Set([408, 425, 429]);

/**
 * Makes a `reconnecting` out of a `connect`.
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
    throw new RangeError(
      `maxDelayMs must be at least minDelayMs, which is ${minDelayMs}, got ${maxDelayMs}`,
    );
  }
  checkInteger("maxAttempts", maxAttempts, 1);
  checkFunction("shouldReconnect", options.shouldReconnect);
  checkFunction("delayMs", options.delayMs);
  checkFunction("onRetry", options.onRetry);
  checkFunction("onLost", options.onLost);
  const { resume: isResuming = true } = options;
  checkBoolean("resume", isResuming);
  checkFunction("onError", options.onError);
  const fail = (error: unknown) => reportError(options.onError?.bind(options) ?? logError, error);
  /** The connection that the program was given last. */
  let current: ClientConnection<Data> | undefined;
  // It is called in between of what is received, which must go on.
  const onLost = (topic: string) => callHook(() => options.onLost?.(topic, current!), fail);
  const isOwn = [options.subprotocols].flat().includes(RESUME);
  const hasLayers = (options.layers?.length ?? 0) > 0;
  if (hasLayers && options.resume === true) {
    throw new TypeError(
      "resume must not be true with layers: a connection has one of them, or resumes",
    );
  }
  const isOffered = isResuming && !isOwn && !hasLayers;
  const resume = isOffered ? new ResumeState(onLost) : undefined;
  const shouldReconnect = options.shouldReconnect?.bind(options) ?? mayHelp;
  /** How many connections in a row one side has ended for what the other had sent. */
  let refusals = 0;
  for (let failures = 0;;) {
    const result = await attempt(connect, url, options, resume);
    if (signal?.aborted) return;
    let cause: Retry["cause"];
    let isAfresh = false;
    if (isFailure(result)) {
      cause = result;
    } else {
      current = result;
      const openedAt = clock.now();
      // The program may be at work on it for longer.
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
      isAfresh = resume?.end(cause.closeCode, cause.initiator === "remote") ?? false;
      const lastedMs = await lasted;
      if (lastedMs >= LASTING_MS) failures = 0;
      if (!isRefusal(result, cause)) refusals = 0;
      else refusals = lastedMs >= LONG_MS ? 1 : refusals + 1;
    }
    failures++;
    // What the server refused is not said again: the next attempt is another one.
    const isByDefault = options.shouldReconnect === undefined;
    const isHopeless = refusals >= MAX_REFUSALS && isByDefault;
    const isWorthwhile = isAfresh && isByDefault;
    const goesOn = failures < maxAttempts && !isHopeless && (isWorthwhile ||
      await abortable(ask(shouldReconnect, cause, fail), signal).catch(() => false));
    if (signal?.aborted) return;
    if (!goesOn) {
      if (isFailure(cause)) throw cause;
      const { closeCode, reason } = cause;
      if (closeCode === CloseCode.NormalClosure) return;
      const why = isHopeless
        ? `: ${
          cause.initiator === "local"
            ? "this client refused what the server"
            : "the server refused what this client"
        } sent ${refusals} times in a row`
        : "";
      throw new ConnectionClosedError(`Cannot go on reconnecting${why}`, closeCode, reason);
    }
    const longestMs = Math.min(minDelayMs * 2 ** (failures - 1), maxDelayMs);
    const waitMs = askedDelayMs(cause, random) + Math.round(random() * longestMs);
    const ordinary = { cause, attempt: failures, delayMs: Math.min(waitMs, MAX_DURATION_MS) };
    const delayMs = options.delayMs === undefined
      ? ordinary.delayMs
      : await abortable(askDelay(options.delayMs.bind(options), ordinary, fail), signal)
        .catch(() => 0);
    if (signal?.aborted) return;
    callHook(() => options.onRetry?.({ cause, attempt: failures, delayMs }), fail);
    await pause.wait(delayMs, signal);
    if (signal?.aborted) return;
  }
}

/** Connects; gives the errors that another attempt may help against, and those of an abort. */
async function attempt<Data>(
  connect: ConnectAgain,
  url: PerAttempt<string | URL>,
  options: ReconnectOptions<Data> & ClientCallbacks<Data>,
  resume: ResumeState | undefined,
): Promise<ClientConnection<Data> | ConnectError | UnexpectedResponseError> {
  try {
    return await connect(url, options, { resume });
  } catch (error) {
    if (isFailure(error) || options.signal?.aborted) return error as ConnectError;
    throw error;
  }
}

/** Whether an attempt failed in a way that another one may not. */
function isFailure(value: unknown): value is ConnectError | UnexpectedResponseError {
  return value instanceof ConnectError || value instanceof UnexpectedResponseError;
}

/** Whether a connection ended since one side refused what the other had sent. */
function isRefusal(conn: Connection, { initiator, closeCode }: CloseInfo): boolean {
  if (initiator === "remote") return REFUSALS.has(closeCode);
  return coreOf(conn)?.end.reason.failure !== undefined;
}

/** Asks `shouldReconnect`. What is no answer is no, and goes to `fail`. */
async function ask(
  shouldReconnect: (cause: Retry["cause"]) => unknown,
  cause: Retry["cause"],
  fail: (error: unknown) => void,
): Promise<boolean> {
  try {
    const answer = await shouldReconnect(cause);
    checkDecision("shouldReconnect", answer);
    return answer;
  } catch (error) {
    fail(error);
    return false;
  }
}

/** Asks `delayMs`. What is no answer is the ordinary one, and goes to `fail`. */
async function askDelay(
  decide: (retry: Retry) => unknown,
  retry: Retry,
  fail: (error: unknown) => void,
): Promise<number> {
  try {
    const delayMs = await decide(retry);
    checkWait(delayMs);
    // Clocks count whole milliseconds.
    return Math.min(Math.ceil(delayMs), MAX_DURATION_MS);
  } catch (error) {
    fail(error);
    return retry.delayMs;
  }
}

/** The default of `shouldReconnect`. */
function mayHelp(cause: Retry["cause"]): boolean {
  if (cause instanceof UnexpectedResponseError) {
    const { status } = cause;
    return status < 400 || status > 499 || PASSING.has(status);
  }
  return cause instanceof ConnectError || cause.closeCode !== CloseCode.PolicyViolation;
}

/** How long the server asks its clients to wait. */
function askedDelayMs(cause: Retry["cause"], random: () => number): number {
  if (cause instanceof UnexpectedResponseError) {
    return parseRetryAfterMs(cause.headers.get("Retry-After") ?? "");
  }
  if (cause instanceof ConnectError) return 0;
  const { closeCode } = cause;
  if (closeCode !== CloseCode.ServiceRestart && closeCode !== CloseCode.TryAgainLater) return 0;
  const [min, max] = RESTART_DELAY_MS;
  return Math.round(min + random() * (max - min));
}

/** Parses seconds, or a date (RFC 9110, section 10.2.3); gives 0 where it is neither, or has passed. */
function parseRetryAfterMs(value: string): number {
  if (/^\d+$/.test(value)) return Number(value) * 1_000;
  const date = parseDate(value);
  return Number.isNaN(date) ? 0 : Math.max(0, date - dateNow());
}

/** Checks what `delayMs` gave: a program computes it, so it need not be an integer. */
function checkWait(value: unknown): asserts value is number {
  if (typeof value === "number" && value >= 0 && value < Infinity) return;
  const ErrorClass = typeof value === "number" ? RangeError : TypeError;
  throw new ErrorClass(
    `delayMs must return a finite number of milliseconds from 0 on, got ${show(value)}`,
  );
}
