import type { Clock } from "../../transport/clock.ts";
import { PresenceRoom, type ShareEntry } from "./room.ts";

/** A question to all servers about the members of a topic. */
interface Lookup {
  /** The members that the answers name. */
  readonly found: PresenceRoom;
  readonly done: PromiseWithResolvers<PresenceRoom>;
  /** The servers that have yet to answer; `undefined` before they were asked. */
  waiting: Set<string> | undefined;
  readonly timer: unknown;
}

/** The questions to all servers that wait for answers. */
export class PresenceLookups {
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #lookups: Map<string, Lookup> = new Map();

  /** @param timeoutMs How long to wait for answers, in milliseconds. */
  constructor(clock: Clock, timeoutMs: number) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  /** The number of them. */
  get size(): number {
    return this.#lookups.size;
  }

  /** The topics that they are about. */
  get topics(): string[] {
    return [...this.#lookups.keys()];
  }

  /** Whether there is one about a topic. */
  has(topic: string): boolean {
    return this.#lookups.has(topic);
  }

  /** Waits for the answers about a topic until they are complete or the time is over; shared by all callers. */
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

  /** Sets which servers were asked. */
  wait(topic: string, servers: Iterable<string>): void {
    this.#lookups.get(topic)!.waiting = new Set(servers);
  }

  /** Takes the members that a server has in a topic. */
  receive(topic: string, server: string, members: readonly ShareEntry[]): void {
    this.#lookups.get(topic)?.found.replace(server, members);
  }

  /** Takes that a server has answered; tells whether all have by now. */
  receiveAnswer(topic: string, server: string): boolean {
    const waiting = this.#lookups.get(topic)?.waiting;
    waiting?.delete(server);
    return waiting?.size === 0;
  }

  /** Ends the wait for a topic. */
  end(topic: string): void {
    const lookup = this.#lookups.get(topic)!;
    this.#lookups.delete(topic);
    this.#clock.clearTimeout(lookup.timer);
    lookup.done.resolve(lookup.found);
  }
}
