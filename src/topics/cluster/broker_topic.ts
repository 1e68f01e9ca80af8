import type { Clock } from "../../transport/clock.ts";
import { createDeferred } from "../../promises.ts";
import type { Subscriber } from "../fan_out/subscriber.ts";
import { formatPosition, type Position } from "../../resume/position.ts";
import type { KeepingBroker, KeptMessage, MissedMessages } from "./broker.ts";
import type { RetainedMessages, TopicLog } from "../retention/retained_messages.ts";
import { MESSAGE_COST } from "../fan_out/message_cost.ts";
import type { PublishedMessage } from "../fan_out/published_message.ts";
import { controlOf, type Replay, type ReplayAllowance } from "../retention/replay_allowance.ts";
import type { TopicSubscription } from "../slow_consumers/topic_subscription.ts";
import type { FanOut } from "../fan_out/fan_out.ts";
import type { FairTurns, FairTurnTaker } from "../fan_out/fair_turns.ts";

/** How many messages wait while others before them are read. More are read, too. */
const MAX_EARLY = 1_000;

/** How long to wait for the position of a topic, in milliseconds: what is published waits meanwhile. */
const MAX_BEGINNING_MS = 1_000;

/** How long it may take to read what subscribers missed, in milliseconds: other topics wait for their turn. */
const MAX_REPLAY_MS = 10_000;

/** A subscriber that was away. */
type Joining = readonly [Subscriber, TopicSubscription];

/** What a topic needs of its message store. */
export interface BrokerTopicOwner {
  readonly broker: KeepingBroker;
  readonly clock: Clock;
  readonly fanOut: FanOut;
  /** The messages that came since the topic is subscribed to. */
  readonly messages: RetainedMessages;
  /** What clients that were away may get. */
  readonly allowance: ReplayAllowance;
  /** Gives topics their turns to read what clients missed. */
  readonly replays: FairTurns;
  /** Decodes a message; `undefined` if it is malformed. */
  decode(log: TopicLog, message: KeptMessage): PublishedMessage | undefined;
  /** Publishes what waited until the position of a topic was known. */
  continuePublishing(): void;
  /** Is told of an error after which nothing is tried again. */
  receiveError(error: unknown): void;
  /** Is told that reading failed; calls `work` again later. */
  failRead(topic: BrokerTopic, error: unknown): void;
}

/**
 * A topic with subscribers here, whose messages a broker retains. They come from the broker one after the
 * other. If one is missing, and for clients that were away, those before it are read first.
 */
export class BrokerTopic implements FairTurnTaker {
  readonly log: TopicLog;
  readonly #owner: BrokerTopicOwner;
  /** The position of the latest message that was published here; `undefined` until the broker was asked. */
  #position: Position | undefined;
  /** Whether the broker sends new messages. */
  #isSubscribed = false;
  /** Whether messages after the position may be missing. */
  #hasGap = false;
  /** The messages that came, and wait for what is read. */
  #early: KeptMessage[] = [];
  /** The subscribers that resume, and were not told their position yet. */
  readonly #joining: Map<Subscriber, TopicSubscription> = new Map();
  /** The addresses for which the topic waits for a turn to read. */
  readonly #asked: Set<string> = new Set();
  #beganAt = 0;
  #isWorking = false;
  /** Counts the connections to the broker: an answer of an earlier one is ignored. */
  #connectionCount = 0;

  constructor(log: TopicLog, owner: BrokerTopicOwner) {
    this.log = log;
    this.#owner = owner;
  }

  /** Whether nothing is being read, or has to be. */
  get isUpToDate(): boolean {
    return this.#isSubscribed && this.#position !== undefined && !this.#hasGap &&
      this.#joining.size === 0;
  }

  /** Begins to wait for the position. */
  begin(now: number): void {
    this.#beganAt = now;
  }

  /**
   * Whether the position is about to be known. What is published here meanwhile is for the subscribers that
   * there are already: the broker must not have it before.
   */
  isBeginning(now: number): boolean {
    return this.#position === undefined && now - this.#beganAt < MAX_BEGINNING_MS;
  }

