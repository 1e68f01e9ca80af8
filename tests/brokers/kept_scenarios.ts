/**
 * What holds with every broker that keeps messages, tried with real ones.
 *
 * @module
 */

import { after, before, describe } from "node:test";
import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import type { KeptMessage } from "../../src/topics/cluster/broker.ts";
import { Model } from "./kept_model.ts";
import { keptTest, textsOf, WIDE } from "./kept_server.ts";
import { type Kind, untilAnswered } from "./real_broker.ts";

let lastTopic = 0;

/** A topic that no other test has. */
function newTopic(): string {
  return `topic ${++lastTopic}`;
}

function range(start: number, end: number): number[] {
  return Array.from({ length: end - start }, (_, index) => start + index);
}

/** Checks that messages follow one another, behind a number. */
function assertChain(messages: readonly KeptMessage[], first: number): void {
  let last = first;
  for (const { position, previous } of messages) {
    assertEquals(previous, last);
    assert(position.number > previous);
    last = position.number;
  }
}

/** Tries a kind of broker. */
export function tryKeeping(kind: Kind): void {
  const { skip } = kind;
  const real = kind.create();

  describe(`${kind.name} that keeps messages`, () => {
    before(() => skip === false ? real.start() : undefined);
    after(() => real.end());
    const test = keptTest(real, skip);

    test(
      "gives those of several servers one order, to subscribers and to readers",
      3,
      WIDE,
      async (servers) => {
        const topic = newTopic();
        for (const { broker } of servers) await broker.subscribe([topic], true);
        const start = await servers[0].place(topic);
        const COUNT = 100;
        await Promise.all(
          servers.map((server, name) =>
            Promise.all(range(0, COUNT).map((i) => server.append(topic, `${name} ${i}`)))
          ),
        );
        const read = await servers[2].broker.read(topic, start);
        assertEquals(read.isComplete, true);
        assertEquals(read.position, read.messages.at(-1)!.position);
        assertEquals(read.messages.length, 3 * COUNT);
        assertChain(read.messages, start.number);
        for (const name of [0, 1, 2]) {
          const own = textsOf(read).filter((text) => text.startsWith(`${name} `));
          assertEquals(own, range(0, COUNT).map((i) => `${name} ${i}`));
        }
        for (const server of servers) {
          await server.until("all messages", () => server.received.length === 3 * COUNT);
          assertEquals(server.textsOf(topic), textsOf(read));
          assertEquals(
            server.messagesOf(topic).map(({ position }) => position),
            read.messages.map(({ position }) => position),
          );
          for (const [index, { previous }] of server.messagesOf(topic).entries()) {
            // Where there was none before, it may be 0.
            const before = index === 0 ? start : read.messages[index - 1].position;
            assert(previous === before.number || index === 0 && previous === 0);
          }
        }
        const middle = read.messages[150].position;
        const rest = await servers[1].broker.read(topic, middle);
        assertEquals([rest.messages.length, rest.isComplete], [3 * COUNT - 151, true]);
        assertChain(rest.messages, middle.number);
        const none = await servers[1].broker.read(topic, read.position);
        assertEquals([none.messages.length, none.isComplete], [0, true]);
      },
    );

    test("keeps a message with an id once", 2, WIDE, async ([a, b]) => {
      const topic = newTopic();
      await b.broker.subscribe([topic], true);
      const start = await b.place(topic);
      const [first, second, third] = [a.createId(), a.createId(), a.createId()];
      await a.append(topic, "1", first);
      await a.append(topic, "3", third);
      // One that came late is not one that is known.
      await a.append(topic, "2", second);
      for (const id of [first, second, third]) await a.append(topic, "again", id);
      await b.append(topic, "again", first);
      await a.append(topic, "4");
      await b.until("the last one", () => b.textsOf(topic).at(-1) === "4");
      assertEquals(b.textsOf(topic), ["1", "3", "2", "4"]);
      assertEquals(textsOf(await b.broker.read(topic, start)), ["1", "3", "2", "4"]);
    });

    test(
      "takes topics of any name and bytes of any kind, apart from what is not kept",
      2,
      WIDE,
      async ([a, b]) => {
        const bytes = Uint8Array.from(range(0, 1024), (i) => i);
        const topics = [
          ...["", " ", "*", ">", "a.*", "a..b", ".", "é😀", "\0\r\n", "!", "$", "\\u0000"],
          ...["{}", "}", "{", "a}b", "%", "%25", "%7D", "}:live", "{x}:log"],
          "x".repeat(1024),
        ];
        await b.broker.subscribe(topics);
        await b.broker.subscribe(topics, true);
        const starts = await Promise.all(topics.map((topic) => b.place(topic)));
        for (const topic of topics) await a.append(topic, bytes);
        await b.until("all", () => b.received.length === topics.length);
        assertEquals(b.received.map(({ topic }) => topic), topics);
        for (const { message } of b.received) assertEquals(message.message, bytes);
        for (const [index, topic] of topics.entries()) {
          const read = await a.broker.read(topic, starts[index]);
          assertEquals(read.messages.map(({ message }) => Uint8Array.from(message)), [bytes]);
          assertEquals(read.isComplete, true);
        }
        assertEquals(b.plain, []);
        await b.broker.unsubscribe(topics.slice(1), true);
        for (const topic of topics) await a.append(topic, "2");
        for (const topic of topics) await a.broker.publish(topic, new Uint8Array(0));
        await b.until("what is not kept", () => b.plain.length === topics.length);
        await a.append("", "3");
        await b.until("3", () => b.messagesOf("").length === 3);
        assertEquals(b.received.length, topics.length + 2);
      },
    );

    test("takes large messages and empty ones", 1, WIDE, async ([a]) => {
      const topic = newTopic();
      await a.broker.subscribe([topic], true);
      const start = await a.place(topic);
      const large = new Uint8Array(1_000_000).map((_, index) => index * 7);
      for (const message of [large, new Uint8Array(0), large]) await a.append(topic, message);
      await a.until("all", () => a.received.length === 3);
      const { messages, isComplete } = await a.broker.read(topic, start);
      assertEquals(isComplete, true);
      for (const all of [messages, a.messagesOf(topic)]) {
        assertEquals(all.map(({ message }) => message.length), [1_000_000, 0, 1_000_000]);
        assertEquals(Uint8Array.from(all[2].message), large);
      }
    });

    test("keeps as many bytes of a topic as there is room for, and says so", 1, {
      ...WIDE,
      windowSize: 10 * (256 + 100),
    }, async ([a]) => {
      const [topic, other] = [newTopic(), newTopic()];
      await a.broker.subscribe([topic], true);
      const start = await a.place(topic);
      await a.append(other, "other");
      const message = new Uint8Array(100);
      for (let i = 0; i < 15; i++) await a.append(topic, message.fill(i));
      await a.until("all", () => a.received.length === 15);
      const places = [start, ...a.messagesOf(topic).map(({ position }) => position)];
      for (const [index, place] of places.entries()) {
        const { messages, isComplete, position } = await a.broker.read(topic, place);
        const first = Math.max(index, 5);
        assertEquals(messages.map(({ message }) => message[0]), range(first, 15), `${index}`);
        assertEquals(isComplete, index >= 5, `${index}`);
        assertEquals(position.number >= places[15].number, true);
        assertChain(messages, isComplete ? place.number : messages[0].position.number - 1);
      }
      const { length } = (await a.broker.read(other, { ...start, number: 0 })).messages;
      assertEquals(length, 1, "a topic takes no room from others");
    });

    test(
      "keeps messages for as long as it is told to, and says so",
      1,
      { ...WIDE, windowMs: 400 },
      async ([a]) => {
        const topic = newTopic();
        await a.broker.subscribe([topic], true);
        const start = await a.place(topic);
        await a.append(topic, "1");
        await untilAnswered(
          "a message to be forgotten",
          () => a.broker.read(topic, start),
          ({ messages, isComplete }) => messages.length === 0 && !isComplete,
        );
        await a.until("the message", () => a.received.length === 1);
        const first = a.received[0].message.position;
        await untilAnswered(
          "nothing to be missed",
          () => a.broker.read(topic, a.progress ?? first),
          ({ messages, isComplete }) => messages.length === 0 && isComplete,
        );
        await untilAnswered("the next message", async () => {
          const place = await a.place(topic);
          await a.append(topic, "2");
          return await a.broker.read(topic, place);
        }, (read) => read.isComplete && textsOf(read).join() === "2");
        assertEquals((await a.broker.read(topic, start)).isComplete, false);
      },
    );

    test("gives all that it has to who comes with a place that is none", 1, WIDE, async ([a]) => {
      const topic = newTopic();
      const start = await a.place(topic);
      await a.append(topic, "1");
      await a.append(topic, "2");
      for (
        const place of [
          { epoch: "other", number: 0 },
          { epoch: "other", number: start.number },
          { epoch: "", number: 1 },
          { epoch: start.epoch, number: start.number + 1000 },
          { epoch: start.epoch, number: Number.MAX_SAFE_INTEGER },
        ]
      ) {
        const { messages, isComplete, position } = await a.broker.read(topic, place);
        assertEquals(textsOf({ messages, isComplete, position }), ["1", "2"]);
        assertEquals([isComplete, position], [false, messages[1].position]);
      }
      const other = newTopic();
      const nothing = await a.broker.read(other, { epoch: "other", number: 3 });
      assertEquals([nothing.messages.length, nothing.isComplete], [0, false]);
      assertNotEquals(nothing.position.epoch, "other");
      const next = await a.broker.read(other, nothing.position);
      assertEquals([next.messages.length, next.isComplete], [0, true]);
    });

    test(
      "knows of a quiet topic, whatever happens in others",
      2,
      { ...WIDE, windowMs: 600 },
      async ([a, b]) => {
        const [quiet, busy] = [newTopic(), newTopic()];
        await a.broker.subscribe([quiet], true);
        const start = await a.place(quiet);
        const busyStart = await b.place(busy);
        await untilAnswered(
          "the busy topic to forget",
          async () => {
            await b.append(busy, "x");
            return await b.broker.read(busy, busyStart);
          },
          ({ isComplete }) => !isComplete,
        );
        await untilAnswered("the quiet topic to be known of", async () => {
          await b.append(busy, "x");
          return await b.broker.read(quiet, a.progress ?? start);
        }, ({ messages, isComplete }) => messages.length === 0 && isComplete);
        assertEquals(a.received, []);
      },
    );

    test("loses nothing that it said it has, where it is killed", 2, WIDE, async ([a, b]) => {
      const topic = newTopic();
      await b.broker.subscribe([topic], true);
      const start = await b.place(topic);
      const COUNT = 60;
      for (let i = 0; i < COUNT; i++) await a.append(topic, `${i}`);
      await real.kill();
      await Promise.all([a.untilLost(), b.untilLost()]);
      await real.start();
      await Promise.all([a.untilConnected(), b.untilConnected()]);
      await a.appendSurely(topic, `${COUNT}`);
      const read = await b.readSurely(topic, start);
      assertEquals([textsOf(read), read.isComplete], [range(0, COUNT + 1).map(String), true]);
      assertChain(read.messages, start.number);
      await b.until("the last one", () => b.textsOf(topic).at(-1) === `${COUNT}`);
      assertEquals(b.messagesOf(topic).at(-1)!.position, read.position);
    });

    test(
      "has each message once where it is killed while it takes them",
      2,
      WIDE,
      async ([a, b]) => {
        const topic = newTopic();
        const start = await b.place(topic);
        const COUNT = 200;
        let next = 0;
        const appender = async () => {
          while (next < COUNT) await a.appendSurely(topic, `${next++}`);
        };
        const appending = Promise.all(Array.from({ length: 8 }, appender));
        while (next < COUNT / 2) await new Promise((resolve) => setTimeout(resolve, 0));
        await real.kill();
        await a.untilLost();
        await real.start();
        await appending;
        const read = await b.readSurely(topic, start);
        assertEquals(read.isComplete, true);
        const numbers = textsOf(read).map(Number);
        assertEquals(numbers.toSorted((x, y) => x - y), range(0, COUNT), "all, and once");
      },
    );

    test("takes what waits when it goes on after it stood still", 2, WIDE, async ([a, b]) => {
      const topic = newTopic();
      await b.broker.subscribe([topic], true);
      await real.pause();
      const appending = Promise.all(range(0, 50).map((i) => a.append(topic, `${i}`)));
      const reading = b.broker.read(topic, undefined);
      try {
        await new Promise((resolve) => setTimeout(resolve, 50));
      } finally {
        real.resume();
      }
      await Promise.all([appending, reading]);
      await b.until("all", () => b.received.length >= 50);
      assertEquals(b.textsOf(topic), range(0, 50).map(String));
    });

    test("is told what to keep once, before it starts", 1, WIDE, async ([{ broker }]) => {
      const handler = { receiveKept() {}, receiveProgress() {} };
      assertThrows(
        () => broker.keep(WIDE, handler),
        TypeError,
        "keep() must be called once, before",
      );
      const other = real.createBroker();
      other.keep(WIDE, handler);
      assertThrows(
        () => other.keep(WIDE, handler),
        TypeError,
        "keep() must be called once, before",
      );
      await other.close();
    });

    test("has what a model in memory has", 2, { ...WIDE, windowSize: 6000 }, async (servers) => {
      for (const seed of [1, 2]) {
        const model = new Model(seed, 6000);
        await model.run(servers, [newTopic(), newTopic(), newTopic()], 120);
      }
    });
  });
}
