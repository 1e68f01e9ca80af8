// @engines: all of it happens in memory.

import { describe, it } from "node:test";
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { envelope } from "../brokers/fake_broker.ts";
import { settle } from "../support/turn.ts";
import { watch } from "../support/watch.ts";
import {
  assertIn,
  type Hub,
  type Peer,
  TTL_MS,
  type Watcher,
  watchOn,
  whoIsIn,
  withServers,
} from "./hub.ts";

/** How long others may take to answer. */
const ANSWER_MS = 1_000;
const BEAT_MS = TTL_MS / 3;

/** Runs servers with a client each, that watches "x", and may be in it by its name: a, b, c. */
function withRoom(
  names: string,
  body: (
    stage: {
      peers: Peer[];
      watchers: Watcher[];
      hub: Hub;
      advance: (ms: number) => Promise<void>;
    },
  ) => Promise<void>,
): Promise<void> {
  return withServers(names.length, async (peers, hub, advance) => {
    const watchers: Watcher[] = [];
    for (const [i, { harness }] of peers.entries()) {
      const watcher = await watchOn(harness);
      watcher.conn.subscribe("x", { presence: names[i] === "-" ? true : { key: names[i] } });
      watchers.push(watcher);
    }
    await advance(ANSWER_MS);
    for (const watcher of watchers) await watcher.takeTexts();
    await body({ peers, watchers, hub, advance });
  });
}

