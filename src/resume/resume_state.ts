import { parsePosition, type Position } from "./position.ts";
import { encodeHello, type Note } from "./subprotocol.ts";

/**
 * How many topics are remembered at least; where a connection had more, twice as many as it had. Those of
 * which nothing was heard for longest are forgotten.
 */
const MIN_REMEMBERED = 1_000;

/** What a client remembers of a server over several connections, one after the other. */
export class ResumeState {
  readonly #onLost: (topic: string) => void;
  readonly #positions: Map<string, Position> = new Map();
  /** The topics of the connection there is, by their numbers. */
  readonly #topics: Map<number, string> = new Map();
  #maxRemembered = MIN_REMEMBERED;
  #session: string | undefined;
  /** Ends what the connection before still has. */
  #leave: () => void = () => {};

  /** @param onLost Is told of a topic of which messages were missed that are not kept any more. */
  constructor(onLost: (topic: string) => void) {
    this.#onLost = onLost;
  }

  /**
   * Begins a connection: gives what the client sends first.
   *
   * @param leave Is called when the next one begins: what this one still has will come once more there.
   */
  begin(leave: () => void): string {
    this.#leave();
    this.#leave = leave;
    this.#topics.clear();
    return encodeHello(this.#session, this.#positions);
  }

  /** Notes that the program has the message of this place. */
  advance(number: number, position: Position): void {
    const topic = this.#topics.get(number);
    if (topic !== undefined) this.#remember(topic, position);
  }

  /** Takes what the server tells of itself. */
  takeNote(note: Note): void {
    if ("session" in note) {
      this.#session = note.session;
    } else if ("topic" in note) {
      this.#topics.set(note.number, note.topic);
      // What is not subscribed to again yet must not be forgotten for what already is.
      this.#maxRemembered = Math.max(this.#maxRemembered, 2 * this.#topics.size);
      const position = parsePosition(note.position);
      if (position !== undefined) this.#remember(note.topic, position);
      if (note.isLost) this.#onLost(note.topic);
    } else if ("unsubscribed" in note) {
      const topic = this.#topics.get(note.unsubscribed);
      this.#topics.delete(note.unsubscribed);
      if (topic !== undefined) this.#positions.delete(topic);
    } else {
      const position = parsePosition(note.progress)!;
      for (const topic of this.#topics.values()) this.#remember(topic, position);
    }
  }

  #remember(topic: string, position: Position): void {
    this.#positions.delete(topic);
    this.#positions.set(topic, position);
    for (const oldest of this.#positions.keys()) {
      if (this.#positions.size <= this.#maxRemembered) return;
      this.#positions.delete(oldest);
    }
  }
}
