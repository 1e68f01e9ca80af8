import type { CloseStatus } from "../protocol/close_payload.ts";
import type { ConnectionCompression } from "../protocol/message_compression.ts";
import { addressGroup } from "../transport/address_group.ts";
import type { Address } from "../transport/byte_channel.ts";
import type { Sendable } from "./connection.ts";
import type { SendQueue } from "./send_queue.ts";
import type { SharedFrames, SharedTally } from "./shared_memory.ts";
import type { Subscriber, SubscriberPast } from "./subscriber.ts";

/** What a subscriber asks of its connection. */
export interface SubscriberOwner {
  readonly remoteAddress: Address;
  /** Begins to close it, and drops what is held back. */
  breakOff(status: CloseStatus): void;
}

/**
 * A connection as a subscriber of topics. It is by itself, since thousands are gone through for one
 * message: all that is looked at of each stands together here.
 */
export class ConnectionSubscriber implements Subscriber {
  readonly #sendQueue: SendQueue;
  readonly sharedWindowBits: number | undefined;
  readonly isResumable: boolean;
  isBehind = false;
  topicsSize = 0;
  readonly tally: SharedTally;
  /** The number of messages it was sent. */
  messagesSent = 0;
  #session: string | undefined;
  readonly #compression: ConnectionCompression | undefined;
  readonly #past: SubscriberPast | undefined;
  /** Encodes messages for this connection alone, if they have to be. */
  readonly #encode: ((data: Sendable) => Sendable | undefined) | undefined;
  readonly #owner: SubscriberOwner;

  constructor(
    sendQueue: SendQueue,
    compression: ConnectionCompression | undefined,
    past: SubscriberPast | undefined,
    encode: ((data: Sendable) => Sendable | undefined) | undefined,
    tally: SharedTally,
    owner: SubscriberOwner,
  ) {
    this.#sendQueue = sendQueue;
    this.#compression = compression;
    this.#past = past;
    this.#encode = encode;
    this.tally = tally;
    this.#owner = owner;
    const sharedWindowBits = compression === undefined ? 0 : compression.sharedWindowBits;
    this.sharedWindowBits = encode === undefined ? sharedWindowBits : undefined;
    this.isResumable = past !== undefined;
  }

  get address(): string {
    return addressGroup(this.#owner.remoteAddress);
  }

  get isSendable(): boolean {
    return this.#sendQueue.isOpen;
  }

  get isFinished(): boolean {
    return this.#sendQueue.isFinished;
  }

  get room(): number {
    return this.#sendQueue.room;
  }

  hasRoomForLength(length: number): boolean {
    return this.#sendQueue.hasRoomForLength(length);
  }

  deflateShared(data: Sendable, compress: boolean | undefined): Uint8Array | undefined {
    const { deflater, threshold } = this.#compression!;
    return compress ?? data.length >= threshold ? deflater.deflateMessage(data) : undefined;
  }

  sendShared(frames: SharedFrames, messages: number, isLast: boolean): void {
    this.messagesSent += messages;
    this.#sendQueue.sendShared(frames, isLast);
  }

  sendAlone(data: Sendable, compress: boolean | undefined): void {
    const encoded = this.#encode === undefined ? data : this.#encode(data);
    if (encoded === undefined) return;
    this.messagesSent++;
    this.#sendQueue.post(encoded, compress);
  }

  get isGreeted(): boolean {
    return this.#past?.isGreeted ?? true;
  }

  get session(): string | undefined {
    return this.#past === undefined ? this.#session : this.#past.session;
  }

  openSession(): string {
    return this.#past?.openSession() ?? (this.#session ??= crypto.randomUUID());
  }

  takePosition(topic: string): { readonly epoch: string; readonly number: number } | undefined {
    return this.#past?.takePosition(topic);
  }

  sendNote(note: object): void {
    if (this.isSendable) this.#sendQueue.post(this.#past!.encodeNote(note));
  }

  closeLagging(status: CloseStatus): void {
    this.#owner.breakOff(status);
  }
}
