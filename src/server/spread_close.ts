import type { Clock } from "../transport/clock.ts";
import type { Connection } from "../connection/connection.ts";
import type { CloseStatus } from "../protocol/close_payload.ts";

/** Closes connections at random moments of a span of time, so that not all clients return at once. */
export class SpreadClose {
  readonly #clock: Clock;
  readonly #status: CloseStatus;
  readonly #random: () => number;
  /** What is still to be closed, the next one last. */
  #due: { conn: Connection; dueAt: number }[];
  #timer: unknown;

  /** Takes what is to be closed, once `close` is called. `random` gives numbers from 0 up to 1. */
  constructor(
    connections: Iterable<Connection>,
    status: CloseStatus,
    clock: Clock,
    random: () => number = Math.random,
  ) {
    this.#clock = clock;
    this.#status = status;
    this.#random = random;
    this.#due = Array.from(connections, (conn) => ({ conn, dueAt: Infinity }));
  }

  /** Closes what is left at random moments of `spreadMs` from now on, but none later than it was to be. */
  close(spreadMs: number): void {
    this.#clock.clearTimeout(this.#timer);
    const now = this.#clock.now();
    this.#due = this.#due
      .map(({ conn, dueAt }) => ({ conn, dueAt: Math.min(dueAt, now + this.#random() * spreadMs) }))
      .sort((a, b) => b.dueAt - a.dueAt);
    this.#closeDue(now);
  }

  stop(): void {
    this.#clock.clearTimeout(this.#timer);
  }

  #closeDue(now: number): void {
    for (let next = this.#due.at(-1); next !== undefined; next = this.#due.at(-1)) {
      if (next.dueAt > now) {
        const delayMs = Math.max(1, Math.ceil(next.dueAt - now));
        this.#clock.clearTimeout(this.#timer);
        this.#timer = this.#clock.setTimeout(() => this.#closeDue(this.#clock.now()), delayMs);
        return;
      }
      this.#due.pop();
      next.conn.close(this.#status);
    }
  }
}
