/**
 * A broker in memory, whose answers come when a test says so.
 *
 * @module
 */

import type {
  Broker,
  BrokerEvent,
  BrokerHandler,
  HostOptions,
  ServerConnection,
} from "../../src/server/mod.ts";
import type { RawClient } from "../support/raw_client.ts";
import { type MemoryHarness, withMemoryServer } from "../support/transports.ts";

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

/** A server with a broker, and a client of it. */
export interface BrokerStage {
  broker: FakeBroker;
  events: BrokerEvent[];
  harness: MemoryHarness<unknown>;
  client: RawClient;
  /** The server's end of the client's connection. */
  conn: ServerConnection;
}

/** Runs a server with a broker, and a client. */
export async function withBroker(
  body: (stage: BrokerStage) => Promise<void>,
  options: HostOptions = {},
): Promise<void> {
  const broker = new FakeBroker();
  const events: BrokerEvent[] = [];
  await withMemoryServer({
    broker,
    onEvent: (event) => void (event.type === "broker" && events.push(event)),
    ...options,
  }, async (harness) => {
    const pair = await harness.openPair();
    broker.handler.receiveConnected();
    await body({ broker, events, harness, ...pair });
  });
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
