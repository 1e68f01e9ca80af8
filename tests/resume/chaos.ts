/**
 * A server and clients that resume, in memory, by lot: what is published, when and where connections are
 * lost, who reads how and how slowly. It is known what each client must get: all of its topics, once and
 * in order, or to be told.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { createReconnecting } from "../../src/client/reconnecting.ts";
import type { Connection, ConnectionCallbacks, Message } from "../../src/connection/connection.ts";
import type { Server } from "../../src/server/mod.ts";
import { FakeClock } from "../../src/testing/fake_clock.ts";
import { type Link, randomSizes } from "../../src/testing/link.ts";
import { MemoryNetwork } from "../../src/testing/memory_network.ts";
import { turn } from "../../src/testing/turn.ts";
import { STYLES } from "../client/resuming_peer.ts";
import { Random } from "../codec/support.ts";

const TOPICS = ["a", "b", "c"];
const STEPS = 60;

/** A client, and what it is to get. */
class Player {
  readonly name: string;
  readonly topics: string[];
  /** What it got, by topic, since it was told last that something was lost. */
  readonly received: Map<string, number[]> = new Map();
  readonly lost: string[] = [];
  connections = 0;
  readonly #random: Random;
  readonly #style: string;
  #run: Promise<void> = Promise.resolve();
  #conn: Connection | undefined;

  constructor(name: string, random: Random) {
    this.name = name;
    this.#random = random;
    this.topics = TOPICS.filter(() => random.below(3) > 0);
    this.#style = random.pick(Object.keys(STYLES));
    for (const topic of this.topics) this.received.set(topic, []);
  }

  get style(): string {
    return this.#style;
  }