describe("who is in a topic, on several servers,", () => {
  it("is the same everywhere, and told everywhere", () =>
    withRoom("ab-", async ({ peers, watchers: [a, b, c] }) => {
      await assertIn(peers, "a1 b1");
      const other = await watchOn(peers[2].harness);
      other.conn.subscribe("x", { presence: { key: "a", info: [1] } });
      await assertIn(peers, "a2 b1");
      a.conn.unsubscribe("x");
      // Nobody there watches any more: it asks.
      await assertIn(peers, "a1 b1");
      b.client.socket.reset();
      await b.conn.closed;
      await assertIn(peers, "a1");
      assertEquals(await peers[0].server.presence("x"), [{ key: "a", info: [1], connections: 1 }]);
      other.conn.subscribe("x", { presence: { key: "a", info: [2] } });
      other.conn.unsubscribe("x");
      await assertIn(peers, "");
      assertEquals(await c.takeTexts(), ["~a [1]", "-b", "~a [2]", "-a"]);
    }));

  it("has the information that was given last, wherever that was", () =>
    withRoom("--", async ({ peers, watchers: [a, b] }) => {
      const others = [await watchOn(peers[0].harness), await watchOn(peers[1].harness)];
      for (let i = 0; i < 4; i++) {
        others[i % 2].conn.subscribe("x", { presence: { key: "z", info: i } });
        await settle();
      }
      for (const { server } of peers) {
        assertEquals(await server.presence("x"), [{ key: "z", info: 3, connections: 2 }]);
      }
      others[1].conn.unsubscribe("x");
      await settle();
      for (const { server } of peers) {
        assertEquals(await server.presence("x"), [{ key: "z", info: 2, connections: 1 }]);
      }
      for (const watcher of [a, b]) {
        assertEquals(await watcher.takeTexts(), ["+z 0", "~z 1", "~z 2", "~z 3", "~z 2"]);
      }
    }));

  it("is not news to whoever begins to watch", () =>
    withRoom("ab", async ({ peers, advance, watchers: [a] }) => {
      const late = await watchOn(peers[0].harness);
      a.conn.unsubscribe("x");
      await settle();
      late.conn.subscribe("x", { presence: true });
      await assertIn(peers, "b1");
      await advance(ANSWER_MS);
      assertEquals(await late.takeTexts(), []);
      const other = await watchOn(peers[1].harness);
      other.conn.subscribe("x", { presence: { key: "c" } });
      assertEquals(await late.takeTexts(), ["+c"]);
    }));

  it("is told in one message, where many come in one turn", () =>
    withRoom("--", async ({ peers, hub, watchers: [a] }) => {
      const pairs = [];
      for (let i = 0; i < 20; i++) pairs.push(await peers[1].harness.openPair());
      const before = hub.counts.get("$presence/topic/x")!;
      for (const [i, { conn }] of pairs.entries()) {
        conn.subscribe("x", { presence: { key: `${i}` } });
        conn.subscribe("x", { presence: { key: `${100 + i}` } });
      }
      assertEquals((await a.takeTexts()).length, 20);
      assertEquals(hub.counts.get("$presence/topic/x"), before + 1);
    }));

  it("may be more than goes into a message", () =>
    withRoom("--", async ({ peers, hub, watchers, advance }) => {
      const pairs = [];
      const KEYS = 100;
      for (let i = 0; i < KEYS; i++) pairs.push(await peers[1].harness.openPair());
      const info = "x".repeat(1_000);
      const before = hub.counts.get("$presence/topic/x")!;
      for (const [i, { conn }] of pairs.entries()) {
        conn.subscribe("x", { presence: { key: `${i}`, info } });
      }
      await settle();
      assert(hub.counts.get("$presence/topic/x")! > before + 2);
      assertEquals((await peers[0].server.presence("x")).length, KEYS);
      assertEquals((await watchers[0].takeTexts()).length, KEYS);
      watchers[0].conn.unsubscribe("x");
      watchers[0].conn.subscribe("x", { presence: true });
      await advance(ANSWER_MS);
      assertEquals((await peers[0].server.presence("x")).length, KEYS);
      assertEquals(await watchers[0].takeTexts(), []);
    }));

  it("may be asked by a server where nobody watches, which forgets it again", () =>
    withServers(3, async (peers, hub, advance) => {
      const idle = peers[2];
      assertEquals(idle.broker.topics, []);
      const first = watch(whoIsIn(idle));
      await advance(ANSWER_MS - 1);
      assertEquals(first.state, "pending", "it knows nobody");
      await advance(1);
      await first.settled;
      assertEquals(first.value, "");
      const { conn } = await peers[0].harness.openPair();
      conn.subscribe("x", { presence: { key: "a" } });
      await settle();
      const asked = peers.slice(1).map((peer) => watch(whoIsIn(peer)));
      await settle();
      assertEquals(
        asked.map(({ state }) => state),
        ["pending", "resolved"],
        "one may not know all",
      );
      await advance(ANSWER_MS);
      assertEquals(asked.map(({ value }) => value), ["a1", "a1"]);
      assertEquals(await whoIsIn(idle), "a1", "at once, as all have answered");
      assert(hub.counts.get("$presence/servers")! > 0);
      await advance(5 * BEAT_MS);
      assertEquals([idle.broker.topics, peers[1].broker.topics], [[], []]);
      conn.unsubscribe("x");
      await advance(5 * BEAT_MS);
      assertEquals(peers[0].broker.topics, []);
      const before = JSON.stringify([...hub.counts]);
      await advance(10 * TTL_MS);
      assertEquals(JSON.stringify([...hub.counts]), before, "nothing is said any more");
    }));

  it("costs nothing where nobody watches", () =>
    withServers(2, async (peers, hub, advance) => {
      const { conn } = await peers[0].harness.openPair();
      conn.subscribe("x");
      await advance(TTL_MS);
      conn.unsubscribe("x");
      await settle();
      assertEquals([...hub.counts], []);
      assertEquals(peers[0].harness.clock.pending, []);
    }));

  it("is the rest when a server ends", () =>
    withRoom("ab", async ({ peers, watchers: [a] }) => {
      peers[1].harness.resetClients();
      await peers[1].server.shutdown();
      assertEquals(await a.takeTexts(), ["-b"]);
      assertEquals(await whoIsIn(peers[0]), "a1");
    }));

  it("is not held up by goodbyes, where they get nowhere", () =>
    withRoom("ab", async ({ peers: [, { harness, server }], hub, advance }) => {
      hub.pause();
      harness.resetClients();
      const ended = watch(server.shutdown());
      await settle();
      assertEquals(ended.state, "pending");
      await advance(1_000);
      assertEquals(ended.state, "resolved");
    }));

  it("is counted nowhere else", () =>
    withRoom("ab", async ({ peers, advance }) => {
      await advance(TTL_MS);
      for (const { server, events } of peers) {
        const { broker } = server.stats();
        assertEquals([broker?.published, broker?.received, broker?.dropped], [0, 0, 0]);
        assertEquals([broker?.malformed, broker?.waitingSize], [0, 0]);
        assertEquals(events.map(({ status }) => status), ["connected"]);
      }
    }));

  it("has topics that fit the broker, and those of its own are no one else's", () =>
    withServers(1, async ([{ harness, server }], _hub, advance) => {
      const { conn } = await harness.openPair();
      const options = { presence: true };
      const long = "é".repeat(505);
      const message = "A topic must have at most 1008 bytes with a broker and presence, got 1010";
      assertThrows(() => conn.subscribe(long, options), RangeError, message);
      await assertRejects(() => server.presence(long), RangeError, message);
      for (const topic of ["$presence/servers", "$presence/x"]) {
        for (const given of [options, {}]) {
          assertThrows(() => conn.subscribe(topic, given), TypeError, "must not begin with");
        }
        assertThrows(() => server.publish(topic, ""), TypeError, "must not begin with");
        await assertRejects(() => server.presence(topic), TypeError, "must not begin with");
      }
      assertEquals(conn.topics.size, 0);
      conn.subscribe("é".repeat(504), { presence: { key: "a" } });
      const list = watch(whoIsIn({ server }, "é".repeat(504)));
      await advance(ANSWER_MS);
      assertEquals(list.value, "a1");
    }));
});

