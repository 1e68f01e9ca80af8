import { Fifo } from "../../fifo.ts";
import { ownString } from "../../own_string.ts";
import type { Broker } from "./broker.ts";
import { MESSAGE_COST } from "../fan_out/message_cost.ts";

/** How many bytes the broker may be given before it says that it has them. */
const WINDOW = 1024 * 1024;

/** A message that waits for the broker. */
interface Waiting {
  readonly topic: string;
  readonly message: Uint8Array;
}

/**
 * What is to be published to a broker. While it is away, or slower than what is published, messages wait,
 * up to a bound: those that have waited longest are dropped beyond it.
 */
export class BrokerOutbox {
  readonly #broker: Broker;
  readonly #queueSize: number;
  readonly #onDrop: (error: unknown) => void;
  readonly #onEmpty: () => void;
  readonly #waiting: Fifo<Waiting> = new Fifo();
  #waitingSize = 0;
  #inFlight = 0;
  #isConnected = false;
  #empty: PromiseWithResolvers<void> | undefined;

  /**
   * @param queueSize The most bytes that wait.
   * @param onDrop Is told of each message that is lost, with the error where there is one.
   * @param onEmpty Is told when nothing waits any more.
   */
  constructor(
    broker: Broker,
    queueSize: number,
    onDrop: (error: unknown) => void,
    onEmpty: () => void,
  ) {
    this.#broker = broker;
    this.#queueSize = queueSize;
    this.#onDrop = onDrop;
    this.#onEmpty = onEmpty;
  }

  /** The bytes that are held. */
  get size(): number {
    return this.#waitingSize + this.#inFlight;
  }

  /** Publishes a message, or has it wait. */
  publish(topic: string, message: Uint8Array): void {
    if (this.#isOpen && this.#waiting.length === 0) {
      void this.#send(topic, message);
      return;
    }
    this.#waiting.push({ topic: ownString(topic), message });
    this.#waitingSize += message.length + MESSAGE_COST;
    while (this.#waitingSize > this.#queueSize) {
      this.#shift();
      this.#onDrop(undefined);
    }
  }

  /** Begins to publish. */
  connect(): void {
    this.#isConnected = true;
    this.#continue();
  }

  /** Stops to publish. */
  disconnect(): void {
    this.#isConnected = false;
  }

  /** Resolves when the broker has everything. */
  whenEmpty(): Promise<void> {
    if (this.size === 0) return Promise.resolve();
    this.#empty ??= Promise.withResolvers<void>();
    return this.#empty.promise;
  }

  get #isOpen(): boolean {
    return this.#isConnected && this.#inFlight < WINDOW;
  }

  #continue(): void {
    if (this.#waiting.length > 0) {
      while (this.#isOpen && this.#waiting.length > 0) {
        const { topic, message } = this.#shift();
        void this.#send(topic, message);
      }
      if (this.#waiting.length === 0) this.#onEmpty();
    }
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
      await this.#broker.publish(topic, message);
    } catch (error) {
      this.#onDrop(error);
    }
    this.#inFlight -= size;
    this.#continue();
  }
}