  /** Connects, and connects again, until the end. */
  start(network: MemoryNetwork, clock: FakeClock, signal: AbortSignal): void {
    const take = (data: Message) => this.#take(data);
    const style = STYLES[this.#style];
    const reconnecting = createReconnecting(network.connect, clock, () => 0.5);
    const conns = reconnecting(`ws://server.example/${this.name}?${this.topics}`, {
      minDelayMs: 10,
      maxDelayMs: 100,
      compression: this.#random.pick([false, true]),
      limits: { receiveQueueMessages: 1 + this.#random.below(4) },
      signal,
      onLost: (topic) => {
        this.lost.push(topic);
        this.received.set(topic, []);
      },
      ...style.callbacks?.(take) as ConnectionCallbacks<undefined>,
    });
    this.#run = (async () => {
      for await (const conn of conns) {
        this.connections++;
        this.#conn = conn;
        const done = style.receive(conn, take).catch(() => {});
        // The loop may go on before all was received: the next connection begins where this one got to.
        if (this.#random.below(2) === 0) await done;
      }
    })();
  }

  get end(): Promise<void> {
    return this.#run;
  }

  /** Whether it is connected, for all that it knows. */
  get isConnected(): boolean {
    return this.#conn?.state === "open";
  }

  async #take(data: Message): Promise<void> {
    const text = typeof data === "string" ? data : new TextDecoder().decode(data);
    const [, topic, number] = /^\W?(\w) (\d+) \.*$/.exec(text)!;
    this.received.get(topic)!.push(Number(number));
    if (this.#random.below(4) === 0) await turn();
  }
}

/** What became of a game. */
export interface Outcome {
  published: number;
  received: number;
  lost: number;
  connections: number;
}

/**
 * Plays a game.
 *
 * @param windowSize How much is kept of a topic.
 */
export async function play(seed: number, windowSize: number): Promise<Outcome> {
  const random = new Random(seed);
  const clock = new FakeClock();
  let links: Link[] = [];
  let isCalm = true;
  const network = new MemoryNetwork({
    clock,
    onLink: (link) => {
      links.push(link);
      const sizes = randomSizes(random.below(2 ** 31), 300);
      for (const wire of [link.toServer, link.toClient]) {
        if (random.below(2) === 0) wire.pieceSize = sizes;
        wire.capacity = random.pick([0, 100, 65_536]);
      }
      if (isCalm) return;
      // The opening handshake has some hundred bytes each way.
      if (random.below(3) === 0) link.toServer.resetAfter(random.below(700));
      if (random.below(3) === 0) link.toClient.resetAfter(random.below(900));
      if (random.below(6) === 0) link.toClient.endAfter(random.below(900));
    },
  });
  const server: Server = await network.serve({
    port: 80,
    resume: { windowSize },
    compression: random.pick([false, { threshold: 0 }, { threshold: 0, contextTakeover: true }]),
    memoryBudget: false,
    limits: { sendHighWaterMark: random.pick([0, 200, 65_536]), sendQueueSize: 1e9 },
    keepAlive: false,
    open: (conn) => {
      const { search } = new URL(conn.request.url);
      for (const topic of search.slice(1).split(",")) {
        if (topic !== "") conn.subscribe(topic, { lag: "drop-oldest", queueSize: Infinity });
      }
    },
    onError() {},
  });
  const controller = new AbortController();
  const players = Array.from({ length: 3 }, (_, i) => new Player(`${i}`, random));
  for (const player of players) player.start(network, clock, controller.signal);
  const until = async (what: string, holds: () => boolean) => {
    for (let turns = 0; !holds(); turns++) {
      assert(turns < 3_000, what);
      await clock.advance(turns % 10 === 0 ? 50 : 0);
    }
  };
  const areSubscribed = () =>
    [...server.connections].length === players.length &&
    TOPICS.every((topic) =>
      server.subscriberCount(topic) ===
        players.filter(({ topics }) => topics.includes(topic)).length
    );
  await until("all to connect", areSubscribed);
  // Whoever has not had the note of a topic has nothing to resume from.
  await clock.advance(0);
  isCalm = false;
  const counts = new Map(TOPICS.map((topic) => [topic, 0]));
  for (let step = 0; step < STEPS; step++) {
    switch (random.below(8)) {
      case 0:
        random.pick(links).reset();
        break;
      case 1: {
        const link = random.pick(links);
        if (random.below(2) === 0) link.toClient.stall();
        else link.flow();
        break;
      }
      case 2:
        await turn();
        break;
      case 3:
        if (random.below(3) === 0) await clock.advance(random.below(60));
        break;
      default: {
        const topic = random.pick(TOPICS);
        const number = counts.get(topic)! + 1;
        counts.set(topic, number);
        const text = `${random.below(3) === 0 ? "\x1e" : ""}${topic} ${number} `
          .padEnd(random.below(200), ".");
        server.publish(topic, random.below(2) === 0 ? text : new TextEncoder().encode(text));
      }
    }
  }
  isCalm = true;
  for (const link of links) {
    // What was to be lost later is lost now.
    link.reset();
    link.flow();
  }
  links = [];
  const isComplete = ({ topics, received }: Player) =>
    topics.every((topic) => (received.get(topic)!.at(-1) ?? 0) === counts.get(topic));
  const state = () =>
    players.map(({ name, style, topics, received }) =>
      `${name} (${style}): ${topics.map((topic) => `${topic} ${received.get(topic)}`)}`
    ).join("; ");
  const isMissedForGood = ({ topics, lost, received }: Player) =>
    topics.every((topic) =>
      (lost.includes(topic) && received.get(topic)!.length === 0) ||
      (received.get(topic)!.at(-1) ?? 0) === counts.get(topic)
    );
  const isOver = windowSize === Infinity ? isComplete : isMissedForGood;
  try {
    await until("all to get everything", () => areSubscribed() && players.every(isOver));
  } catch (error) {
    throw new Error(`${[...counts]}; ${state()}`, { cause: error });
  }
  // Nothing comes behind it.
  await clock.advance(0);
  for (const { topics, received, lost } of players) {
    for (const topic of topics) {
      const numbers = received.get(topic)!;
      const first = numbers[0] ?? 1;
      if (!lost.includes(topic)) assertEquals(first, 1, state());
      assertEquals(numbers, numbers.map((_, i) => first + i), `${topic}: ${state()}`);
    }
  }
  controller.abort();
  const ended = server.shutdown();
  for (let turns = 0; turns < 20; turns++) await clock.advance(500);
  await Promise.all([ended, ...players.map(({ end }) => end)]);
  assertEquals(clock.pending, []);
  return {
    published: [...counts.values()].reduce((sum, count) => sum + count, 0),
    received: players.reduce((sum, { received }) => sum + [...received.values()].flat().length, 0),
    lost: players.reduce((sum, { lost }) => sum + lost.length, 0),
    connections: players.reduce((sum, { connections }) => sum + connections, 0),
  };
}
