import { MESSAGE_COST } from "../topics/fan_out/message_cost.ts";

/** A message of a stream. */
export interface StreamMessage {
  readonly number: number;
  readonly data: Uint8Array;
}

/** The last messages that there is room for. */
export class StreamTail {
  readonly #maxSize: number;
  #size = 0;
  readonly messages: StreamMessage[] = [];
  /** Whether there were more. */
  isCut = false;

  /** @param maxSize What they cost at most, in bytes. */
  constructor(maxSize: number) {
    this.#maxSize = maxSize;
  }

  /** Adds the next message. */
  add(number: number, data: Uint8Array): void {
    this.messages.push({ number, data });
    this.#size += data.length + MESSAGE_COST;
    while (this.#size > this.#maxSize) {
      this.#size -= this.messages.shift()!.data.length + MESSAGE_COST;
      this.isCut = true;
    }
  }
}
