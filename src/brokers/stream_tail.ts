import { MESSAGE_COST } from "../topics/fan_out/message_cost.ts";

export interface StreamMessage {
  readonly number: number;
  readonly data: Uint8Array;
}

/** The last messages of a stream that fit a size. */
export class StreamTail {
  readonly #maxSize: number;
  #size = 0;
  readonly messages: StreamMessage[] = [];
  /** Whether earlier messages were left out. */
  isCut = false;

  /** @param maxSize The largest total of their sizes, each with `MESSAGE_COST`, in bytes. */
  constructor(maxSize: number) {
    this.#maxSize = maxSize;
  }

  add(number: number, data: Uint8Array): void {
    this.messages.push({ number, data });
    this.#size += data.length + MESSAGE_COST;
    while (this.#size > this.#maxSize) {
      this.#size -= this.messages.shift()!.data.length + MESSAGE_COST;
      this.isCut = true;
    }
  }
}
