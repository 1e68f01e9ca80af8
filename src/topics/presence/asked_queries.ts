import type { ShareEntry } from "./room.ts";
import type { State } from "./message.ts";

/** What other servers were asked. */
interface Ask {
  readonly topics: readonly string[];
  readonly askedAt: number;
  readonly onAnswer: ((server: string) => void) | undefined;
}

/** The parts of a state that have come. */
interface Parts {
  readonly states: Map<string, { version: number; members: ShareEntry[] }>;
  next: number;
  readonly beganAt: number;
}

/** All that a server has in topics. */
export interface WholeState {
  readonly topics: Map<string, { version: number; members: readonly ShareEntry[] }>;
  /** Whether it was asked for. */
  readonly isAnswer: boolean;
  /** Is to be told who has answered. */
  readonly onAnswer: ((server: string) => void) | undefined;
}

/** Keeps what other servers were asked, and puts the parts of what they say together. */
export class PresenceAsks {
  readonly #asks: Map<number, Ask> = new Map();
  readonly #parts: Map<string, Parts> = new Map();
  #lastId = 0;

  /**
   * Begins to ask.
   *
   * @param onAnswer Is told of each server that has answered.
   * @returns The number of the question.
   */
  add(topics: readonly string[], now: number, onAnswer?: (server: string) => void): number {
    const id = ++this.#lastId;
    this.#asks.set(id, { topics, askedAt: now, onAnswer });
    return id;
  }

  /**
   * Takes a part of what a server says.
   *
   * @returns All of it, when this was the last one, and none is missing. What it was asked about, and does
   * not name, is empty.
   */
  receiveState(state: State, now: number): WholeState | undefined {
    const { from, id, part, isEnd, version } = state;
    const name = `${from} ${id}`;
    if (part === 0) this.#parts.set(name, { states: new Map(), next: 0, beganAt: now });
    const parts = this.#parts.get(name);
    if (parts === undefined) return undefined;
    if (parts.next++ !== part) {
      this.#parts.delete(name);
      return undefined;
    }
    for (const [topic, topicVersion, members] of state.topics) {
      const before = parts.states.get(topic);
      if (before === undefined) {
        parts.states.set(topic, { version: topicVersion, members: [...members] });
      } else before.members.push(...members);
    }
    if (!isEnd) return undefined;
    this.#parts.delete(name);
    const ask = this.#asks.get(id);
    const topics: Map<string, { version: number; members: readonly ShareEntry[] }> = parts.states;
    for (const topic of ask?.topics ?? []) {
      if (!topics.has(topic)) topics.set(topic, { version, members: [] });
    }
    return { topics, isAnswer: ask !== undefined, onAnswer: ask?.onAnswer };
  }

  /** Forgets what is older than a time. */
  forget(before: number): void {
    for (const [id, { askedAt }] of this.#asks) if (askedAt < before) this.#asks.delete(id);
    for (const [name, { beganAt }] of this.#parts) if (beganAt < before) this.#parts.delete(name);
  }
}
