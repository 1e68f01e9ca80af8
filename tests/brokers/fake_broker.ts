/**
 * A broker in memory, whose answers come when a test says so.
 *
 * @module
 */

import type { Broker, BrokerHandler } from "../../src/server/mod.ts";

/** Something a server asked of the broker. */
export interface Call {
  name: "publish" | "subscribe" | "unsubscribe";
  topics: readonly string[];
  message?: Uint8Array;
  /** Answers. */
  resolve(): void;
  /** Refuses. */
  reject(error: unknown): void;
}

/** A broker that does nothing but write down what it is asked, and answers. */
export class FakeBroker implements Broker {
  handler!: BrokerHandler;
  /** What was asked, and not taken yet. */
  readonly calls: Call[] = [];
  /** Whether it answers at once. */
  answers = true;
  closeCount = 0;
  /** What `start` fails with. */
  startError: unknown;

  /** Connects, and no more. */
  start(handler: BrokerHandler): Promise<void> {
    this.handler = handler;
    return this.startError === undefined ? Promise.resolve() : Promise.reject(this.startError);
  }

  publish(topic: string, message: Uint8Array): Promise<void> {
    return this.#call("publish", [topic], message);
  }

  subscribe(topics: readonly string[]): Promise<void> {
    return this.#call("subscribe", topics);
  }

  unsubscribe(topics: readonly string[]): Promise<void> {
    return this.#call("unsubscribe", topics);
  }

  close(): Promise<void> {
    this.closeCount++;
    return Promise.resolve();
  }

  /** Takes what was asked, as text: `"subscribe a,b"`. */
  takeLines(): string[] {
    return this.calls.splice(0).map(({ name, topics }) => `${name} ${topics.join(",")}`);
  }

  /** Takes the only thing that was asked. */
  takeCall(): Call {
    if (this.calls.length !== 1) throw new Error(`There are ${this.calls.length} calls`);
    return this.calls.pop()!;
  }

  #call(name: Call["name"], topics: readonly string[], message?: Uint8Array): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.calls.push({ name, topics, message, resolve, reject });
    if (this.answers) resolve();
    return promise;
  }
}

/** Puts a text into the envelope of some server's messages. */
export function envelope(text: string): Uint8Array {
  const payload = new TextEncoder().encode(text);
  const bytes = new Uint8Array(24 + payload.length);
  bytes.set([0x53, 0x4c, 1, 1]);
  bytes.fill(7, 4, 20);
  bytes.set(payload, 24);
  return bytes;
}
