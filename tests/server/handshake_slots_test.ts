import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import type { Address } from "../../src/transport/byte_channel.ts";
import { GroupedQueue, type GroupPlace } from "../../src/server/grouped_queue.ts";
import { FakeClock } from "../../src/testing/fake_clock.ts";
import { loadRest } from "../../src/server/load_parts.ts";
import {
  type HandshakeSlot,
  HandshakeSlots,
  type HandshakeStage,
} from "../../src/server/handshake_slots.ts";
import { httpRequest, upgradeRequest } from "../support/requests.ts";
import { TRANSPORTS } from "../support/transports.ts";
import { eventually } from "../support/waiter.ts";

await loadRest();

function tcp(hostname: string): Address {
  return { transport: "tcp", hostname, port: 1 };
}

/** A room, and who has made room so far. */
class Setting {
  readonly clock: FakeClock = new FakeClock();
  readonly slots: HandshakeSlots;
  readonly taken: Map<string, HandshakeSlot> = new Map();
  readonly dropped: string[] = [];

  constructor(max: number) {
    this.slots = new HandshakeSlots(max, this.clock);
  }

  enter(name: string, hostname: string, stage: HandshakeStage = "silent"): boolean {
    const slot = this.slots.take(tcp(hostname), () => this.dropped.push(name));
    if (slot === undefined) return false;
    slot.move(stage);
    this.taken.set(name, slot);
    return true;
  }
}

