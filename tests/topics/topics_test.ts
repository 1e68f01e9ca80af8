// @engines: all of it happens in memory.

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import type { Sendable } from "../../src/connection/connection.ts";
import type { FanOutSink } from "../../src/connection/fan_out.ts";
import { systemTurns, Turns } from "../../src/connection/turns.ts";
import type { ConnectionCompression } from "../../src/protocol/message_compression.ts";
import { systemClock } from "../../src/transport/clock.ts";
import { resolvePresenceOptions } from "../../src/topics/presence/options.ts";
import { FakeClock } from "../../src/testing/fake_clock.ts";
import type { Subscriber } from "../../src/topics/fan_out/subscriber.ts";
import { Topics } from "../../src/topics/topics.ts";
import { TopicSubscription } from "../../src/topics/slow_consumers/topic_subscription.ts";

/** Topics that are flushed when the test says so. */
async function createTopics(turns: Turns = systemTurns) {
  const due: (() => void)[] = [];
  const table = await Topics.create({
    presence: resolvePresenceOptions(),
    broker: undefined,
    brokerQueueSize: 0,
    resume: undefined,
    clock: systemClock,
    turns,
    schedule: (flush) => void due.push(flush),
    onMemoryChange() {},
    onError(error) {
      throw error;
    },
    onBrokerEvent() {},
  });
  const flush = () => due.splice(0).forEach((flush) => flush());
  const publish = (topic: string, data: string, except?: Subscriber) =>
    table.publish({ topic, data, except });
  return { table, publish, flush, due };
}

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
    postEncoded: () => true,
    post: (data) => onPost?.(data),
    closeAtOnce() {},
    throwIfClosed() {},
    source: undefined,
  };
  let before = 0;
  const compression = onPost && { sharedWindowBits: undefined } as ConnectionCompression;
  const subscriber = topics.createSubscriber(sink, { compression });
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
  it(`a subscriber may leave while another gets what was published to ${topics}`, async () => {
    const { table, publish, flush } = await createTopics();
    const received: number[][] = [[], []];
    const second = subscriber(table, received[1]);
    const first = subscriber(table, received[0], () => second.close());
    for (const topic of topics) {
      table.subscribe(first, topic, {});
      table.subscribe(second, topic, {});
    }
    for (const topic of topics) publish(topic, "x");
    flush();
    assertEquals(received, [[topics.length], []]);
    assertEquals(table.subscriberCount("a"), 1);
  });
}

it("many subscribers get what is published, one after another, but those that leave before", async () => {
  const { table, publish, flush } = await createTopics();
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
  publish("a", "x");
  flush();
  assertEquals(order, all.map((_, number) => number).filter((number) => number % 10 !== 1));
  assertEquals(table.subscriberCount("a"), 90);
});

it("those who get all of what is published get it in one piece, also where others don't", async () => {
  const { table, publish, flush } = await createTopics();
  const received: number[][] = [[], [], []];
  const all = received.map((own) => subscriber(table, own));
  for (const one of all) table.subscribe(one, "a", {});
  for (const except of [undefined, all[1], all[1], all[2]]) {
    publish("a", "x", except);
  }
  flush();
  assertEquals(received, [[4], [1, 1], [1, 1, 1]]);
});

it("what is much work is delivered at once, as a part of the turn of who publishes", async () => {
  const clock = new FakeClock();
  const turns = new Turns(clock);
  const { table, publish: publishTo } = await createTopics(turns);
  const received: number[] = [];
  // As if each delivery took a hundredth of a millisecond.
  const all = Array.from(
    { length: 300 },
    () => subscriber(table, received, () => void clock.stall(0.01)),
  );
  for (const one of all) table.subscribe(one, "a", {});
  const publish = () => publishTo("a", "x");

  for (let i = 0; i < 15; i++) publish();
  assertEquals(received, []);
  publish();
  assertEquals(received, Array(300).fill(16));
  let count = 16;
  for (; !turns.isOver && count < 1_000; count++) publish();
  assert(count <= 80, `${count} messages in a turn of 10 ms, of 3 ms each 16`);
});

