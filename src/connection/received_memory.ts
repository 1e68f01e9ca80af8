import { Fifo } from "../fifo.ts";
import type { Message } from "./connection.ts";

/**
 * What a message takes beside its bytes, measured in bytes: a string 24 to 40, a view 60 to 110, memory of its own
 * 40 to 130, memory that it may share some 190.
 */
const TEXT_COST = 32;
const VIEW_COST = 90;
const MEMORY_COST = 90;
const SHARED_COST = 160;

/** What a UTF-16 unit takes, 1 byte or 2: never wrong by half. */
const UNIT_SIZE = 1.4;

/** A Ping whose callback waits for those of the messages before it. */
export class ReceivedPing {
  readonly payload: Uint8Array<ArrayBuffer>;
  /** As that of bytes with memory of their own. */
  readonly byteOffset = 0;

  constructor(payload: Uint8Array<ArrayBuffer>) {
    this.payload = payload;
  }

  get length(): number {
    return this.payload.length;
  }
}

/** Memory of one read, of which messages of the queue are views: they begin behind the header of their frame. */
interface ReadMemory {
  readonly buffer: ArrayBufferLike;
  messages: number;
}

/** Counts the memory of whole messages that wait, in the order in which they wait. */
export class ReceivedMemory {
  #size = 0;
  /** In the order of the messages. */
  #reads: Fifo<ReadMemory> | undefined;
  #lastRead: ReadMemory | undefined;

  get size(): number {
    return this.#size;
  }

  hold(message: Message | ReceivedPing): void {
    if (typeof message === "string" || message.byteOffset === 0) {
      this.#size += ownSizeOf(message);
      return;
    }
    this.#size += VIEW_COST;
    const { buffer } = message as Uint8Array;
    if (this.#lastRead?.buffer !== buffer) {
      this.#lastRead = { buffer, messages: 0 };
      (this.#reads ??= new Fifo()).push(this.#lastRead);
      this.#size += SHARED_COST + buffer.byteLength;
    }
    this.#lastRead.messages++;
  }

  /** The message that has waited longest waits no more. */
  release(message: Message | ReceivedPing): void {
    if (typeof message === "string" || message.byteOffset === 0) {
      this.#size -= ownSizeOf(message);
      return;
    }
    this.#size -= VIEW_COST;
    const read = this.#reads!.peek()!;
    if (--read.messages > 0) return;
    this.#reads!.shift();
    this.#size -= SHARED_COST + read.buffer.byteLength;
    if (read === this.#lastRead) this.#lastRead = undefined;
  }
}

function ownSizeOf(message: Message | ReceivedPing): number {
  return typeof message === "string"
    ? TEXT_COST + Math.round(message.length * UNIT_SIZE)
    : VIEW_COST + MEMORY_COST + message.length;
}
