import type { Msg, NatsConnection, Subscription } from "@nats-io/transport-node";

/** A set of topics that a server is subscribed to in NATS, renewed on each new connection. */
export class NatsSubscriptions {
  readonly #toSubject: (topic: string) => string;
  readonly #receive: (topic: string, message: Msg) => void;
  readonly #onError: (error: unknown) => void;
  /** `undefined` if NATS ended the subscription: it is renewed on the next connection. */
  readonly #subscriptions: Map<string, Subscription | undefined> = new Map();

  constructor(
    toSubject: (topic: string) => string,
    receive: (topic: string, message: Msg) => void,
    onError: (error: unknown) => void,
  ) {
    this.#toSubject = toSubject;
    this.#receive = receive;
    this.#onError = onError;
  }

  get size(): number {
    return this.#subscriptions.size;
  }

  /** Subscribes to the topics that are not subscribed yet. */
  add(connection: NatsConnection, topics: readonly string[]): void {
    for (const topic of topics) {
      if (this.#subscriptions.get(topic) === undefined) this.#subscribe(connection, topic);
    }
  }

  delete(topics: readonly string[]): void {
    for (const topic of topics) {
      this.#subscriptions.get(topic)?.unsubscribe();
      this.#subscriptions.delete(topic);
    }
  }

  renew(connection: NatsConnection): void {
    for (const topic of this.#subscriptions.keys()) this.#subscribe(connection, topic);
  }

  #subscribe(connection: NatsConnection, topic: string): void {
    const subscription = connection.subscribe(this.#toSubject(topic), {
      callback: (error, message) => {
        if (error === null) return this.#receive(topic, message);
        if (this.#subscriptions.get(topic) === subscription) {
          this.#subscriptions.set(topic, undefined);
        }
        this.#onError(error);
      },
    });
    this.#subscriptions.set(topic, subscription);
  }
}
