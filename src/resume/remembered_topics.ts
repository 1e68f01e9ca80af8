import { ForgottenTopics } from "./forgotten_topics.ts";
import type { Position } from "./position.ts";
import { MAX_HELLO_SIZE, MAX_HELLO_TOPICS, sizeInHello } from "./subprotocol.ts";

/** What a hello takes without its topics: more than the session and all that stands around. */
const FRAME_SIZE = 256;

/** A topic, and how far the client got in it. */
interface Topic {
  readonly name: string;
  /** How many bytes it takes in a hello at most. */
  readonly size: number;
  /** Its number on the connection there is; of no meaning for others. */
  number: number;
  /** Not known yet, or forgotten, where there is none. */
  position: Position | undefined;
  isForgotten: boolean;
  /** The last connection that had it. */
  connection: number;
  /** How many notes of progress had come when the position was told: a later one says more. */
  progressCount: number;
}

/**
 * The topics that a client is, and was, subscribed to: as many as a hello may have. Where there are more,
 * those are forgotten that the connection before did not have; then what is new, while some of those that
 * it had are still to come; and then those of which nothing was heard for longest. Each operation takes
 * constant time, but for `begin` and `forgetPositions`.
 */
export class RememberedTopics {
  readonly #onLost: (topic: string) => void;
  /** The topics of connections before: first those of which nothing was heard for longest. */
  readonly #former: Map<string, Topic> = new Map();
  /** Those of the connection there is, in the same order. */
  readonly #current: Map<string, Topic> = new Map();
  readonly #byNumber: Map<number, Topic> = new Map();
  /** Counts the connections that had topics. */
  #connection = 0;
  /** Whether the connection there is was subscribed to any topic, also to one that was forgotten at once. */
  #hasHadTopics = false;
  #size = FRAME_SIZE;
  #progress: Position | undefined;
  #progressCount = 0;
  readonly #forgotten: ForgottenTopics = new ForgottenTopics();

  /** @param onLost Is told of a topic that is forgotten, and that the connection does not have. */
  constructor(onLost: (topic: string) => void) {
    this.#onLost = onLost;
  }

  /** Begins a connection. */
  begin(): void {
    if (this.#hasHadTopics) this.#connection++;
    this.#hasHadTopics = false;
    for (const topic of this.#current.values()) this.#leave(topic);
    this.#byNumber.clear();
    this.#forgotten.begin();
  }

  /** Gives how far the client got in each topic, at the beginning of a connection. */
  positions(): Map<string, Position> {
    const positions = new Map<string, Position>();
    for (const { name, position } of this.#former.values()) {
      if (position !== undefined) positions.set(name, position);
    }
    return positions;
  }

  /** Forgets how far the client got, at the end of a connection; not which topics it had. */
  forgetPositions(): void {
    this.begin();
    for (const topic of this.#former.values()) {
      topic.isForgotten ||= topic.position !== undefined;
      topic.position = undefined;
    }
  }

  /**
   * Notes that the connection is subscribed to a topic.
   *
   * @returns Whether the server could not be told how far the client got before, if it did.
   */
  subscribe(name: string, number: number, position: Position | undefined): boolean {
    this.#hasHadTopics = true;
    let topic = this.#current.get(name);
    let isUnknown = false;
    if (topic === undefined) {
      topic = this.#former.get(name);
      if (topic === undefined) {
        isUnknown = this.#forgotten.has(name);
        const size = sizeInHello(name);
        const isForgotten = false;
        topic = { name, size, number, position, isForgotten, connection: 0, progressCount: 0 };
        this.#size += size;
      } else {
        isUnknown = topic.isForgotten;
        topic.isForgotten = false;
        this.#former.delete(name);
      }
      // What was said of the connection's topics before was not said of it.
      topic.progressCount = this.#progressCount;
      topic.connection = this.#connection;
    } else {
      this.#byNumber.delete(topic.number);
    }
    const other = this.#byNumber.get(number);
    if (other !== undefined) this.#leave(other);
    topic.number = number;
    this.#byNumber.set(number, topic);
    this.#hear(topic, position ?? this.#positionOf(topic));
    this.#trim(topic);
    return isUnknown;
  }

  /** Notes that the connection is not subscribed to a topic any more. */
  unsubscribe(number: number): void {
    const topic = this.#byNumber.get(number);
    if (topic !== undefined) this.#delete(topic);
  }

  /** Notes how far the client got in a topic. */
  advance(number: number, position: Position): void {
    const topic = this.#byNumber.get(number);
    if (topic !== undefined) this.#hear(topic, later(this.#positionOf(topic), position));
  }

  /** Notes how far the client got in all topics of the connection. */
  advanceAll(position: Position): void {
    this.#progress = later(this.#progress, position);
    this.#progressCount++;
  }

  #hear(topic: Topic, position: Position | undefined): void {
    topic.position = position;
    topic.progressCount = this.#progressCount;
    this.#current.delete(topic.name);
    this.#current.set(topic.name, topic);
  }

  /** How far the client got in a topic of the connection there is. */
  #positionOf({ position, progressCount }: Topic): Position | undefined {
    return progressCount < this.#progressCount ? later(position, this.#progress!) : position;
  }

  /** Notes that the connection does not have a topic any more. */
  #leave(topic: Topic): void {
    topic.position = this.#positionOf(topic);
    this.#current.delete(topic.name);
    this.#former.set(topic.name, topic);
  }

  /** Forgets what is too much. */
  #trim(newest: Topic): void {
    while (
      this.#size > MAX_HELLO_SIZE || this.#former.size + this.#current.size > MAX_HELLO_TOPICS
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

  /** Forgets a topic of the connection. */
  #delete(topic: Topic): void {
    this.#byNumber.delete(topic.number);
    this.#current.delete(topic.name);
    this.#size -= topic.size;
  }
}

/** Gives the later one of two places: a server may tell one late. Of two epochs, that which came last is right. */
function later(before: Position | undefined, position: Position): Position {
  const isBehind = before?.epoch === position.epoch && before.number > position.number;
  return isBehind ? before : position;
}
