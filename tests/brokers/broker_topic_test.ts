// @engines: all of it happens in memory.

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { FakeClock } from "../../src/testing/fake_clock.ts";
import type { Subscriber } from "../../src/topics/fan_out/subscriber.ts";
import type { BrokerStore } from "../../src/topics/retention/broker_store.ts";
import { BrokerTopic } from "../../src/topics/retention/broker_topic.ts";
import { FairTurns } from "../../src/topics/retention/fair_turns.ts";
import { ReplayAllowance } from "../../src/topics/retention/replay_allowance.ts";
import { RetainedMessages } from "../../src/topics/retention/retained_messages.ts";
import type { TopicSubscription } from "../../src/topics/slow_consumers/topic_subscription.ts";
import { settle } from "../support/turn.ts";

const WINDOW = { windowMs: Infinity, windowSize: 1_000, totalSize: 1_000 };
const FROM = { epoch: "e", number: 1 };

/** Creates a topic at position 5, without messages in memory. `given` lists the addresses of clients that go on. */
async function createTopic(onReplay: (topic: BrokerTopic, address: string) => void) {
  const clock = new FakeClock();
  const messages = new RetainedMessages(WINDOW, clock, () => {});
  const allowance = new ReplayAllowance(1_000, clock, 1_000);
  const position = { epoch: "e", number: 5 };
  const given: string[] = [];
  const store = {
    clock,
    messages,
    allowance,
    replays: new FairTurns(1),
    broker: { read: () => Promise.resolve({ messages: [], isComplete: true, position }) },
    fanOut: {
      replay({ subscriber: { address } }: TopicSubscription) {
        given.push(address);
        onReplay(topic, address);
      },
    },
    outbox: { continue() {} },
  };
  const topic = new BrokerTopic(messages.open("x"), store as unknown as BrokerStore);
  topic.connect();
  await settle();
  return { topic, allowance, given };
}

function join(topic: BrokerTopic, address: string): void {
  const subscriber = { address, sendControl() {} } as unknown as Subscriber;
  topic.join({ topic: "x", subscriber, resumeFrom: FROM } as TopicSubscription);
}

describe("a client that joins while another one is told that its share is used up", () => {
  for (const address of ["192.0.2.1", "192.0.2.2"]) {
    it(`goes on ${address === "192.0.2.1" ? "without messages" : "with its own share"}`, async () => {
      let isFirst = true;
      const { topic, allowance, given } = await createTopic((topic) => {
        if (isFirst) join(topic, address);
        isFirst = false;
      });
      allowance.charge("192.0.2.1", 1_000);
      join(topic, "192.0.2.1");
      await settle();
      assertEquals(given, ["192.0.2.1", address]);
    });
  }
});
