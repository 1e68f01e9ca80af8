import { checkFiniteDuration, checkInteger } from "../checks.ts";
import { cloneBytes } from "../codec/byte_collector.ts";
import type { Clock } from "../transport/clock.ts";
import { refusePromise } from "../hook_answers.ts";
import { logError } from "../hooks.ts";
import type { Wire } from "./link.ts";
import { queueMicrotask } from "../timers.ts";

/** An item under way: bytes, the end of the direction, or a reset by the writer. */
interface Parcel {
  content: Uint8Array | "end" | "reset";
  dueAt: number;
}

/** The two ends of a wire. */
export interface WireEnds {
  readonly isReaderPaused: boolean;
  /** Delivers bytes to the reader, which discards them once it is over. */
  deliver(bytes: Uint8Array): void;
  deliverEnd(): void;
  /** Tells the writer that it may write again. */
  drain(): void;
  deliverReset(): void;
  reset(): void;
  /** Called after every change, to close the ends once both directions are over. */
  update(): void;
}

export class MemoryWire implements Wire {
  readonly #clock: Clock;
  readonly #ends: WireEnds;
  #pieceSize: number | (() => number) = Infinity;
  #delayMs = 0;
  #capacity = 64 * 1024;
  #parcels: Parcel[] = [];
  #underWay = 0;
  arrived = 0;
  #endAt = Infinity;
  #resetAt = Infinity;
  #timer: unknown;
  #isPumpDue = false;
  #isStalled = false;
  /** Whether the writer waits for `drain`. */
  #isFull = false;
  /** Whether nothing arrives any more. */
  #isOver = false;
  #isFinished = false;
  isEndDelivered = false;

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
    this.schedule();
  }

  get underWay(): number {
    return this.#underWay;
  }

  stall(): void {
    this.#isStalled = true;
  }

  flow(): void {
    this.#isStalled = false;
    this.schedule();
  }

  endAfter(size = 0): void {
    checkInteger("size", size, 0);
    this.#endAt = this.arrived + size;
    this.schedule();
  }

  resetAfter(size = 0): void {
    checkInteger("size", size, 0);
    this.#resetAt = this.arrived + size;
    this.schedule();
  }

  // ---- For the two ends ----

  /** Sends bytes of the writer's; returns whether it may write more. */
  push(chunks: readonly Uint8Array[]): boolean {
    if (this.#isOver) return true;
    for (const chunk of chunks) {
      this.#underWay += chunk.length;
      // A copy, since the writer reuses the memory.
      this.#send(cloneBytes(chunk, 0, chunk.length));
    }
    this.#isFull = this.#underWay > this.#capacity;
    return !this.#isFull;
  }

  /** Ends the direction after the bytes under way. */
  finish(): void {
    this.#isFinished = true;
    if (!this.#isOver) this.#send("end");
    this.schedule();
  }

  /** Resets the connection for the writer; the bytes under way are lost. */
  abandon(): void {
    if (this.#isOver) return;
    this.#clear();
    this.#send("reset");
  }

  /** Whether the writer has ended, and its bytes are past its own buffer. */
  get isFinished(): boolean {
    return this.#isFinished && (this.#isOver || this.#underWay <= this.#capacity);
  }

  /** Stops for good, and discards the bytes under way. */
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
    this.schedule();
  }

  /** Delivers what is due in a later microtask. */
  schedule(): void {
    if (this.#isPumpDue) return;
    this.#isPumpDue = true;
    queueMicrotask(() => {
      this.#isPumpDue = false;
      this.#pump();
      if (this.#isFull && this.#underWay <= this.#capacity) {
        this.#isFull = false;
        this.#ends.drain();
      }
      this.#ends.update();
    });
  }

  /** Delivers one item, if possible. */
  #pump(): void {
    if (this.#isOver || this.#isStalled) return;
    if (this.arrived >= this.#resetAt) return this.#ends.reset();
    if (this.arrived >= this.#endAt) {
      this.cut();
      return this.#deliverEnd();
    }
    const parcel = this.#parcels[0];
    if (parcel === undefined || !this.#isDue(parcel)) return;
    if (parcel.content === "reset") {
      this.cut();
      this.#ends.deliverReset();
    } else if (this.#ends.isReaderPaused) return;
    else if (parcel.content === "end") {
      this.#parcels.shift();
      this.#deliverEnd();
    } else {
      this.#deliverPiece(parcel.content, parcel);
      this.schedule();
    }
  }

  #isDue({ dueAt }: Parcel): boolean {
    const waitMs = dueAt - this.#clock.now();
    if (waitMs <= 0) return true;
    this.#timer ??= this.#clock.setTimeout(() => {
      this.#timer = undefined;
      this.schedule();
    }, waitMs);
    return false;
  }

  #deliverPiece(bytes: Uint8Array, parcel: Parcel): void {
    let pieceSize;
    try {
      pieceSize = this.#nextSize();
    } catch (error) {
      // There is no caller to throw it to.
      logError(error);
      return this.#ends.reset();
    }
    const limit = Math.min(this.#endAt, this.#resetAt) - this.arrived;
    const size = Math.min(pieceSize, limit, bytes.length);
    if (size === bytes.length) this.#parcels.shift();
    else parcel.content = bytes.subarray(size);
    this.#underWay -= size;
    this.arrived += size;
    this.#ends.deliver(size === bytes.length ? bytes : bytes.slice(0, size));
  }

  #nextSize(): number {
    if (typeof this.#pieceSize !== "function") return this.#pieceSize;
    const size: unknown = this.#pieceSize();
    refusePromise("pieceSize", size, logError);
    checkInteger("the result of pieceSize", size, 1);
    return size as number;
  }

  #deliverEnd(): void {
    this.isEndDelivered = true;
    this.#ends.deliverEnd();
  }
}
