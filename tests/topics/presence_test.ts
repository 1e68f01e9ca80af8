// @engines: all of it happens in memory.

import { describe, it } from "node:test";
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import type { PresenceChange, PresenceOptions, SubscribeOptions } from "../../src/server/mod.ts";
import { withConnection, withMemoryServer } from "../support/transports.ts";
import { settle } from "../support/turn.ts";
import { NOTICE, watchOn, whoIsIn } from "./hub.ts";

const presence = { notice: NOTICE };

/** Has more wait for a client than its connection sends at once. */
async function holdUp({ client, conn }: Awaited<ReturnType<typeof watchOn>>): Promise<void> {
  client.socket.pause();
  conn.trySend("".padEnd(300, "."));
  await settle();
}

describe("who is in a topic, on one server,", () => {
  it("is who subscribed as somebody, until the end", () =>
    withMemoryServer({ presence, keepAlive: false }, async (harness) => {
      const { server } = harness;
      const [a, b, c] = [await watchOn(harness), await watchOn(harness), await watchOn(harness)];
      assertEquals(await server.presence("x"), []);
      a.conn.subscribe("x", { presence: { key: "bob", info: { name: "Bob" } } });
      b.conn.subscribe("x", { presence: { key: "ann" } });
      c.conn.subscribe("x", { presence: true });
      c.conn.subscribe("y", { presence: { key: "cem" } });
      assertEquals(await server.presence("x"), [
        { key: "ann", info: undefined, connections: 1 },
        { key: "bob", info: { name: "Bob" }, connections: 1 },
      ]);
      assertEquals(await whoIsIn(harness, "y"), "cem1");
      b.conn.unsubscribe("x");
      assertEquals(await whoIsIn(harness), "bob1");
      a.client.socket.reset();
      await a.conn.closed;
      assertEquals(await whoIsIn(harness), "");
      assertEquals(harness.clock.pending, []);
    }));

  it("is told to those who watch, and not to whose doing it is", () =>
    withMemoryServer({ presence }, async (harness) => {
      const { server } = harness;
      const [a, b, c] = [await watchOn(harness), await watchOn(harness), await watchOn(harness)];
      a.conn.subscribe("x", { presence: true });
      b.conn.subscribe("x");
      server.publish("x", "before");
      c.conn.subscribe("x", { presence: { key: "cem", info: 1 } });
      server.publish("x", "between");
      c.conn.subscribe("x", { presence: { key: "cem", info: 2 } });
      c.conn.subscribe("x", { presence: { key: "can" } });
      c.conn.subscribe("x", { presence: true });
      c.conn.subscribe("x", { presence: { key: "cem" } });
      c.conn.unsubscribe("x");
      server.publish("x", "after");
      const told = ["+cem 1", "between", "~cem 2", "-cem", "+can", "-can", "+cem", "-cem"];
      assertEquals(await a.takeTexts(), ["before", ...told, "after"]);
      assertEquals(await b.takeTexts(), ["before", "between", "after"]);
      assertEquals(await c.takeTexts(), ["between"]);
      a.conn.subscribe("x");
      c.conn.subscribe("x", { presence: { key: "cem" } });
      assertEquals(await a.takeTexts(), [], "it watches no more");
    }));

  it("has several connections as one member", () =>
    withMemoryServer({ presence }, async (harness) => {
      const [a, b, c] = [await watchOn(harness), await watchOn(harness), await watchOn(harness)];
      a.conn.subscribe("x", { presence: true });
      b.conn.subscribe("x", { presence: { key: "bob", info: "phone" } });
      c.conn.subscribe("x", { presence: { key: "bob", info: "desk" } });
      assertEquals(await harness.server.presence("x"), [
        { key: "bob", info: "desk", connections: 2 },
      ]);
      c.client.socket.reset();
      await c.conn.closed;
      assertEquals(await whoIsIn(harness), "bob1");
      b.conn.unsubscribe("x");
      assertEquals(await a.takeTexts(), ['+bob "phone"', '~bob "desk"', '~bob "phone"', "-bob"]);
      assertEquals(await b.takeTexts(), ['~bob "desk"', '~bob "phone"']);
      const d = await watchOn(harness);
      for (const [{ conn }, info] of [[b, 1], [d, 2], [b, 3]] as const) {
        conn.subscribe("x", { presence: { key: "bob", info } });
      }
      assertEquals((await harness.server.presence("x"))[0].info, 3);
    }));

  it("is a copy each time", () => {
    const changes: PresenceChange[] = [];
    const notice = (change: PresenceChange) => {
      changes.push(change);
      (change.info as string[]).push("by notice");
      return undefined;
    };
    return withMemoryServer({ presence: { notice } }, async (harness) => {
      const { server } = harness;
      const [a, b] = [await watchOn(harness), await watchOn(harness)];
      const info = ["of ann"];
      a.conn.subscribe("x", { presence: true });
      b.conn.subscribe("x", { presence: { key: "ann", info } });
      info.push("later");
      const [member] = await server.presence("x");
      assertEquals(member.info, ["of ann"]);
      (member.info as string[]).push("by a reader");
      assertEquals((await server.presence("x"))[0].info, ["of ann"]);
      assertEquals(await a.takeTexts(), []);
      const { type, topic, key } = changes[0];
      assertEquals([changes.length, type, topic, key], [1, "join", "x", "ann"]);
    });
  });

  it("is told as lag says, the last of each member with `latest`", () =>
    withMemoryServer({ presence, limits: { sendHighWaterMark: 100 } }, async (harness) => {
      const [a, b] = [await watchOn(harness), await watchOn(harness)];
      a.conn.subscribe("x", { presence: true, lag: "latest" });
      await holdUp(a);
      for (const key of ["ann", "bob", "ann"]) b.conn.subscribe("x", { presence: { key } });
      await settle();
      harness.server.publish("x", "other");
      await settle();
      a.client.socket.resume();
      assertEquals((await a.takeTexts()).slice(1), ["-bob", "+ann", "other"]);
    }));

  it("is told beside the messages of the program, whatever their keys are, with `latest`", () =>
    withMemoryServer({ presence, limits: { sendHighWaterMark: 100 } }, async (harness) => {
      const [a, b] = [await watchOn(harness), await watchOn(harness)];
      a.conn.subscribe("x", { presence: true, lag: "latest" });
      await holdUp(a);
      b.conn.subscribe("x", { presence: { key: "bob" } });
      await settle();
      const keys = ["bob", "$presence/bob", "notice bob", "message bob", "notice", ""];
      for (const key of keys) harness.server.publish("x", `of ${key}`, { key });
      await settle();
      a.client.socket.resume();
      assertEquals((await a.takeTexts()).slice(1), ["+bob", ...keys.map((key) => `of ${key}`)]);
    }));

  it("asks nobody what to tell where nobody is to be told", () => {
    let calls = 0;
    const notice = () => {
      calls++;
      return undefined;
    };
    return withConnection({ presence: { notice } }, ({ conn }) => {
      for (const key of ["ann", "bob"]) conn.subscribe("x", { presence: { key } });
      conn.unsubscribe("x");
      assertEquals(calls, 0);
    });
  });

  it("goes on where the notice throws, or is none", () => {
    const error = new Error("no notice");
    const notice = ({ key }: PresenceChange) => {
      if (key === "ann") throw error;
      return key === "bob" ? { key } as unknown as string : key;
    };
    return withMemoryServer({ presence: { notice } }, async (harness) => {
      const [a, b] = [await watchOn(harness), await watchOn(harness)];
      a.conn.subscribe("x", { presence: true });
      for (const key of ["ann", "cem"]) b.conn.subscribe("x", { presence: { key } });
      assertEquals(harness.takeErrors(), [error, error]);
      b.conn.subscribe("x", { presence: { key: "bob" } });
      const [second] = harness.takeErrors();
      assertEquals(second instanceof TypeError, true);
      assertEquals(await whoIsIn(harness), "bob1");
      assertEquals(await a.takeTexts(), ["cem", "cem"]);
    });
  });

  it("may be changed by the notice itself", () =>
    withMemoryServer({
      presence: {
        notice({ key, type }) {
          if (key === "ann" && type === "join") watcher?.unsubscribe("x");
          return type + key;
        },
      },
    }, async (harness) => {
      const [a, b, c] = [await watchOn(harness), await watchOn(harness), await watchOn(harness)];
      watcher = c.conn;
      a.conn.subscribe("x", { presence: true });
      c.conn.subscribe("x", { presence: { key: "cem" } });
      b.conn.subscribe("x", { presence: { key: "ann" } });
      watcher = undefined;
      assertEquals(await whoIsIn(harness), "ann1");
      assertEquals(await a.takeTexts(), ["joincem", "leavecem", "joinann"]);
    }));
});

