// @waits

import { after, before, describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { connect } from "../../src/runtimes/shared/client.ts";
import type { Connection, PresentMember } from "../../mod.ts";
import { type Module, TestProcess } from "../support/child_process.ts";
import { type Kind, natsKinds, type RealBroker, redisKinds, untilAnswered } from "./real_broker.ts";
import { Member, ROOM } from "./room.ts";
import { onThreeRuntimes } from "../support/installed_runtimes.ts";

/** Long enough for a busy machine, where nobody is to be taken for gone. */
const LONG_MS = 60_000;
const MODULE = new URL("presence_process.ts", import.meta.url);

/** Starts a server in this process, with a client that is in the room. */
async function start(real: RealBroker, key: string, ttlMs: number): Promise<Member> {
  const notice = ({ type, key }: { type: string; key: string }) => `${type} ${key}`;
  const member = await Member.start(real, { presence: { ttlMs, notice } });
  member.conn.subscribe(ROOM, { presence: { key } });
  return member;
}

/** Waits until a server says who is in the room. */
function untilIn({ server }: Pick<Member, "server">, expected: string): Promise<void> {
  return untilAnswered(
    `${expected} in the room`,
    async () => (await server.presence(ROOM)).map(({ key }) => key).join(" "),
    (keys) => keys === expected,
  );
}

/** A server in a process of its own, with a client that is in the room. */
class ProcessMember {
  readonly child: TestProcess;
  readonly notices: string[] = [];
  #client!: Connection;
  #answers: ((text: string) => void)[] = [];

  constructor(real: RealBroker, module: URL | Module, ttlMs: number) {
    this.child = new TestProcess(module, real.word, `${real.port}`, `${ttlMs}`);
  }

  async enter(key: string): Promise<void> {
    const [, port] = await this.child.untilPrinted(/^port (\d+)/m);
    this.#client = await connect(`ws://127.0.0.1:${port}/${key}`);
    void this.#read();
  }

  async #read(): Promise<void> {
    for await (const message of this.#client) {
      const text = String(message);
      if (text.startsWith("[")) this.#answers.shift()!(text);
      else this.notices.push(text);
    }
  }

  async untilIn(expected: string): Promise<void> {
    const list = async () => {
      const { promise, resolve } = Promise.withResolvers<string>();
      this.#answers.push(resolve);
      await this.#client.send("who?");
      const members: PresentMember[] = JSON.parse(await promise);
      return members.map(({ key }) => key).join(" ");
    };
    await untilAnswered(`${expected} in the room`, list, (keys) => keys === expected);
  }
}

function tryPresence(kind: Kind): void {
  const { skip } = kind;
  const real = kind.create();

  describe(`presence over ${kind.name}`, () => {
    before(() => skip === false ? real.start() : undefined);
    after(() => real.end());

    it("is one on three servers, until they end", { skip }, async () => {
      const keys = ["a", "b", "c"];
      const members = await Promise.all(keys.map((key) => start(real, key, LONG_MS)));
      try {
        for (const member of members) await untilIn(member, "a b c");
        const [a, b, c] = members;
        b.conn.subscribe(ROOM, { presence: { key: "bob" } });
        for (const member of members) await untilIn(member, "a bob c");
        await c.end();
        for (const member of [a, b]) await untilIn(member, "a bob");
        await a.untilReceived("leave c");
        assert(a.texts.join().includes("leave b,join bob"), a.texts.join());
        assertEquals(b.texts.filter((text) => text.endsWith("bob")), [], "its own doing");
      } finally {
        await Promise.all(members.map((member) => member.end()));
      }
      await untilAnswered("no subscription", () => real.countAll(), (count) => count === 0);
    });

    it("comes back with the broker, and what changed meanwhile", { skip }, async () => {
      const members = await Promise.all(["a", "b"].map((key) => start(real, key, LONG_MS)));
      const [a, b] = members;
      try {
        for (const member of members) await untilIn(member, "a b");
        await real.kill();
        for (const member of members) await member.untilTold("lost");
        b.conn.subscribe(ROOM, { presence: { key: "bob" } });
        await untilIn(b, "a bob");
        await untilIn(a, "a b");
        await real.start();
        for (const member of members) await untilIn(member, "a bob");
        await a.untilReceived("join bob");
      } finally {
        await Promise.all(members.map((member) => member.end()));
      }
    });

    it("outlives a broker that stands still", { skip }, async () => {
      const members = await Promise.all(["a", "b"].map((key) => start(real, key, 600)));
      const [a, b] = members;
      try {
        for (const member of members) await untilIn(member, "a b");
        await real.pause();
        try {
          for (const [member, left] of [[a, "a"], [b, "b"]] as const) await untilIn(member, left);
        } finally {
          real.resume();
        }
        for (const member of members) await untilIn(member, "a b");
      } finally {
        await Promise.all(members.map((member) => member.end()));
      }
    });

    it("loses who was on a server that was killed", { skip }, async () => {
      const a = await start(real, "a", 1_000);
      const b = new ProcessMember(real, MODULE, 1_000);
      try {
        await b.enter("b");
        await untilIn(a, "a b");
        b.child.kill();
        await untilIn(a, "a");
        await a.untilReceived("leave b");
      } finally {
        b.child.kill();
        await a.end();
      }
    });

    if (!kind.hasProcesses) return;

    it("is one on three runtimes", { skip }, async () => {
      const members = onThreeRuntimes(MODULE).map((module) =>
        new ProcessMember(real, module, LONG_MS)
      );
      try {
        for (const [i, member] of members.entries()) await member.enter("abc"[i]);
        for (const member of members) await member.untilIn("a b c");
      } finally {
        for (const { child } of members) child.kill();
      }
    });
  });
}

for (const kind of [...redisKinds(), ...natsKinds()]) tryPresence(kind);
