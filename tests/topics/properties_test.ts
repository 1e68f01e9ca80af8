// @engines: all of it happens in memory.

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import type { LagPolicy, Subscription } from "../../src/server/mod.ts";
import { Random } from "../codec/support.ts";
import { withMemoryServer } from "../support/transports.ts";
import { settle } from "../support/turn.ts";

const TOPICS = ["a", "b", "c"];
const CLIENTS = 4;
const STEPS = 120;

/** What a client is to receive, in order. */
interface Model {
  topics: Set<string>;
  expected: string[];
}

/**
 * Does things by lot: publishes, subscribes, sends, stops reading, lets turns pass. Clients that are not
 * too slow get exactly what a model says; the others a part of it, each topic in order, and it is known
 * how much is missing.
 */
async function play(seed: number, lags: readonly LagPolicy[], queueSize: number): Promise<void> {
  const random = new Random(seed);
  const limits = { sendHighWaterMark: 200, sendQueueSize: 1e9 };
  const compression = random.below(2) === 0 && { threshold: 0 };
  await withMemoryServer({ limits, compression, memoryBudget: false }, async (harness) => {
    const pairs: Awaited<ReturnType<typeof harness.openPair>>[] = [];
    while (pairs.length < CLIENTS) pairs.push(await harness.openPair());
    const models: Model[] = pairs.map(() => ({ topics: new Set(), expected: [] }));
    const subscriptions = new Set<Subscription>();
    for (let step = 0; step < STEPS; step++) {
      const i = random.below(CLIENTS);
      const { client, conn } = pairs[i];
      const model = models[i];
      const topic = random.pick(TOPICS);
      const numbered = (source: string) => `${source} ${step} `.padEnd(random.below(60), ".");
      switch (random.below(9)) {
        case 0:
          // Once more where it is subscribed already, with the same options or others.
          model.topics.add(topic);
          subscriptions.add(conn.subscribe(topic, { lag: random.pick(lags), queueSize }));
          break;
        case 1: {
          const text = numbered("send");
          void conn.send(text);
          model.expected.push(text);
          break;
        }
        case 2:
          if (random.below(2) === 0) client.socket.pause();
          else client.socket.resume();
          break;
        case 3:
          await settle(1);
          break;
        case 4:
          // With "close" it is known what comes, which is nothing of what waits.
          if (lags[0] === "close" || random.below(3) > 0) break;
          model.topics.delete(topic);
          conn.unsubscribe(topic);
          break;
        default: {
          const text = numbered(topic);
          const except = random.below(4) === 0 ? conn : undefined;
          harness.server.publish(topic, text, { except, key: text });
          models.forEach((each, k) => {
            if (each.topics.has(topic) && pairs[k].conn !== except) each.expected.push(text);
          });
        }
      }
    }
    let received = 0;
    let expected = 0;
    for (const [k, { client, conn }] of pairs.entries()) {
      client.socket.resume();
      await settle();
      void conn.send("end");
      const messages: unknown[] = [];
      while (messages.at(-1) !== "end") messages.push(await client.readMessage());
      messages.pop();
      received += messages.length;
      expected += models[k].expected.length;
      // What waits for a slow client may be overtaken by other topics and by `send`.
      const groups = lags[0] === "close"
        ? [/^/]
        : ["send", ...TOPICS].map((name) => RegExp(`^${name} `));
      for (const group of groups) {
        const wanted = models[k].expected.filter((text) => group.test(text));
        let at = 0;
        for (const message of messages as string[]) {
          if (!group.test(message)) continue;
          at = wanted.indexOf(message, at) + 1;
          assert(at > 0, `"${message}" is out of order, or was not for this client`);
        }
      }
    }
    let dropped = 0;
    for (const subscription of subscriptions) dropped += subscription.dropped;
    assertEquals(received + dropped, expected);
    assertEquals(harness.server.stats().messagesDropped, dropped);
    if (lags[0] === "close") assertEquals(dropped, 0);
  });
}

describe("topics, by lot", () => {
  const cases: [what: string, lags: LagPolicy[], queueSize: number][] = [
    ["with room for all", ["close"], Infinity],
    ["where all of it waits", ["drop-oldest", "drop-newest", "latest"], Infinity],
    ["where messages are dropped", ["drop-oldest", "drop-newest"], 100],
  ];
  for (const [what, lags, queueSize] of cases) {
    it(what, async () => {
      for (let seed = 1; seed <= 12; seed++) {
        try {
          await play(seed, lags, queueSize);
        } catch (error) {
          throw new Error(`seed ${seed}`, { cause: error });
        }
      }
    });
  }
});
