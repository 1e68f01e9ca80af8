import type { CloseStatus } from "../protocol/close_payload.ts";
import type { ConnectionCompression } from "../protocol/message_compression.ts";
import type { Position } from "../resume/position.ts";
import { encodeNote, type Note } from "../resume/subprotocol.ts";
import { addressGroup } from "../transport/address_group.ts";
import type { Address } from "../transport/byte_channel.ts";
import type { Sendable } from "./connection.ts";
import type { ResumablePeer } from "./resumable_peer.ts";
import type { SendQueue } from "./send_queue.ts";
import type { SharedFrames, SharedTally } from "./shared_memory.ts";
import type { Subscriber } from "./subscriber.ts";

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
  session: string | undefined;
  readonly #compression: ConnectionCompression | undefined;
  readonly #resumable: ResumablePeer | undefined;
  readonly #owner: SubscriberOwner;

  constructor(
    sendQueue: SendQueue,
    compression: ConnectionCompression | undefined,
    resumable: ResumablePeer | undefined,
    tally: SharedTally,
    owner: SubscriberOwner,
  ) {
    this.#sendQueue = sendQueue;
    this.#compression = compression;
    this.#resumable = resumable;
    this.tally = tally;
    this.#owner = owner;
    this.sharedWindowBits = compression === undefined ? 0 : compression.sharedWindowBits;
    this.isResumable = resumable !== undefined;
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
    this.messagesSent++;
    this.#sendQueue.post(data, compress);
  }

  get isGreeted(): boolean {
    return this.#resumable?.isGreeted ?? true;
  }

  openSession(): string {
    return this.session ??= crypto.randomUUID();
  }

  /** Goes on with the session that the peer says it has had; gives the one it has from now on. */
  resumeSession(): string {
    this.session = this.#resumable?.session ?? this.session;
    return this.openSession();
  }

  takePosition(topic: string): Position | undefined {
    return this.#resumable?.takePosition(topic);
  }

  sendNote(note: Note): void {
    if (this.isSendable) this.#sendQueue.post(encodeNote(note));
  }

  closeLagging(status: CloseStatus): void {
    this.#owner.breakOff(status);
  }
}
