import { checkInteger, checkMethods, checkOptions, checkSignal, type Names } from "../checks.ts";
import { type Clock, CLOCK_METHODS, systemClock } from "../transport/clock.ts";
import type { Connection, Message, WaitOptions } from "../connection/connection.ts";
import { abortable } from "../abortable.ts";
import { createDeferred } from "../promises.ts";
import { ConnectionClosedError } from "../errors.ts";
import { clearInterval, MAX_DURATION_MS, setInterval } from "../timers.ts";
import { runTurns } from "./turn.ts";

/** How much of an unexpected message an error shows, in UTF-16 units or bytes. */
const MAX_SHOWN = 100;

const RECEIVE_OPTIONS: Names<WaitOptions> = { signal: true };
const SILENCE_OPTIONS: Names<SilenceOptions> = { ms: true, clock: true };

/** Resolves when the last call for a connection is done; the next one waits for it. */
const calls: WeakMap<Connection<unknown>, Promise<void>> = new WeakMap();

/**
 * Receives the next message of a connection, by iteration. Later messages wait for the next call.
 * Concurrent calls get one message each, in the order of the calls.
 *
 * @param options `signal` cancels the wait; no message is lost by that.
 * @throws {ConnectionClosedError} If the connection ends before a message; it has the close code.
 * @throws {TypeError} If an option is unknown or of another type.
 * @throws The signal's reason, if it aborts before a message.
 */
export async function receiveMessage(
  conn: Connection<unknown>,
  options: WaitOptions = {},
): Promise<Message> {
  checkOptions("receiveMessage", options, RECEIVE_OPTIONS);
  const { signal } = options;
  checkSignal(signal);
  signal?.throwIfAborted();
  const before = calls.get(conn);
  const { promise: done, resolve: end } = createDeferred<void>();
  calls.set(conn, done);
  try {
    if (before !== undefined) await abortable(before, signal);
    return await receiveNext(conn, signal);
  } finally {
    // If this call was cancelled, the next one still waits for the one before.
    void Promise.resolve(before).then(end);
  }
}

async function receiveNext(
  conn: Connection<unknown>,
  signal: AbortSignal | undefined,
): Promise<Message> {
  const messages = conn[Symbol.asyncIterator]();
  const giveUp = () => void messages.return!();
  signal?.addEventListener("abort", giveUp, { once: true });
  // Node ends, or cancels the test, if nothing but AbortSignal.timeout() is left to wait for.
  const stay = signal && setInterval(() => {}, MAX_DURATION_MS);
  try {
    const next = await messages.next();
    if (!next.done) return next.value;
    signal?.throwIfAborted();
  } finally {
    signal?.removeEventListener("abort", giveUp);
    clearInterval(stay);
    giveUp();
  }
  const { closeCode, reason } = await conn.closed;
  const message = `Cannot receive a message: the connection ended with ${closeCode}`;
  throw new ConnectionClosedError(message, closeCode, reason);
}

/** Options of {@linkcode expectSilence}. */
export interface SilenceOptions {
  /**
   * How long no message may arrive, in milliseconds, from 0 to 2,147,483,647. 0 is some turns of the event
   * loop: messages that are on their way in memory arrive meanwhile, unless a link delays them.
   *
   * @default {0}
   */
  ms?: number;
  /** The clock that measures `ms`; a `FakeClock` must be advanced by the test. Default: real time. */
  clock?: Clock;
}

/**
 * Waits, and throws if a connection receives a message meanwhile, or has one to read already.
 *
 * @example
 * ```ts
 * import { connectedPair, expectSilence, FakeClock } from "@sluice/websocket/testing";
 *
 * const clock = new FakeClock();
 * const { server, client } = await connectedPair({ clock });
 * await expectSilence(client);
 * const silence = expectSilence(client, { ms: 1000, clock });
 * await clock.advance(1000);
 * await silence;
 * await server.close();
 * ```
 *
 * @throws {Error} If a message arrives: the error shows it, and it is consumed.
 * @throws {ConnectionClosedError} If the connection ends meanwhile; it has the close code.
 * @throws {RangeError} If `ms` is out of its range.
 * @throws {TypeError} If an option is unknown or of another type.
 */
export async function expectSilence(
  conn: Connection<unknown>,
  options: SilenceOptions = {},
): Promise<void> {
  checkOptions("expectSilence", options, SILENCE_OPTIONS);
  const { ms = 0, clock = systemClock } = options;
  checkInteger("ms", ms, 0, MAX_DURATION_MS);
  checkMethods("clock", clock, CLOCK_METHODS);
  const silence = new AbortController();
  const end = () => silence.abort(silence);
  const timer = ms === 0 ? void runTurns().then(end) : clock.setTimeout(end, ms);
  try {
    const message = await receiveMessage(conn, { signal: silence.signal });
    throw new Error(`Expected silence, but a message arrived, ${show(message)}`);
  } catch (error) {
    if (error !== silence) throw error;
  } finally {
    if (timer !== undefined) clock.clearTimeout(timer);
  }
}

function show(message: Message): string {
  const more = message.length > MAX_SHOWN ? ` and ${message.length - MAX_SHOWN} more` : "";
  if (typeof message === "string") return JSON.stringify(message.slice(0, MAX_SHOWN)) + more;
  return `bytes ${message.subarray(0, MAX_SHOWN).join(" ")}${more}`;
}
