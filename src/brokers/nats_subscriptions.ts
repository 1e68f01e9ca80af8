import type { Msg, NatsConnection, Subscription } from "@nats-io/transport-node";

/** The topics of one kind that a server is subscribed to, with each of its connections to NATS. */
export class NatsSubscriptions {
  readonly #toSubject: (topic: string) => string;
  readonly #receive: (topic: string, message: Msg) => void;
  readonly #onError: (error: unknown) => void;
  /** `undefined` where NATS ended it: it is subscribed anew with the next connection. */
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

  /** How many topics there are. */
  get size(): number {
    return this.#subscriptions.size;
  }

  /** Subscribes to topics, unless they are subscribed. */
  add(connection: NatsConnection, topics: readonly string[]): void {
    for (const topic of topics) {
      if (this.#subscriptions.get(topic) === undefined) this.#subscribe(connection, topic);
    }
  }

  /** Unsubscribes from topics. */
  delete(topics: readonly string[]): void {
    for (const topic of topics) {
      this.#subscriptions.get(topic)?.unsubscribe();
      this.#subscriptions.delete(topic);
    }
  }

  /** Subscribes to all of them, with a connection that is new. */
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
