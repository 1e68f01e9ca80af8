import { cloneBytes } from "../codec/byte_collector.ts";
import type { Protocol } from "../protocol/protocol.ts";
import type { ByteChannel } from "./byte_channel.ts";

const EMPTY = new Uint8Array(0);

/** What the intake asks of its connection. */
export interface IntakeOwner {
  /** Whether the program must handle something before more is decoded. */
  readonly isFull: boolean;
  /** Takes what decoding threw; nothing more is to be decoded of the input at hand. */
  failDecoding(error: unknown): void;
}

/**
 * Feeds the protocol with what the channel brings as long as there is room for what it holds. Where
 * there is none, the rest is kept and the channel is paused, so that the peer's TCP is slowed.
 */
export class Intake {
  readonly #channel: ByteChannel;
  readonly #protocol: Protocol;
  readonly #owner: IntakeOwner;
  /** Bytes received and not decoded yet. */
  #undecoded: Uint8Array = EMPTY;
  #isDecoding = false;
  #isPaused = true;
  /** Whether the channel was paused since `takePause` was called last. */
  #wasPaused = true;
  #isStopped = false;

  /** Creates an intake; its channel is paused. */
  constructor(channel: ByteChannel, protocol: Protocol, owner: IntakeOwner) {
    this.#channel = channel;
    this.#protocol = protocol;
    this.#owner = owner;
  }

  /** Whether input is being decoded right now: what waits comes behind it. */
  get isDecoding(): boolean {
    return this.#isDecoding;
  }

  /** Tells whether the channel was paused at any time since this was asked last. */
  takePause(): boolean {
    const wasPaused = this.#wasPaused;
    this.#wasPaused = this.#isPaused;
    return wasPaused;
  }

  /** The number of bytes that wait for room. */
  get undecodedLength(): number {
    return this.#undecoded.length;
  }

  /** Whether there are bytes that wait for room. */
  get hasUndecoded(): boolean {
    return this.#undecoded.length > 0 || this.#protocol.hasUninflated;
  }

  /** Takes bytes that are to be decoded before those of the channel, with the next `proceed`. */
  prepend(bytes: Uint8Array): void {
    if (bytes.length > 0) this.#undecoded = bytes;
  }

  /** Takes bytes of the channel; `lent` as in `ByteChannelHandler.receive`. */
  receive(bytes: Uint8Array, lent: boolean): void {
    const consumed = this.#decode(bytes, lent);
    if (consumed < bytes.length) {
      this.#undecoded = lent ? cloneBytes(bytes, consumed, bytes.length) : bytes.subarray(consumed);
    }
    if ((this.hasUndecoded || this.#owner.isFull) && !this.#isPaused) {
      this.#isPaused = this.#wasPaused = true;
      this.#channel.pause();
    }
  }

  /** Decodes what waits, as far as there is room now. */
  proceed(): void {
    const bytes = this.#undecoded;
    this.#undecoded = EMPTY;
    const consumed = this.#decode(bytes, false);
    if (consumed < bytes.length) this.#undecoded = bytes.subarray(consumed);
  }

  /** Has the channel read on, where there is room and nothing waits. */
  resume(): void {
    if (!this.#isPaused || this.#isStopped || this.hasUndecoded || this.#owner.isFull) return;
    this.#isPaused = false;
    this.#channel.resume();
  }

  /** Decodes nothing more. */
  stop(): void {
    this.#isStopped = true;
    this.#undecoded = EMPTY;
    this.#protocol.stopReceiving();
  }

  /** Decodes as long as there is room; returns where it stopped. */
  #decode(bytes: Uint8Array, lent: boolean): number {
    let position = 0;
    this.#isDecoding = true;
    try {
      while (
        (position < bytes.length || this.#protocol.hasUninflated) &&
        !this.#owner.isFull && !this.#isStopped
      ) {
        position = this.#protocol.receive(bytes, position, bytes.length, lent);
      }
    } catch (error) {
      position = bytes.length;
      this.#owner.failDecoding(error);
    } finally {
      this.#isDecoding = false;
    }
    return position;
  }
}