describe("a full room of handshakes", () => {
  it("has the silent one that came first make room", () => {
    const setting = new Setting(3);
    for (const name of ["a", "b", "c", "d", "e"]) assert(setting.enter(name, "192.0.2.1"));
    assertEquals(setting.dropped, ["a", "b"]);
    assertEquals(setting.slots.size, 3);
  });

  it("takes it from the address that has the most, whoever came first", () => {
    const setting = new Setting(4);
    setting.enter("honest", "192.0.2.1");
    for (const name of ["a", "b", "c", "d"]) setting.enter(name, "192.0.2.2");
    setting.enter("other", "192.0.2.3");
    assertEquals(setting.dropped, ["a", "b"]);
  });

  it("takes it from those that said nothing before those that did", () => {
    const setting = new Setting(4);
    setting.enter("a", "192.0.2.1", "begun");
    setting.enter("b", "192.0.2.1", "begun");
    setting.enter("c", "192.0.2.1");
    setting.enter("d", "192.0.2.1");
    setting.enter("e", "192.0.2.1", "served");
    assertEquals(setting.dropped, ["c"]);
  });

  it("lets no queue that said a byte push out those that are about to", () => {
    for (const addresses of [1, 50]) {
      const setting = new Setting(50);
      for (let i = 0; i < 50; i++) setting.enter("hostile", `192.0.2.${i % addresses}`, "begun");
      for (let i = 0; i < 20; i++) setting.enter(`honest ${i}`, `198.51.100.${i}`);
      assertEquals(new Set(setting.dropped), new Set(["hostile"]));
    }
  });

  it("takes none from those that wait for the server", () => {
    const setting = new Setting(2);
    setting.enter("a", "192.0.2.1", "served");
    setting.enter("b", "192.0.2.1", "served");
    assertEquals(setting.enter("c", "192.0.2.2"), false);
    setting.taken.get("a")!.move("silent");
    assert(setting.enter("d", "192.0.2.2"));
    assertEquals(setting.dropped, ["a"]);
  });

  it("takes it from responses that are being sent if nobody waits for its peer", () => {
    const setting = new Setting(4);
    setting.enter("a", "192.0.2.1", "answering");
    setting.enter("b", "192.0.2.2", "answering");
    setting.enter("c", "192.0.2.2", "answering");
    setting.enter("d", "192.0.2.2", "served");
    setting.enter("e", "192.0.2.3", "served");
    assertEquals(setting.dropped, ["b"]);
    setting.taken.get("e")!.move("silent");
    setting.enter("f", "192.0.2.3", "served");
    assertEquals(setting.dropped, ["b", "e"]);
  });

  for (const stage of ["silent", "begun"] as const) {
    it(`has those go first that are late, ${stage}, each of an address of its own`, async () => {
      const setting = new Setting(50);
      for (let i = 0; i < 50; i++) setting.enter(`late ${i}`, `192.0.2.${i}`, stage);
      await setting.clock.advance(500);
      for (let i = 0; i < 40; i++) setting.enter(`honest ${i}`, "198.51.100.1");
      assertEquals(setting.dropped, Array.from({ length: 40 }, (_, i) => `late ${i}`));
    });
  }

  it("takes nobody for late within half a second", async () => {
    const setting = new Setting(4);
    setting.enter("a", "192.0.2.1");
    for (const name of ["b", "c", "d"]) setting.enter(name, "192.0.2.2");
    await setting.clock.advance(499);
    setting.enter("e", "192.0.2.3");
    assertEquals(setting.dropped, ["b"]);
  });

  it("takes it, of those that are late, from the address that has the most", async () => {
    const setting = new Setting(5);
    setting.enter("a", "192.0.2.1");
    setting.enter("b", "192.0.2.2");
    setting.enter("c", "192.0.2.2", "begun");
    await setting.clock.advance(500);
    setting.enter("d", "192.0.2.3");
    setting.enter("e", "192.0.2.3");
    for (let i = 0; i < 4; i++) setting.enter(`new ${i}`, "192.0.2.4");
    // Then there are none, and the rest is as if there had been none.
    assertEquals(setting.dropped, ["b", "a", "c", "new 0"]);
  });

  it("takes nobody for less late who begins, and for late who waits anew", async () => {
    const setting = new Setting(3);
    setting.enter("a", "192.0.2.1");
    setting.enter("b", "192.0.2.2");
    setting.enter("c", "192.0.2.3");
    await setting.clock.advance(300);
    setting.taken.get("b")!.move("begun");
    setting.taken.get("a")!.move("served");
    setting.taken.get("a")!.move("begun");
    await setting.clock.advance(200);
    setting.taken.get("c")!.move("served");
    setting.enter("d", "192.0.2.1");
    assertEquals(setting.dropped, ["b"]);
  });

  for (const wasFull of [false, true]) {
    it(`takes the one that began first, whether or not it was full before: ${wasFull}`, () => {
      const setting = new Setting(3);
      if (wasFull) {
        setting.enter("first", "192.0.2.1");
        setting.enter("served", "192.0.2.1", "served");
      }
      while (setting.slots.size < 3) setting.enter(`${setting.slots.size}`, "192.0.2.1");
      if (wasFull) setting.enter("3", "192.0.2.1");
      const [a, b] = [...setting.taken.keys()].slice(-2);
      setting.taken.get(b!)!.move("begun");
      setting.taken.get(a!)!.move("begun");
      if (!wasFull) setting.taken.get("0")!.move("served");
      setting.enter("new", "192.0.2.1");
      assertEquals(setting.dropped.at(-1), b);
    });
  }

  it("takes those that were late, and are not waited for, from nobody's place", async () => {
    const setting = new Setting(3);
    for (const name of ["a", "b", "c"]) setting.enter(name, "192.0.2.1");
    await setting.clock.advance(500);
    setting.enter("d", "192.0.2.1");
    for (const name of ["b", "c", "d"]) setting.taken.get(name)!.move("served");
    assertEquals(setting.enter("e", "192.0.2.1"), false);
    setting.taken.get("b")!.leave();
    assertEquals(setting.enter("e", "192.0.2.1"), true);
    assertEquals([setting.dropped, setting.slots.size], [["a"], 3]);
  });

  it("counts each slot once, however often it is given back", () => {
    const setting = new Setting(2);
    setting.enter("a", "192.0.2.1");
    setting.enter("b", "192.0.2.1");
    setting.enter("c", "192.0.2.1");
    const [a, b] = [setting.taken.get("a")!, setting.taken.get("b")!];
    a.leave();
    a.move("begun");
    assertEquals(setting.slots.size, 2);
    b.leave();
    b.leave();
    assertEquals(setting.slots.size, 1);
    setting.enter("d", "192.0.2.1");
    assertEquals([setting.dropped, setting.slots.size], [["a"], 2]);
  });

  it("has no slot where there may be none", () => {
    assertEquals(new Setting(0).enter("a", "192.0.2.1"), false);
  });
});

