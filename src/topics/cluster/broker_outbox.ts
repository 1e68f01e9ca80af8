import { Fifo } from "../../fifo.ts";
import { ownString } from "../../own_string.ts";
import type { BrokerLink } from "./broker_link.ts";
import { MESSAGE_COST } from "../fan_out/message_cost.ts";

/** How many bytes may be on their way to the broker, without its confirmation. */
const WINDOW = 1024 * 1024;

interface Waiting {
  readonly topic: string;
  readonly message: Uint8Array;
}

/** Publishes to a broker. While it is away or slow, messages wait; past a limit, the oldest are dropped. */
export class BrokerOutbox {
  readonly #link: BrokerLink;
  readonly #waiting: Fifo<Waiting> = new Fifo();
  #waitingSize = 0;
  #inFlight = 0;
  #empty: PromiseWithResolvers<void> | undefined;

  constructor(link: BrokerLink) {
    this.#link = link;
  }

  /** The bytes that wait or are on their way. */
  get size(): number {
    return this.#waitingSize + this.#inFlight;
  }

  publish(topic: string, message: Uint8Array): void {
    if (this.#isOpen && this.#waiting.length === 0) {
      void this.#send(topic, message);
      return;
    }
    this.#waiting.push({ topic: ownString(topic), message });
    this.#waitingSize += message.length + MESSAGE_COST;
    while (this.#waitingSize > this.#link.settings.brokerQueueSize) {
      this.#shift();
      this.#link.drops.add(undefined);
    }
  }

  whenEmpty(): Promise<void> {
    if (this.size === 0) return Promise.resolve();
    this.#empty ??= Promise.withResolvers<void>();
    return this.#empty.promise;
  }

  get #isOpen(): boolean {
    return this.#link.state === "connected" && this.#inFlight < WINDOW;
  }

  /** Sends what waits, if the broker can take it. */
  continue(): void {
    const { length } = this.#waiting;
    while (this.#isOpen && this.#waiting.length > 0) {
      const { topic, message } = this.#shift();
      void this.#send(topic, message);
    }
    if (length > 0 && this.#waiting.length === 0) this.#link.drops.end();
    if (this.size === 0) this.#empty?.resolve();
  }

  #shift(): Waiting {
    const waiting = this.#waiting.shift()!;
    this.#waitingSize -= waiting.message.length + MESSAGE_COST;
    return waiting;
  }

  async #send(topic: string, message: Uint8Array): Promise<void> {
    const size = message.length + MESSAGE_COST;
    this.#inFlight += size;
    try {
      await this.#link.settings.broker!.publish(topic, message);
    } catch (error) {
      this.#link.drops.add(error);
    }
    this.#inFlight -= size;
    this.continue();
  }
}