describe("the members of another server", () => {
  it("leave when it has been silent for ttlMs, and come back with it", () =>
    withRoom("ab-", async ({ peers, watchers: [a, b, c], advance }) => {
      await advance(3 * TTL_MS);
      assertEquals(await c.takeTexts(), [], "servers say that they are there");
      await advance(BEAT_MS - (3 * TTL_MS + ANSWER_MS) % BEAT_MS);
      peers[1].broker.isDead = true;
      await advance(TTL_MS - 1);
      assertEquals(await whoIsIn(peers[0]), "a1 b1");
      await advance(1);
      assertEquals(await whoIsIn(peers[0]), "a1");
      assertEquals(await whoIsIn(peers[1]), "b1");
      for (const watcher of [a, c]) assertEquals(await watcher.takeTexts(), ["-b"]);
      assertEquals(await b.takeTexts(), ["-a"]);
      peers[1].broker.isDead = false;
      await advance(BEAT_MS);
      await assertIn(peers, "a1 b1");
      for (const watcher of [a, c]) assertEquals(await watcher.takeTexts(), ["+b"]);
      assertEquals(await b.takeTexts(), ["+a"]);
    }));

  it("stay, where it was this process that stood still", () =>
    withRoom("ab", async ({ peers, watchers: [a], hub, advance }) => {
      hub.pause();
      await peers[0].harness.clock.stall(10 * TTL_MS);
      hub.resume();
      await advance(BEAT_MS);
      await assertIn(peers, "a1 b1");
      assertEquals(await a.takeTexts(), []);
    }));

  it("are found out after the broker was away, with what changed meanwhile", () =>
    withRoom("abc", async ({ peers, watchers: [a, b, c], advance }) => {
      for (const { broker } of peers) broker.disconnect();
      const other = await watchOn(peers[1].harness);
      for (const key of ["d", "e", "f"]) other.conn.subscribe("x", { presence: { key } });
      b.conn.unsubscribe("x");
      assertEquals(await whoIsIn(peers[0]), "a1 b1 c1", "at once, as far as it knows");
      await advance(BEAT_MS);
      for (const { broker } of peers) broker.reconnect();
      await assertIn(peers, "a1 c1 f1");
      for (const watcher of [a, c]) assertEquals(await watcher.takeTexts(), ["-b", "+f"]);
    }));

  it("are told again by a server that alone was away, also in vain", () =>
    withRoom("ab", async ({ peers, watchers: [a, b] }) => {
      peers[1].broker.disconnect();
      b.conn.subscribe("x", { presence: { key: "bob" } });
      await settle();
      peers[1].broker.isConnected = true;
      b.conn.subscribe("x", { presence: { key: "bea" } });
      await settle();
      assertEquals(await whoIsIn(peers[0]), "a1 b1", "it does not know yet that it may");
      peers[1].broker.isConnected = false;
      peers[1].broker.reconnect();
      await assertIn(peers, "a1 bea1");
      assertEquals(await a.takeTexts(), ["-b", "+bea"]);
    }));

  it("are made good where a publish failed, with the next beat", () =>
    withRoom("ab", async ({ peers, watchers: [a, b], hub, advance }) => {
      peers[1].broker.isConnected = false;
      b.conn.subscribe("x", { presence: { key: "bob" } });
      await settle();
      peers[1].broker.isConnected = true;
      await assertIn(peers.slice(0, 1), "a1 b1");
      const before = hub.counts.get("$presence/topic/x")!;
      await advance(BEAT_MS);
      await assertIn(peers, "a1 bob1");
      assertEquals(hub.counts.get("$presence/topic/x"), before + 1, "all who watch are told");
      await advance(BEAT_MS);
      assertEquals(hub.counts.get("$presence/topic/x"), before + 1);
      assertEquals(await a.takeTexts(), ["-b", "+bob"]);
    }));

  it("are not waited for while the broker is out of reach", () =>
    withRoom("ab", async ({ peers: [{ server, broker }, { broker: other }] }) => {
      // A server that can be reached, and does not answer, is waited for.
      other.disconnect();
      const asked = watch(server.presence("y"));
      await settle();
      assertEquals(asked.state, "pending");
      broker.disconnect();
      await settle();
      assertEquals(asked.value, []);
      const askedLater = watch(server.presence("y"));
      await settle();
      assertEquals(askedLater.value, []);
      broker.reconnect();
      other.reconnect();
      assertEquals(await server.presence("x"), [
        { key: "a", info: undefined, connections: 1 },
        { key: "b", info: undefined, connections: 1 },
      ]);
    }));

  it("are asked for where an update was lost and another came", () =>
    withRoom("ab", async ({ peers, watchers: [a, b], hub }) => {
      hub.loses = () => true;
      b.conn.subscribe("x", { presence: { key: "bob" } });
      await settle();
      hub.loses = () => false;
      assertEquals(await whoIsIn(peers[0]), "a1 b1");
      const other = await watchOn(peers[1].harness);
      other.conn.subscribe("x", { presence: { key: "cem" } });
      await assertIn(peers, "a1 bob1 cem1");
      assertEquals(await a.takeTexts(), ["-b", "+bob", "+cem"]);
    }));

  it("are asked for where the last update was lost", () =>
    withRoom("ab", async ({ peers, watchers: [, b], hub, advance }) => {
      hub.loses = () => true;
      b.conn.subscribe("x", { presence: { key: "bob" } });
      await settle();
      hub.loses = () => false;
      await advance(BEAT_MS);
      await assertIn(peers, "a1 bob1");
    }));

  it("are asked for when somebody begins to watch, not with the next beat", () =>
    withRoom("ab", async ({ peers, watchers: [a, b], hub }) => {
      b.conn.subscribe("y", { presence: { key: "b" } });
      await settle();
      a.conn.subscribe("y", { presence: true });
      await settle();
      const other = await watchOn(peers[0].harness);
      other.conn.subscribe("y", { presence: { key: "a" } });
      await peers[0].harness.clock.stall(ANSWER_MS);
      const before = hub.counts.get("$presence/servers");
      assertEquals(await whoIsIn(peers[0], "y"), "a1 b1");
      assertEquals(hub.counts.get("$presence/servers"), before, "without a question to all");
      const asks = hub.counts.get("$presence/topic/x")!;
      a.conn.unsubscribe("x");
      a.conn.subscribe("x", { presence: true });
      await settle();
      assertEquals(hub.counts.get("$presence/topic/x"), asks + 2, "an update, and a question");
    }));

  it("go, too, where this server alone was away", () =>
    withRoom("ab-", async ({ peers, watchers: [a, b] }) => {
      peers[0].broker.disconnect();
      b.conn.unsubscribe("x");
      await settle();
      peers[0].broker.reconnect();
      await assertIn(peers.slice(0, 1), "a1");
      assertEquals(await a.takeTexts(), ["-b"]);
    }));

  it("go, too, where their last word was lost", () =>
    withRoom("ab-", async ({ peers, watchers: [, b], hub, advance }) => {
      const other = await watchOn(peers[1].harness);
      other.conn.subscribe("y", { presence: { key: "b" } });
      await advance(2 * BEAT_MS);
      hub.loses = () => true;
      b.conn.unsubscribe("x");
      await settle();
      hub.loses = () => false;
      assertEquals(await whoIsIn(peers[0]), "a1 b1");
      await advance(2 * BEAT_MS);
      await assertIn(peers, "a1");
    }));

  it("go, too, where they are few of very many topics", () =>
    withRoom("ab", async ({ peers, watchers: [a, b], hub, advance }) => {
      const TOPICS = 40;
      const name = (i: number) => `${i}`.padStart(1_000, ".");
      for (let i = 0; i < TOPICS; i++) {
        a.conn.subscribe(name(i), { presence: true });
        b.conn.subscribe(name(i), { presence: { key: "b" } });
      }
      await advance(ANSWER_MS);
      assertEquals(await whoIsIn(peers[0], name(7)), "b1");
      hub.loses = () => true;
      b.conn.unsubscribe(name(7));
      b.conn.subscribe(name(9), { presence: { key: "bob" } });
      await settle();
      hub.loses = () => false;
      assertEquals(await whoIsIn(peers[0], name(7)), "b1");
      await advance(12 * BEAT_MS);
      assertEquals([await whoIsIn(peers[0], name(7)), await whoIsIn(peers[0], name(9))], [
        "",
        "bob1",
      ]);
      // A server that was thought to be gone is asked for all of them at once.
      peers[1].broker.isDead = true;
      await advance(TTL_MS + BEAT_MS);
      assertEquals(await whoIsIn(peers[0], name(8)), "");
      peers[1].broker.isDead = false;
      await advance(BEAT_MS);
      assertEquals(await whoIsIn(peers[0], name(8)), "b1");
      assertEquals(await whoIsIn(peers[0]), "a1 b1");
    }));

  it("are put together while the broker is slow, and are none who came and went", () =>
    withRoom("ab-", async ({ peers, watchers: [, b, c], hub }) => {
      const count = () => hub.counts.get("$presence/topic/x")!;
      const before = count();
      hub.pause();
      for (let i = 0; i < 5; i++) {
        b.conn.subscribe("x", { presence: { key: `b${i}` } });
        await settle();
      }
      assertEquals(count(), before + 1);
      hub.resume();
      await settle();
      assertEquals(count(), before + 2);
      await assertIn(peers, "a1 b41");
      c.conn.subscribe("x", { presence: { key: "c" } });
      c.conn.unsubscribe("x");
      await settle();
      assertEquals(count(), before + 2);
    }));

  it("wait for each other while the broker stands still, and for no one here", () =>
    withRoom("ab", async ({ peers, watchers: [a, b], hub, advance }) => {
      hub.pause();
      for (let i = 0; i < 5; i++) {
        b.conn.subscribe("x", { presence: { key: `b${i}` } });
        await settle();
        assertEquals(await whoIsIn(peers[1]), `a1 b${i}1`);
      }
      await advance(2 * TTL_MS);
      hub.resume();
      await advance(BEAT_MS);
      await assertIn(peers, "a1 b41");
      const texts = await a.takeTexts();
      assertEquals([texts[0], texts.at(-1)], ["-b", "+b4"]);
    }));
});

