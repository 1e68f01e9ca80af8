// @waits

import { after, before, describe, it } from "node:test";
import {
  assertEquals,
  assertMatch,
  assertNotEquals,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { connect } from "@nats-io/transport-node";
import { natsBroker } from "../../src/brokers/nats.ts";
import { KeptServer, keptTest, textsOf, WIDE, withKeptServers } from "./kept_server.ts";
import { tryKeeping } from "./kept_scenarios.ts";
import { natsKinds, RealNats } from "./real_broker.ts";

for (const kind of natsKinds(true)) tryKeeping(kind);

const STREAM = "sluice+kept";

/** Asks JetStream something. */
async function ask(real: RealNats, what: string, request?: unknown) {
  const connection = await connect({ servers: `127.0.0.1:${real.port}` });
  try {
    const payload = request === undefined ? "" : JSON.stringify(request);
    return (await connection.request(`$JS.API.${what}.${STREAM}`, payload)).json<{
      config: Record<string, unknown>;
      error?: unknown;
    }>();
  } finally {
    await connection.close();
  }
}

describe("NATS JetStream", () => {
  const [{ skip }] = natsKinds();
  const real = new RealNats(true);
  before(() => skip === false ? real.start() : undefined);
  after(() => real.end());
  const test = keptTest(real, skip);

  test("refuses what is too large", 1, WIDE, async ([a]) => {
    const error = await assertRejects(
      () => a.append("x", new Uint8Array(1024 * 1024 + 1)),
      Error,
    );
    assertEquals("isRefused" in error && error.isRefused, true);
    await a.append("x", "1");
  });

  it("has the stream be as the servers want it", { skip }, async () => {
    await withKeptServers(real, 2, { ...WIDE, windowMs: 5_000 }, async ([a]) => {
      await a.append("x", "1");
      const { config } = await ask(real, "STREAM.INFO");
      assertEquals([config.max_age, config.max_bytes], [5e9, WIDE.totalSize]);
      assertEquals([config.storage, config.duplicate_window], ["file", 5e9]);
    });
    await withKeptServers(
      real,
      1,
      { ...WIDE, windowMs: 150_000, totalSize: Infinity },
      async () => {
        const { config } = await ask(real, "STREAM.INFO");
        assertEquals([config.max_age, config.max_bytes], [150e9, -1]);
        assertEquals(config.duplicate_window, 120e9);
      },
    );
  });

  test(
    "says what the oldest messages made room for",
    1,
    { ...WIDE, totalSize: 20_000 },
    async ([a]) => {
      const start = await a.place("room");
      await a.append("room", "1");
      const place = await a.place("room");
      for (let i = 0; i < 30; i++) await a.append("other", new Uint8Array(1_000));
      const read = await a.broker.read("room", start);
      assertEquals([read.messages.length, read.isComplete], [0, false]);
      assertEquals((await a.broker.read("room", place)).isComplete, false, "it can't be known");
      assertEquals((await a.broker.read("room", read.position)).isComplete, true);
    },
  );

  test("reads no more than there is room for, however much there is", 1, {
    ...WIDE,
    windowSize: 2_000_000,
  }, async ([a]) => {
    const start = await a.place("much");
    const message = new Uint8Array(900_000);
    for (let i = 0; i < 20; i++) await a.append("much", message.fill(i));
    const { messages, isComplete } = await a.broker.read("much", start);
    assertEquals(messages.map(({ message }) => message[899_999]), [18, 19]);
    assertEquals(isComplete, false);
  });

  test("is asked for the stream again where it is gone", 2, WIDE, async ([a, b]) => {
    await b.broker.subscribe(["x"], true);
    await a.append("x", "1");
    await b.until("1", () => b.received.length === 1);
    const { position } = b.received[0].message;
    await ask(real, "STREAM.DELETE");
    const error = await assertRejects(() => a.append("x", "2"), Error);
    assertEquals("isRefused" in error, false);
    await a.untilConnected();
    assertEquals(a.states, ["connected", "lost", "connected"]);
    await a.append("x", "3");
    // The other one hears of it by itself, if it has not before.
    await b.until("the stream's loss", () => b.states.includes("lost"));
    await b.untilConnected();
    const read = await b.broker.read("x", position);
    assertEquals([textsOf(read), read.isComplete], [["3"], false]);
    assertNotEquals(read.position.epoch, position.epoch);
    await a.append("x", "4");
    await b.until("4", () => b.textsOf("x").at(-1) === "4");
    assertEquals(b.messagesOf("x").at(-1)!.position.epoch, read.position.epoch);
  });

  it("tells of a stream that it can't use", { skip }, async () => {
    await ask(real, "STREAM.DELETE");
    const config = { name: STREAM, subjects: [`${STREAM}.>`], storage: "memory" };
    assertEquals((await ask(real, "STREAM.CREATE", config)).error, undefined);
    const server = await KeptServer.start(real.createBroker());
    try {
      await server.untilLost();
      assertMatch(
        String(server.errors[0]),
        /^Error: Cannot use NATS at \S+: Cannot retain messages in the NATS stream sluice\+kept/,
      );
      await ask(real, "STREAM.DELETE");
      await server.untilConnected();
    } finally {
      await server.broker.close();
    }
  });

  it("is needed", { skip }, async () => {
    const without = new RealNats(false);
    await without.start();
    const server = await KeptServer.start(without.createBroker());
    try {
      await server.untilLost();
      assertMatch(String(server.errors[0]), /JetStream is not enabled \(nats-server -js\)/);
    } finally {
      await server.broker.close();
      await without.end();
    }
  });

  it("keeps messages at as many servers as there can be", () => {
    for (const replicas of [0, 6, 1.5, NaN, "3" as unknown as number]) {
      const ErrorClass = typeof replicas === "number" ? RangeError : TypeError;
      assertThrows(() => natsBroker({ replicas }), ErrorClass, "replicas must be an integer");
    }
    natsBroker({ replicas: 3 });
  });
});
