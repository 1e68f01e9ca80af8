import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import type { BudgetMember } from "../../src/connection/budget.ts";
import type { Connection } from "../../src/server/mod.ts";
import { loadRest } from "../../src/server/load_parts.ts";
import { MemoryBudget } from "../../src/server/memory_budget.ts";
import { resolveMemoryBudget } from "../../src/server/resolve_options.ts";
import { FakeClock } from "../../src/testing/fake_clock.ts";
import type { RawClient } from "../support/raw_client.ts";
import { httpRequest, upgradeRequest } from "../support/requests.ts";
import { MemoryHarness, TRANSPORTS, withMemoryServer } from "../support/transports.ts";
import { settle, turn } from "../support/turn.ts";
import { eventually } from "../support/waiter.ts";

const KiB = 1024;

await loadRest();

/** Some members of a budget of 1,600 bytes: half of it is 800, the share of each of the four 200. */
class Setting {
  readonly clock: FakeClock = new FakeClock();
  readonly budget: MemoryBudget;
  readonly log: string[] = [];
  readonly members: Set<FakeMember> = new Set();

  constructor(
    options: { size?: number; sizePerConnection?: number; maxMessageSize?: number } = {},
  ) {
    const { size = 1600, sizePerConnection = 0, maxMessageSize = 400 } = options;
    const limits = { size, sizePerConnection };
    this.budget = new MemoryBudget(limits, maxMessageSize, [this.members], this.clock);
    for (const name of ["a", "b", "c", "d"]) this.members.add(new FakeMember(name, this));
  }

  get list(): FakeMember[] {
    return [...this.members];
  }

  /** What happened since this was asked last. */
  takeLog(): string[] {
    return this.log.splice(0);
  }
}

class FakeMember implements BudgetMember {
  readonly name: string;
  readonly #setting: Setting;
  #held = 0;
  #counted = 0;
  /** What it holds together with others, which does not count for it alone. */
  sharedSize = 0;

  constructor(name: string, setting: Setting) {
    this.name = name;
    this.#setting = setting;
  }

  hold(size: number): void {
    this.#held = size;
    this.recountHeld();
  }

  /** Changes what it holds, and does not tell. */
  holdSilently(size: number): void {
    this.#held = size;
  }

  recountHeld(): number {
    const change = this.#held - this.#counted;
    this.#counted = this.#held;
    if (change !== 0) this.#setting.budget.count(change);
    return this.#held;
  }

  get retainedSize(): number {
    return this.#held + this.sharedSize;
  }

