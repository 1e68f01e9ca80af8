/**
 * Several servers in memory, on one clock, with brokers that are connected to each other.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import type { Broker, BrokerEvent, BrokerHandler, ServerConnection } from "../../src/server/mod.ts";
import { WebSocketServer } from "../../src/server/server.ts";
import { FakeClock } from "../../src/testing/fake_clock.ts";
import type { Random } from "../codec/support.ts";
import type { MemorySocket } from "../support/memory_channel.ts";
import { MemoryListener } from "../support/memory_listener.ts";
import type { RawClient } from "../support/raw_client.ts";
import { MemoryHarness, type Setup, split } from "../support/transports.ts";
import { settle } from "../support/turn.ts";

/** A message on its way. */
interface Sent {
  from: HubBroker;
  to: HubBroker;
  topic: string;
  message: Uint8Array;
}

/** What all brokers are connected to. */
export class Hub {
  readonly brokers: HubBroker[] = [];
  /** Whether a message is lost, which is decided for each that gets it. */
  loses: (sent: Sent) => boolean = () => false;
  /** By what lot messages of different brokers overtake each other, and come twice; none where undefined. */
  random: Random | undefined;
  /** What was sent through it: how many messages to each topic. */
  readonly counts: Map<string, number> = new Map();
  readonly #delivered: Sent[] = [];
  #queue: Sent[] = [];
  #isPaused = false;
  #resumed: PromiseWithResolvers<void> = Promise.withResolvers();

  /** Resolves when it goes on. */
  get resumed(): Promise<void> {
    return this.#isPaused ? this.#resumed.promise : Promise.resolve();
  }

