import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import type { Connection } from "../../../src/server/mod.ts";
import { createPick, type Pick } from "../../connection/pick.ts";
import type { MemorySocket } from "../../support/memory_channel.ts";
import { clientFrame, closeFrame, type RawClient, utf8 } from "../../support/raw_client.ts";
import { httpRequest, upgradeRequest } from "../../support/requests.ts";
import { type MemoryHarness, type Setup, withMemoryServer } from "../../support/transports.ts";
import { Ledger } from "../rig/ledger.ts";

type Client = RawClient<MemorySocket>;

const HANDSHAKE_MS = 10_000;
const CLOSE_MS = 5_000;
const STEP_MS = 100;
const SEEDS = Array.from({ length: 60 }, (_, seed) => seed);

const forever = new Promise<never>(() => {});

/** What a client does to be waited for: everything but what it is waited for. */
const DEEDS: ((client: Client, pick: Pick) => void)[] = [
  (client) => client.sendPing("are you there?"),
  (client) => client.sendPong("I am here"),
  (client) => client.sendText("more"),
  (client) => client.send(clientFrame({ opcode: 2, payload: new Uint8Array(70_000) })),
  (client) => client.send(clientFrame({ opcode: 1, payload: utf8("a"), fin: false })),
  (client) => client.send(closeFrame(1000).slice(0, 4)),
  (client) => client.socket.pause(),
  (client, pick) => client.socket.take(1 + pick(100)),
  (client, pick) => client.socket.takeSlowly(1 + pick(10)),
  () => {},
];
/** What it does but once. */
const LAST_DEEDS: ((client: Client) => void)[] = [
  (client) => client.socket.end(),
  (client) => client.sendClose(1000),
  () => {},
];

/** Lets a client do what a seed says, every 100 ms, until `ms` are over. */
async function keepBusy(
  server: MemoryHarness<unknown>,
  client: Client,
  pick: Pick,
  ms: number,
): Promise<void> {
  const lastAt = pick(2 * ms);
  for (let passed = 0; passed < ms; passed += STEP_MS) {
    if (!client.hasSentEnd) {
      const isLast = passed >= lastAt && passed < lastAt + STEP_MS;
      if (isLast) LAST_DEEDS[pick(LAST_DEEDS.length)](client);
      else DEEDS[pick(DEEDS.length)](client, pick);
    }
    await server.clock.advance(STEP_MS);
  }
}

async function forSeeds(run: (pick: Pick, seed: number) => Promise<void>): Promise<void> {
  await Promise.all(SEEDS.map((seed) =>
    run(createPick(seed), seed).catch((cause) => {
      throw new Error(`seed ${seed}: ${cause}`, { cause });
    })
  ));
}

/** Programs that make the server wait too. */
const PROGRAMS: Setup<unknown>[] = [
  { message() {} },
  { message: (conn, data) => conn.send(data) },
  { handler: (conn) => conn.readable.pipeTo(conn.writable) },
  {
    async handler(conn: Connection) {
      for await (const message of conn) await conn.send(message);
    },
  },
];

describe("the deadline of the closing handshake, whatever the client does but close", () => {
  it("is 5 seconds after close()", () =>
    forSeeds((pick, seed) => {
      const ledger = new Ledger();
      const limits = { sendQueueSize: 200_000 };
      const setup = ledger.watch({ ...PROGRAMS[seed % 4], limits });
      return withMemoryServer(setup, async (server) => {
        const { client, conn } = await server.openPair();
        await keepBusy(server, client, pick, 1_000);
        void conn.close({ closeCode: 4000 });
        await keepBusy(server, client, pick, CLOSE_MS);
        assertEquals([conn.state, client.isClosed], ["closed", true]);
        ledger.check(server.server);
      });
    }));

  it("is 5 seconds after shutdown()", () =>
    forSeeds((pick, seed) =>
      withMemoryServer(PROGRAMS[seed % 4], async (server) => {
        const { client } = await server.openPair();
        await keepBusy(server, client, pick, 1_000);
        void server.server.shutdown();
        await keepBusy(server, client, pick, CLOSE_MS);
        assertEquals([server.server.connections.size, client.isClosed], [0, true]);
        await server.server.finished;
      })
    ));

  it("is 5 seconds after close() where a message is never handled", () =>
    forSeeds((pick, seed) => {
      const setup: Setup<unknown> = seed % 2 === 0 ? { message: () => forever } : {
        handler: async (conn) => void await conn[Symbol.asyncIterator]().next().then(() => forever),
      };
      return withMemoryServer(setup, async (server) => {
        const { client, conn } = await server.openPair();
        client.sendText("never handled");
        client.send(closeFrame(4000, "bye"));
        await server.clock.advance(1_000);
        void conn.close();
        await keepBusy(server, client, pick, CLOSE_MS);
        assertEquals([conn.state, client.isClosed], ["closed", true]);
      });
    }));
});

