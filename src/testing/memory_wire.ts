import { checkFiniteDuration, checkInteger } from "../checks.ts";
import { cloneBytes } from "../codec/byte_collector.ts";
import type { Clock } from "../transport/clock.ts";
import { logError, refusePromise } from "../hooks.ts";
import type { Wire } from "./link.ts";
import { queueMicrotask } from "../timers.ts";

/** What is under way: bytes, the end of the direction, or the news that the writer is gone. */
interface Parcel {
  content: Uint8Array | "end" | "reset";
  dueAt: number;
}

/** What the two ends are to a wire. */
export interface WireEnds {
  /** Whether the reader takes nothing at the moment. */
  readonly isReaderPaused: boolean;
  /** Takes bytes; after the end of the reader, drops them. */
  deliver(bytes: Uint8Array): void;
  /** Takes the end of the direction. */
  deliverEnd(): void;
  /** Tells the writer that it may go on. */
  drain(): void;
  /** Takes the loss of the connection at the reader's end. */
  deliverReset(): void;
  /** Loses the connection at both ends. */
  reset(): void;
  /** Something has changed. */
  settle(): void;
}

/** The implementation of {@linkcode Wire}. What is written arrives on a later microtask. */
export class MemoryWire implements Wire {
  readonly #clock: Clock;
  readonly #ends: WireEnds;
  #pieceSize: number | (() => number) = Infinity;
  #delayMs = 0;
  #capacity = 64 * 1024;
  #parcels: Parcel[] = [];
  #underWay = 0;
  #arrived = 0;
  #endAt = Infinity;
  #resetAt = Infinity;
  #timer: unknown;
  #isPumpDue = false;
  #isStalled = false;
  /** The writer waits. */
  #isFull = false;
  /** Nothing arrives any more. */
  #isOver = false;
  #isFinished = false;
  #isEndDelivered = false;

  constructor(clock: Clock, ends: WireEnds) {
    this.#clock = clock;
    this.#ends = ends;
  }

  get pieceSize(): number | (() => number) {
    return this.#pieceSize;
  }

  set pieceSize(size: number | (() => number)) {
    if (typeof size !== "function") checkInteger("pieceSize", size, 1);
    this.#pieceSize = size;
  }

  get delayMs(): number {
    return this.#delayMs;
  }

  set delayMs(delayMs: number) {
    if (delayMs === Infinity) {
      throw new RangeError("delayMs must be finite, got Infinity: call stall() instead");
    }
    checkFiniteDuration("delayMs", delayMs, 0);
    this.#delayMs = delayMs;
  }

  get capacity(): number {
    return this.#capacity;
  }

  set capacity(capacity: number) {
    checkInteger("capacity", capacity, 0);
    this.#capacity = capacity;
    this.#schedule();
  }

  get arrived(): number {
    return this.#arrived;
  }

  get underWay(): number {
    return this.#underWay;
  }

  stall(): void {
    this.#isStalled = true;
  }

  flow(): void {
    this.#isStalled = false;
    this.#schedule();
  }

  endAfter(size = 0): void {
    checkInteger("size", size, 0);
    this.#endAt = this.#arrived + size;
    this.#schedule();
  }

  resetAfter(size = 0): void {
    checkInteger("size", size, 0);
    this.#resetAt = this.#arrived + size;
    this.#schedule();
  }

  // ---- What the ends do ----

  /** Takes what the writer writes; returns whether it may write more. */
  push(chunks: readonly Uint8Array[]): boolean {
    if (this.#isOver) return true;
    for (const chunk of chunks) {
      this.#underWay += chunk.length;
      // A copy, since the writer uses the memory again.
      this.#send(cloneBytes(chunk, 0, chunk.length));
    }
    this.#isFull = this.#underWay > this.#capacity;
    return !this.#isFull;
  }

  /** Takes the writer's end. */
  finish(): void {
    this.#isFinished = true;
    if (!this.#isOver) this.#send("end");
    this.#schedule();
  }

  /** Takes it that the writer has dropped the connection, and what is under way with it. */
  abandon(): void {
    if (this.#isOver) return;
    this.#clear();
    this.#send("reset");
  }

  /** Whether the writer has ended, and all it wrote is out of its hands. */
  get isFinished(): boolean {
    return this.#isFinished && (this.#isOver || this.#underWay <= this.#capacity);
  }

  /** Whether the reader has seen the end. */
  get isEndDelivered(): boolean {
    return this.#isEndDelivered;
  }

  /** Goes on, where the reader takes something again. */
  resume(): void {
    this.#schedule();
  }

  /** Drops what is under way, for good. */
  cut(): void {
    this.#isOver = true;
    this.#clear();
  }

  #clear(): void {
    this.#parcels = [];
    this.#underWay = 0;
    this.#clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #send(content: Parcel["content"]): void {
    this.#parcels.push({ content, dueAt: this.#clock.now() + this.#delayMs });
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isPumpDue) return;
    this.#isPumpDue = true;
    queueMicrotask(() => {
      this.#isPumpDue = false;
      this.#pump();
      this.#releaseWriter();
      this.#ends.settle();
    });
  }

  /** Lets one thing arrive. */
  #pump(): void {
    if (this.#isOver || this.#isStalled) return;
    if (this.#arrived >= this.#resetAt) return this.#ends.reset();
    if (this.#arrived >= this.#endAt) {
      this.cut();
      this.#deliverEnd();
      return;
    }
    const parcel = this.#parcels[0];
    if (parcel === undefined || !this.#isDue(parcel)) return;
    if (parcel.content === "reset") {
      this.cut();
      this.#ends.deliverReset();
    } else if (this.#ends.isReaderPaused) {
      return;
    } else if (parcel.content === "end") {
      this.#parcels.shift();
      this.#deliverEnd();
    } else {
      this.#deliverPiece(parcel.content, parcel);
      this.#schedule();
    }
  }

  #isDue({ dueAt }: Parcel): boolean {
    const waitMs = dueAt - this.#clock.now();
    if (waitMs <= 0) return true;
    this.#timer ??= this.#clock.setTimeout(() => {
      this.#timer = undefined;
      this.#schedule();
    }, waitMs);
    return false;
  }

  #deliverPiece(bytes: Uint8Array, parcel: Parcel): void {
    let pieceSize;
    try {
      pieceSize = this.#nextSize();
    } catch (error) {
      // Nobody called this who could be told.
      logError(error);
      this.#ends.reset();
      return;
    }
    const limit = Math.min(this.#endAt, this.#resetAt) - this.#arrived;
    const size = Math.min(pieceSize, limit, bytes.length);
    if (size === bytes.length) this.#parcels.shift();
    else parcel.content = bytes.subarray(size);
    this.#underWay -= size;
    this.#arrived += size;
    this.#ends.deliver(size === bytes.length ? bytes : bytes.slice(0, size));
  }

  #nextSize(): number {
    if (typeof this.#pieceSize !== "function") return this.#pieceSize;
    const size: unknown = this.#pieceSize();
    refusePromise("pieceSize", size, logError);
    checkInteger("what pieceSize returned", size, 1);
    return size as number;
  }

  #deliverEnd(): void {
    this.#isEndDelivered = true;
    this.#ends.deliverEnd();
  }

  #releaseWriter(): void {
    if (!this.#isFull || this.#underWay > this.#capacity) return;
    this.#isFull = false;
    this.#ends.drain();
  }
}
