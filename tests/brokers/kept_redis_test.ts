// @waits

import { after, before, describe } from "node:test";
import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { redisBroker } from "../../src/brokers/redis.ts";
import { KeptServer, keptTest, textsOf, WIDE } from "./kept_server.ts";
import { tryKeeping } from "./kept_scenarios.ts";
import { RealRedis, redisKinds } from "./real_broker.ts";

for (const kind of redisKinds(true)) tryKeeping(kind);

describe("Redis Streams", () => {
  const [{ skip }] = redisKinds();
  const real = new RealRedis(false, true);
  before(() => skip === false ? real.start() : undefined);
  after(() => real.end());
  const test = keptTest(real, skip);

  /** Has an append fail, and gives whether it was refused for good. */
  async function failAppend(server: KeptServer, topic: string): Promise<boolean> {
    const error = await assertRejects(() => server.append(topic, "x"), Error);
    return "isRefused" in error && error.isRefused === true;
  }

  test(
    "take messages again when there is memory, and keep nothing of those before",
    1,
    WIDE,
    async ([a]) => {
      const start = await a.place("memory");
      await real.ask(/OK/, "CONFIG", "SET", "maxmemory", "1");
      try {
        assertEquals(await failAppend(a, "memory"), false);
        assertEquals((await a.broker.read("memory", start)).isComplete, true);
      } finally {
        await real.ask(/OK/, "CONFIG", "SET", "maxmemory", "0");
      }
      await a.append("memory", "1");
      assertEquals(textsOf(await a.broker.read("memory", start)), ["1"]);
    },
  );

  test("give no more than is wanted: what came last", 1, WIDE, async ([a]) => {
    const start = await a.place("wanted");
    for (const text of ["1", "2", "3", "4"]) await a.append("wanted", text.repeat(1_000));
    const read = async (maxSize?: number) => {
      const missed = await a.broker.read("wanted", start, maxSize);
      return [textsOf(missed).map((text) => text[0]).join(""), missed.isComplete];
    };
    assertEquals(await read(), ["1234", true]);
    assertEquals(await read(10_000), ["1234", true]);
    assertEquals(await read(2 * (1_000 + 256)), ["34", false]);
    assertEquals(await read(3 * (1_000 + 256) - 1), ["34", false]);
    assertEquals(await read(256), ["", false]);
    assertEquals((await a.broker.read("wanted", start, 256)).position.number, start.number + 4);
  });

  test(
    "refuse for good what is not permitted, or in the way of something else",
    1,
    WIDE,
    async ([a]) => {
      await a.append("taken", "1");
      await real.ask(/OK/, "SET", "kept:sluice:{taken}:log", "x");
      assertEquals(await failAppend(a, "taken"), true);
      const rules = ["on", ">secret", "~kept:sluice:{a}:*", "&*", "+@all"];
      await real.ask(/OK/, "ACL", "SETUSER", "limited", ...rules);
      const limited = await KeptServer.start(
        redisBroker({
          url: `redis://127.0.0.1:${real.port}`,
          client: { username: "limited", password: "secret" },
        }),
      );
      try {
        await limited.untilConnected();
        await limited.append("a", "1");
        assertEquals(await failAppend(limited, "b"), true);
        await assertRejects(() => limited.broker.read("b", undefined), Error, "NOPERM");
      } finally {
        await limited.broker.close();
      }
    },
  );

  test("don't need Redis to know the scripts", 1, WIDE, async ([a]) => {
    const start = await a.place("scripts");
    for (const text of ["1", "2"]) {
      await real.ask(/OK/, "SCRIPT", "FLUSH");
      await a.append("scripts", text);
    }
    await real.ask(/OK/, "SCRIPT", "FLUSH");
    assertEquals(textsOf(await a.broker.read("scripts", start)), ["1", "2"]);
  });

  test("tell what was forgotten by Redis", 1, WIDE, async ([a]) => {
    const start = await a.place("evicted");
    for (const text of ["1", "2", "3"]) await a.append("evicted", text);
    const { position } = await a.broker.read("evicted", start);
    await real.ask(/:1/, "DEL", "kept:sluice:{evicted}:log");
    const gone = await a.broker.read("evicted", start);
    assertEquals([gone.messages.length, gone.isComplete, gone.position], [0, false, position]);
    assertEquals((await a.broker.read("evicted", position)).isComplete, true);
    await a.append("evicted", "4");
    const next = await a.broker.read("evicted", position);
    assertEquals([textsOf(next), next.isComplete], [["4"], true]);
    await real.ask(/:1/, "DEL", "kept:sluice:{evicted}:meta");
    const anew = await a.broker.read("evicted", next.position);
    assertEquals([anew.messages.length, anew.isComplete], [0, false]);
    assertNotEquals(anew.position.epoch, position.epoch);
    await a.append("evicted", "5");
    assertEquals(textsOf(await a.broker.read("evicted", anew.position)), ["5"]);
  });

  test("expire, and their numbers a day later", 1, { ...WIDE, windowMs: 50_000 }, async ([a]) => {
    await a.append("expiring", "1");
    for (const [key, addedMs] of [["log", 0], ["ids", 0], ["meta", 86_400_000]] as const) {
      const [, ms] = await real.ask(/:(\d+)/, "PTTL", `kept:sluice:{expiring}:${key}`);
      assert(Number(ms) > addedMs && Number(ms) <= 50_000 + addedMs, key);
    }
  });

  test("pass over what something else publishes", 1, WIDE, async ([a]) => {
    await a.broker.subscribe(["foreign"], true);
    for (const text of ["", "x", "a b\nc", "epoch 1", " 1\n"]) {
      await real.ask(/:1/, "PUBLISH", "kept:sluice:{foreign}:live", text);
    }
    await a.append("foreign", "1");
    await a.until("a message", () => a.received.length > 0);
    assertEquals(a.textsOf("foreign"), ["1"]);
    assertEquals(a.errors.length, 5);
  });

  test("are there when Redis has loaded what it has", 1, WIDE, async ([a]) => {
    const start = await a.place("loaded");
    for (let i = 0; i < 20; i++) await a.append("loaded", `${i}`);
    await real.kill();
    await a.untilLost();
    // Microseconds for each command of the file: it is loading for a while.
    real.settings = {
      "key-load-delay": "2000",
      "loading-process-events-interval-bytes": "1024",
    };
    await real.start();
    await a.untilConnected();
    const { messages, isComplete } = await a.broker.read("loaded", start);
    assertEquals([messages.length, isComplete], [20, true]);
  });
});