let watcher: { unsubscribe(topic: string): boolean } | undefined;

const NOT_A_CLAIM = "presence must be a boolean, or { key, info } with a string as key, got ";
const NOT_JSON = "presence.info must be serializable by JSON.stringify, got ";

describe("presence that is none", () => {
  const circular: unknown[] = [];
  circular.push(circular);
  const bad: [presence: unknown, error: typeof TypeError | typeof RangeError, message: string][] = [
    ["ann", TypeError, `${NOT_A_CLAIM}"ann"`],
    [1, TypeError, `${NOT_A_CLAIM}1`],
    [null, TypeError, `${NOT_A_CLAIM}null`],
    [{}, TypeError, `${NOT_A_CLAIM}an empty object`],
    [{ key: 1 }, TypeError, `${NOT_A_CLAIM}an object { key }`],
    [{ key: "é".repeat(129) }, RangeError, "presence.key must have at most 256 bytes, got 258"],
    [{ key: "", info: "x".repeat(1023) }, RangeError, "presence.info must have at most 1024 bytes"],
    [{ key: "", info: circular }, TypeError, `${NOT_JSON}an array of 1 (`],
    [{ key: "", info: { n: 1n } }, TypeError, `${NOT_JSON}an object { n } (`],
    [{ key: "", info: 1n }, TypeError, `${NOT_JSON}1 (`],
    [{ key: "", info: () => {} }, TypeError, `${NOT_JSON}a function (`],
  ];

  it("throws what is wrong with it, and changes nothing", () =>
    withMemoryServer({ presence }, async (harness) => {
      const [a, b] = [await watchOn(harness), await watchOn(harness)];
      a.conn.subscribe("x", { presence: true });
      b.conn.subscribe("x", { presence: { key: "bob" } });
      for (const [presence, error, message] of bad) {
        const options = { presence } as SubscribeOptions;
        for (const topic of ["x", "y"]) {
          assertThrows(() => b.conn.subscribe(topic, options), error, message);
        }
      }
      assertEquals(await whoIsIn(harness), "bob1");
      assertEquals([...b.conn.topics], ["x"]);
      b.conn.subscribe("x", { presence: { key: "é".repeat(128), info: "x".repeat(1022) } });
      b.conn.subscribe("x", { presence: { key: "", info: null } });
      assertEquals(await harness.server.presence("x"), [{ key: "", info: null, connections: 1 }]);
      b.conn.subscribe("x", { presence: false });
      assertEquals(await whoIsIn(harness), "");
      assertEquals((await a.takeTexts()).length, 6);
      await assertRejects(() => harness.server.presence(1 as never), TypeError, "Cannot tell");
    }));

  it("is refused among the options of a server", async () => {
    const options: [unknown, typeof TypeError | typeof RangeError, string][] = [
      [true, TypeError, "presence must be an object"],
      [{ ttlMs: 0 }, RangeError, "presence.ttlMs must be"],
      [{ notice: "hello" }, TypeError, 'presence.notice must be a function, got "hello"'],
    ];
    for (const [presence, error, message] of options) {
      await assertRejects(
        () => withMemoryServer({ presence: presence as PresenceOptions }, async () => {}),
        error,
        message,
      );
    }
  });
});
