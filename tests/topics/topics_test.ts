import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import type { Sendable } from "../../src/connection/connection.ts";
import type { FanOutSink } from "../../src/connection/fan_out.ts";
import { Turns } from "../../src/connection/turns.ts";
import type { ConnectionCompression } from "../../src/protocol/message_compression.ts";
import { FakeClock } from "../../src/testing/fake_clock.ts";
import { Subscriber } from "../../src/topics/fan_out/subscriber.ts";
import { Topics } from "../../src/topics/fan_out/topics.ts";
import { TopicSubscription } from "../../src/topics/slow_consumers/topic_subscription.ts";

/** What the connection of a subscriber does, for tests. */
interface FakeSink {
  /** Is told of messages that are sent. */
  onSent?: (messages: number) => void;
  /** Is given messages that are sent to this subscriber alone. */
  onPost?: (data: Sendable) => void;
  room?: () => number;
}

/** Adds a subscriber that takes everything, by default. */
function subscriberOf(topics: Topics, { onSent, onPost, room }: FakeSink = {}): Subscriber {
  const sink: FanOutSink = {
    remoteAddress: { transport: "stream" },
    isOpen: true,
    isFinished: false,
    get room() {
      return room?.() ?? 100_000;
    },
    hasRoomForLength: () => true,
    sendShared() {
      const sent = subscriber.messagesSent - before;
      before = subscriber.messagesSent;
      onSent?.(sent);
    },
    encode: (data) => data,
    post: (data) => onPost?.(data),
    closeAtOnce() {},
    throwIfClosed() {},
    attach() {},
  };
  let before = 0;
  const compression = onPost && { sharedWindowBits: undefined } as ConnectionCompression;
  const subscriber = new Subscriber(sink, topics, { compression });
  return subscriber;
}

/** Adds a subscriber that takes everything, and has `onSent` called when it did. */
function subscriber(topics: Topics, received: number[], onSent: () => void = () => {}): Subscriber {
  return subscriberOf(topics, {
    onSent(messages) {
      received.push(messages);
      onSent();
    },
  });
}

for (const topics of [["a"], ["a", "b"]]) {
  it(`a subscriber may leave while another gets what was published to ${topics}`, () => {
    const table = new Topics();
    const received: number[][] = [[], []];
    const second = subscriber(table, received[1]);
    const first = subscriber(table, received[0], () => table.leave(second));
    for (const topic of topics) {
      table.subscribe(first, topic, {});
      table.subscribe(second, topic, {});
    }
    for (const topic of topics) table.publish(topic, "x", undefined, "", undefined);
    table.flush();
    assertEquals(received, [[topics.length], []]);
    assertEquals(table.subscriberCount("a"), 1);
  });
}

it("many subscribers get what is published, one after another, but those that leave before", () => {
  const table = new Topics();
  const order: number[] = [];
  const all = Array.from({ length: 100 }, (_, number) =>
    subscriber(table, [], () => {
      order.push(number);
      if (number % 10 === 0) table.unsubscribe(all[number + 1], "a");
    }));
  for (const one of all) {
    table.subscribe(one, "a", {});
    table.subscribe(one, "b", {});
  }
  table.publish("a", "x", undefined, "", undefined);
  table.flush();
  assertEquals(order, all.map((_, number) => number).filter((number) => number % 10 !== 1));
  assertEquals(table.subscriberCount("a"), 90);
});

it("those who get all of what is published get it in one piece, also where others don't", () => {
  const table = new Topics();
  const received: number[][] = [[], [], []];
  const all = received.map((own) => subscriber(table, own));
  for (const one of all) table.subscribe(one, "a", {});
  for (const except of [undefined, all[1], all[1], all[2]]) {
    table.publish("a", "x", undefined, "", except);
  }
  table.flush();
  assertEquals(received, [[4], [1, 1], [1, 1, 1]]);
});

it("what is much work is delivered at once, as a part of the turn of who publishes", () => {
  const clock = new FakeClock();
  const table = new Topics();
  table.turns = new Turns(clock);
  table.schedule = () => {};
  const received: number[] = [];
  // As if each delivery took a hundredth of a millisecond.
  const all = Array.from(
    { length: 300 },
    () => subscriber(table, received, () => void clock.stall(0.01)),
  );
  for (const one of all) table.subscribe(one, "a", {});
  const publish = () => table.publish("a", "x", undefined, "", undefined);

  for (let i = 0; i < 15; i++) publish();
  assertEquals(received, []);
  publish();
  assertEquals(received, Array(300).fill(16));
  let count = 16;
  for (; !table.turns.isOver && count < 1_000; count++) publish();
  assert(count <= 80, `${count} messages in a turn of 10 ms, of 3 ms each 16`);
});

