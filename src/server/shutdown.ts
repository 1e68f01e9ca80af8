import { MAX_DURATION_MS } from "../timers.ts";
import {
  checkBoolean,
  checkDuration,
  checkFiniteDuration,
  checkOptions,
  type Names,
} from "../checks.ts";
import type { Connection } from "../connection/connection.ts";
import { HandshakeError } from "../errors.ts";
import type { Countable } from "../linked_list.ts";
import { checkCloseStatus, type CloseStatus } from "../protocol/close_payload.ts";
import type { Clock } from "../transport/clock.ts";
import type { ShutdownOptions } from "./connection_host.ts";
import { SpreadClose } from "./spread_close.ts";

const OPTIONS: Names<ShutdownOptions> = {
  closeCode: true,
  reason: true,
  spreadMs: true,
  timeoutMs: true,
  keepListening: true,
};

/** An opening handshake, as the shutdown needs it. */
interface Handshake {
  readonly hasBegun: boolean;
  drop(reason?: unknown): void;
  tellShutdown(error: HandshakeError): void;
}

export interface ShutdownTarget {
  readonly clock: Clock;
  readonly connections: Countable<Connection>;
  readonly handshakes: Countable<Handshake>;
  /** Listens no more. Called once. */
  stop(): Promise<void>;
  /** Is told that no connection and no handshake is left, and nothing listens. */
  finish(): Promise<void>;
}

export function checkShutdown(options: ShutdownOptions): void {
  checkOptions("shutdown", options, OPTIONS);
  const { closeCode = 1001, reason = "", spreadMs = 0, timeoutMs = 5_000, keepListening } = options;
  checkCloseStatus({ closeCode, reason });
  checkFiniteDuration("spreadMs", spreadMs, 0);
  checkDuration("timeoutMs", timeoutMs);
  checkBoolean("keepListening", keepListening);
}

/** The shutdown of a server; see {@linkcode ConnectionHost.shutdown}. */
export class Shutdown {
  /** Why requests are refused from now on. */
  readonly refusal: HandshakeError = new HandshakeError(503, "The server is shutting down");
  readonly #target: ShutdownTarget;
  readonly #spreadClose: SpreadClose;
  #timer: unknown;
  #endAt = Infinity;
  /** Resolves when nothing listens any more; set once that is to be. */
  #stopped: Promise<void> | undefined;
  #isFinished = false;

  /** Takes what there is to close. */
  constructor(target: ShutdownTarget, { closeCode = 1001, reason = "" }: ShutdownOptions) {
    const status: CloseStatus = { closeCode, reason };
    this.#target = target;
    this.#spreadClose = new SpreadClose(target.connections, status, target.clock);
  }

  get hasStoppedListening(): boolean {
    return this.#stopped !== undefined;
  }

  /** Begins: with the options of the first call. */
  begin({ spreadMs = 0, timeoutMs = 5_000, keepListening = false }: ShutdownOptions): void {
    // First, so that clients that come from now on can come to another server.
    if (!keepListening) this.#stopListening();
    this.#dropIdle();
    this.#endWithin(spreadMs, timeoutMs);
    // What listens to the signals may shut down again.
    for (const handshake of this.#target.handshakes) handshake.tellShutdown(this.refusal);
    this.finishIfDone();
  }

  /** Takes a later call, which may end it sooner. */
  hasten({ spreadMs, timeoutMs, keepListening = true }: ShutdownOptions): void {
    if (!keepListening) this.#stopListening();
    if (spreadMs !== undefined || timeoutMs !== undefined) this.#endWithin(spreadMs, timeoutMs);
    this.finishIfDone();
  }

  finishIfDone(): void {
    const { connections, handshakes, clock } = this.#target;
    if (this.#isFinished || connections.size > 0 || handshakes.size > 0) return;
    this.#isFinished = true;
    clock.clearTimeout(this.#timer);
    this.#spreadClose.stop();
    this.#stopListening().then(() => {
      // What came meanwhile.
      this.#abortAll();
      return this.#target.finish();
    });
  }

  #stopListening(): Promise<void> {
    // Some may have been on their way.
    return this.#stopped ??= this.#target.stop().then(() => this.#dropIdle());
  }

  /** Drops handshakes in which no request has begun: no client waits for an answer. */
  #dropIdle(): void {
    for (const handshake of this.#target.handshakes) if (!handshake.hasBegun) handshake.drop();
  }

  /** Closes what is left within `spreadMs`, and aborts it `timeoutMs` later, unless that is later than it was. */
  #endWithin(spreadMs = 0, timeoutMs = 5_000): void {
    const { clock } = this.#target;
    const delayMs = Math.min(spreadMs + timeoutMs, MAX_DURATION_MS);
    const endAt = timeoutMs === Infinity ? Infinity : clock.now() + delayMs;
    if (this.#isFinished || endAt > this.#endAt) return;
    this.#endAt = endAt;
    clock.clearTimeout(this.#timer);
    if (endAt !== Infinity) this.#timer = clock.setTimeout(() => this.#abortAll(), delayMs);
    // Last, since what listens to `conn.signal` may end connections, and shut down again.
    this.#spreadClose.close(spreadMs);
  }

  #abortAll(): void {
    for (const conn of this.#target.connections) conn.abort();
    for (const handshake of this.#target.handshakes) handshake.drop(this.refusal);
  }
}

/** Calls back when a signal aborts, or at once if it has; gives what ends the wait. */
export function onAbort(signal: AbortSignal, callback: () => void): () => void {
  if (signal.aborted) callback();
  else signal.addEventListener("abort", callback);
  return () => signal.removeEventListener("abort", callback);
}
