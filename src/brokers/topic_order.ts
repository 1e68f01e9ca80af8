import type { KeptMessage } from "../topics/cluster/broker.ts";
import { clearTimeout, setTimeout } from "../timers.ts";

/** How long a message waits for the one before it, in milliseconds. */
const WAIT_MS = 200;

/**
 * Puts the messages of a topic in their order. NATS stores them in an order, and then sends them on, while
 * another may overtake: that is a matter of microseconds. Where the one before does not come in time, it is
 * passed over: whoever takes the next one sees that it is missing.
 */
export class TopicOrder {
  readonly #give: (message: KeptMessage) => void;
  readonly #onLate: () => void;
  #last: number | undefined;
  #early: KeptMessage[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param onLate Is told of a message that comes when its turn is over, and is dropped. */
  constructor(give: (message: KeptMessage) => void, onLate: () => void) {
    this.#give = give;
    this.#onLate = onLate;
  }

  /** Takes a message. */
  receive(message: KeptMessage): void {
    if (this.#last !== undefined && message.position.number <= this.#last) {
      this.#onLate();
    } else if (this.#last !== undefined && message.previous > this.#last) {
      // It is lent, and others come before it.
      this.#early.push({ ...message, message: Uint8Array.from(message.message) });
      this.#timer ??= setTimeout(() => this.#giveEarly(), WAIT_MS);
    } else {
      this.#pass(message);
      if (this.#early.length > 0) this.#continue();
    }
  }

  /** Forgets what it had. */
  reset(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#last = undefined;
    this.#early = [];
  }

  #pass(message: KeptMessage): void {
    this.#last = message.position.number;
    this.#give(message);
  }

  /** Gives those of the early messages whose turn it is. */
  #continue(): void {
    const early = this.#takeEarly();
    for (const message of early) this.receive(message);
  }

  #giveEarly(): void {
    for (const message of this.#takeEarly()) this.#pass(message);
  }

  #takeEarly(): KeptMessage[] {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const early = this.#early.sort((a, b) => a.position.number - b.position.number);
    this.#early = [];
    return early;
  }
}