describe("presence(topic)", () => {
  it("waits for all that are known, and no longer", () =>
    withRoom("ab-", async ({ peers, watchers: [, , c], hub, advance }) => {
      c.conn.subscribe("other", { presence: true });
      c.conn.unsubscribe("x");
      const other = { key: "b", info: "b".repeat(100) };
      const more = await watchOn(peers[1].harness);
      more.conn.subscribe("x", { presence: other });
      await settle();
      hub.pause();
      const [first, second] = [watch(whoIsIn(peers[2])), watch(whoIsIn(peers[2]))];
      await advance(ANSWER_MS - 1);
      assertEquals([first.state, second.state], ["pending", "pending"]);
      hub.resume();
      await settle();
      assertEquals([first.value, second.value], ["a1 b2", "a1 b2"]);
    }));

  it("does not wait for one that is gone, nor longer than a second", () =>
    withRoom("abc", async ({ peers, watchers: [a], advance }) => {
      a.conn.unsubscribe("x");
      a.conn.subscribe("other", { presence: true });
      await settle();
      peers[1].broker.isDead = true;
      const asked = watch(whoIsIn(peers[0]));
      await advance(ANSWER_MS - 1);
      assertEquals(asked.state, "pending");
      await advance(1);
      assertEquals(asked.value, "c1");
      await advance(TTL_MS);
      assertEquals(await whoIsIn(peers[0]), "c1");
    }));

  it("does not wait for one that says goodbye", () =>
    withRoom("ab-", async ({ peers, watchers: [a], hub }) => {
      a.conn.unsubscribe("x");
      await settle();
      hub.loses = ({ from }) => from === peers[1].broker;
      const asked = watch(whoIsIn(peers[0]));
      await settle();
      assertEquals(asked.state, "pending");
      hub.loses = () => false;
      peers[1].harness.resetClients();
      await peers[1].server.shutdown();
      assertEquals([asked.state, asked.value], ["resolved", ""]);
    }));

  it("leaves out one that has answered, and left then", () =>
    withRoom("abc", async ({ peers, watchers: [a], hub, advance }) => {
      a.conn.unsubscribe("x");
      await settle();
      hub.loses = ({ from }) => from === peers[2].broker;
      const asked = watch(whoIsIn(peers[0]));
      await settle();
      peers[1].harness.resetClients();
      await peers[1].server.shutdown();
      assertEquals(asked.state, "pending");
      await advance(ANSWER_MS);
      assertEquals(asked.value, "");
    }));

  it("knows the others from their answers to its hello", () =>
    withServers(2, async (peers, hub, advance) => {
      const [a, b] = [await watchOn(peers[0].harness), await watchOn(peers[1].harness)];
      a.conn.subscribe("x", { presence: { key: "a" } });
      await advance(ANSWER_MS);
      b.conn.subscribe("other", { presence: true });
      await advance(ANSWER_MS);
      assertEquals(await whoIsIn(peers[1]), "a1");
      // Once all have said so, it is known.
      b.conn.subscribe("x", { presence: true });
      await settle();
      const before = hub.counts.get("$presence/servers")!;
      assertEquals([await whoIsIn(peers[1]), await whoIsIn(peers[1])], ["a1", "a1"]);
      assertEquals(hub.counts.get("$presence/servers"), before + 1);
    }, { presence: { ttlMs: 600_000 } }));

  it("tells whom it can where the broker was never there", () =>
    withServers(1, async ([{ server, harness }], _hub, advance) => {
      const { conn } = await harness.openPair();
      conn.subscribe("x", { presence: { key: "a" } });
      const asked = watch(whoIsIn({ server }));
      const [other] = [watch(whoIsIn({ server }, "y"))];
      await advance(ANSWER_MS);
      assertEquals([asked.value, other.value], ["a1", ""]);
    }));

  it("is answered when the server ends", () =>
    withRoom("ab", async ({ peers: [{ server, harness }], hub }) => {
      hub.pause();
      const asked = watch(whoIsIn({ server }, "y"));
      harness.resetClients();
      void server.shutdown();
      await asked.settled;
      assertEquals(asked.value, "");
      assertEquals(await whoIsIn({ server }, "y"), "");
    }));

  it("goes on where somebody begins to watch, or ends to, before it is answered", () =>
    withRoom("ab", async ({ peers, watchers: [a], hub }) => {
      a.conn.unsubscribe("x");
      await settle();
      hub.pause();
      const first = watch(whoIsIn(peers[0]));
      a.conn.subscribe("x", { presence: { key: "a" } });
      const second = watch(whoIsIn(peers[0]));
      await settle();
      a.conn.unsubscribe("x");
      a.conn.subscribe("x", { presence: { key: "a" } });
      hub.resume();
      await settle();
      assertEquals([first.value, second.value], ["a1 b1", "a1 b1"]);
      assertEquals(await whoIsIn(peers[0]), "a1 b1");
    }));
});

