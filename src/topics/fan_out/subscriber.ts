import type { Sendable } from "../../connection/connection.ts";
import type { FanOutSink, FanOutSource, SharedFrames } from "../../connection/fan_out.ts";
import type { MessageLayer } from "../../connection/message_layer.ts";
import type { ConnectionCompression } from "../../protocol/message_compression.ts";
import type { CloseStatus } from "../../protocol/close_payload.ts";
import type { Position } from "../../resume/position.ts";
import type { ServerLayer } from "../../resume/server_layer.ts";
import { type ControlMessage, encodeControl } from "../../resume/subprotocol.ts";
import { addressGroup } from "../../transport/address_group.ts";
import type { TopicSubscription } from "../slow_consumers/topic_subscription.ts";
import type { SharedTally } from "./shared_memory.ts";

/** What a subscriber needs of the topics. */
export interface SubscriberTopics {
  /** Counts the memory that subscribers share. */
  readonly tally: SharedTally;
  /** Sends one subscriber what was published by now. */
  flushTo(subscriber: Subscriber): void;
  /** Goes on sending to a subscriber that was too slow. */
  continueSending(subscriber: Subscriber): void;
  /** Ends all of a subscriber's subscriptions, as its connection has ended. */
  leave(subscriber: Subscriber): void;
}

/** What a connection agreed on with its peer, as far as it tells the form of messages. */
export interface SubscriberAgreement {
  readonly compression?: ConnectionCompression | undefined;
  readonly layer?: MessageLayer | undefined;
  /** The layer of a client that resumes: what is known of its connections before. */
  readonly past?: ServerLayer | undefined;
}

/** The empty set of most subscribers, one for all: two of their own would cost each memory. */
const NONE: Set<TopicSubscription> = new Set();

/** A connection of a server as a subscriber of topics: its subscriptions, and what of them it is behind with. */
export class Subscriber implements FanOutSource {
  // Fields read on every delivery come first, to share a cache line.
  readonly #sink: FanOutSink;
  /**
   * The form in which it gets messages: all subscribers with the same number get the same bytes. `undefined`
   * if its messages are compressed or encoded for it alone.
   */
  readonly form: number | undefined;
  /** Whether something else has to be sent, or to become known, before what is published. */
  isBehind = false;
  /** The sequence number up to which it was given what was published. */
  position = 0;
  messagesSent = 0;
  heldSize = 0;
  readonly #topics: SubscriberTopics;
  readonly #compression: ConnectionCompression | undefined;
  readonly #resumable: ServerLayer | undefined;
  /** Whether a message layer of the program encodes messages for this connection alone. */
  readonly #isEncoded: boolean;
  #session: string | undefined;
  /** Its subscriptions, by topic. */
  readonly byTopic: Map<string, TopicSubscription> = new Map();
  #waiting: Set<TopicSubscription> = NONE;
  #resuming: Set<TopicSubscription> = NONE;

  /**
   * @param agreed What the connection agreed on with its peer.
   */
  constructor(sink: FanOutSink, topics: SubscriberTopics, agreed: SubscriberAgreement = {}) {
    const { compression, layer, past } = agreed;
    this.#sink = sink;
    this.#topics = topics;
    this.#compression = compression;
    this.#resumable = past;
    this.#isEncoded = past === undefined && layer?.encode !== undefined;
    const windowBits = compression === undefined ? 0 : compression.sharedWindowBits;
    const isAlone = windowBits === undefined || this.#isEncoded;
    this.form = isAlone ? undefined : windowBits * 2 + (this.isResumable ? 1 : 0);
    sink.attach(this);
  }

  // ---- The connection ----

  /** Counts the memory that subscribers share. */
  get tally(): SharedTally {
    return this.#topics.tally;
  }

