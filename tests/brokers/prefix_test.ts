// @waits

import { readFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { serve, type Server } from "../../mod.ts";
import { KeptServer } from "./kept_server.ts";
import { redisBroker } from "../../src/brokers/redis.ts";
import {
  type Kind,
  natsKinds,
  type RealBroker,
  RealRedis,
  redisKinds,
  untilAnswered,
} from "./real_broker.ts";
import { ResumingClient } from "./resuming_client.ts";

/** Prefixes of Redis of which some could be taken for the beginning of another with a topic. */
const REDIS_PREFIXES = [
  ...["", ":", "::", "%", "%:", "app", "app:", "App:", "app::", "app:admin", "app:admin:"],
  ...["app%3Aadmin:", "app:$presence/", "app:{", "app:{}", "app:}:", "{}", "{app}:"],
  ...["app:*", "*", "app?", "[a]pp:", "app\\:", "app\r\n:", "é:", "e\u0301:", "\ufeffapp:"],
  ...["kept:", "kept:app:", "kept:app:{", "%6Bept:", `${"x".repeat(3000)}:`],
];
const NATS_PREFIXES = [
  ...["app", "App", "aPP", "app.admin", "app.Admin", "app.admin.admin", "app-admin", "app_admin"],
  ...["a".repeat(256), `${"A".repeat(255)}b`, `${"A".repeat(255)}c`, "a.".repeat(127) + "aa"],
];

/** What is tried with a broker: prefixes, and what parts them. */
function prefixesOf({ word }: RealBroker): [prefixes: string[], separator: string] {
  return word === "nats" ? [NATS_PREFIXES, "."] : [REDIS_PREFIXES, ":"];
}

/** Topics that would reach into other prefixes, if prefix and topic were only joined. */
function topicsOf(prefixes: readonly string[], separator: string): string[] {
  const topics = new Set(["t", "", "*", ">", "%", "%7Bt%7D"]);
  for (const prefix of prefixes) {
    for (const longer of prefixes) {
      if (longer === prefix || !longer.startsWith(prefix)) continue;
      const rest = longer.slice(prefix.length);
      if (rest.length > 20) continue;
      if (separator === ".") topics.add(`${rest.slice(1)}.t`).add(`${rest.slice(1)}+kept.t`);
      else topics.add(`${rest}t`).add(`${rest}{t}:live`);
    }
  }
  return [...topics];
}

/** Two servers of a prefix, each with a client, on topics of one program. */
class Program {
  readonly servers: Server[] = [];
  readonly clients: ResumingClient[] = [];
  readonly #topics: readonly string[];
  readonly #name: string;

  constructor(name: string, topics: readonly string[]) {
    this.#name = name;
    this.#topics = topics;
  }

  async start(real: RealBroker, prefix: string): Promise<void> {
    for (const number of [0, 1]) {
      const server = await serve({
        port: 0,
        hostname: "127.0.0.1",
        broker: real.createBroker(prefix),
        resume: { topics: (topic) => topic.endsWith("kept") },
        onEvent() {},
        open: (conn) => {
          const presence = { key: `${this.#name} ${number}` };
          for (const topic of this.#topics) conn.subscribe(topic, { presence });
        },
      });
      this.servers.push(server);
      assert(server.addr.transport === "tcp");
      this.clients.push(await ResumingClient.start([server.addr.port], 0));
    }
  }

  /** Publishes from each server until both clients got it. */
  async untilPublished(text: string): Promise<void> {
    for (const [from, server] of this.servers.entries()) {
      for (const topic of this.#topics) {
        const message = this.textOf(text, from, topic);
        const publish = () => server.publish(topic, message);
        publish();
        const timer = setInterval(publish, 100);
        try {
          for (const client of this.clients) {
            await client.until(message, () => client.received.includes(message));
          }
        } finally {
          clearInterval(timer);
        }
      }
    }
  }

  textOf(text: string, from: number, topic: string): string {
    return `${text} of ${this.#name} ${from} in ${topic}`;
  }

  async assertAlone(): Promise<void> {
    for (const client of this.clients) {
      const foreign = client.received.filter((text) => !text.includes(` of ${this.#name} `));
      assertEquals([foreign, client.lost], [[], []]);
    }
    for (const server of this.servers) {
      for (const topic of this.#topics) {
        await untilAnswered(
          `those in ${topic}`,
          async () => (await server.presence(topic)).map(({ key }) => key).join(),
          (keys) => keys === `${this.#name} 0,${this.#name} 1`,
        );
        assertEquals(server.subscriberCount(topic), 1);
      }
      assertEquals(server.stats().broker?.malformed, 0);
    }
  }

  async end(): Promise<void> {
    for (const client of this.clients) await client.end();
    for (const server of this.servers) await server.shutdown();
  }
}

function tryPrefixes(kind: Kind): void {
  const { skip } = kind;
  const real = kind.create();

  describe(`servers with another prefix, over ${kind.name}`, () => {
    before(() => skip === false ? real.start() : undefined);
    after(() => real.end());

    it(
      "get nothing of each other, where one prefix begins with the other",
      { skip },
      async () => {
        const dot = real.word === "nats" ? "." : ":";
        const end = real.word === "nats" ? "" : ":";
        const outer = new Program("outer", [`admin${dot}secret`, `admin${dot}kept`]);
        const inner = new Program("inner", ["secret", "kept"]);
        try {
          await outer.start(real, `app${end}`);
          await inner.start(real, `app${dot}admin${end}`);
          for (const program of [outer, inner]) await program.untilPublished("first");
          // One client of each is gone for a moment, and gets what it missed of its own program.
          for (const [program, topic] of [[outer, `admin${dot}kept`], [inner, "kept"]] as const) {
            const { clients: [, client], servers: [server] } = program;
            client.conn!.abort();
            server.publish(topic, program.textOf("missed", 0, topic));
          }
          for (const program of [outer, inner]) await program.untilPublished("last");
          for (const { clients: [, client] } of [outer, inner]) {
            const isMissed = (text: string) => text.startsWith("missed");
            await client.until("what it missed", () => client.received.some(isMissed));
          }
          for (const program of [outer, inner]) await program.assertAlone();
        } finally {
          await outer.end();
          await inner.end();
        }
      },
    );

    it("get nothing of each other, whatever the prefixes and topics are", { skip }, async () => {
      const [prefixes, separator] = prefixesOf(real);
      const topics = topicsOf(prefixes, separator);
      const servers: KeptServer[] = [];
      const startAll = async () => {
        const started = await Promise.all(
          prefixes.map((prefix) => KeptServer.start(real.createBroker(prefix))),
        );
        servers.push(...started);
        for (const server of started) await server.untilConnected();
        return started;
      };
      try {
        // One after the other: of two servers that make a stream at once, one has to try again.
        const receivers = await startAll();
        const senders = await startAll();
        for (const { broker } of receivers) {
          await broker.subscribe([...topics, "end"]);
          await broker.subscribe([...topics, "end"], true);
        }
        for (const name of [...topics, "end"]) {
          await Promise.all(senders.map(async (sender, index) => {
            const text = JSON.stringify(prefixes[index]);
            await sender.broker.publish(name, new TextEncoder().encode(text));
            await sender.append(name, text);
          }));
        }
        for (const [index, server] of receivers.entries()) {
          const text = JSON.stringify(prefixes[index]);
          const isEnd = ({ topic }: { topic: string }) => topic === "end";
          await server.until(
            "the end",
            () => server.plain.includes(`end: ${text}`) && server.received.some(isEnd),
          );
          const own = [...topics, "end"];
          assertEquals(server.plain, own.map((topic) => `${topic}: ${text}`), text);
          assertEquals(server.received.map(({ topic }) => topic), own, text);
          for (const topic of own) assertEquals(server.textsOf(topic), [text]);
          assertEquals(server.errors, []);
          for (const topic of own.slice(0, 5)) {
            const { messages } = await server.broker.read(topic, { epoch: "other", number: 0 });
            assertEquals(messages.length, 1);
          }
        }
      } finally {
        await Promise.all(servers.map(({ broker }) => broker.close()));
      }
    });
  });
}

for (const kind of [...redisKinds(true), ...natsKinds(true)]) tryPrefixes(kind);

describe("the permissions for one prefix, in Redis", () => {
  const [{ skip }] = redisKinds();
  const real = new RealRedis(false, true);
  before(() => skip === false ? real.start() : undefined);
  after(() => real.end());

  it("are enough for it, and for no other", { skip }, async () => {
    const guide = readFileSync(new URL("../../docs/scaling.md", import.meta.url), "utf8");
    const [, rules] = /`ACL SETUSER app (on [^`]*)`/.exec(guide)!;
    await real.ask(/OK/, "ACL", "SETUSER", "app", ...rules.split(/\s+/));
    const start = (prefix: string) =>
      KeptServer.start(redisBroker({
        url: `redis://app:secret@127.0.0.1:${real.port}`,
        prefix,
      }));
    const message = new TextEncoder().encode("x");
    const own = await start("app:");
    const others = await Promise.all(["app:admin:", "app", "", "kept:", "kept:app:"].map(start));
    try {
      for (const server of [own, ...others]) await server.untilConnected();
      for (const topic of ["t", "", "*", "{t}", "admin:t", "$presence/servers"]) {
        await own.broker.subscribe([topic]);
        await own.broker.subscribe([topic], true);
        await own.broker.publish(topic, message);
        await own.append(topic, "x");
        await own.until(
          "both",
          () => own.plain.at(-1) === `${topic}: x` && own.textsOf(topic).length === 1,
        );
      }
      for (const { broker } of others) {
        for (const topic of ["t", "app:t", "{t}:live", "app:{t}:live"]) {
          await assertRejects(() => broker.publish(topic, message), Error, "NOPERM");
          await assertRejects(() => broker.append(topic, "id:1", message), Error, "NOPERM");
          await assertRejects(() => broker.subscribe([topic]), Error, "NOPERM");
          await assertRejects(() => broker.subscribe([topic], true), Error, "NOPERM");
        }
      }
    } finally {
      for (const { broker } of [own, ...others]) await broker.close();
    }
  });
});