describe("what is published", () => {
  /** Topics whose turn ends when the test says so, with one subscriber. */
  function createTopics() {
    const table = new Topics();
    const due: (() => void)[] = [];
    table.schedule = (flush) => void due.push(flush);
    const received: number[] = [];
    table.subscribe(subscriber(table, received), "a", {});
    const publish = (data: string) => table.publish("a", data, undefined, "", undefined);
    const endTurn = () => due.splice(0).forEach((flush) => flush());
    return { received, publish, endTurn, due };
  }

  it("is sent in one piece, when what has arrived by then was dealt with", async () => {
    const { received, publish, endTurn, due } = createTopics();
    for (let i = 0; i < 3; i++) {
      publish("x");
      await Promise.resolve();
    }
    assertEquals([received, due.length], [[], 1]);
    endTurn();
    assertEquals(received, [3]);
    publish("x");
    endTurn();
    assertEquals(received, [3, 1]);
  });

  it("is not held back where it is much", async () => {
    const { received, publish, endTurn } = createTopics();
    publish("x".repeat(65_535));
    await Promise.resolve();
    assertEquals(received, []);
    publish("x");
    // Until the end of this turn, all the same.
    publish("x");
    assertEquals(received, []);
    await Promise.resolve();
    assertEquals(received, [3]);
    publish("x");
    await Promise.resolve();
    assertEquals(received, [3]);
    endTurn();
    assertEquals(received, [3, 1]);
  });
});

it("a subscriber that is behind with many topics gets what waits in order, and none looks through all", () => {
  const TOPICS = 4_000;
  const MESSAGES = 5;
  const table = new Topics();
  const received: string[] = [];
  let room = -1;
  const slow = subscriberOf(table, {
    room: () => room,
    onPost: (data) => void received.push(data as string),
  });
  for (let i = 0; i < TOPICS; i++) {
    table.subscribe(slow, `${i}`, { lag: i % 5 === 0 ? "latest" : "drop-oldest" });
  }
  const expected: string[] = [];
  for (let k = 0; k < MESSAGES; k++) {
    for (let i = 0; i < TOPICS; i++) {
      const topic = (i * 7 + k) % TOPICS;
      table.publish(`${topic}`, `${topic}:${k}`, undefined, "", undefined);
      if (topic % 5 !== 0 || k === MESSAGES - 1) expected.push(`${topic}:${k}`);
    }
    table.flush();
  }
  room = 1;
  const { prototype } = TopicSubscription;
  const property = Object.getOwnPropertyDescriptor(prototype, "firstSequence")!;
  let looks = 0;
  Object.defineProperty(prototype, "firstSequence", {
    configurable: true,
    get() {
      looks++;
      return property.get!.call(this);
    },
  });
  table.continueSending(slow);
  Object.defineProperty(prototype, "firstSequence", property);
  assertEquals(received.length, expected.length);
  assertEquals(received.findIndex((text, index) => text !== expected[index]), -1);
  assertEquals(slow.isBehind, false);
  // Some for each time that the number of topics can be halved, not for each topic.
  assert(looks < 100 * expected.length, `${looks} looks for ${expected.length} messages`);
});

it("a subscriber that is behind may leave topics, and get more, while it is sent to", () => {
  const table = new Topics();
  const received: string[] = [];
  let room = -1;
  const slow = subscriberOf(table, {
    room: () => room,
    onPost(data) {
      received.push(data as string);
      if (data === "a1") {
        table.unsubscribe(slow, "b");
        table.publish("d", "d1", undefined, "", undefined);
        table.flush();
      }
    },
  });
  for (const topic of ["a", "b", "c", "d"]) table.subscribe(slow, topic, { lag: "drop-oldest" });
  for (const text of ["a1", "b1", "c1", "a2", "b2"]) {
    table.publish(text[0], text, undefined, "", undefined);
  }
  table.flush();
  room = 1;
  table.continueSending(slow);
  assertEquals(received, ["a1", "c1", "a2", "d1"]);
  assertEquals(slow.isBehind, false);
});
