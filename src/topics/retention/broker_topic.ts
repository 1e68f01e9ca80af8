import { within } from "../../transport/clock.ts";
import type { Subscriber } from "../fan_out/subscriber.ts";
import { formatPosition, type Position } from "../../resume/position.ts";
import type { KeptMessage, MissedMessages } from "../cluster/broker.ts";
import type { BrokerStore } from "./broker_store.ts";
import type { TopicLog } from "./retained_messages.ts";
import { MESSAGE_COST } from "../fan_out/message_cost.ts";
import type { PublishedMessage } from "../fan_out/published_message.ts";
import { controlOf, type Replay } from "./replay_allowance.ts";
import type { TopicSubscription } from "../slow_consumers/topic_subscription.ts";

/** How many new messages wait while a gap before them is read. Past that, they are read with it. */
const MAX_EARLY = 1_000;

/** How long publishing waits for the position of a new topic, in milliseconds. */
const MAX_BEGINNING_MS = 1_000;

/** How long reading missed messages may take, in milliseconds: other topics wait for their turn. */
const MAX_REPLAY_MS = 10_000;

/** A retained topic with subscribers here. It reads messages that are missing (a gap) or that clients missed. */
export class BrokerTopic {
  readonly log: TopicLog;
  readonly #store: BrokerStore;
  /** The position of the last message published to subscribers here; `undefined` until the broker told it. */
  #position: Position | undefined;
  #isSubscribed = false;
  /** Whether messages after the position may be missing. */
  #hasGap = false;
  /** The new messages that wait until a gap before them is read. */
  #early: KeptMessage[] = [];
  /** The subscriptions of clients that resume and were not told their position yet. */
  readonly #joining: Set<TopicSubscription> = new Set();
  /** The addresses for which the topic waits for a turn to read. */
  readonly #waitsFor: Set<string> = new Set();
  /** When the broker was connected, or the topic was added after that. */
  beganAt: number;
  #isWorking = false;
  /** Counts connects to the broker: answers from an earlier connection are ignored. */
  #connectionCount = 0;

  constructor(log: TopicLog, store: BrokerStore) {
    this.log = log;
    this.#store = store;
    this.beganAt = store.clock.now();
  }

  /** Whether subscribers have got all messages, and nothing has to be read. */
  get isUpToDate(): boolean {
    return this.#isSubscribed && this.#position !== undefined && !this.#hasGap &&
      this.#joining.size === 0;
  }

  /**
   * Whether the position is about to be known. Messages that this server publishes wait meanwhile: if the broker got
   * one before it tells the position, present subscribers would miss it.
   */
  get isBeginning(): boolean {
    const waitedMs = this.#store.clock.now() - this.beganAt;
    return this.#position === undefined && waitedMs < MAX_BEGINNING_MS;
  }

