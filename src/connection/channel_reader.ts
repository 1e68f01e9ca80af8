import { cloneBytes, concatBytes } from "../codec/byte_collector.ts";
import type { Protocol } from "../protocol/protocol.ts";
import type { ByteChannel } from "../transport/byte_channel.ts";
import type { Inbound } from "./inbound.ts";
import type { Turns, TurnTaker } from "./turns.ts";

const EMPTY = new Uint8Array(0);

/** Up to so many bytes wait for their turn without the channel being paused. */
const MAX_SMALL = 4096;

/** Bytes that wait may keep a buffer of so many times their length. */
const MAX_EXCESS = 8;

/** Feeds the protocol while more may be decoded and nobody else comes first; then holds the rest, and pauses. */
export class ChannelReader implements TurnTaker {
  readonly #channel: ByteChannel;
  readonly #protocol: Protocol;
  readonly #turns: Turns;
  readonly #inbound: Inbound;
  /** Bytes received and not decoded yet. */
  #undecoded: Uint8Array = EMPTY;
  /** Whether input is being decoded right now: whatever waits comes behind it. */
  isDecoding = false;
  isPaused = true;
  #wasPaused = true;
  /** Whether other connections come first. */
  waitsForTurn = false;
  /** What `Turns.countWaiting` was told last. */
  #waitingSize = 0;
  #readSize = 0;
  /** Whether the peer's FIN waits, behind bytes that wait for their turn or for the next `proceed`. */
  #isEndHeld = false;

  /** Creates a reader; its channel is paused, or brings nothing before `pauseUnlessReading`. */
  constructor(channel: ByteChannel, turns: Turns, inbound: Inbound) {
    this.#channel = channel;
    this.#turns = turns;
    this.#protocol = inbound.protocol;
    this.#inbound = inbound;
  }

  /** Whether the channel was paused since this was asked last: a peer that nobody listens to is not silent. */
  takePause(): boolean {
    const wasPaused = this.#wasPaused;
    this.#wasPaused = this.isPaused;
    return wasPaused;
  }

  /** The memory, in bytes, of what waits for room, or for this connection's turn. */
  get heldLength(): number {
    // The buffer of an array is not asked for without need: that takes V8 a call.
    return this.#undecoded.length === 0 ? 0 : this.#undecoded.buffer.byteLength;
  }

  /** How much of it waits for its turn: a part of one read, and gone with the next turn. */
  get waitingLength(): number {
    return this.waitsForTurn ? this.heldLength : 0;
  }

