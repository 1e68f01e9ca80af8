import type { Subscriber } from "../connection/subscriber.ts";
import { formatPosition, type Position } from "../resume/position.ts";
import type { KeepingBroker, KeptMessage, MissedMessages } from "./broker.ts";
import type { KeptMessages, TopicLog } from "./kept_messages.ts";
import type { PublishedMessage } from "./published_message.ts";
import { noteOf, type Replay, type ReplayAllowance } from "./replay_allowance.ts";
import type { TopicSubscription } from "./topic_subscription.ts";
import type { Topics } from "./topics.ts";
import type { Turns } from "./turns.ts";

/** How many messages wait while others before them are read. More are read, too. */
const MAX_EARLY = 1_000;

/** How long it may take until it is known where a topic is, in milliseconds: others wait for it. */
const MAX_BEGINNING_MS = 1_000;

/** What a topic needs of its keeper. */
export interface BrokerTopicOwner {
  readonly broker: KeepingBroker;
  readonly topics: Topics;
  /** The messages that came since the topic is subscribed to. */
  readonly messages: KeptMessages;
  /** What subscribers may get that were away. */
  readonly allowance: ReplayAllowance;
  /** Whose turn it is to read what subscribers missed that were away. */
  readonly replays: Turns;
  /** Decodes a message; `undefined` where it is none. */
  decode(log: TopicLog, kept: KeptMessage): PublishedMessage | undefined;
  /** Is told that a topic knows where it is. */
  receivePlace(): void;
  /** Is told that reading failed: `work` is to be called again. */
  failRead(topic: BrokerTopic, error: unknown): void;
}

/**
 * A topic with subscribers here, whose messages a broker keeps. They come from the broker one after the
 * other; where one is missing, and for subscribers that were away, those before it are read first.
 */
export class BrokerTopic {
  readonly log: TopicLog;
  readonly #owner: BrokerTopicOwner;
  /** The place of the latest message that was published here. Not known until it was asked for. */
  #position: Position | undefined;
  /** Whether the broker sends what is published. */
  #isSubscribed = false;
  /** Whether messages behind the position may have passed by. */
  #hasHole = false;
  /** What has come, and waits for what is read. */
  #early: KeptMessage[] = [];
  /** The resumable subscribers that don't know yet where they are. */
  readonly #joining: Map<Subscriber, TopicSubscription> = new Map();
  #beganAt = 0;
  #isWorking = false;
  /** Counts the connections to the broker: what one of them said is of no use with the next. */
  #connectionCount = 0;

  constructor(log: TopicLog, owner: BrokerTopicOwner) {
    this.log = log;
    this.#owner = owner;
  }

  /** Whether nothing is being read, or has to be. */
  get isSettled(): boolean {
    return this.#isSubscribed && this.#position !== undefined && !this.#hasHole &&
      this.#joining.size === 0;
  }

  /** Begins to find out where it is, or hopes to. */
  begin(now: number): void {
    this.#beganAt = now;
  }

  /**
   * Whether it is about to be known where it is. What is published here meanwhile is for those who are
   * subscribed already: the broker must not have it before.
   */
  isBeginning(now: number): boolean {
    return this.#position === undefined && now - this.#beganAt < MAX_BEGINNING_MS;
  }

