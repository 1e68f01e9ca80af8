import type { Clock } from "../../transport/clock.ts";
import { PresenceRoom, type ShareEntry } from "./room.ts";

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
  readonly #lookups: Map<string, Lookup> = new Map();

  /** @param timeoutMs How long to wait for answers, in milliseconds. */
  constructor(clock: Clock, timeoutMs: number) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  get size(): number {
    return this.#lookups.size;
  }

  get topics(): string[] {
    return [...this.#lookups.keys()];
  }

  has(topic: string): boolean {
    return this.#lookups.has(topic);
  }

  /** Waits until all servers have answered about a topic, or the time is over; callers share one wait. */
  add(topic: string): Promise<PresenceRoom> {
    let lookup = this.#lookups.get(topic);
    if (lookup === undefined) {
      lookup = {
        found: new PresenceRoom(topic),
        done: Promise.withResolvers(),
        waiting: undefined,
        timer: this.#clock.setTimeout(() => this.end(topic), this.#timeoutMs),
      };
      this.#lookups.set(topic, lookup);
    }
    return lookup.done.promise;
  }

  wait(topic: string, servers: Iterable<string>): void {
    this.#lookups.get(topic)!.waiting = new Set(servers);
  }

  receive(topic: string, server: string, members: readonly ShareEntry[]): void {
    this.#lookups.get(topic)?.found.replace(server, members);
  }

  /** Records that a server has answered; returns whether all have by now. */
  receiveAnswer(topic: string, server: string): boolean {
    const waiting = this.#lookups.get(topic)?.waiting;
    waiting?.delete(server);
    return waiting?.size === 0;
  }

  end(topic: string): void {
    const lookup = this.#lookups.get(topic)!;
    this.#lookups.delete(topic);
    this.#clock.clearTimeout(lookup.timer);
    lookup.done.resolve(lookup.found);
  }
}
