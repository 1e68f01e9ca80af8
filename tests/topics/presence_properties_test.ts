// @engines: all of it happens in memory.

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import type { PresenceChange, PresentMember, SubscribeOptions } from "../../src/server/mod.ts";
import { Random } from "../codec/support.ts";
import { watch } from "../support/watch.ts";
import { TTL_MS, type Watcher, watchOn, withServers } from "./hub.ts";

const TOPICS = ["x", "y"];
const KEYS = ["ann", "bob", "cem"];
const SERVERS = 3;
const STEPS = 80;

/** What a connection is subscribed to. */
interface Model extends Watcher {
  server: number;
  presence: Map<string, SubscribeOptions["presence"]>;
}

/** Who must be in a topic: the connections of each member. */
function expectedIn(topic: string, models: Iterable<Model>): Map<string, number> {
  const expected = new Map<string, number>();
  for (const { presence } of models) {
    const entry = presence.get(topic);
    if (typeof entry !== "object") continue;
    expected.set(entry.key, (expected.get(entry.key) ?? 0) + 1);
  }
  return expected;
}

/** Checks that what a connection was told makes sense, and leads to what is. */
function checkNotices(texts: readonly string[], lists: Map<string, PresentMember[]>): void {
  const known = new Map<string, Map<string, PresenceChange | undefined>>();
  for (const text of texts) {
    if (text.startsWith("begin ")) {
      known.set(text.slice("begin ".length), new Map());
      continue;
    }
    const change: PresenceChange = JSON.parse(text);
    const members = known.get(change.topic);
    assert(members !== undefined, `told of ${text}, and never subscribed`);
    if (members.has(change.key)) {
      const isThere = members.get(change.key) !== undefined;
      assertEquals(change.type === "join", !isThere, text);
    }
    members.set(change.key, change.type === "leave" ? undefined : change);
  }
  for (const [topic, list] of lists) {
    for (const [key, last] of known.get(topic) ?? []) {
      const member = list.find((member) => member.key === key);
      assertEquals(last !== undefined, member !== undefined, `${key} in ${topic}`);
      if (last !== undefined) assertEquals(last.info, member!.info);
    }
  }
}

/** Has servers, their broker and clients do things by lot, and lets all settle. */
async function play(seed: number): Promise<void> {
  const random = new Random(seed);
  const notice = (change: PresenceChange) => JSON.stringify(change);
  await withServers(SERVERS, async (peers, hub, advance) => {
    const models = new Set<Model>();
    const left: Model[] = [];
    const open = async (server: number) => {
      const watcher = await watchOn(peers[server].harness);
      models.add({ ...watcher, server, presence: new Map() });
    };
    for (let i = 0; i < 2 * SERVERS; i++) await open(i % SERVERS);
    hub.random = random;
    hub.loses = () => random.below(20) === 0;
    for (let step = 0; step < STEPS; step++) {
      const model = random.pick([...models]);
      const { broker } = peers[random.below(SERVERS)];
      const topic = random.pick(TOPICS);
      switch (random.below(12)) {
        case 0:
          broker.disconnect();
          break;
        case 1:
          broker.reconnect();
          break;
        case 2:
          broker.isDead = !broker.isDead && random.below(2) === 0;
          break;
        case 3:
          if (random.below(2) === 0) hub.pause();
          else hub.resume();
          break;
        case 4:
          model.client.socket.reset();
          await model.conn.closed;
          models.delete(model);
          await open(model.server);
          break;
        case 5:
        case 6:
          await advance(random.below(TTL_MS));
          break;
        case 7:
          void peers[random.below(SERVERS)].server.presence(topic);
          break;
        case 8:
          model.conn.unsubscribe(topic);
          model.presence.delete(topic);
          break;
        default: {
          const entry = { key: random.pick(KEYS), info: step };
          const presence = random.below(4) === 0 ? true : entry;
          model.conn.subscribe(topic, { presence });
          model.conn.trySend(`begin ${topic}`);
          model.presence.set(topic, presence);
        }
      }
    }
    hub.loses = () => false;
    hub.random = undefined;
    hub.resume();
    const crashed = random.below(2 * SERVERS);
    for (const [i, { broker }] of peers.entries()) {
      broker.reconnect();
      broker.isDead = i === crashed;
    }
    for (const model of models) {
      if (model.server !== crashed) continue;
      models.delete(model);
      left.push(model);
    }
    await advance(3 * TTL_MS);
    const lists = new Map<string, PresentMember[]>();
    for (const [i, { server }] of peers.entries()) {
      if (i === crashed) continue;
      for (const topic of TOPICS) {
        const listed = watch(server.presence(topic));
        await advance(TTL_MS);
        const list = listed.value!;
        const before = lists.get(topic);
        if (before !== undefined) assertEquals(list, before, `server ${i}, ${topic}`);
        lists.set(topic, list);
        const connections = new Map(list.map(({ key, connections }) => [key, connections]));
        assertEquals(connections, expectedIn(topic, models), `server ${i}, ${topic}`);
      }
    }
    for (const { takeTexts, presence } of models) {
      const watched = new Map([...lists].filter(([topic]) => presence.has(topic)));
      checkNotices(await takeTexts(), watched);
    }
    for (const { takeTexts } of left) checkNotices(await takeTexts(), new Map());
  }, { presence: { ttlMs: TTL_MS, notice }, limits: { sendQueueSize: 1e9 } });
}

describe("presence, by lot", () => {
  it("is the same on all servers in the end, and what was told leads there", async () => {
    for (let seed = 1; seed <= 5; seed++) {
      try {
        await play(seed);
      } catch (error) {
        throw new Error(`seed ${seed}`, { cause: error });
      }
    }
  });
});