describe("what is published", () => {
  /** Topics whose turn ends when the test says so, with one subscriber. */
  async function createTopic() {
    const { table, publish, flush, due } = await createTopics();
    const received: number[] = [];
    table.subscribe(subscriber(table, received), "a", {});
    return { received, publish: (data: string) => publish("a", data), endTurn: flush, due };
  }

  it("is sent in one piece, when what has arrived by then was dealt with", async () => {
    const { received, publish, endTurn, due } = await createTopic();
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
    const { received, publish, endTurn } = await createTopic();
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

it("a subscriber that is behind with many topics gets what waits in order, and none looks through all", async () => {
  const TOPICS = 4_000;
  const MESSAGES = 5;
  const { table, publish, flush } = await createTopics();
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
      publish(`${topic}`, `${topic}:${k}`);
      if (topic % 5 !== 0 || k === MESSAGES - 1) expected.push(`${topic}:${k}`);
    }
    flush();
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
  slow.drain();
  Object.defineProperty(prototype, "firstSequence", property);
  assertEquals(received.length, expected.length);
  assertEquals(received.findIndex((text, index) => text !== expected[index]), -1);
  assertEquals(slow.isBehind, false);
  // Some for each time that the number of topics can be halved, not for each topic.
  assert(looks < 100 * expected.length, `${looks} looks for ${expected.length} messages`);
});

it("a subscriber that is behind may leave topics, and get more, while it is sent to", async () => {
  const { table, publish, flush } = await createTopics();
  const received: string[] = [];
  let room = -1;
  const slow = subscriberOf(table, {
    room: () => room,
    onPost(data) {
      received.push(data as string);
      if (data === "a1") {
        table.unsubscribe(slow, "b");
        publish("d", "d1");
        flush();
      }
    },
  });
  for (const topic of ["a", "b", "c", "d"]) table.subscribe(slow, topic, { lag: "drop-oldest" });
  for (const text of ["a1", "b1", "c1", "a2", "b2"]) {
    publish(text[0], text);
  }
  flush();
  room = 1;
  slow.drain();
  assertEquals(received, ["a1", "c1", "a2", "d1"]);
  assertEquals(slow.isBehind, false);
});

describe("what is sent to one subscriber", () => {
  it("comes behind what was published before, and the others still get that in one piece", async () => {
    const { table, publish, flush } = await createTopics();
    const received: number[][] = [[], [], []];
    const [a, b, c] = received.map((own) => subscriber(table, own));
    for (const one of [a, b, c]) table.subscribe(one, "x", {});
    table.subscribe(b, "y", {});
    publish("x", "1");
    a.sendPublished();
    publish("x", "2", c);
    publish("y", "3");
    b.sendPublished();
    b.sendPublished();
    assertEquals(received, [[1], [1, 1, 1], []]);
    publish("x", "4");
    flush();
    assertEquals(received, [[1, 1, 1], [1, 1, 1, 1], [1, 1]]);
  });

  it("comes behind what is being delivered to others", async () => {
    const { table, publish, flush } = await createTopics();
    const received: string[] = [];
    const first = subscriberOf(table, {
      onSent() {
        if (received.length > 0) return;
        publish("x", "later");
        second.sendPublished();
        received.push("sent");
      },
    });
    const second = subscriberOf(table, { onPost: (data) => void received.push(data as string) });
    table.subscribe(first, "x", {});
    table.subscribe(second, "x", {});
    publish("x", "1");
    publish("x", "2");
    flush();
    assertEquals(received, ["1", "2", "later", "sent"]);
    flush();
    assertEquals(received, ["1", "2", "later", "sent"]);
  });

  it("is not what was published before it subscribed, though others wait for that", async () => {
    const { table, publish, flush } = await createTopics();
    const received: number[][] = [[], []];
    const [early, late] = received.map((own) => subscriber(table, own));
    table.subscribe(early, "x", {});
    publish("x", "1");
    table.subscribe(late, "x", {});
    publish("x", "2");
    flush();
    assertEquals(received, [[2], [1]]);
  });
});