  /** Holds all messages, and confirms none, until it goes on. */
  pause(): void {
    if (!this.#isPaused) this.#resumed = Promise.withResolvers();
    this.#isPaused = true;
  }

  /** Goes on. */
  resume(): void {
    this.#isPaused = false;
    this.#resumed.resolve();
    queueMicrotask(() => this.#deliver());
  }

  publish(from: HubBroker, topic: string, message: Uint8Array): void {
    this.counts.set(topic, (this.counts.get(topic) ?? 0) + 1);
    for (const to of this.brokers) {
      const sent = { from, to, topic, message: Uint8Array.from(message) };
      if (this.loses(sent)) continue;
      this.#queue.push(sent);
      if (this.random?.below(8) === 0) this.#queue.push(sent);
    }
    queueMicrotask(() => this.#deliver());
  }

  /** Delivers all, or what the lot says of it, in the order of each publisher. */
  #deliver(): void {
    while (this.#queue.length > 0 && !this.#isPaused) {
      const { random } = this;
      let index = 0;
      if (random !== undefined) {
        const { from, to } = random.pick(this.#queue);
        index = this.#queue.findIndex((sent) => sent.from === from && sent.to === to);
      }
      const [{ from, to, topic, message }] = this.#queue.splice(index, 1);
      to.receive(topic, message);
      if (random === undefined) continue;
      this.#delivered.push({ from, to, topic, message });
      // Much later, and out of order: worse than any broker does.
      if (random.below(30) === 0) {
        const old = random.pick(this.#delivered);
        old.to.receive(old.topic, old.message);
      }
    }
  }
}

/** A server's part in a hub. */
export class HubBroker implements Broker {
  readonly #hub: Hub;
  readonly #topics: Set<string> = new Set();
  #handler!: BrokerHandler;
  /** Whether nothing goes in or out any more, and nobody notices. */
  isDead = false;
  isConnected = true;

  constructor(hub: Hub) {
    this.#hub = hub;
    hub.brokers.push(this);
  }

  get topics(): string[] {
    return [...this.#topics].sort();
  }

  start(handler: BrokerHandler): Promise<void> {
    this.#handler = handler;
    if (this.isConnected) queueMicrotask(() => handler.receiveConnected());
    return Promise.resolve();
  }

  publish(topic: string, message: Uint8Array): Promise<void> {
    if (this.isDead) return Promise.resolve();
    if (!this.isConnected) return Promise.reject(new Error("gone"));
    this.#hub.publish(this, topic, message);
    return this.#hub.resumed;
  }

  subscribe(topics: readonly string[]): Promise<void> {
    if (!this.isConnected) return Promise.reject(new Error("gone"));
    for (const topic of topics) this.#topics.add(topic);
    return Promise.resolve();
  }

  unsubscribe(topics: readonly string[]): Promise<void> {
    if (!this.isConnected) return Promise.reject(new Error("gone"));
    for (const topic of topics) this.#topics.delete(topic);
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.isConnected = false;
    return Promise.resolve();
  }

  /** Loses the connection. */
  disconnect(): void {
    if (!this.isConnected) return;
    this.isConnected = false;
    this.#handler.receiveLost(new Error("gone"));
  }

  /** Has it again. */
  reconnect(): void {
    if (this.isConnected) return;
    this.isConnected = true;
    this.#handler.receiveConnected();
  }

  receive(topic: string, message: Uint8Array): void {
    if (this.isConnected && !this.isDead && this.#topics.has(topic)) {
      this.#handler.receiveMessage(topic, message);
    }
  }
}

/** A server of several. */
export interface Peer {
  harness: MemoryHarness<unknown>;
  server: WebSocketServer<unknown>;
  broker: HubBroker;
  events: BrokerEvent[];
}

/** A connection, and what it was told. */
export interface Watcher {
  conn: ServerConnection;
  client: RawClient<MemorySocket>;
  /** Takes what the client got since it was asked last. */
  takeTexts(): Promise<string[]>;
}

/** What is told of a change: such as "+ann", "-ann" or "~ann", with what is known of it. */
export const NOTICE: NonNullable<NonNullable<Setup<unknown>["presence"]>["notice"]> = (
  { type, key, info },
) => {
  const sign = { join: "+", leave: "-", update: "~" }[type];
  return sign + key + (info === undefined || type === "leave" ? "" : ` ${JSON.stringify(info)}`);
};

/** How long servers are waited for that are silent, in the tests. */
export const TTL_MS = 3_000;

/** Runs servers for as long as `body` takes. */
export async function withServers(
  count: number,
  body: (
    peers: Peer[],
    hub: Hub,
    advance: (ms: number) => Promise<void>,
  ) => Promise<void>,
  setup: Setup<unknown> = {},
): Promise<void> {
  const hub = new Hub();
  const clock = new FakeClock();
  const peers: Peer[] = [];
  for (let i = 0; i < count; i++) {
    const broker = new HubBroker(hub);
    const events: BrokerEvent[] = [];
    const errors: unknown[] = [];
    const { options, handler } = split<unknown>({
      broker,
      keepAlive: false,
      presence: { ttlMs: TTL_MS, notice: NOTICE },
      onEvent: (event) => void (event.type === "broker" && events.push(event)),
      ...setup,
    }, errors);
    const listener = new MemoryListener();
    const server = await WebSocketServer.listen(listener.listen, options, handler, clock);
    const harness = new MemoryHarness<unknown>(server, errors, listener, clock);
    peers.push({ harness, server, broker, events });
  }
  await settle();
  try {
    await body(peers, hub, (ms) => clock.advance(ms));
  } finally {
    hub.resume();
    for (const { harness } of peers) harness.resetClients();
    await Promise.all(peers.map(({ server }) => server.shutdown()));
  }
  for (const { harness } of peers) await harness.finish();
}

/** Connects to a server. */
export async function watchOn(harness: MemoryHarness<unknown>): Promise<Watcher> {
  const { client, conn } = await harness.openPair();
  const takeTexts = async () => {
    await settle();
    void conn.send("end");
    const texts: string[] = [];
    for (;;) {
      const message = await client.readMessage();
      if (message === "end") return texts;
      texts.push(String(message));
    }
  };
  return { conn, client, takeTexts };
}

/** Who is in a topic, in short: such as "ann2 bob1". */
export async function whoIsIn(peer: Pick<Peer, "server">, topic = "x"): Promise<string> {
  const members = await peer.server.presence(topic);
  return members.map(({ key, connections }) => `${key}${connections}`).join(" ");
}

/** Checks that all servers say the same. */
export async function assertIn(peers: readonly Peer[], expected: string): Promise<void> {
  await settle();
  for (const [index, peer] of peers.entries()) {
    assertEquals(await whoIsIn(peer), expected, `server ${index}`);
  }
}
