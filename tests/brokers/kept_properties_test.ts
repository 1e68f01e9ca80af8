// @engines: all of it happens in memory.

import process from "node:process";
import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import type { ConnectAgain } from "../../src/client/connect.ts";
import { createReconnecting } from "../../src/client/reconnecting.ts";
import type { Connection, Server } from "../../src/server/mod.ts";
import { decodeBrokerMessage } from "../../src/topics/cluster/broker_message.ts";
import { FakeClock, MemoryNetwork, randomSizes } from "../../src/testing/mod.ts";
import { settle } from "../support/turn.ts";
import { FakeKeepingBroker, FakeLog, type Random } from "./fake_keeping_broker.ts";

const TOPICS = ["a", "b", "ä 😀"];
/** How many worlds there are, and the first: others may be asked for. */
const SEEDS = Number(process.env.KEPT_SEEDS ?? 4);
const FIRST_SEED = Number(process.env.KEPT_SEED ?? 1);

function createRandom(seed: number): Random {
  const next = randomSizes(seed, 2 ** 30);
  // Of each size only the lowest bits: they are spread evenly.
  return (end) => ((next() ^ (next() << 7) ^ (next() << 15)) >>> 0) % end;
}

interface Client {
  readonly received: Map<string, string[]>;
  readonly lost: string[];
  conn: Connection | undefined;
  readonly topics: string[];
  readonly finished: Promise<void>;
  stop(): void;
}

/** A world of servers with one log, and clients that come and go between them. */
class World {
  readonly clock = new FakeClock();
  readonly network: MemoryNetwork = new MemoryNetwork({ clock: this.clock });
  readonly log: FakeLog;
  readonly servers: Server[] = [];
  readonly brokers: FakeKeepingBroker[] = [];
  readonly clients: Client[] = [];
  readonly published: Map<string, string[]> = new Map();
  readonly #random: Random;
  #count = 0;

  constructor(random: Random) {
    this.#random = random;
    this.log = new FakeLog(random(2) === 0);
  }

