import type { Clock } from "../transport/clock.ts";
import { Fifo } from "../fifo.ts";
import { createDeferred, type Deferred } from "../promises.ts";

interface SentPing {
  id: number;
  sentAt: number;
  deferred: Deferred<number>;
}

/** What a Ping without its Pong takes: measured, 370 to 640 bytes. */
const PING_COST = 550;

/** Matches Pongs to Pings (RFC 6455, section 5.5.3), and measures the time between. */
export class PingTracker {
  readonly #clock: Clock;
  readonly #pings: Fifo<SentPing> = new Fifo();
  #lastId = 0;
  /** The time that the last Ping answered took, in milliseconds. */
  roundTripTimeMs: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The bytes that the Pings take whose Pongs did not come yet. */
  get heldSize(): number {
    return this.#pings.length * PING_COST;
  }

  /** Begins a measurement: `payload` is to be sent in a Ping. */
  start(): { payload: Uint8Array; roundTripTime: Promise<number> } {
    const payload = this.next();
    const deferred = createDeferred<number>();
    this.#pings.push({ id: this.#lastId, sentAt: this.#clock.now(), deferred });
    return { payload, roundTripTime: deferred.promise };
  }

  /** Gives the payload of a Ping whose Pong answers those before it. */
  next(): Uint8Array {
    return new TextEncoder().encode(String(++this.#lastId));
  }

  /**
   * Ends the measurements that the Pong answers: that of the Ping with its payload, and those before
   * it, since a peer may answer the latest of several Pings only. A Pong without a Ping is ignored.
   */
  receivePong(payload: Uint8Array): void {
    const text = String.fromCharCode(...payload);
    const id = Number(text);
    if (String(id) !== text || id > this.#lastId) return;
    const now = this.#clock.now();
    for (
      let ping = this.#pings.peek();
      ping !== undefined && ping.id <= id;
      ping = this.#pings.peek()
    ) {
      this.#pings.shift();
      this.roundTripTimeMs = now - ping.sentAt;
      ping.deferred.resolve(this.roundTripTimeMs);
    }
  }

  /** Ends all measurements without a result. */
  destroy(error: unknown): void {
    for (let ping = this.#pings.shift(); ping !== undefined; ping = this.#pings.shift()) {
      ping.deferred.reject(error);
    }
  }
}