  /** Takes a resumable subscriber. */
  join(subscriber: Subscriber, subscription: TopicSubscription): void {
    const { resumeFrom } = subscription;
    this.#joining.delete(subscriber);
    // The server it comes from was ahead of this one.
    if (this.#position !== undefined && isAhead(resumeFrom, this.#position)) this.#hasHole = true;
    if (this.#position === undefined || !this.#isAtHand(resumeFrom)) {
      // The place from before stays right as long as none is told.
      subscriber.sendNote({ topic: this.log.topic, number: this.log.number });
      this.#joining.set(subscriber, subscription);
      this.work();
    } else if (resumeFrom === undefined) {
      this.#tellPlace(subscriber, this.#position);
    } else {
      const missed = this.log.since(resumeFrom.number);
      this.#resume(subscriber, subscription, { from: resumeFrom, isLost: false, missed });
    }
  }

  /** Forgets a subscriber. */
  part(subscriber: Subscriber): void {
    this.#joining.delete(subscriber);
  }

  /** Notes that the broker sends what is published from now on. */
  connect(): void {
    this.#connectionCount++;
    this.#isSubscribed = true;
    this.#hasHole = true;
    this.work();
  }

  /** Notes that the broker can't be reached, or that there is no subscription any more. */
  disconnect(): void {
    this.#isSubscribed = false;
  }

  /** Takes a message from the broker. */
  receive(kept: KeptMessage): void {
    const at = this.#position;
    if (at === undefined || this.#hasHole || kept.position.epoch !== at.epoch) {
      this.#wait(kept);
    } else if (kept.position.number > at.number) {
      if (kept.previous > at.number) this.#wait(kept);
      else this.#publish(kept);
    }
  }

  /** Takes a place up to which the broker has sent everything. */
  advance({ epoch, number }: Position): void {
    const at = this.#position;
    if (at?.epoch === epoch && at.number < number) this.#position = { epoch, number };
  }

  /** Reads what has to be read. */
  work(): void {
    if (!this.#isWorking) void this.#work();
  }

  async #work(): Promise<void> {
    this.#isWorking = true;
    while (this.#isSubscribed && !this.isSettled) {
      const connection = this.#connectionCount;
      try {
        if (this.#position === undefined) await this.#findPlace();
        else if (this.#hasHole) await this.#fillHole(this.#position);
        else await this.#readMissed(this.#position);
      } catch (error) {
        // What was asked of a connection that is gone is asked of the one that is there.
        if (connection !== this.#connectionCount) continue;
        if (this.#isSubscribed) this.#owner.failRead(this, error);
        break;
      }
    }
    this.#isWorking = false;
  }

  /** Reads; gives `undefined` where the connection is not the same any more, and all begins anew. */
  async #read(after: Position | undefined): Promise<MissedMessages | undefined> {
    const connection = this.#connectionCount;
    const missed = await this.#owner.broker.read(this.log.topic, after);
    return this.#isSubscribed && connection === this.#connectionCount ? missed : undefined;
  }

  /** Finds where the topic is. */
  async #findPlace(): Promise<void> {
    const missed = await this.#read(undefined);
    if (missed === undefined) return;
    const { position } = missed;
    // What came meanwhile was published after the topic was subscribed to. Not all of it may have come.
    const [first] = this.#early;
    const isBehind = first !== undefined &&
      (first.position.epoch !== position.epoch || first.previous < position.number);
    this.#begin(
      isBehind ? { epoch: first.position.epoch, number: first.previous } : position,
    );
    this.#hasHole = isBehind;
    for (const [subscriber, { resumeFrom }] of this.#joining) {
      if (resumeFrom === undefined) this.#tellPlace(subscriber, this.#position!);
    }
    for (const [subscriber, subscription] of [...this.#joining]) {
      if (subscription.resumeFrom === undefined) this.#joining.delete(subscriber);
    }
    if (!isBehind) this.#takeEarly();
    this.#owner.receivePlace();
  }

  /** Reads what passed by. */
  async #fillHole(from: Position): Promise<void> {
    const missed = await this.#read(from);
    if (missed === undefined) return;
    this.#hasHole = false;
    const { epoch } = missed.position;
    if (epoch !== from.epoch || !missed.isComplete) this.#tellLost();
    if (epoch !== from.epoch) this.#begin({ epoch, number: 0 });
    for (const kept of missed.messages) {
      if (kept.position.number > this.#position!.number) this.#publish(kept);
    }
    this.advance(missed.position);
    this.#takeEarly();
  }

  /** Reads what subscribers missed that were away. */
  async #readMissed(at: Position): Promise<void> {
    for (const [subscriber, subscription] of [...this.#joining]) {
      if (this.#owner.allowance.has(subscriber)) continue;
      this.#joining.delete(subscriber);
      this.#resume(subscriber, subscription, { from: at, isLost: true, missed: [] });
    }
    const joining = [...this.#joining];
    if (joining.length === 0) return;
    const numbers = joining.map(([, { resumeFrom }]) =>
      resumeFrom?.epoch === at.epoch ? resumeFrom.number : 0
    );
    const after = { epoch: at.epoch, number: Math.min(...numbers) };
    const missed = await this.#owner.replays.run(() => this.#read(after));
    if (missed === undefined) return;
    if (missed.position.epoch !== this.#position!.epoch) {
      this.#hasHole = true;
      return;
    }
    const known = missed.messages.filter(({ position }) =>
      position.number <= this.#position!.number
    );
    const messages = known.map((kept) => ({
      number: kept.position.number,
      message: this.#owner.decode(this.log, kept),
    }));
    const rest = this.log.since(missed.position.number);
    const firstKept = missed.isComplete
      ? after.number
      : missed.messages[0]?.previous ?? missed.position.number;
    for (const [subscriber, subscription] of joining) {
      if (this.#joining.get(subscriber) !== subscription) continue;
      this.#joining.delete(subscriber);
      const from = subscription.resumeFrom;
      const isLost = from?.epoch !== at.epoch || from.number < firstKept;
      const number = isLost ? firstKept : from.number;
      const behind = messages.filter((each) => each.number > number)
        .flatMap(({ message }) => message ?? []);
      const all = { from: { epoch: at.epoch, number }, isLost, missed: [...behind, ...rest] };
      // What was read is held for those who missed it.
      this.#resume(subscriber, subscription, all, 1 / joining.length);
    }
  }

  /** Whether what comes behind a place is in memory. */
  #isAtHand(from: Position | undefined): boolean {
    return from === undefined ||
      (from.epoch === this.#position!.epoch && from.number >= this.log.lost && !this.#hasHole);
  }

  #begin(position: Position): void {
    this.#position = position;
    this.#owner.messages.restart(this.log, position.number);
  }

  #publish(kept: KeptMessage): void {
    this.#position = kept.position;
    const message = this.#owner.decode(this.log, kept);
    if (message === undefined) return;
    this.#owner.messages.add(this.log, message, kept.position.number);
    this.#owner.topics.publishMessage(this.log.topic, message);
  }

  #wait(kept: KeptMessage): void {
    this.#hasHole = true;
    // What does not wait is read.
    if (this.#early.length < MAX_EARLY) this.#early.push(kept);
    this.work();
  }

  #takeEarly(): void {
    const early = this.#early;
    this.#early = [];
    if (early.length === MAX_EARLY) this.#hasHole = true;
    for (const kept of early) this.receive(kept);
  }

  #tellPlace(subscriber: Subscriber, position: Position): void {
    const { topic, number } = this.log;
    subscriber.sendNote({ topic, number, position: formatPosition(position) });
  }

  #tellLost(): void {
    const { topics } = this.#owner;
    const { topic, number } = this.log;
    topics.flush();
    for (const subscriber of topics.subscribersOf(topic)) {
      if (!subscriber.isResumable || this.#joining.has(subscriber)) continue;
      subscriber.sendNote({ topic, number, isLost: true });
    }
  }

  #resume(
    subscriber: Subscriber,
    subscription: TopicSubscription,
    all: Replay,
    share?: number,
  ): void {
    const { topics, allowance } = this.#owner;
    const replay = allowance.take(subscriber, all);
    const note = noteOf(this.log.topic, this.log.number, replay);
    topics.resume(subscriber, subscription, note, replay.missed, share);
  }
}

/** Whether a place comes behind another of the same epoch. */
function isAhead(from: Position | undefined, at: Position): boolean {
  return from?.epoch === at.epoch && from.number > at.number;
}
