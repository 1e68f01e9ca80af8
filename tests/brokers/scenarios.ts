/**
 * What holds with every broker, tried with real ones.
 *
 * @module
 */

import { after, before, describe, it } from "node:test";
import { assert, assertEquals, assertGreater, assertLess, assertMatch } from "@std/assert";
import { connect } from "../../src/runtimes/shared/client.ts";
import type { Connection, LagPolicy, Message, ServeOptions, Subscription } from "../../mod.ts";
import { TestProcess } from "../support/child_process.ts";
import { onThreeRuntimes } from "../support/installed_runtimes.ts";
import { type Kind, type RealBroker, untilAnswered } from "./real_broker.ts";
import { Member, ROOM } from "./room.ts";

/** Runs servers for as long as `body` takes. */
async function withMembers(
  real: RealBroker,
  count: number,
  body: (members: Member[]) => Promise<void>,
  options: ServeOptions = {},
): Promise<void> {
  const members = await Promise.all(
    Array.from({ length: count }, () => Member.start(real, options)),
  );
  try {
    await real.untilSubscribed(ROOM, count);
    await body(members);
  } finally {
    await Promise.all(members.map((member) => member.end()));
  }
  await untilAnswered("no subscription", () => real.countAll(), (count) => count === 0);
}

/** A message with a name and a number: text and bytes by turns. */
function numbered(name: string, number: number): Message {
  const text = `${name} ${number}`;
  return number % 2 === 0 ? text : new TextEncoder().encode(text);
}

/** The numbers of the messages with a name, and whether each is of the kind it was sent as. */
function numbersOf(name: string, messages: readonly Message[]): number[] {
  const numbers: number[] = [];
  for (const message of messages) {
    const text = typeof message === "string" ? message : new TextDecoder().decode(message);
    const [from, number] = text.split(" ");
    assertEquals(typeof message === "string", Number(number) % 2 === 0, text);
    if (from === name) numbers.push(Number(number));
  }
  return numbers;
}

function range(start: number, end: number): number[] {
  return Array.from({ length: end - start }, (_, index) => start + index);
}

