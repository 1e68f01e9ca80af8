import type { Clock } from "../../transport/clock.ts";
import { PresenceRoom } from "./room.ts";

/** A query to all servers for the members of a topic. */
interface Lookup {
  /** The members in the answers so far. */
  readonly found: PresenceRoom;
  readonly done: PromiseWithResolvers<PresenceRoom>;
  /** The servers that have not answered yet; `undefined` before the query was sent. */
  waiting: Set<string> | undefined;
  readonly timer: unknown;
}

/** The queries to all servers that wait for answers. */
export class PresenceLookups {
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  /** By topic. */
  readonly all: Map<string, Lookup> = new Map();

  /** @param timeoutMs How long to wait for answers, in milliseconds. */
  constructor(clock: Clock, timeoutMs: number) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  /** Waits until all servers have answered about a topic, or the time is over; callers share one wait. */
  add(topic: string): Promise<PresenceRoom> {
    const before = this.all.get(topic);
    if (before !== undefined) return before.done.promise;
    const done = Promise.withResolvers<PresenceRoom>();
    const timer = this.#clock.setTimeout(() => this.end(topic), this.#timeoutMs);
    this.all.set(topic, { found: new PresenceRoom(topic), done, waiting: undefined, timer });
    return done.promise;
  }

  /** Records that a server has answered; returns whether all have by now. */
  receiveAnswer(topic: string, server: string): boolean {
    const waiting = this.all.get(topic)?.waiting;
    waiting?.delete(server);
    return waiting?.size === 0;
  }

  end(topic: string): void {
    const lookup = this.all.get(topic)!;
    this.all.delete(topic);
    this.#clock.clearTimeout(lookup.timer);
    lookup.done.resolve(lookup.found);
  }
}