  async start(servers: number, clients: number): Promise<void> {
    for (let i = 0; i < servers; i++) {
      const broker = new FakeKeepingBroker(this.log, this.#random);
      this.brokers.push(broker);
      this.servers.push(
        await this.network.serve({
          port: i + 1,
          broker,
          resume: { windowSize: Infinity, totalSize: Infinity, windowMs: Infinity },
          keepAlive: false,
          onEvent() {},
          open: (conn) => {
            for (const topic of new URL(conn.request.url).searchParams.getAll("topic")) {
              conn.subscribe(topic);
            }
          },
        }),
      );
      if (this.#random(4) > 0) broker.connect();
    }
    for (let i = 0; i < clients; i++) this.clients.push(this.#startClient());
    await settle();
  }

  publish(topic: string = TOPICS[this.#random(TOPICS.length)]): void {
    const server = this.#random(this.servers.length);
    const text = `${topic} ${server}:${++this.#count}`;
    const key = `${topic} ${server}`;
    this.published.set(key, [...this.published.get(key) ?? [], text]);
    this.servers[server].publish(topic, text);
  }

  /** Has the broker forget something. */
  forget(): void {
    const topic = TOPICS[this.#random(TOPICS.length)];
    if (this.#random(4) > 0) this.log.trim(topic, 1 + this.#random(3));
    else this.log.clear();
  }

  async step(): Promise<void> {
    const broker = this.brokers[this.#random(this.brokers.length)];
    const client = this.clients[this.#random(this.clients.length)];
    switch (this.#random(12)) {
      case 0:
        broker.disconnect();
        break;
      case 1:
      case 2:
        broker.connect();
        break;
      case 3:
        if (client.conn?.state === "open") this.network.linkOf(client.conn).reset();
        break;
      case 4:
        await this.clock.advance(1 + this.#random(1_500));
        break;
      case 5:
        if (this.log.countsTogether) this.log.tick(broker);
        else broker.loseMessage();
        break;
      case 6:
      case 7:
      case 8:
        for (let i = this.#random(4); i >= 0; i--) this.publish();
        break;
      default:
        for (let i = this.#random(8); i >= 0; i--) broker.step();
    }
    if (this.#random(2) === 0) await settle();
  }

  /** Lets everything arrive, at last what one server missed. */
  async finish(): Promise<void> {
    await this.#settle();
    const broker = this.brokers[this.#random(this.brokers.length)];
    broker.disconnect();
    for (let i = 0; i < 4; i++) this.publish();
    for (const other of this.brokers) while (other.isBusy) other.step();
    await this.#settle();
    // What was lost is missed when the next one comes.
    for (const topic of TOPICS) this.publish(topic);
    await this.#settle();
  }

  async #settle(): Promise<void> {
    for (let i = 0; i < 50; i++) {
      for (const broker of this.brokers) broker.connect();
      await settle();
      for (const broker of this.brokers) while (broker.isBusy) broker.step();
      await settle();
      const isDone = this.brokers.every(({ isBusy }) => !isBusy) &&
        this.servers.every((server) => server.stats().broker!.waitingSize === 0) &&
        this.clients.every(({ conn }) => conn?.state === "open");
      if (isDone && i > 5) break;
      await this.clock.advance(2_000);
    }
    await settle();
  }

  async end(): Promise<void> {
    for (const client of this.clients) client.stop();
    await settle();
    await Promise.all(this.servers.map((server) => server.shutdown()));
    await Promise.all(this.clients.map(({ finished }) => finished));
    assertEquals(this.clock.pending, []);
  }

  #startClient(): Client {
    const abort = new AbortController();
    const topics = TOPICS.filter(() => this.#random(3) > 0);
    const connect: ConnectAgain = (_url, options, resume) => {
      const port = 1 + this.#random(this.servers.length);
      const query = topics.map((topic) => `topic=${encodeURIComponent(topic)}`).join("&");
      const again = this.network.connect as ConnectAgain;
      return again(`ws://servers.example:${port}/?${query}`, options, resume);
    };
    const reconnecting = createReconnecting(connect, this.clock, () => 0.5);
    const client: Client = {
      received: new Map(),
      lost: [],
      conn: undefined,
      topics,
      finished: this.#read(
        reconnecting("ws://servers.example/", {
          minDelayMs: 1,
          maxDelayMs: 100,
          keepAlive: false,
          signal: abort.signal,
          onLost: (topic) => void client.lost.push(topic),
        }),
        () => client,
      ),
      stop: () => abort.abort(),
    };
    return client;
  }

  async #read(conns: AsyncIterable<Connection>, getClient: () => Client): Promise<void> {
    for await (const conn of conns) {
      const client = getClient();
      client.conn = conn;
      for await (const message of conn) {
        const text = String(message);
        const topic = text.slice(0, text.lastIndexOf(" "));
        client.received.set(topic, [...client.received.get(topic) ?? [], text]);
      }
    }
  }
}

/** Gives the text of a message as servers send it to one another. */
function textOf(message: Uint8Array): string {
  const decoded = decodeBrokerMessage(undefined, message);
  assert(decoded !== undefined && "data" in decoded);
  return String(decoded.data);
}

/** Lives through some worlds, one after the other, and checks each. */
async function liveThrough(
  onStep: (world: World, random: Random) => void,
  check: (world: World, client: Client, topic: string, history: string[], seed: number) => void,
): Promise<void> {
  let received = 0;
  for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) {
    const random = createRandom(seed);
    const world = new World(random);
    await world.start(1 + random(3), 1 + random(4));
    for (let i = 0; i < 60; i++) {
      await world.step();
      onStep(world, random);
    }
    await world.finish();
    for (const topic of TOPICS) {
      const history = world.log.historyOf(topic).map(textOf);
      for (let server = 0; server < world.servers.length; server++) {
        const own = history.filter((text) => text.startsWith(`${topic} ${server}:`));
        const published = world.published.get(`${topic} ${server}`) ?? [];
        assertEquals(own, published, `seed ${seed}: what server ${server} published to ${topic}`);
      }
      for (const client of world.clients) {
        check(world, client, topic, history, seed);
        received += client.received.get(topic)?.length ?? 0;
      }
    }
    await world.end();
  }
  assert(received > SEEDS * 10, `${received} messages were received`);
}

// @waits
describe("messages that a broker keeps", () => {
  it("come to each client once and in one order, whatever is lost between", () =>
    liveThrough(() => {}, (world, client, topic, history, seed) => {
      const got = client.received.get(topic) ?? [];
      const name = `seed ${seed}: client ${world.clients.indexOf(client)} and ${topic}`;
      if (!client.topics.includes(topic)) assertEquals(got, [], name);
      else if (got.length > 0) assertEquals(got, history.slice(history.indexOf(got[0])), name);
      assertEquals(client.lost, [], `seed ${seed}: what was lost`);
    }));

  it("are told to be lost where the broker forgot them, and are in order all the same", async () => {
    let lost = 0;
    await liveThrough((world, random) => {
      if (random(4) === 0) world.forget();
    }, (world, client, topic, history, seed) => {
      const places = (client.received.get(topic) ?? []).map((text) => history.indexOf(text));
      const name = `seed ${seed}: client ${world.clients.indexOf(client)} and ${topic}`;
      assertEquals(places, [...new Set(places)].sort((a, b) => a - b), name);
      const hasGap = places.some((place, index) => index > 0 && place > places[index - 1] + 1);
      if (hasGap) assert(client.lost.includes(topic), `${name}: a gap that nobody told of`);
      lost += client.lost.length;
    });
    assert(lost > 0, "something was lost");
  });
});
