import { ForgottenTopics } from "./forgotten_topics.ts";
import type { Position } from "./position.ts";
import { MAX_REQUEST_SIZE, MAX_REQUEST_TOPICS, sizeInRequest } from "./subprotocol.ts";

/** The most bytes of a resume request without its topics. */
const FRAME_SIZE = 256;

interface Topic {
  readonly name: string;
  /** The most bytes that it takes in a resume request. */
  readonly size: number;
  /** Its number on the current connection; meaningless if that does not have it. */
  number: number;
  /** `undefined` if it is not known yet, or was forgotten. */
  position: Position | undefined;
  isForgotten: boolean;
  /** The number of the last connection that had it. */
  connection: number;
  /** How many acknowledgements had come when the position was told: later ones move it. */
  acknowledgements: number;
}

/**
 * The topics that a client is, or was, subscribed to, as many as fit a resume request. If there are more, it first
 * forgets topics that the connection before the current one did not have; then new ones, while topics of that
 * connection may still be subscribed to again; and then the least recently used. All operations take constant time,
 * except `begin` and `forgetPositions`.
 */
export class RememberedTopics {
  readonly #onLost: (topic: string) => void;
  /** The topics that only earlier connections had, the least recently used first. */
  readonly #former: Map<string, Topic> = new Map();
  /** The topics of the current connection, in the same order. */
  readonly #current: Map<string, Topic> = new Map();
  readonly #byNumber: Map<number, Topic> = new Map();
  /** Counts the connections that had topics. */
  #connection = 0;
  /** Whether the current connection was subscribed to any topic, even to one that was forgotten at once. */
  #hasHadTopics = false;
  #size = FRAME_SIZE;
  #acknowledged: Position | undefined;
  #acknowledgements = 0;
  readonly #forgotten: ForgottenTopics = new ForgottenTopics();

  /** @param onLost Called with a topic that is forgotten and that the current connection does not have. */
  constructor(onLost: (topic: string) => void) {
    this.#onLost = onLost;
  }

  begin(): void {
    if (this.#hasHadTopics) this.#connection++;
    this.#hasHadTopics = false;
    for (const topic of this.#current.values()) this.#leave(topic);
    this.#byNumber.clear();
    this.#forgotten.begin();
  }

  /** Returns the position in each topic, at the beginning of a connection. */
  positions(): Map<string, Position> {
    const positions = new Map<string, Position>();
    for (const { name, position } of this.#former.values()) {
      if (position !== undefined) positions.set(name, position);
    }
    return positions;
  }

  /** Forgets the positions, at the end of a connection, but not the topics. */
  forgetPositions(): void {
    this.begin();
    for (const topic of this.#former.values()) {
      topic.isForgotten ||= topic.position !== undefined;
      topic.position = undefined;
    }
  }

  /** Returns whether the resume request lacked the position of the topic because that was forgotten. */
  subscribe(name: string, number: number, position: Position | undefined): boolean {
    this.#hasHadTopics = true;
    let topic = this.#current.get(name) ?? this.#former.get(name);
    if (topic === undefined) {
      const size = sizeInRequest(name);
      const isForgotten = this.#forgotten.has(name);
      topic = { name, size, number, position, isForgotten, connection: 0, acknowledgements: 0 };
      this.#size += size;
    }
    const isUnknown = topic.isForgotten;
    topic.isForgotten = false;
    if (this.#current.has(name)) {
      this.#byNumber.delete(topic.number);
    } else {
      this.#former.delete(name);
      // Earlier acknowledgements of this connection are not for it.
      topic.acknowledgements = this.#acknowledgements;
      topic.connection = this.#connection;
    }
    const other = this.#byNumber.get(number);
    if (other !== undefined) this.#leave(other);
    topic.number = number;
    this.#byNumber.set(number, topic);
    this.#touch(topic, position ?? this.#positionOf(topic));
    this.#trim(topic);
    return isUnknown;
  }

  /** Forgets a topic: the current connection is no longer subscribed to it. */
  unsubscribe(number: number): void {
    const topic = this.#byNumber.get(number);
    if (topic !== undefined) this.#delete(topic);
  }

  advance(number: number, position: Position): void {
    const topic = this.#byNumber.get(number);
    if (topic !== undefined) this.#touch(topic, later(this.#positionOf(topic), position));
  }

  /** Moves the position in all topics of the current connection: an acknowledgement. */
  advanceAll(position: Position): void {
    this.#acknowledged = later(this.#acknowledged, position);
    this.#acknowledgements++;
  }

  #touch(topic: Topic, position: Position | undefined): void {
    topic.position = position;
    topic.acknowledgements = this.#acknowledgements;
    this.#current.delete(topic.name);
    this.#current.set(topic.name, topic);
  }

  /** The position in a topic of the current connection. */
  #positionOf({ position, acknowledgements }: Topic): Position | undefined {
    return acknowledgements < this.#acknowledgements
      ? later(position, this.#acknowledged!)
      : position;
  }

  /** Moves a topic to those of earlier connections. */
  #leave(topic: Topic): void {
    topic.position = this.#positionOf(topic);
    this.#current.delete(topic.name);
    this.#former.set(topic.name, topic);
  }

  /** Forgets topics until the rest fits a resume request. */
  #trim(newest: Topic): void {
    while (
      this.#size > MAX_REQUEST_SIZE || this.#former.size + this.#current.size > MAX_REQUEST_TOPICS
    ) {
      const [former] = this.#former.values();
      if (former !== undefined && former.connection < this.#connection - 1) {
        this.#former.delete(former.name);
        this.#size -= former.size;
        this.#forgotten.addFormer(former.name);
        this.#onLost(former.name);
      } else {
        const [oldest] = this.#current.values();
        const topic = former === undefined ? oldest! : newest;
        this.#delete(topic);
        this.#forgotten.add(topic.name);
      }
    }
  }

  /** Forgets a topic of the current connection. */
  #delete(topic: Topic): void {
    this.#byNumber.delete(topic.number);
    this.#current.delete(topic.name);
    this.#size -= topic.size;
  }
}

/** Returns the later of two positions, since messages may arrive late. Of two epochs, that of the second counts. */
function later(before: Position | undefined, position: Position): Position {
  const isBehind = before?.epoch === position.epoch && before.number > position.number;
  return isBehind ? before : position;
}