  #hasUndecoded(): boolean {
    return this.#undecoded.length > 0 || this.#protocol.hasUninflated;
  }

  /** Whether `proceed` has something to do, once there is room: the peer's FIN may wait, too. */
  get hasWork(): boolean {
    return this.#isEndHeld || this.#hasUndecoded();
  }

  /** Whether more will be decoded as soon as there is room. */
  get hasNext(): boolean {
    return !this.waitsForTurn && this.#hasUndecoded();
  }

  /** Counts work, behind which decoding may have to stop; see `Turns.spend`. */
  countWork(cost: number): void {
    if (this.#turns.spend(cost, this)) this.#stopForOthers();
  }

  takeTurn(): void {
    this.waitsForTurn = false;
    this.#countWaiting();
    this.#inbound.readOn();
  }

  #stopForOthers(): void {
    if (this.waitsForTurn || this.#inbound.closing.isClosed) return;
    this.waitsForTurn = true;
    this.#turns.wait(this);
  }

  /** Has bytes decoded before those of the channel, with the next `proceed`; `hasEnded`: the peer's FIN follows. */
  prepend(bytes: Uint8Array, hasEnded: boolean): void {
    if (bytes.length > 0) this.#undecoded = bytes;
    this.#isEndHeld = hasEnded;
  }

  /** Decodes bytes that `postpone` did not take; `borrowed` as in `ByteChannelHandler.receive`. */
  receive(bytes: Uint8Array, borrowed: boolean): void {
    const consumed = this.#decode(bytes, borrowed);
    const left = bytes.length - consumed;
    if (left > 0) {
      // Little is copied, so that it does not keep a large buffer.
      const mayKeep = this.waitsForTurn || left * MAX_EXCESS >= bytes.buffer.byteLength;
      this.#hold(
        borrowed || !mayKeep ? cloneBytes(bytes, consumed, bytes.length) : bytes.subarray(consumed),
      );
    }
    if (this.#hasUndecoded() || !this.#inbound.mayTakeMore) this.#pause();
  }

  /** Holds bytes of the channel for this connection's turn, if others come first; returns whether they do. */
  postpone(bytes: Uint8Array, borrowed: boolean): boolean {
    this.#readSize = bytes.length;
    if (!this.#turns.isOver && !this.waitsForTurn) return false;
    this.#stopForOthers();
    const size = this.#undecoded.length + bytes.length;
    if (size > bytes.length) this.#hold(concatBytes([this.#undecoded, bytes], size));
    else this.#hold(borrowed ? cloneBytes(bytes, 0, size) : bytes);
    // To pause costs more than a small message, behind which mostly nothing else comes.
    if (size > MAX_SMALL) this.#pause();
    return true;
  }

  #hold(bytes: Uint8Array): void {
    this.#undecoded = bytes;
    this.#countWaiting();
  }

  #countWaiting(): void {
    const size = this.waitsForTurn ? this.#undecoded.length : 0;
    if (size === this.#waitingSize) return;
    this.#turns.countWaiting(size - this.#waitingSize);
    this.#waitingSize = size;
  }

  #pause(): void {
    if (this.isPaused) return;
    this.isPaused = this.#wasPaused = true;
    this.#channel.pause();
  }

  /** Takes the peer's FIN, which comes behind the bytes that wait. */
  receiveEnd(): void {
    if (this.#hasUndecoded()) this.#isEndHeld = true;
    else this.#inbound.receiveEnd();
  }

  /** Decodes what waits, as far as there is room now, and gives the peer's FIN if nothing is left before it. */
  proceed(): void {
    if (this.#hasUndecoded()) {
      if (this.#turns.isOver) this.#stopForOthers();
      if (this.waitsForTurn) return;
      const bytes = this.#undecoded;
      this.#undecoded = EMPTY;
      this.receive(bytes, false);
    }
    if (!this.#isEndHeld || this.#hasUndecoded()) return;
    this.#isEndHeld = false;
    this.#inbound.receiveEnd();
  }

  resume(): void {
    if (!this.isPaused || this.waitsForTurn) return;
    if (this.#hasUndecoded() || !this.#inbound.mayTakeMore) return;
    // What it brings would wait behind all that waits already.
    if (this.#readSize > MAX_SMALL && !this.#turns.mayRead(this.#readSize)) {
      this.#stopForOthers();
      return;
    }
    this.isPaused = false;
    this.#channel.resume();
  }

  /** Makes sure that the channel is paused, unless it is to be read from. */
  pauseUnlessReading(): void {
    if (this.isPaused) this.#channel.pause();
  }

  close(): void {
    this.#isEndHeld = false;
    this.#hold(EMPTY);
  }

  /** Decodes until nothing more may be taken; returns the position at which it stopped. */
  #decode(bytes: Uint8Array, borrowed: boolean): number {
    let position = 0;
    this.isDecoding = true;
    try {
      while (
        (position < bytes.length || this.#protocol.hasUninflated) && !this.waitsForTurn &&
        this.#inbound.mayTakeMore
      ) {
        const start = position;
        position = this.#protocol.receive(bytes, start, bytes.length, borrowed);
        this.countWork(position - start);
      }
    } catch (error) {
      position = bytes.length;
      this.#inbound.closing.failDecoding(error);
    } finally {
      this.isDecoding = false;
    }
    return position;
  }
}