describe("what servers tell one another of presence", () => {
  const FROM = "0123456789abcdef".repeat(2);
  const beat = { type: "beat", from: FROM, isHello: false, isReply: false, topics: 0, isEnd: true };
  const update = { type: "update", from: FROM, after: 0, version: 1, set: [], gone: [] };
  const state = { type: "state", from: FROM, id: 1, part: 0, isEnd: true, version: 1 };
  const malformed: unknown[] = [
    null,
    1,
    [],
    {},
    { type: "bye" },
    { type: "bye", from: "me" },
    { type: "hello", from: FROM },
    { ...beat, digest: [["x"]] },
    { ...beat, digest: [["x", 2 ** 51]] },
    { ...beat, digest: [], topics: -1 },
    { ...beat, digest: [], isEnd: 1 },
    { ...beat, digest: {} },
    { ...update, version: 1.5 },
    { ...update, gone: [1] },
    { ...update, set: [["a"]] },
    { ...update, set: [["a", 0, 1]] },
    { ...update, set: [[1, 1, 1]] },
    { ...update, set: [["a", 1, "1"]] },
    { ...update, set: [null] },
    { ...state, topics: [["x", 1]] },
    { ...state, topics: [["x", 1, [[]]]] },
    { ...state, topics: [null] },
    { ...state, topics: [], id: "1" },
    { type: "ask", from: FROM, id: 1, topics: [1] },
    { type: "ask", from: FROM, id: -1, topics: [] },
  ];

  it("is no news in an answer, unless something was told of the member before", () =>
    withServers(1, async ([a], hub, advance) => {
      const { conn, takeTexts } = await watchOn(a.harness);
      const send = (value: unknown) =>
        hub.publish(a.broker, "$presence/topic/x", envelope(JSON.stringify(value)));
      conn.subscribe("x", { presence: true });
      await settle();
      send({ ...update, set: [["c", 1, 1]] });
      send({ ...update, version: 2, after: 1, gone: ["c"] });
      send({ ...state, version: 3, topics: [["x", 3, [["c", 1, 1], ["d", 1, 1]]]] });
      assertEquals(await takeTexts(), ["+c", "-c", "+c"]);
      const list = watch(whoIsIn(a));
      await advance(ANSWER_MS);
      assertEquals(list.value, "c1 d1");
    }));

  it("is passed over and counted where it is malformed", () =>
    withRoom("ab", async ({ peers: [a, b], hub }) => {
      for (const value of malformed) {
        const text = JSON.stringify(value);
        hub.publish(b.broker, "$presence/topic/x", envelope(text));
      }
      hub.publish(b.broker, "$presence/topic/x", envelope("{"));
      hub.publish(b.broker, "$presence/topic/x", Uint8Array.of(1, 2, 3));
      await settle();
      assertEquals(a.server.stats().broker?.malformed, malformed.length + 2);
      const [, told] = a.events;
      assert(told.status === "malformed");
      assertEquals(told.topic, "$presence/topic/x");
      assertEquals(told.reason, "It is about presence, and has no valid from");
      await assertIn([a, b], "a1 b1");
    }));

  it("may be of a server that is not there, or not to the point", () =>
    withRoom("ab", async ({ peers: [a, b], hub, advance }) => {
      const send = (topic: string, value: unknown) =>
        hub.publish(b.broker, topic, envelope(JSON.stringify(value)));
      const topic = "$presence/topic/x";
      send(topic, { ...update, set: [["z", 1, 1, { a: [1] }]] });
      await settle();
      assertEquals((await a.server.presence("x")).at(-1), {
        key: "z",
        info: { a: [1] },
        connections: 1,
      });
      send(topic, { ...update, set: [["z", 7, 1]] });
      send(topic, { ...update, version: 9, after: 8, set: [["y", 1, 1]] });
      send(topic, { ...state, part: 1, topics: [["x", 10, []]] });
      send(topic, { ...state, topics: [["x", 0, []], ["nothing", 1, []]] });
      send("$presence/servers", { ...update, version: 20 });
      send("$presence/servers", { type: "ask", from: FROM, id: 1, topics: ["x", "nothing"] });
      await settle();
      assertEquals(await whoIsIn(a), "a1 b1 z1");
      assertEquals(a.server.stats().broker?.malformed, 0);
      const asks = () => hub.counts.get(`$presence/server/${FROM}`);
      const before = asks()!;
      await advance(ANSWER_MS);
      send(topic, { ...update, version: 12, after: 11 });
      await settle();
      assertEquals(asks(), before + 2, "both miss an update");
      send(topic, { ...state, topics: [["x", 11, [["z", 1, 1]]]] });
      await settle();
      assertEquals(asks(), before + 4, "it is not the one");
      send("$presence/servers", { ...beat, digest: [] });
      await advance(TTL_MS);
      assertEquals(await whoIsIn(a), "a1 b1");
    }));
});