  /** Takes a subscriber that resumes. */
  join(subscriber: Subscriber, subscription: TopicSubscription): void {
    const { resumeFrom } = subscription;
    // The server it comes from was ahead of this one.
    if (this.#position !== undefined && isAhead(resumeFrom, this.#position)) this.#hasGap = true;
    if (this.#position === undefined || !this.#isAtHand(resumeFrom)) {
      // The client's own position stays right until it is told another.
      subscriber.sendControl({ topic: this.log.topic, number: this.log.number });
      this.#joining.set(subscriber, subscription);
      if (this.#isReady) this.#askFor(subscriber.address);
      else this.work();
    } else if (resumeFrom === undefined) {
      this.#sendPosition(subscriber, this.#position);
    } else {
      const missed = this.log.since(resumeFrom.number);
      this.#resume(subscriber, subscription, { from: resumeFrom, isLost: false, missed });
    }
  }

  /** Forgets a subscriber. */
  part(subscriber: Subscriber): void {
    if (this.#joining.delete(subscriber) && this.#joining.size === 0) this.#askNoMore();
  }

  /** The broker sends new messages from now on. */
  connect(): void {
    this.#connectionCount++;
    this.#isSubscribed = true;
    this.#hasGap = true;
    this.work();
  }

  /** The broker can't be reached, or the topic is not subscribed to any more. */
  disconnect(): void {
    this.#isSubscribed = false;
    this.#askNoMore();
  }

  /** Takes a message from the broker. */
  receive(message: KeptMessage): void {
    const at = this.#position;
    if (at === undefined || this.#hasGap || message.position.epoch !== at.epoch) {
      this.#wait(message);
    } else if (message.position.number > at.number) {
      if (message.previous > at.number) this.#wait(message);
      else this.#publish(message);
    }
  }

  /** Takes a position up to which the broker has sent everything. */
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
    let hasFailed = false;
    while (this.#isSubscribed && (this.#position === undefined || this.#hasGap)) {
      const connection = this.#connectionCount;
      try {
        if (this.#position === undefined) await this.#findPosition();
        else await this.#fillGap(this.#position);
      } catch (error) {
        // What failed on an earlier connection is tried again on this one.
        if (connection !== this.#connectionCount) continue;
        if (this.#isSubscribed) this.#owner.failRead(this, error);
        hasFailed = true;
        break;
      }
    }
    this.#isWorking = false;
    if (hasFailed || !this.#isReady) return;
    for (const { address } of [...this.#joining.keys()]) this.#askFor(address);
  }

  /** Whether what subscribers missed can be read. */
  get #isReady(): boolean {
    return this.#isSubscribed && this.#position !== undefined && !this.#hasGap && !this.#isWorking;
  }

  #askFor(address: string): void {
    if (this.#asked.has(address)) return;
    this.#asked.add(address);
    this.#owner.replays.wait(address, this);
  }

  #askNoMore(): void {
    for (const address of this.#asked) this.#owner.replays.leave(address, this);
    this.#asked.clear();
  }

  /** Begins to read what subscribers missed while they were away. */
  takeTurn(): Promise<void> | "later" | undefined {
    const ready: Joining[] = [];
    let isLater = false;
    // If it is reading something else, it asks again after that.
    for (const each of this.#isReady ? [...this.#joining] : []) {
      const may = this.#owner.allowance.mayRead(each[0].address);
      if (may === "yes") ready.push(each);
      else if (may === "later") isLater = true;
      else this.#resumeWithout(each);
    }
    if (ready.length === 0 && isLater) return "later";
    this.#askNoMore();
    return ready.length === 0 ? undefined : this.#replay(ready);
  }

  async #replay(joining: readonly Joining[]): Promise<void> {
    this.#isWorking = true;
    const connection = this.#connectionCount;
    const { allowance } = this.#owner;
    const addresses = new Set(joining.map(([{ address }]) => address));
    const maxSize = allowance.beginRead(addresses);
    let hasFailed = false;
    try {
      await this.#readMissed(this.#position!, joining, maxSize);
    } catch (error) {
      if (this.#isSubscribed && connection === this.#connectionCount) {
        this.#owner.failRead(this, error);
        hasFailed = true;
      }
    }
    allowance.endRead(addresses);
    this.#isWorking = false;
    if (!hasFailed) this.work();
  }

  /** Reads; gives `undefined` if the connection is another one by then, with which all starts again. */
  async #read(
    after: Position | undefined,
    maxSize?: number,
  ): Promise<MissedMessages | undefined> {
    const connection = this.#connectionCount;
    const missed = await this.#owner.broker.read(this.log.topic, after, maxSize);
    return this.#isSubscribed && connection === this.#connectionCount ? missed : undefined;
  }

  /** Finds the position of the topic. */
  async #findPosition(): Promise<void> {
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
    this.#hasGap = isBehind;
    for (const [subscriber, { resumeFrom }] of this.#joining) {
      if (resumeFrom === undefined) this.#sendPosition(subscriber, this.#position!);
    }
    for (const [subscriber, subscription] of [...this.#joining]) {
      if (subscription.resumeFrom === undefined) this.#joining.delete(subscriber);
    }
    if (!isBehind) this.#receiveEarly();
    this.#owner.continuePublishing();
  }

  /** Reads the messages that are missing. */
  async #fillGap(from: Position): Promise<void> {
    const missed = await this.#read(from);
    if (missed === undefined) return;
    this.#hasGap = false;
    const { epoch } = missed.position;
    if (epoch !== from.epoch || !missed.isComplete) this.#tellLost();
    if (epoch !== from.epoch) this.#begin({ epoch, number: 0 });
    for (const message of missed.messages) {
      if (message.position.number > this.#position!.number) this.#publish(message);
    }
    this.advance(missed.position);
    this.#receiveEarly();
  }

  /** Reads what subscribers missed while they were away. */
  async #readMissed(at: Position, joining: readonly Joining[], maxSize: number): Promise<void> {
    const firstOf = ({ resumeFrom }: TopicSubscription) =>
      resumeFrom?.epoch === at.epoch ? resumeFrom.number : 0;
    const numbers = joining.map(([, subscription]) => firstOf(subscription));
    const after = { epoch: at.epoch, number: Math.min(...numbers) };
    const missed = await this.#readInTime(after, maxSize);
    if (missed === undefined) return;
    if (missed === "late") {
      for (const each of joining) this.#resumeWithout(each);
      return;
    }
    const messages = missed.messages.map((encoded) => {
      const message = this.#owner.decode(this.log, encoded);
      const size = message?.size ?? encoded.message.length;
      return { number: encoded.position.number, message, size };
    });
    const costs = new Map<string, number>();
    for (const [{ address }, subscription] of joining) {
      const behind = messages.filter(({ number }) => number > firstOf(subscription));
      const cost = behind.reduce((sum, { size }) => sum + size + MESSAGE_COST, 0);
      costs.set(address, Math.max(cost, costs.get(address) ?? 0));
    }
    const isSame = missed.position.epoch === this.#position!.epoch;
    if (!isSame) this.#hasGap = true;
    else this.#giveMissed(at, joining, missed, messages, after, costs);
    // What was read and not delivered is charged as well.
    for (const [address, cost] of costs) this.#owner.allowance.charge(address, cost);
  }

  /** Gives subscribers what was read, and takes what they get off the costs of their addresses. */
  #giveMissed(
    at: Position,
    joining: readonly Joining[],
    missed: MissedMessages,
    messages: readonly { number: number; message: PublishedMessage | undefined }[],
    after: Position,
    costs: Map<string, number>,
  ): void {
    const known = messages.filter(({ number }) => number <= this.#position!.number);
    const rest = this.log.since(missed.position.number);
    const firstRetained = missed.isComplete
      ? after.number
      : missed.messages[0]?.previous ?? missed.position.number;
    for (const [subscriber, subscription] of joining) {
      if (this.#joining.get(subscriber) !== subscription) continue;
      this.#joining.delete(subscriber);
      const from = subscription.resumeFrom;
      const isLost = from?.epoch !== at.epoch || from.number < firstRetained;
      const number = isLost ? firstRetained : from.number;
      const behind = known.filter((each) => each.number > number)
        .flatMap(({ message }) => message ?? []);
      const all = { from: { epoch: at.epoch, number }, isLost, missed: [...behind, ...rest] };
      const given = this.#resume(subscriber, subscription, all);
      const { address } = subscriber;
      const cost = given.reduce((sum, { size }) => sum + size + MESSAGE_COST, 0);
      costs.set(address, Math.max(0, costs.get(address)! - cost));
    }
  }

  /** Reads; gives `"late"` if that takes too long. */
  async #readInTime(
    after: Position,
    maxSize: number,
  ): Promise<MissedMessages | "late" | undefined> {
    const { clock } = this.#owner;
    const { promise, resolve } = createDeferred<"late">();
    const timer = clock.setTimeout(() => {
      const what = `what was missed of the topic ${JSON.stringify(this.log.topic)}`;
      this.#owner.receiveError(new Error(`Cannot read ${what}: the broker took more than 10 s`));
      resolve("late");
    }, MAX_REPLAY_MS);
    try {
      return await Promise.race([this.#read(after, maxSize), promise]);
    } finally {
      clock.clearTimeout(timer);
    }
  }

  /** Lets a subscriber go on without what it missed. */
  #resumeWithout([subscriber, subscription]: Joining): void {
    if (this.#joining.get(subscriber) !== subscription) return;
    this.#joining.delete(subscriber);
    const nothing = { from: this.#position!, isLost: true, missed: [] };
    this.#resume(subscriber, subscription, nothing);
  }

  /** Whether the messages after a position are in memory. */
  #isAtHand(from: Position | undefined): boolean {
    return from === undefined ||
      (from.epoch === this.#position!.epoch && from.number >= this.log.lost && !this.#hasGap);
  }

  #begin(position: Position): void {
    this.#position = position;
    this.#owner.messages.restart(this.log, position.number);
  }

  #publish(encoded: KeptMessage): void {
    const { position } = encoded;
    this.#position = position;
    const message = this.#owner.decode(this.log, encoded);
    if (message === undefined) return;
    this.#owner.messages.add(this.log, message, position.number);
    this.#owner.fanOut.publishMessage(this.log.topic, message);
  }

  #wait(message: KeptMessage): void {
    this.#hasGap = true;
    // What does not fit is read later.
    if (this.#early.length < MAX_EARLY) this.#early.push(message);
    this.work();
  }

  #receiveEarly(): void {
    const early = this.#early;
    this.#early = [];
    if (early.length === MAX_EARLY) this.#hasGap = true;
    for (const message of early) this.receive(message);
  }

  #sendPosition(subscriber: Subscriber, position: Position): void {
    const { topic, number } = this.log;
    subscriber.sendControl({ topic, number, position: formatPosition(position) });
  }

  #tellLost(): void {
    const { fanOut } = this.#owner;
    const { topic, number } = this.log;
    fanOut.flush();
    for (const subscriber of fanOut.subscribersOf(topic)) {
      if (!subscriber.isResumable || this.#joining.has(subscriber)) continue;
      subscriber.sendControl({ topic, number, isLost: true });
    }
  }

  #resume(
    subscriber: Subscriber,
    subscription: TopicSubscription,
    all: Replay,
  ): readonly PublishedMessage[] {
    const { fanOut, allowance } = this.#owner;
    const replay = allowance.take(subscriber, all);
    const control = controlOf(this.log.topic, this.log.number, replay);
    fanOut.replay(subscriber, subscription, control, replay.missed);
    return replay.missed;
  }
}

/** Whether a position is after another of the same epoch. */
function isAhead(from: Position | undefined, at: Position): boolean {
  return from?.epoch === at.epoch && from.number > at.number;
}
