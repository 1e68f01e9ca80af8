import type { ShareEntry } from "./room.ts";
import type { Snapshot } from "./message.ts";

interface SentQuery {
  readonly topics: readonly string[];
  readonly sentAt: number;
  readonly onAnswer: ((server: string) => void) | undefined;
}

/** The members of topics on a server. */
type Topics = Map<string, { version: number; members: ShareEntry[] }>;

interface Parts {
  readonly topics: Topics;
  next: number;
  readonly beganAt: number;
}

/** A snapshot of which all parts have come, and the query that it answers, if any. */
type WholeSnapshot = { readonly topics: Topics; readonly query: SentQuery | undefined };

/** Matches snapshots of other servers with queries, and joins their parts. */
export class SentQueries {
  readonly #queries: Map<number, SentQuery> = new Map();
  readonly #parts: Map<string, Parts> = new Map();
  #lastId = 0;

  /** Returns the id of the query. `onAnswer` is called with each server that has answered. */
  add(topics: readonly string[], now: number, onAnswer?: (server: string) => void): number {
    const id = ++this.#lastId;
    this.#queries.set(id, { topics, sentAt: now, onAnswer });
    return id;
  }

  /**
   * Takes a part of a server's snapshot.
   *
   * @returns The whole snapshot if this was the last part, and none is missing. It has the other topics of the
   * query, too, without members.
   */
  receiveSnapshot(snapshot: Snapshot, now: number): WholeSnapshot | undefined {
    const { from, id, part, isEnd, version } = snapshot;
    const name = `${from} ${id}`;
    if (part === 0) this.#parts.set(name, { topics: new Map(), next: 0, beganAt: now });
    const parts = this.#parts.get(name);
    if (parts === undefined) return undefined;
    if (parts.next++ !== part) {
      this.#parts.delete(name);
      return undefined;
    }
    for (const [topic, topicVersion, members] of snapshot.topics) {
      const before = parts.topics.get(topic);
      if (before !== undefined) before.members.push(...members);
      else parts.topics.set(topic, { version: topicVersion, members: [...members] });
    }
    if (!isEnd) return undefined;
    this.#parts.delete(name);
    const query = this.#queries.get(id);
    const { topics } = parts;
    for (const topic of query?.topics ?? []) {
      if (!topics.has(topic)) topics.set(topic, { version, members: [] });
    }
    return { topics, query };
  }

  /** Forgets queries and parts from before a time. */
  forget(before: number): void {
    for (const [id, { sentAt }] of this.#queries) if (sentAt < before) this.#queries.delete(id);
    for (const [name, { beganAt }] of this.#parts) if (beganAt < before) this.#parts.delete(name);
  }
}