  join(subscription: TopicSubscription): void {
    const { subscriber, resumeFrom } = subscription;
    const at = this.#position;
    // The server of its last connection was ahead of this one.
    if (at !== undefined && at.epoch === resumeFrom?.epoch && resumeFrom.number > at.number) {
      this.#hasGap = true;
    }
    const isInMemory = resumeFrom === undefined ||
      (resumeFrom.epoch === at?.epoch && resumeFrom.number >= this.log.lost && !this.#hasGap);
    if (at === undefined || !isInMemory) {
      // The client keeps its position until it is told another.
      subscriber.sendControl({ topic: this.log.topic, number: this.log.number });
      this.#joining.add(subscription);
      if (this.#isReady) this.#waitFor(subscriber.address);
      else this.work();
    } else if (resumeFrom === undefined) {
      this.#sendPosition(subscriber, at);
    } else {
      const missed = this.log.since(resumeFrom.number);
      this.#resume(subscription, { from: resumeFrom, isLost: false, missed });
    }
  }

  part(subscription: TopicSubscription): void {
    if (this.#joining.delete(subscription) && this.#joining.size === 0) this.#stopWaiting();
  }

  /** The broker is subscribed to the topic, and sends new messages from now on. */
  connect(): void {
    this.#connectionCount++;
    this.#isSubscribed = true;
    this.#hasGap = true;
    this.work();
  }

  /** The broker can't be reached, or is no longer subscribed to the topic. */
  disconnect(): void {
    this.#isSubscribed = false;
    this.#stopWaiting();
  }

  receive(message: KeptMessage): void {
    const at = this.#position;
    if (at === undefined || this.#hasGap || message.position.epoch !== at.epoch) {
      this.#wait(message);
    } else if (message.position.number > at.number) {
      if (message.previous > at.number) this.#wait(message);
      else this.#publish(message);
    }
  }

  /** Takes a position up to which the broker has sent all messages. */
  advance({ epoch, number }: Position): void {
    const at = this.#position;
    if (at?.epoch === epoch && at.number < number) this.#position = { epoch, number };
  }

  /** Finds the position and reads gaps, if necessary. */
  work(): void {
    if (!this.#isWorking) void this.#work();
  }

  async #work(): Promise<void> {
    this.#isWorking = true;
    let goesOn = true;
    while (goesOn && this.#isSubscribed && (this.#position === undefined || this.#hasGap)) {
      const at = this.#position;
      goesOn = await this.#attempt(at === undefined ? this.#findPosition() : this.#fillGap(at));
    }
    this.#isWorking = false;
    if (!goesOn || !this.#isReady) return;
    for (const { subscriber } of [...this.#joining]) this.#waitFor(subscriber.address);
  }

  /** Waits until something is read; if that fails, tells the store, and returns `false`. */
  async #attempt(reading: Promise<void>): Promise<boolean> {
    const connection = this.#connectionCount;
    try {
      await reading;
    } catch (error) {
      // If the connection is a new one, it is tried again on that.
      if (connection !== this.#connectionCount) return true;
      if (this.#isSubscribed) this.#store.failRead(this, error);
      return false;
    }
    return true;
  }

  /** Whether missed messages can be read. */
  get #isReady(): boolean {
    return this.#isSubscribed && this.#position !== undefined && !this.#hasGap && !this.#isWorking;
  }

  #waitFor(address: string): void {
    if (this.#waitsFor.has(address)) return;
    this.#waitsFor.add(address);
    this.#store.replays.wait(address, this);
  }

  #stopWaiting(): void {
    for (const address of this.#waitsFor) this.#store.replays.leave(address, this);
    this.#waitsFor.clear();
  }

  /** Starts to read for a turn; `undefined` if nothing is to do; `"later"` if others of the address finish first. */
  takeTurn(): Promise<void> | "later" | undefined {
    const ready: TopicSubscription[] = [];
    let isLater = false;
    // If it is reading something else, it waits for a turn again after that. Not over a copy: a client that goes on
    // without messages may run code of the program, by which others join.
    for (const each of this.#isReady ? this.#joining : []) {
      const may = this.#store.allowance.mayRead(each.subscriber.address);
      if (may === "yes") ready.push(each);
      else if (may === "later") isLater = true;
      else this.#resumeWithout(each);
    }
    if (ready.length === 0 && isLater) return "later";
    this.#stopWaiting();
    return ready.length === 0 ? undefined : this.#replay(ready);
  }

  async #replay(joining: readonly TopicSubscription[]): Promise<void> {
    this.#isWorking = true;
    const { allowance } = this.#store;
    const addresses = new Set(joining.map(({ subscriber }) => subscriber.address));
    const maxSize = allowance.beginRead(addresses);
    const goesOn = await this.#attempt(this.#readMissed(this.#position!, joining, maxSize));
    allowance.endRead(addresses);
    this.#isWorking = false;
    if (goesOn) this.work();
  }

  /** Reads from the broker; returns `undefined` if the connection was lost, after which reading starts again. */
  async #read(
    after: Position | undefined,
    maxSize?: number,
  ): Promise<MissedMessages | undefined> {
    const connection = this.#connectionCount;
    const missed = await this.#store.broker.read(this.log.topic, after, maxSize);
    return this.#isSubscribed && connection === this.#connectionCount ? missed : undefined;
  }

  async #findPosition(): Promise<void> {
    const missed = await this.#read(undefined);
    if (missed === undefined) return;
    const { position } = missed;
    // Early messages were published after the broker subscribed to the topic; some may be missing.
    const [first] = this.#early;
    const isBehind = first !== undefined &&
      (first.position.epoch !== position.epoch || first.previous < position.number);
    this.#begin(
      isBehind ? { epoch: first.position.epoch, number: first.previous } : position,
    );
    this.#hasGap = isBehind;
    for (const subscription of [...this.#joining]) {
      if (subscription.resumeFrom !== undefined) continue;
      this.#joining.delete(subscription);
      this.#sendPosition(subscription.subscriber, this.#position!);
    }
    if (!isBehind) this.#receiveEarly();
    // Messages published here waited until the position was known.
    this.#store.outbox.continue();
  }

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

  /** Reads what subscribers missed, and sends it to them. */
  async #readMissed(
    at: Position,
    joining: readonly TopicSubscription[],
    maxSize: number,
  ): Promise<void> {
    const firstOf = ({ resumeFrom }: TopicSubscription) =>
      resumeFrom?.epoch === at.epoch ? resumeFrom.number : 0;
    const after = { epoch: at.epoch, number: Math.min(...joining.map(firstOf)) };
    const { clock } = this.#store;
    const missed = await within(this.#read(after, maxSize), MAX_REPLAY_MS, clock, "late");
    if (missed === undefined) return;
    if (missed === "late") {
      const what = `what was missed of the topic ${JSON.stringify(this.log.topic)}`;
      const error = new Error(`Cannot read ${what}: the broker took more than 10 s`);
      this.#store.link.receiveError(error);
      for (const each of joining) this.#resumeWithout(each);
      return;
    }
    const messages = missed.messages.map((encoded) => {
      const message = this.#store.decode(this.log, encoded);
      const size = message?.size ?? encoded.message.length;
      return { number: encoded.position.number, message, size };
    });
    const costs = new Map<string, number>();
    for (const subscription of joining) {
      const { address } = subscription.subscriber;
      const behind = messages.filter(({ number }) => number > firstOf(subscription));
      const cost = behind.reduce((sum, { size }) => sum + size + MESSAGE_COST, 0);
      costs.set(address, Math.max(cost, costs.get(address) ?? 0));
    }
    if (missed.position.epoch !== this.#position!.epoch) this.#hasGap = true;
    else this.#giveMissed(at, joining, missed, messages, after, costs);
    // Messages that were read and not delivered are charged, too.
    for (const [address, cost] of costs) this.#store.allowance.charge(address, cost);
  }

  /** Sends subscribers what was read, and subtracts that from the costs of their addresses. */
  #giveMissed(
    at: Position,
    joining: readonly TopicSubscription[],
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
    for (const subscription of joining) {
      if (!this.#joining.delete(subscription)) continue;
      const from = subscription.resumeFrom;
      const isLost = from?.epoch !== at.epoch || from.number < firstRetained;
      const number = isLost ? firstRetained : from.number;
      const behind = known.filter((each) => each.number > number)
        .flatMap(({ message }) => message ?? []);
      const all = { from: { epoch: at.epoch, number }, isLost, missed: [...behind, ...rest] };
      const given = this.#resume(subscription, all);
      const { address } = subscription.subscriber;
      const cost = given.reduce((sum, { size }) => sum + size + MESSAGE_COST, 0);
      costs.set(address, Math.max(0, costs.get(address)! - cost));
    }
  }

  /** Lets a subscriber continue without the messages that it missed. */
  #resumeWithout(subscription: TopicSubscription): void {
    if (!this.#joining.delete(subscription)) return;
    this.#resume(subscription, { from: this.#position!, isLost: true, missed: [] });
  }

  #begin(position: Position): void {
    this.#position = position;
    this.#store.messages.restart(this.log, position.number);
  }

  #publish(encoded: KeptMessage): void {
    const { position } = encoded;
    this.#position = position;
    const message = this.#store.decode(this.log, encoded);
    if (message === undefined) return;
    this.#store.messages.add(this.log, message, position.number);
    this.#store.fanOut.publishMessage(this.log.topic, message);
  }

  #wait(message: KeptMessage): void {
    this.#hasGap = true;
    // Messages past the limit are read later.
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
    const { fanOut } = this.#store;
    const { topic, number } = this.log;
    fanOut.flush();
    for (const subscriber of fanOut.subscribersOf(topic)) {
      const isJoining = this.#joining.has(subscriber.byTopic.get(topic)!);
      if (!subscriber.isResumable || isJoining) continue;
      subscriber.sendControl({ topic, number, isLost: true });
    }
  }

  #resume(subscription: TopicSubscription, all: Replay): readonly PublishedMessage[] {
    const { fanOut, allowance } = this.#store;
    const replay = allowance.take(subscription.subscriber, all);
    fanOut.replay(subscription, controlOf(this.log, replay), replay.missed);
    return replay.missed;
  }
}