describe("a grouped queue", () => {
  it("knows its largest group after any changes", () => {
    const queue = new GroupedQueue<number>();
    const model: { name: string; member: number; place: GroupPlace<number> }[] = [];
    // A generator of its own: the same numbers in each run.
    let state = 1;
    const random = (below: number) => (state = state * 48271 % 0x7fffffff) % below;
    for (let i = 0; i < 3_000; i++) {
      if (random(5) < (i < 2_000 ? 3 : 1)) {
        const name = `group ${random(8)}`;
        model.push({ name, member: i, place: queue.add(name, i) });
      } else if (model.length > 0) {
        const [{ place }] = model.splice(random(model.length), 1);
        queue.delete(place);
        queue.delete(place);
      }
      const sizes = new Map<string, number>();
      for (const { name } of model) sizes.set(name, (sizes.get(name) ?? 0) + 1);
      const largestSize = Math.max(0, ...sizes.values());
      assertEquals([queue.size, queue.largestSize], [model.length, largestSize]);
      const firsts = [...sizes].filter(([, size]) => size === largestSize)
        .map(([name]) => model.find((each) => each.name === name)?.member);
      if (firsts.length === 0) firsts.push(undefined);
      assert(firsts.includes(queue.first), `${queue.first} is none of ${firsts}`);
    }
  });
});

for (const { name, withServer } of TRANSPORTS) {
  describe(`a full server over ${name}`, () => {
    for (
      const [option, which] of [
        ["maxConnections", ""],
        ["maxConnectionsPerAddress", " of this address"],
      ]
    ) {
      it(`has 503 for one past ${option}, and takes another when one has left`, () =>
        withServer({ [option]: 2 }, async (server) => {
          const [first] = [await server.open(), await server.open()];
          const client = await server.request(upgradeRequest());
          const { status, headers, body } = await client.readResponse();
          assertEquals([status, headers.get("connection")], [503, "close"]);
          assertEquals(body, `The server has as many connections${which} as it may have\n`);
          await client.finish();
          first.socket.reset();
          await eventually("the connection to be gone", () => server.server.connections.size === 1);
          assertEquals((await server.open()).isClosed, false);
        }));
    }

    it("still serves plain HTTP, which is over at once", () =>
      withServer({ maxConnections: 0, fetch: () => new Response("here") }, async (server) => {
        assertEquals((await server.fetch(httpRequest())).body, "here");
      }));

    it("counts those that became connections while the hook was awaited", () => {
      const gates: (() => void)[] = [];
      const upgrade = () => new Promise<object>((resolve) => void gates.push(() => resolve({})));
      return withServer({ maxConnections: 1, upgrade }, async (server) => {
        const first = await server.request(upgradeRequest());
        const second = await server.request(upgradeRequest());
        await eventually("both hooks", () => gates.length === 2);
        gates[1]();
        gates[0]();
        const statuses = [(await first.readHead()).status, (await second.readHead()).status];
        assertEquals(statuses.toSorted(), [101, 503]);
        assertEquals(server.server.connections.size, 1);
      });
    });

    it("does not ask the hook about a request it has no room for", () => {
      let calls = 0;
      const upgrade = () => (calls++, {});
      return withServer({ maxConnections: 1, upgrade }, async (server) => {
        await server.open();
        assertEquals((await server.fetch(upgradeRequest())).status, 503);
        assertEquals(calls, 1);
      });
    });
  });
}
