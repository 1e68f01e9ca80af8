import type { Clock } from "../../transport/clock.ts";
import { PresenceRoom, type ShareEntry } from "./room.ts";

/** A question to all servers, who is in a topic. */
interface Query {
  /** What the answers say. */
  readonly found: PresenceRoom;
  readonly done: PromiseWithResolvers<PresenceRoom>;
  /** Those that are to answer; `undefined` before they were asked. */
  waiting: Set<string> | undefined;
  readonly timer: unknown;
}

/** The questions to all servers that wait for answers. */
export class PresenceQueries {
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #queries: Map<string, Query> = new Map();

  /** @param timeoutMs How long to wait for answers, in milliseconds. */
  constructor(clock: Clock, timeoutMs: number) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  /** The number of them. */
  get size(): number {
    return this.#queries.size;
  }

  /** The topics that they are about. */
  get topics(): string[] {
    return [...this.#queries.keys()];
  }

  /** Whether somebody waits to know of a topic. */
  has(topic: string): boolean {
    return this.#queries.has(topic);
  }

  /** Waits for what is answered of a topic, with others who do, until it is known or the time is over. */
  add(topic: string): Promise<PresenceRoom> {
    let query = this.#queries.get(topic);
    if (query === undefined) {
      query = {
        found: new PresenceRoom(topic),
        done: Promise.withResolvers(),
        waiting: undefined,
        timer: this.#clock.setTimeout(() => this.end(topic), this.#timeoutMs),
      };
      this.#queries.set(topic, query);
    }
    return query.done.promise;
  }

  /** Is told who was asked. */
  wait(topic: string, servers: Iterable<string>): void {
    this.#queries.get(topic)!.waiting = new Set(servers);
  }

  /** Takes what a server has in a topic. */
  receive(topic: string, server: string, members: readonly ShareEntry[]): void {
    this.#queries.get(topic)?.found.replace(server, members);
  }

  /** Whether all have answered who were asked, now that this one has. */
  receiveAnswer(topic: string, server: string): boolean {
    const waiting = this.#queries.get(topic)?.waiting;
    waiting?.delete(server);
    return waiting?.size === 0;
  }

  /** Ends to wait. */
  end(topic: string): void {
    const query = this.#queries.get(topic)!;
    this.#queries.delete(topic);
    this.#clock.clearTimeout(query.timer);
    query.done.resolve(query.found);
  }
}
