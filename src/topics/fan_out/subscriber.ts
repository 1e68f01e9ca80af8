import type { Sendable } from "../../connection/connection.ts";
import type { FanOutSink, FanOutSource, SharedFrames } from "../../connection/fan_out.ts";
import type { MessageLayer } from "../../connection/message_layer.ts";
import type { ConnectionCompression } from "../../protocol/message_compression.ts";
import type { Position } from "../../resume/position.ts";
import type { ServerLayer } from "../../resume/server_layer.ts";
import { type ControlMessage, encodeControl } from "../../resume/subprotocol.ts";
import { addressGroup } from "../../transport/address_group.ts";
import type { TopicSubscription } from "../slow_consumers/topic_subscription.ts";
import { WaitingOrder } from "../slow_consumers/waiting_order.ts";
import type { FanOut } from "./fan_out.ts";

/** What the connection agreed on with its peer, as far as it decides how messages are encoded. */
export interface SubscriberAgreement {
  readonly compression?: ConnectionCompression | undefined;
  readonly layer?: MessageLayer | undefined;
  /** The layer of a client that resumes: it knows the client's earlier connections. */
  readonly past?: ServerLayer | undefined;
}

/** The empty set that most subscribers share: two sets for each would cost memory. */
const NONE: Set<TopicSubscription> = new Set();

/** A connection of a server as a subscriber of topics: its subscriptions, and what it is behind with. */
export class Subscriber implements FanOutSource {
  // Fields read on every delivery come first, to share a cache line.
  readonly sink: FanOutSink;
  /** Subscribers of the same form get the same bytes; `undefined` if messages are encoded for this one alone. */
  readonly form: number | undefined;
  /** Whether published messages have to wait: for room, or until it is known what the peer missed. */
  isBehind = false;
  /** The sequence number before which it was given all published messages. */
  position = 0;
  messagesSent = 0;
  heldSize = 0;
  readonly fanOut: FanOut;
  readonly #onClose: (subscriber: Subscriber) => void;
  readonly #compression: ConnectionCompression | undefined;
  readonly #resumable: ServerLayer | undefined;
  /** Whether a message layer of the program encodes messages for this connection alone. */
  readonly #isEncoded: boolean;
  #session: string | undefined;
  readonly byTopic: Map<string, TopicSubscription> = new Map();
  #waiting: Set<TopicSubscription> = NONE;
  /** The subscriptions of which it is not known yet what the peer missed. */
  resuming: Set<TopicSubscription> = NONE;

  constructor(
    sink: FanOutSink,
    fanOut: FanOut,
    { compression, layer, past }: SubscriberAgreement,
    onClose: (subscriber: Subscriber) => void,
  ) {
    this.sink = sink;
    this.fanOut = fanOut;
    this.#onClose = onClose;
    this.#compression = compression;
    this.#resumable = past;
    this.#isEncoded = past === undefined && layer?.encode !== undefined;
    const windowBits = compression === undefined ? 0 : compression.sharedWindowBits;
    const isAlone = windowBits === undefined || this.#isEncoded;
    this.form = isAlone ? undefined : windowBits * 2 + (this.isResumable ? 1 : 0);
    sink.source = this;
  }

  /** Identifies the peer's address group, which shares one replay allowance. */
  get address(): string {
    return addressGroup(this.sink.remoteAddress);
  }

  /** Compresses a message for all subscribers of the same form; `undefined` if it is sent uncompressed. */
  deflateShared(data: Sendable, compress: boolean | undefined): Uint8Array | undefined {
    if (this.#compression === undefined) return undefined;
    const { deflater, threshold } = this.#compression;
    return compress ?? data.length >= threshold ? deflater.deflateMessage(data) : undefined;
  }

  /** @param isLast Whether nothing else is expected for this subscriber in this turn. */
  sendShared(frames: SharedFrames, messages: number, isLast: boolean): void {
    this.messagesSent += messages;
    this.sink.sendShared(frames, isLast);
  }

  /** Sends a message in a form that no other subscriber gets. */
  sendAlone(data: Sendable, compress: boolean | undefined): void {
    if (this.#isEncoded && !this.sink.postEncoded(data, compress)) return;
    if (!this.#isEncoded) this.sink.post(data, compress);
    this.messagesSent++;
  }

  sendPublished(): void {
    this.fanOut.flushTo(this);
  }

  drain(): void {
    // Also on a connection that is closing: the waiting messages were accepted before.
    let order = new WaitingOrder(this.#waiting);
    while (this.hasWaiting && !this.sink.isFinished && this.sink.room >= 0) {
      const { first } = order;
      // Sending may run code of the program, which ends subscriptions and publishes.
      if (first === undefined) {
        order = new WaitingOrder(this.#waiting);
      } else if (!this.#waiting.has(first)) {
        order.shift();
      } else {
        const message = first.shift();
        if (first.firstSequence === Infinity) {
          this.deleteWaiting(first);
          order.shift();
        } else {
          order.update();
        }
        message.sendTo(this);
      }
    }
  }

  close(): void {
    this.#onClose(this);
  }

  /** Whether the peer speaks `sluice.resume.v1`: messages may have a header, and there are control messages. */
  get isResumable(): boolean {
    return this.#resumable !== undefined;
  }

  /** Whether the peer resumes, and its resume request has come. */
  get hasRequest(): boolean {
    return this.#resumable?.hasRequest ?? false;
  }

  /** Identifies the client, over several connections if it resumes; `undefined` until it is needed. */
  get session(): string | undefined {
    return this.#resumable === undefined ? this.#session : this.#resumable.session;
  }

  openSession(): string {
    return this.#resumable?.openSession() ?? (this.#session ??= crypto.randomUUID());
  }

  /** Returns the client's position in a topic from its earlier connections, once. */
  takePosition(topic: string): Position | undefined {
    return this.#resumable?.takePosition(topic);
  }

  /** Sends a control message to a client that resumes, in the order of all that is sent. */
  sendControl(message: ControlMessage): void {
    if (this.sink.isOpen) this.sink.post(encodeControl(message));
  }

  get hasWaiting(): boolean {
    return this.#waiting.size > 0;
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
    if (this.resuming === NONE) this.resuming = new Set();
    this.resuming.add(subscription);
    this.isBehind = true;
  }

  deleteResuming(subscription: TopicSubscription): void {
    if (this.resuming.delete(subscription)) this.#update();
  }

  delete(subscription: TopicSubscription): void {
    this.byTopic.delete(subscription.topic);
    subscription.clear();
    this.deleteWaiting(subscription);
    this.deleteResuming(subscription);
  }

  #update(): void {
    this.isBehind = this.#waiting.size > 0 || this.resuming.size > 0;
  }
}