  get mustWait(): boolean {
    const { budget } = this.#setting;
    return budget.isShort && budget.mustWait(this, this.#held);
  }

  continueReceiving(): void {
    this.#setting.log.push(`${this.name} goes on`);
  }

  shed(): void {
    this.#setting.log.push(`${this.name} is shed`);
    this.leave();
  }

  leave(): void {
    this.hold(0);
    this.#setting.members.delete(this);
    this.#setting.budget.leave(this);
  }
}

describe("a memory budget", () => {
  it("is short past its half", async () => {
    const setting = new Setting();
    const [a] = setting.list;
    for (const [held, isShort] of [[799, false], [800, false], [801, true]] as const) {
      a.hold(held);
      assertEquals([setting.budget.isShort, a.mustWait], [isShort, false]);
    }
    a.hold(0);
    await setting.clock.advance(50);
    assertEquals(setting.clock.pending, []);
  });

  it("adds something for each member", () => {
    const { budget, list: [a] } = new Setting({ sizePerConnection: 100 });
    for (const [held, isShort] of [[1000, false], [1001, true]] as const) {
      a.hold(held);
      assertEquals(budget.isShort, isShort);
    }
  });

  it("lets those go on that hold no more than their share", () => {
    const { list: [a, b, c, d], clock } = new Setting();
    a.hold(601);
    b.hold(199);
    c.hold(200);
    d.hold(201);
    // Two may have a turn: these two.
    assertEquals([a.mustWait, b.mustWait, c.mustWait, d.mustWait], [false, false, false, false]);
    c.hold(201);
    assertEquals([a.mustWait, b.mustWait, c.mustWait, d.mustWait], [false, false, true, false]);
    b.hold(200);
    assertEquals(b.mustWait, false);
    assertEquals(clock.pending, [50]);
  });

  it("gives as many turns as half of it has room for messages, and at least one", () => {
    for (
      const [maxMessageSize, turns] of [[200, 4], [400, 2], [401, 1], [5000, 1], [Infinity, 1]]
    ) {
      const { list } = new Setting({ maxMessageSize });
      for (const member of list) member.hold(300);
      assertEquals(list.filter((member) => !member.mustWait).length, turns);
    }
  });

  it("gives no more than 64 turns", () => {
    const setting = new Setting({ maxMessageSize: 1 });
    for (let i = 4; i < 70; i++) setting.members.add(new FakeMember(`${i}`, setting));
    for (const member of setting.list) member.hold(20);
    assertEquals(setting.list.filter((member) => !member.mustWait).length, 64);
  });

  it("gives turns in the order in which they were asked for", async () => {
    const setting = new Setting({ maxMessageSize: 800 });
    const { list: [a, b, c, d] } = setting;
    for (const member of [a, b, c, d]) member.hold(300);
    assertEquals([b, d, a, c].map((member) => member.mustWait), [false, true, true, true]);
    b.hold(199);
    await settle();
    assertEquals(setting.takeLog(), ["d goes on"]);
    assertEquals([d, a, c].map((member) => member.mustWait), [false, true, true]);
    d.leave();
    await settle();
    // There are three now, and 799 bytes are not too much: nobody is in need of a turn.
    assertEquals(setting.takeLog(), ["a goes on"]);
    await setting.clock.advance(50);
    assertEquals(setting.takeLog(), ["c goes on"]);
    await setting.clock.advance(50);
    assertEquals(setting.clock.pending, []);
  });

  it("does not let all go on at once when there is room again", async () => {
    const setting = new Setting({ size: 800 * KiB, maxMessageSize: 400 * KiB });
    const { list: [a, b, c, d], clock } = setting;
    for (const member of [a, b, c, d]) member.hold(150 * KiB);
    assertEquals([a, b, c, d].map((member) => member.mustWait), [false, true, true, true]);
    a.leave();
    // 400 KiB are half of it, 450 are held still.
    await settle();
    assertEquals(setting.takeLog(), ["b goes on"]);
    b.leave();
    // 300 are held: 100 have room for one read.
    await settle();
    assertEquals(setting.takeLog(), ["c goes on"]);
    await clock.advance(49);
    assertEquals(setting.takeLog(), []);
    await clock.advance(1);
    assertEquals(setting.takeLog(), ["d goes on"]);
  });

  it("sheds those that stay above their share for two seconds, waiting or not", async () => {
    const setting = new Setting({ maxMessageSize: 800 });
    const { list: [a, b, c, d], clock } = setting;
    for (const member of [a, b, c, d]) member.hold(300);
    assertEquals([a, b, c].map((member) => member.mustWait), [false, true, true]);
    await clock.advance(1_000);
    assertEquals(d.mustWait, true);
    // It has become less by itself.
    b.holdSilently(199);
    await clock.advance(999);
    assertEquals(setting.takeLog(), []);
    await clock.advance(1);
    assertEquals(setting.takeLog(), ["a is shed", "c is shed", "b goes on", "d goes on"]);
    d.hold(0);
    b.hold(0);
    await clock.advance(50);
    assertEquals(clock.pending, []);
  });

  it("sheds nobody for having waited long where it is not short any more", async () => {
    const setting = new Setting({ maxMessageSize: 800 });
    const { list: [a, b, c], clock } = setting;
    for (const member of [a, b, c]) member.hold(300);
    assertEquals([a, b, c].map((member) => member.mustWait), [false, true, true]);
    await clock.advance(1_990);
    a.hold(100);
    await clock.advance(5_000);
    assertEquals(setting.takeLog(), ["b goes on", "c goes on"]);
    assertEquals(clock.pending, []);
  });

  it("sheds those that hold the most where all of it is used", async () => {
    const setting = new Setting();
    const { list: [a, b, c, d], budget } = setting;
    a.hold(350);
    b.hold(450);
    c.hold(500);
    d.hold(300);
    await settle();
    assertEquals(setting.takeLog(), [], "1,600 are within it");
    a.hold(351);
    await settle();
    assertEquals(setting.takeLog(), ["c is shed"]);
    // Down to seven eighths: 1,400.
    d.hold(1_000);
    await settle();
    assertEquals(setting.takeLog(), ["d is shed"]);
    assertEquals(budget.isShort, true);
    b.hold(0);
    assertEquals(budget.isShort, false);
  });

  it("sheds those first that hold the most with others, until what they hold is gone", async () => {
    const setting = new Setting();
    const { list: [a, b, c, d], budget } = setting;
    // Three hold 1,500 bytes together, of which one has most already; a newcomer has read what it got.
    budget.count(1_500);
    a.sharedSize = 500;
    b.sharedSize = 1_500;
    c.sharedSize = 1_400;
    d.hold(101);
    const leave = c.leave.bind(c);
    c.leave = () => {
      leave();
      budget.count(-1_000);
    };
    await settle();
    assertEquals(setting.takeLog(), ["b is shed", "c is shed"]);
    assertEquals(budget.held, 601);
    // Its share is that of two, then.
    a.sharedSize = 400;
    budget.count(1_500);
    await settle();
    assertEquals(setting.takeLog(), [], "nobody has more than its share");
  });

  it("sheds who holds much alone before those who hold little, but together", async () => {
    const setting = new Setting();
    const { list: [a, b, c, d], budget } = setting;
    // Three hold the same 900 bytes.
    budget.count(900);
    for (const member of [a, b, c]) member.sharedSize = 900;
    d.hold(701);
    await settle();
    assertEquals(setting.takeLog(), ["d is shed"]);
    // They alone are too much: they go, though each has only a part of it.
    const leave = c.leave.bind(c);
    c.leave = () => {
      leave();
      budget.count(-1_700);
    };
    budget.count(800);
    for (const member of [a, b, c]) member.sharedSize = 1_700;
    await settle();
    assertEquals(setting.takeLog(), ["a is shed", "b is shed", "c is shed"]);
    assertEquals(budget.held, 0);
  });

  it("sheds nobody whose bytes are gone when it comes to it", async () => {
    const setting = new Setting();
    const { list: [a, b] } = setting;
    a.hold(1_000);
    b.hold(601);
    b.holdSilently(0);
    await settle();
    assertEquals(setting.takeLog(), []);
  });

  it("has defaults", () => {
    const MiB = 1024 * KiB;
    const sizeFor = (size: number) => resolveMemoryBudget(undefined, size)?.size;
    assertEquals(resolveMemoryBudget({}, MiB), { size: 16 * MiB, sizePerConnection: 32 * KiB });
    assertEquals(sizeFor(4 * MiB), 16 * MiB);
    assertEquals(sizeFor(4 * MiB + 1), 16 * MiB + 4);
    assertEquals(sizeFor(Infinity), 16 * MiB);
    assertEquals(sizeFor(64 * MiB), 256 * MiB);
    for (const size of [64 * MiB + 1, 10 * 1024 * MiB, Number.MAX_SAFE_INTEGER]) {
      assertEquals(sizeFor(size), 256 * MiB);
    }
    assertEquals(resolveMemoryBudget(false, MiB), undefined);
  });
});

/** The beginning of a message of 1 MiB, as long as asked. */
function unfinished(size: number): Uint8Array {
  const bytes = new Uint8Array(14 + size);
  bytes.set([0x82, 0xff, 0, 0, 0, 0, 0, 0x10, 0, 0]);
  return bytes;
}

for (const { name, withServer, withConnection } of TRANSPORTS) {
  describe(`a server that is short of memory over ${name}`, () => {
    it("closes those with 1013 that hold the most, and serves the others", () => {
      const memoryBudget = { size: 400 * KiB, sizePerConnection: 0 };
      const limits = { maxMessageSize: 1024 * KiB };
      return withServer(
        { memoryBudget, limits, message: (conn, data) => conn.send(data) },
        async (server) => {
          const honest = await server.open();
          const hostile: RawClient[] = [];
          const echo = async (text: string) => {
            honest.sendText(text);
            assertEquals(await honest.readMessage(), text);
            assert(server.server.stats().heldSize <= memoryBudget.size, "too much is held");
          };
          for (let i = 0; i < 6; i++) {
            hostile.push(await server.open());
            hostile[i].send(unfinished((60 + i * 20) * KiB));
            await echo(`Hello ${i}`);
          }
          // Over a socket they wait for turns, before all of it is used.
          if (server instanceof MemoryHarness) await server.clock.advance(2_100);
          const isRefused = (client: RawClient) => client.unreadSize > 0;
          await eventually("one to be closed", () => hostile.some(isRefused));
          for (const client of hostile.filter(isRefused)) {
            assertEquals(await client.readClose(), [1013, "The server is short of memory"]);
          }
          await echo("Bye");
        },
      );
    });

    it("drops those that do not read, where they hold the most", () => {
      const message = new Uint8Array(50 * KiB);
      return withServer(
        { memoryBudget: { size: 1024 * KiB, sizePerConnection: 0 } },
        async (server) => {
          const { client: slow, conn: slowConn } = await server.openPair();
          const { client: other, conn } = await server.openPair();
          // What the system takes by itself does not count.
          const fill = async (client: RawClient, conn: Connection, size: number) => {
            client.socket.pause();
            while (conn.state === "open" && conn.bufferedAmount < size) {
              conn.trySend(message);
              await turn();
            }
          };
          await fill(slow, slowConn, 600 * KiB);
          await fill(other, conn, 300 * KiB);
          assertEquals(slowConn.state, "open");
          await fill(other, conn, 500 * KiB);
          const info = await slowConn.closed;
          assertEquals(info, {
            closeCode: 1006,
            reason: "The server is short of memory",
            wasClean: false,
            initiator: "local",
          });
          assertEquals(conn.state, "open");
        },
      );
    });

    it("has none where there is none", () =>
      withConnection({ memoryBudget: false }, async ({ server, client }) => {
        client.send(unfinished(500 * KiB));
        await eventually("the bytes", () => server.server.stats().heldSize >= 500 * KiB);
      }));

    it("refuses the request with the body that is most of it", () =>
      withServer(
        {
          memoryBudget: { size: 50 * KiB, sizePerConnection: 0 },
          fetch: () => new Response("here"),
        },
        async (server) => {
          const post = httpRequest({ method: "POST", headers: { "Content-Length": "60000" } });
          const client = await server.request(post, new Uint8Array(10 * KiB));
          // There is some room for more of it already.
          await eventually("the body", () => server.server.stats().heldSize >= 10 * KiB);
          assert(server.server.stats().heldSize <= 40 * KiB);
          client.send(new Uint8Array(40 * KiB));
          const { status, body } = await client.readResponse();
          assertEquals([status, body], [503, "The server is short of memory\n"]);
          assertEquals(server.server.stats().heldSize, 0);
          await client.finish();
        },
      ));
  });
}

describe("messages of more than the memory there is", () => {
  const overSockets = TRANSPORTS.find(({ name }) => name === "sockets")!;

  it("come one after the other, and none is lost", () => {
    let received = 0;
    return overSockets.withServer(
      {
        memoryBudget: { size: 4096 * KiB, sizePerConnection: 0 },
        message: () => void received++,
      },
      async (server) => {
        const payload = new Uint8Array(1024 * KiB);
        for (let i = 0; i < 8; i++) (await server.open()).sendBinary(payload);
        await eventually("all of them", () => received === 8);
        assertEquals(server.server.connections.size, 8);
        assertEquals(server.server.stats().heldSize, 0);
      },
    );
  });
});

describe("a handshake where memory is short", () => {
  it("is dropped within its head", () =>
    withMemoryServer({ memoryBudget: { size: 1000, sizePerConnection: 0 } }, async (server) => {
      const client = await server.request(`GET / HTTP/1.1\r\nHost: ${"x".repeat(900)}`);
      await settle();
      assertEquals(client.isClosed, false);
      client.send("x".repeat(200));
      await client.untilClosed();
      assertEquals(server.server.stats().heldSize, 0);
    }));

  it("is refused while its hook is awaited, which is told", () => {
    const reasons: unknown[] = [];
    return withMemoryServer(
      {
        memoryBudget: { size: 1000, sizePerConnection: 0 },
        upgrade: (_request, { signal }) =>
          new Promise<never>((_resolve, reject) => {
            signal.addEventListener("abort", () => {
              reasons.push(signal.reason);
              reject(signal.reason);
            });
          }),
      },
      async (server) => {
        const fits = await server.request(upgradeRequest(), new Uint8Array(400));
        assertEquals((await server.fetch(upgradeRequest(), new Uint8Array(601))).status, 503);
        assertEquals(reasons.length, 1);
        assertEquals(fits.unreadSize, 0);
        assertEquals(server.server.stats().heldSize, 400);
      },
    );
  });
});
