// @engines: all of it happens in memory.

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { History } from "../../examples/chat/history.ts";
import type { ChatMessage } from "../../examples/chat/messages.ts";
import type { Broker, BrokerHandler } from "../../mod.ts";

const ADA = { id: "a", name: "Ada", server: { id: "s", name: "Deno" } };

function say(id: number): ChatMessage {
  return { id: String(id), from: ADA, text: `message ${id}`, at: id };
}

/** What brings messages from one to the others, itself included, as Redis does. */
class Bus {
  readonly parts: Set<BusBroker> = new Set();
  /** What was published, as text. */
  readonly notes: string[] = [];

  publish(topic: string, message: Uint8Array): void {
    this.notes.push(new TextDecoder().decode(message));
    for (const part of this.parts) {
      if (part.topics.has(topic)) part.handler.receiveMessage(topic, message);
    }
  }
}

class BusBroker implements Broker {
  readonly topics: Set<string> = new Set();
  handler!: BrokerHandler;
  readonly #bus: Bus;

  constructor(bus: Bus) {
    this.#bus = bus;
  }

  start(handler: BrokerHandler): Promise<void> {
    this.handler = handler;
    this.#bus.parts.add(this);
    handler.receiveConnected();
    return Promise.resolve();
  }

  publish(topic: string, message: Uint8Array): Promise<void> {
    return Promise.resolve().then(() => this.#bus.publish(topic, message));
  }

  subscribe(topics: readonly string[]): Promise<void> {
    for (const topic of topics) this.topics.add(topic);
    return Promise.resolve();
  }

  unsubscribe(): Promise<void> {
    return Promise.reject(new Error("It is not asked to"));
  }

  close(): Promise<void> {
    this.#bus.parts.delete(this);
    return Promise.resolve();
  }
}

async function startOn(bus: Bus): Promise<{ history: History; broker: BusBroker }> {
  const broker = new BusBroker(bus);
  const history = new History(broker);
  await history.start();
  return { history, broker };
}

async function idsIn(history: History, room: string): Promise<string> {
  return (await history.load(room)).map(({ id }) => id).join();
}

describe("chat: the history", () => {
  it("keeps the last 50 messages of each room", async () => {
    const history = new History();
    await history.start();
    for (let id = 1; id <= 60; id++) history.add("tea", say(id));
    history.add("coffee", say(61));
    const ids = (await history.load("tea")).map(({ id }) => Number(id));
    assertEquals([ids.length, ids[0], ids.at(-1)], [50, 11, 60]);
    assertEquals(await idsIn(history, "coffee"), "61");
    assertEquals(await idsIn(history, "cocoa"), "");
    await history.close();
  });

  it("forgets the rooms where nobody spoke for the longest time", async () => {
    const history = new History();
    history.add("tea", say(1));
    history.add("coffee", say(2));
    for (let i = 1; i < 199; i++) history.add(`room ${i}`, say(i));
    history.add("tea", say(3));
    history.add("one more", say(1));
    assertEquals(await idsIn(history, "coffee"), "");
    assertEquals(await idsIn(history, "tea"), "1,3");
  });

  it("has what is said on other servers, by time and once", async () => {
    const bus = new Bus();
    const { history: here } = await startOn(bus);
    const { history: there } = await startOn(bus);
    there.add("tea", say(3));
    here.add("tea", say(1));
    there.add("tea", say(2));
    for (const history of [here, there]) assertEquals(await idsIn(history, "tea"), "1,2,3");
  });

  it("asks the others once for what was said before, and again after a break", async () => {
    const bus = new Bus();
    const { history: old } = await startOn(bus);
    old.add("tea", say(1));
    const { history, broker } = await startOn(bus);
    assertEquals(await Promise.all([idsIn(history, "tea"), idsIn(history, "tea")]), ["1", "1"]);
    const isAsking = (note: string) => note.includes("answerTopic");
    assertEquals(bus.notes.filter(isAsking).length, 1);

    bus.parts.delete(broker);
    broker.handler.receiveLost(new Error("It is gone"));
    old.add("tea", say(2));
    assertEquals(await idsIn(history, "tea"), "1");
    bus.parts.add(broker);
    broker.handler.receiveConnected();
    await Promise.resolve();
    assertEquals(await idsIn(history, "tea"), "1,2");
    // What was said in a break is not told after it.
    assertEquals(bus.notes.filter(isAsking).length, 2);
  });

  it("goes on where nobody answers", async () => {
    const { history } = await startOn(new Bus());
    assertEquals(await idsIn(history, "tea"), "");
  });

  it("goes on where the broker can't be reached", async () => {
    const broker = new BusBroker(new Bus());
    broker.start = (handler) => {
      handler.receiveLost(new Error("There is none"));
      return Promise.resolve();
    };
    const history = new History(broker);
    await history.start();
    history.add("tea", say(1));
    assertEquals(await idsIn(history, "tea"), "1");
  });

  it("passes over what is from nobody it knows", async () => {
    const bus = new Bus();
    const { history, broker } = await startOn(bus);
    const [topic] = broker.topics;
    for (const text of ["", "hello", "null", "1", "{}", '{"room":7,"messages":[]}']) {
      bus.publish(topic, new TextEncoder().encode(text));
    }
    history.add("tea", say(1));
    assertEquals(await idsIn(history, "tea"), "1");
    assert(broker.topics.size === 2);
  });
});