  /** Stands for all clients that have the peer's address. */
  get address(): string {
    return addressGroup(this.#sink.remoteAddress);
  }

  /** Whether messages are accepted. */
  get isSendable(): boolean {
    return this.#sink.isOpen;
  }

  /** Whether nothing is sent any more, not even what was accepted before. */
  get isFinished(): boolean {
    return this.#sink.isFinished;
  }

  /** @throws {ConnectionClosedError} If the connection has ended. */
  throwIfClosed(): void {
    this.#sink.throwIfClosed();
  }

  /** How many bytes may be sent before it counts as slow; less than 0 if it does. */
  get room(): number {
    return this.#sink.room;
  }

  /** Whether so many bytes more are within `limits.sendQueueSize`. */
  hasRoomForLength(length: number): boolean {
    return this.#sink.hasRoomForLength(length);
  }

  /**
   * Compresses a message for all subscribers of the same form.
   *
   * @returns The payload of its frame; `undefined` if it is sent uncompressed.
   */
  deflateShared(data: Sendable, compress: boolean | undefined): Uint8Array | undefined {
    if (this.#compression === undefined) return undefined;
    const { deflater, threshold } = this.#compression;
    return compress ?? data.length >= threshold ? deflater.deflateMessage(data) : undefined;
  }

  /**
   * Sends frames.
   *
   * @param messages The number of messages in them.
   * @param isLast Whether nothing else is expected for it in this turn.
   */
  sendShared(frames: SharedFrames, messages: number, isLast: boolean): void {
    this.messagesSent += messages;
    this.#sink.sendShared(frames, isLast);
  }

  /** Sends a message in a form that no other subscriber gets. */
  sendAlone(data: Sendable, compress: boolean | undefined): void {
    if (this.#isEncoded) {
      if (this.#sink.postEncoded(data, compress)) this.messagesSent++;
      return;
    }
    this.messagesSent++;
    this.#sink.post(data, compress);
  }

  /** Closes the connection of a peer that reads too slowly. */
  closeSlow(status: CloseStatus): void {
    this.#sink.closeAtOnce(status);
  }

  flush(): void {
    this.#topics.flushTo(this);
  }

  drain(): void {
    this.#topics.continueSending(this);
  }

  close(): void {
    this.#topics.leave(this);
  }

  // ---- A client that resumes ----

  /** Whether the peer speaks `sluice.resume.v1`: messages may begin with a header, and there are control messages. */
  get isResumable(): boolean {
    return this.#resumable !== undefined;
  }

  /** Whether it is known how far the peer got, if it is one that says so. */
  get isGreeted(): boolean {
    return this.#resumable?.hasRequest ?? true;
  }

  /** Who the peer is, over several connections if it resumes; `undefined` if it has not been needed yet. */
  get session(): string | undefined {
    return this.#resumable === undefined ? this.#session : this.#resumable.session;
  }

  /** Gives the session, which there is from now on. */
  openSession(): string {
    return this.#resumable?.openSession() ?? (this.#session ??= crypto.randomUUID());
  }

  /** Gives how far the peer got in a topic before it connected, once. */
  takePosition(topic: string): Position | undefined {
    return this.#resumable?.takePosition(topic);
  }

  /** Sends a control message to a client that resumes, in the order of all that is sent. */
  sendControl(message: ControlMessage): void {
    if (this.isSendable) this.#sink.post(encodeControl(message));
  }

  // ---- What it is behind with ----

  /** The subscriptions with messages that wait for room. */
  get waiting(): ReadonlySet<TopicSubscription> {
    return this.#waiting;
  }

  get hasWaiting(): boolean {
    return this.#waiting.size > 0;
  }

  /** The subscriptions of which it is not known yet what the peer missed. */
  get resuming(): ReadonlySet<TopicSubscription> {
    return this.#resuming;
  }

  addWaiting(subscription: TopicSubscription): void {
    if (this.#waiting === NONE) this.#waiting = new Set();
    this.#waiting.add(subscription);
    this.isBehind = true;
  }

  deleteWaiting(subscription: TopicSubscription): void {
    if (this.#waiting.delete(subscription)) this.#update();
  }

  addResuming(subscription: TopicSubscription): void {
    if (this.#resuming === NONE) this.#resuming = new Set();
    this.#resuming.add(subscription);
    this.isBehind = true;
  }

  deleteResuming(subscription: TopicSubscription): void {
    if (this.#resuming.delete(subscription)) this.#update();
  }

  /** Ends a subscription. */
  delete(subscription: TopicSubscription): void {
    this.byTopic.delete(subscription.topic);
    subscription.clear();
    this.deleteWaiting(subscription);
    this.deleteResuming(subscription);
  }

  #update(): void {
    this.isBehind = this.#waiting.size > 0 || this.#resuming.size > 0;
  }
}
