import type { KeptMessage } from "../topics/cluster/broker.ts";
import { clearTimeout, setTimeout } from "../timers.ts";

/** How long a message waits for its predecessor, in milliseconds. */
const WAIT_MS = 200;

/**
 * Restores the order of a topic's messages. NATS stores messages in an order, and may republish them in
 * another, within microseconds. A predecessor that does not arrive in time is skipped; the receiver of the next
 * message sees that it is missing.
 */
export class TopicOrder {
  readonly #give: (message: KeptMessage) => void;
  readonly #onLate: () => void;
  #last: number | undefined;
  #early: KeptMessage[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param onLate Called for a message that arrives after it was skipped, which is dropped. */
  constructor(give: (message: KeptMessage) => void, onLate: () => void) {
    this.#give = give;
    this.#onLate = onLate;
  }

  receive(message: KeptMessage): void {
    if (this.#last !== undefined && message.position.number <= this.#last) {
      this.#onLate();
    } else if (this.#last !== undefined && message.previous > this.#last) {
      // Copied: the bytes are borrowed, and the message has to wait for others.
      this.#early.push({ ...message, message: Uint8Array.from(message.message) });
      this.#timer ??= setTimeout(() => {
        // Without their missing predecessors.
        for (const waiting of this.#takeEarly()) this.#pass(waiting);
      }, WAIT_MS);
    } else {
      this.#pass(message);
      for (const early of this.#early.length > 0 ? this.#takeEarly() : []) this.receive(early);
    }
  }

  reset(): void {
    this.#takeEarly();
    this.#last = undefined;
  }

  #pass(message: KeptMessage): void {
    this.#last = message.position.number;
    this.#give(message);
  }

  #takeEarly(): KeptMessage[] {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const early = this.#early.sort((a, b) => a.position.number - b.position.number);
    this.#early = [];
    return early;
  }
}