/** Tries a kind of broker. */
export function tryBroker(kind: Kind): void {
  const { skip } = kind;
  const real = kind.create();

  describe(kind.name, () => {
    before(() => skip === false ? real.start() : undefined);
    after(() => real.end());
    const test = (
      name: string,
      count: number,
      body: (members: Member[]) => Promise<void>,
      options?: ServeOptions,
    ) => it(name, { skip }, () => withMembers(real, count, body, options));

    test("brings each message to all, once, in the order of each server", 3, async (members) => {
      const COUNT = 300;
      for (let i = 0; i < COUNT; i++) {
        for (const [name, { server }] of members.entries()) {
          server.publish(ROOM, numbered(`${name}`, i));
        }
        if (i % 20 === 0) {
          await new Promise((resolve) => setTimeout(resolve, 0));
        }
      }
      for (const member of members) {
        await member.until("all messages", () => member.received.length >= 3 * COUNT);
      }
      for (const { received, server } of members) {
        for (const name of ["0", "1", "2"]) {
          assertEquals(numbersOf(name, received), range(0, COUNT));
        }
        assertEquals(received.length, 3 * COUNT);
        const { received: fromOthers, dropped, malformed } = server.stats().broker!;
        assertEquals([fromOthers, dropped, malformed], [2 * COUNT, 0, 0]);
      }
    });

    test("brings nothing to a server where nobody is subscribed", 2, async ([a, b]) => {
      b.conn.unsubscribe(ROOM);
      await real.untilSubscribed(ROOM, 1);
      b.conn.subscribe("other");
      await real.untilSubscribed("other", 1);
      a.server.publish(ROOM, "1");
      a.server.publish("other", "2");
      await b.untilReceived("2");
      assertEquals(b.server.stats().broker?.received, 1);
      await b.end();
      await real.untilSubscribed("other", 0);
    });

    test("takes topics of any name", 2, async ([a, b]) => {
      const topics = ["", " ", "*", ">", "a.*", "a..b", ".", "é😀", "\0\r\n", "x".repeat(1024)];
      for (const topic of topics) b.conn.subscribe(topic);
      for (const topic of topics) await real.untilSubscribed(topic, 1);
      for (const topic of topics) a.server.publish(topic, `to ${topic}`);
      await b.untilReceived(`to ${topics.at(-1)}`);
      assertEquals(b.texts, topics.map((topic) => `to ${topic}`));
    });

    test(
      "brings messages to slow subscribers of each policy, and delays nobody",
      2,
      async ([a, b]) => {
        const COUNT = 400;
        const slow = new Map<LagPolicy, { client: Connection; subscription: Subscription }>();
        for (const lag of ["close", "drop-oldest", "drop-newest", "latest"] as const) {
          slow.set(lag, await b.subscribeSlow(ROOM, { lag, queueSize: 100_000 }));
        }
        const padding = "x".repeat(50_000);
        for (let i = 0; i < COUNT; i++) {
          a.server.publish(ROOM, `a ${i} ${padding}`, { key: `${i % 10}` });
          // The fast one keeps up: nobody else's slowness is to reach it.
          await b.until(`${i}`, () => b.received.length === i + 1);
        }
        const outcomes = new Map<string, number[]>();
        for (const [lag, { client, subscription }] of slow) {
          assertGreater(subscription.dropped, 0, lag);
          const numbers: number[] = [];
          for await (const message of client) {
            numbers.push(Number(String(message).split(" ")[1]));
            if (lag !== "close" && numbers.length === COUNT - subscription.dropped) break;
          }
          outcomes.set(lag, numbers);
          assertEquals(numbers, [...new Set(numbers)].sort((x, y) => x - y), `${lag}: in order`);
        }
        const closed = await slow.get("close")!.client.closed;
        assertEquals(closed.closeCode, 1013);
        assertEquals(outcomes.get("close"), range(0, outcomes.get("close")!.length));
        assertEquals(outcomes.get("drop-oldest")!.at(-1), COUNT - 1);
        // The system's buffers may grow meanwhile, and then there is room for some later ones.
        assertEquals(outcomes.get("drop-newest")!.slice(0, 10), range(0, 10));
        assertEquals(outcomes.get("latest")!.slice(-10), range(COUNT - 10, COUNT));
        for (const { client } of slow.values()) client.abort();
      },
      // The Close frame waits until its client reads, at last.
      { closeTimeoutMs: Infinity },
    );

    test("passes over what is not from a server", 2, async ([a, b]) => {
      await real.publish(ROOM, "Hello, I am something else");
      await a.untilTold("malformed");
      b.server.publish(ROOM, "1");
      await a.untilReceived("1");
      assertEquals(a.texts, ["1"]);
      assertEquals(a.server.stats().broker?.malformed, 1);
    });

    test("takes 10,000 topics, and gives them up", 1, async ([{ conn }]) => {
      const topics = range(0, 10_000).map((number) => `topic ${number}`);
      for (const topic of topics) conn.subscribe(topic);
      await untilAnswered("all topics", () => real.countAll(), (count) => count === 10_001);
      for (const topic of topics) conn.unsubscribe(topic);
      await untilAnswered("no topics", () => real.countAll(), (count) => count === 1);
    });

    test("loses nothing while it only stands still, and holds no one up", 2, async ([a, b]) => {
      a.server.publish(ROOM, "before");
      await b.untilReceived("before");
      await real.pause();
      try {
        for (let i = 0; i < 200; i++) a.server.publish(ROOM, numbered("a", i));
        await a.until("all messages here", () => a.received.length === 201);
        assertEquals(b.received.length, 1);
      } finally {
        real.resume();
      }
      await b.until("all messages", () => b.received.length === 201);
      assertEquals(numbersOf("a", b.received.slice(1)), range(0, 200));
      assertEquals(a.server.stats().broker?.dropped, 0);
    });

    test("bounds what waits while it stands still", 2, async ([a, b]) => {
      await real.pause();
      try {
        const data = new Uint8Array(100_000);
        a.conn.unsubscribe(ROOM);
        for (let i = 0; i < 400; i++) {
          a.server.publish(ROOM, data);
          // A window of a mebibyte and one message more is on its way, and the rest waits.
          const { waitingSize } = a.server.stats().broker!;
          assertLess(waitingSize, 1024 * 1024 + 500_000 + 101_000);
        }
        const { dropped } = a.server.stats().broker!;
        assertGreater(dropped, 300);
        const told = a.events.filter(({ status }) => status === "dropped");
        assertLess(told.length, 12);
      } finally {
        real.resume();
      }
      const { server } = a;
      await untilAnswered(
        "what waits to go out",
        () => Promise.resolve(server.stats().broker!.waitingSize),
        (size) => size === 0,
      );
      const { dropped } = server.stats().broker!;
      await b.until("what was not dropped", () => b.received.length >= 400 - dropped);
      let told = 0;
      for (const event of a.events) if (event.status === "dropped") told += event.messages;
      assertEquals(told, dropped);
    }, { brokerQueueSize: 500_000, limits: { sendQueueSize: Infinity } });

    test("loses what is published while it is gone, and nothing else", 2, async ([a, b]) => {
      let next = 0;
      const publish = (count: number) => {
        for (let i = 0; i < count; i++) a.server.publish(ROOM, numbered("a", next++));
      };
      publish(100);
      await b.until("what came before", () => b.received.length === 100);
      await real.kill();
      for (const member of [a, b]) await member.untilTold("lost");
      const told = a.events.find(({ status }) => status === "lost") as { error?: Error };
      assertMatch(told.error!.message, /^The connection to (Redis|NATS) at \S+ was lost: \S/);
      publish(100);
      b.conn.subscribe("new");
      await real.start();
      for (const member of [a, b]) await member.untilTold("reconnected");
      await real.untilSubscribed(ROOM, 2);
      await real.untilSubscribed("new", 1);
      const firstAfter = next;
      publish(100);
      for (const member of [a, b]) {
        const last = () => numbersOf("a", member.received).at(-1);
        await member.until("the last message", () => last() === next - 1);
      }
      assertEquals(
        numbersOf("a", a.received),
        range(0, next),
        "all are delivered where they are published",
      );
      const numbers = numbersOf("a", b.received);
      assertEquals(numbers, [...new Set(numbers)].sort((x, y) => x - y), "in order, and once");
      const lost = range(0, next).filter((number) => !numbers.includes(number));
      assert(lost.every((number) => number >= 100 && number < firstAfter), `lost ${lost}`);
    });

    it("may come later than the servers", { skip }, async () => {
      await real.kill();
      const members = await Promise.all([Member.start(real), Member.start(real)]);
      const [a, b] = members;
      try {
        await a.untilTold("lost");
        a.server.publish(ROOM, "here");
        await a.untilReceived("here");
        await real.start();
        await real.untilSubscribed(ROOM, 2);
        a.server.publish(ROOM, "everywhere");
        await b.untilReceived("everywhere");
        assertEquals(a.events.map(({ status }) => status), ["lost", "connected"]);
      } finally {
        await Promise.all(members.map((member) => member.end()));
      }
    });

    it("is let go by a server that ends while it stands still", { skip }, async () => {
      const member = await Member.start(real);
      await real.untilSubscribed(ROOM, 1);
      await real.pause();
      try {
        member.server.publish(ROOM, "1");
        await member.end();
      } finally {
        real.resume();
      }
      await untilAnswered("no subscription", () => real.countAll(), (count) => count === 0);
    });

    if (!kind.hasProcesses) return;

    it("connects processes on three runtimes", { skip }, async () => {
      const url = new URL("room_process.ts", import.meta.url);
      const processes = onThreeRuntimes(url).map((module) =>
        new TestProcess(module, real.word, `${real.port}`)
      );
      const clients: Connection[] = [];
      try {
        for (const child of processes) {
          const [, port] = await child.untilPrinted(/^port (\d+)/m);
          clients.push(await connect(`ws://127.0.0.1:${port}/`));
        }
        await real.untilSubscribed(ROOM, 3);
        const COUNT = 100;
        const inboxes = clients.map(async (client) => {
          const received: Message[] = [];
          for await (const message of client) {
            if (received.push(message) === 2 * COUNT) break;
          }
          return received;
        });
        for (let i = 0; i < COUNT; i++) {
          for (const [name, client] of clients.entries()) await client.send(numbered(`${name}`, i));
        }
        for (const [own, inbox] of inboxes.entries()) {
          const received = await inbox;
          for (const name of [0, 1, 2]) {
            const expected = name === own ? [] : range(0, COUNT);
            assertEquals(numbersOf(`${name}`, received), expected);
          }
        }
      } finally {
        for (const child of processes) child.kill();
      }
    });
  });
}