describe("the deadline of the opening handshake, whatever the client does but finish", () => {
  const HOOKS: Setup<unknown>[] = [
    { upgrade: () => forever },
    { fetch: () => forever },
    {},
  ];
  const REQUESTS = [
    upgradeRequest(),
    httpRequest(),
    httpRequest({ method: "POST", headers: { "Content-Length": "1000" } }) + "x".repeat(900),
  ];

  it("is 10 seconds, and 5 more for the client to leave", () =>
    forSeeds((pick, seed) =>
      withMemoryServer({ ...HOOKS[seed % 3] }, async (server) => {
        const client = await server.connect();
        const isReading = seed % 4 > 0;
        if (!isReading) client.socket.pause();
        const request = seed % 3 === 2
          // Never whole: a field that does not end.
          ? REQUESTS[0].slice(0, -4) + "\r\nX: " + "y".repeat(5_000)
          : REQUESTS[seed % 2 === 0 ? seed % 3 : (seed % 3) * 2];
        let sent = 0;
        for (let passed = 0; passed < HANDSHAKE_MS - STEP_MS; passed += STEP_MS) {
          const size = 1 + pick(20);
          client.send(request.slice(sent, sent + size));
          sent += size;
          await server.clock.advance(STEP_MS);
          assertEquals(server.server.stats().handshakes, 1, `${passed} ms`);
        }
        await server.clock.advance(STEP_MS);
        // Who does not read the answer has 10 seconds for that before.
        const leaveMs = (isReading ? 0 : HANDSHAKE_MS) + CLOSE_MS;
        for (let passed = 0; passed < leaveMs; passed += STEP_MS) {
          client.send(request.slice(sent, sent += 10) || "more");
          await server.clock.advance(STEP_MS);
        }
        const { handshakes, refused } = server.server.stats();
        assertEquals({ handshakes, refused }, { handshakes: 0, refused: { 408: 1 } });
        assertEquals(client.isClosed, true);
        assertEquals(server.clock.pending, []);
      })
    ));
});

describe("keep-alive, which counts any byte as a sign of life", () => {
  const HOUR_MS = 3_600_000;

  it("keeps a client that pings for ever and never answers a Ping", () =>
    withMemoryServer({ message() {} }, async (server) => {
      const { client, conn } = await server.openPair();
      for (let passed = 0; passed < HOUR_MS; passed += 15_000) {
        client.sendPing("x");
        await server.clock.advance(15_000);
        while (client.unreadSize > 0) await client.readFrame();
      }
      assertEquals(conn.state, "open");
      assertEquals(conn.bufferedAmount, 0);
      await server.clock.advance(60_000);
      assertEquals(conn.state, "closed");
    }));

  it("keeps a client that pings and never reads, in next to no memory", () =>
    withMemoryServer({ message() {} }, async (server) => {
      const { client, conn } = await server.openPair();
      client.socket.pause();
      const sent = conn.send("x".repeat(100_000));
      for (let passed = 0; passed < HOUR_MS; passed += 15_000) {
        client.sendPing("x".repeat(125));
        await server.clock.advance(15_000);
      }
      assertEquals(conn.state, "open");
      // The message, one Pong, and a Ping of 2 bytes for every 20 seconds.
      assert(conn.bufferedAmount < 100_000 + 1_000, `${conn.bufferedAmount} bytes`);
      // It holds what it was sent, until somebody gives it up: that takes 5 seconds.
      void conn.close();
      await server.clock.advance(CLOSE_MS);
      assertEquals(conn.state, "closed");
      await sent.catch(() => {});
    }));

  it("drops a client that neither reads nor sends, though Pings could not be sent", () =>
    withMemoryServer({ message() {} }, async (server) => {
      const ledger = new Ledger();
      const { client, conn } = await server.openPair();
      client.socket.pause();
      void ledger.track("send", conn.send("x".repeat(100_000)));
      void ledger.track("ping", conn.ping());
      await server.clock.advance(39_999);
      assertEquals(conn.state, "open");
      await server.clock.advance(1);
      const { closeCode, initiator } = await conn.closed;
      assertEquals([closeCode, initiator, ledger.pending], [1006, "local", []]);
    }));
});
