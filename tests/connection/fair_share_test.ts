import { assert, assertEquals } from "@std/assert";
import { describe, it } from "node:test";
import type { FakeClock } from "../../src/testing/fake_clock.ts";
import { clientFrame, closeFrame, textFrame } from "../support/raw_client.ts";
import { deflateAlone } from "../support/reference_deflate.ts";
import { concatBytes, REFERENCE_OPCODES } from "../support/reference_frames.ts";
import { withConnection, withMemoryServer } from "../support/transports.ts";
import { settle } from "../support/turn.ts";
import { watch } from "../support/watch.ts";

const { binary, ping } = REFERENCE_OPCODES;
const COMPRESSED = { headers: { "Sec-WebSocket-Extensions": "permessage-deflate" } };

/** What a message takes, in milliseconds, and how many of them fit a share of 2 ms, about. */
const MESSAGE_MS = 0.1;
const MAX_SHARE = 36;
const COUNT = 500;

const messages = concatBytes(Array.from({ length: COUNT }, (_, i) => textFrame(`${i}`)));

/** A program whose messages take time, and what it got. */
function slowProgram() {
  const received: (string | Uint8Array)[] = [];
  const program = {
    clock: undefined as FakeClock | undefined,
    received,
    handle(data: string | Uint8Array): void {
      received.push(data);
      void program.clock!.stall(MESSAGE_MS);
    },
  };
  return program;
}

describe("a connection that brings more work than its share of a turn", () => {
  it("is gone on with in later turns, in order: callbacks", () => {
    const program = slowProgram();
    return withMemoryServer({ message: (_conn, data) => program.handle(data) }, async (server) => {
      program.clock = server.clock;
      const client = await server.open();
      client.send(messages);
      assert(program.received.length > 0 && program.received.length <= MAX_SHARE);
      client.send(closeFrame(1000));
      assertEquals(await client.readClose(), [1000, ""]);
      assertEquals(program.received, Array.from({ length: COUNT }, (_, i) => `${i}`));
    });
  });

  it("is gone on with in later turns, in order: iteration", () => {
    const program = slowProgram();
    return withMemoryServer({
      async handler(conn) {
        for await (const data of conn) program.handle(data);
      },
    }, async (server) => {
      program.clock = server.clock;
      const client = await server.open();
      client.send(messages, closeFrame(1000));
      assertEquals(await client.readClose(), [1000, ""]);
      assertEquals(program.received, Array.from({ length: COUNT }, (_, i) => `${i}`));
    });
  });

  it("lets another one have its turn in between", () => {
    const program = slowProgram();
    return withMemoryServer({
      message(conn, data) {
        program.handle(data);
        return conn.send(data);
      },
    }, async (server) => {
      program.clock = server.clock;
      const hog = await server.open();
      const other = await server.open();
      hog.send(messages);
      other.send(textFrame("other"));
      assertEquals(await other.readMessage(), "other");
      assert(program.received.indexOf("other") <= 4 * MAX_SHARE);
      for (let i = 0; i < COUNT; i++) assertEquals(await hog.readMessage(), `${i}`);
    });
  });

  it("is gone on with after each kind of frame, and within a large compressed message", () => {
    let clock: FakeClock | undefined;
    const size = 5_000_000;
    let pings = 0;
    return withMemoryServer({
      compression: true,
      limits: { maxMessageSize: size },
      ping() {
        pings++;
        void clock!.stall(MESSAGE_MS);
      },
      message: (conn, data) => conn.send(`${data.length}`),
    }, async (server) => {
      clock = server.clock;
      const client = await server.open(COMPRESSED);
      client.send(concatBytes(Array(COUNT).fill(clientFrame({ opcode: ping }))));
      assert(pings > 0 && pings <= MAX_SHARE, `${pings} Pings in one turn`);
      const payload = deflateAlone(new Uint8Array(size));
      client.send(clientFrame({ opcode: binary, rsv: 4, payload }));
      for (let i = 0; i < COUNT; i++) assertEquals(await client.readPong(), "");
      assertEquals(await client.readMessage(), `${size}`);
      assertEquals(pings, COUNT);
    });
  });

  for (const size of [0, 1]) {
    it(`is gone on with within a message of fragments of ${size} bytes`, () =>
      withMemoryServer({
        limits: { maxFragments: Infinity },
        message: (conn, data) => conn.send(`${data.length}`),
      }, async (server) => {
        const client = await server.open();
        const clock = server.clock;
        const now = clock.now.bind(clock);
        let looks = 0;
        // Each look at the time takes some of it.
        clock.now = () => now() + 0.1 * looks++;
        const payload = new Uint8Array(size);
        const fragment = clientFrame({ opcode: 0, fin: false, payload });
        client.send(
          clientFrame({ opcode: binary, fin: false, payload }),
          concatBytes(Array(50_000).fill(fragment)),
          clientFrame({ opcode: 0, payload }),
        );
        assert(looks > 10 && looks < 60, `${looks} looks at the time in the first turn`);
        assertEquals(await client.readMessage(), `${50_002 * size}`);
      }));
  }

  it("is dropped with what it has left where the client resets", () => {
    const program = slowProgram();
    return withConnection(
      { message: (_conn, data) => program.handle(data) },
      async ({ client, conn, clock }) => {
        program.clock = clock;
        client.send(messages);
        client.socket.reset();
        assertEquals((await conn.closed).closeCode, 1006);
        assert(program.received.length < COUNT);
      },
    );
  });

  it("ends in order where the client ends behind what is left", () => {
    const program = slowProgram();
    return withConnection(
      { message: (_conn, data) => program.handle(data) },
      async ({ client, conn, clock }) => {
        program.clock = clock;
        client.send(messages);
        client.socket.end();
        assertEquals((await conn.closed).closeCode, 1006);
        assertEquals(program.received.length, COUNT);
      },
    );
  });

  it("ends in order where it ends behind what came when the turn was over", () => {
    const program = slowProgram();
    return withMemoryServer({
      limits: { receiveQueueMessages: 2 },
      async handler(conn) {
        for await (const data of conn) program.handle(data);
      },
    }, async (server) => {
      program.clock = server.clock;
      const pairs = [await server.openPair()];
      while (pairs.length < 10) pairs.push(await server.openPair());
      for (const { client } of pairs) client.send(messages);
      const { client, conn } = await server.openPair();
      const before = program.received.length;
      client.send(textFrame("1"), textFrame("2"), textFrame("3"), textFrame("4"), textFrame("5"));
      client.socket.end();
      assertEquals((await conn.closed).closeCode, 1006);
      assertEquals(program.received.length - before > 5, true);
      assertEquals(conn.stats().messagesReceived, 5);
      for (const { client } of pairs) client.socket.reset();
    });
  });

  it("is read in order where it came when the turn was over, and there is no room for it yet", () => {
    const program = slowProgram();
    const late: string[] = [];
    const { promise: mayReceive, resolve: receive } = Promise.withResolvers<void>();
    return withMemoryServer({
      limits: { receiveQueueMessages: 2 },
      upgrade: (request) => ({ data: request.url.endsWith("/late") }),
      async handler(conn) {
        if (conn.data) await mayReceive;
        for await (const data of conn) conn.data ? late.push(`${data}`) : program.handle(data);
      },
    }, async (server) => {
      program.clock = server.clock;
      const client = await server.open({ target: "/late" });
      const hogs = [await server.open()];
      while (hogs.length < 10) hogs.push(await server.open());
      for (const hog of hogs) hog.send(messages);
      client.send(textFrame("1"), textFrame("2"), textFrame("3"), textFrame("4"));
      await settle();
      client.send(textFrame("5"), textFrame("6"), closeFrame(1000));
      receive();
      await client.readClose();
      assertEquals(late, ["1", "2", "3", "4", "5", "6"]);
      for (const hog of hogs) hog.socket.reset();
    });
  });

  it("ends as soon as close() has dropped all that the client's end waited behind", () => {
    let clock: FakeClock | undefined;
    return withMemoryServer({
      compression: true,
      closeTimeoutMs: 5_000,
      keepAlive: false,
      limits: { maxMessageSize: 10_000_000 },
      rateLimits: { inflatedBytesPerSecond: 100_000 },
      message: (_conn, data) => data === "stall" ? void clock!.stall(20) : undefined,
    }, async (server) => {
      clock = server.clock;
      const { client, conn } = await server.openPair(COMPRESSED);
      const other = await server.open();
      await settle();
      // The turn is over for all, and the message is compressed to so little that the channel is not paused for it.
      other.send(concatBytes(Array(30).fill(textFrame("stall"))));
      const payload = deflateAlone(new Uint8Array(3_500_000));
      client.send(clientFrame({ opcode: binary, rsv: 4, payload }));
      assertEquals(server.channelOf(client).isPaused, false);
      client.socket.end();
      await settle();
      assertEquals([conn.state, client.hasEnded], ["open", false]);
      const closed = watch(conn.close({ closeCode: 4000 }));
      await settle();
      assertEquals([closed.state, closed.value?.closeCode], ["resolved", 4000]);
      assertEquals(await client.readClose(), [4000, ""]);
    });
  });

  it("counts what waits for its turn", () => {
    const program = slowProgram();
    return withConnection(
      { message: (_conn, data) => program.handle(data) },
      async ({ client, conn, clock }) => {
        program.clock = clock;
        client.send(messages);
        const { heldSize } = conn.stats();
        assert(heldSize > messages.length / 2 && heldSize <= messages.length, `${heldSize}`);
        client.send(closeFrame(1000));
        await client.readClose();
      },
    );
  });
});

describe("rateLimits.inflatedBytesPerSecond", () => {
  const bomb = (size: number) =>
    clientFrame({ opcode: binary, rsv: 4, payload: deflateAlone(new Uint8Array(size)) });

  it("has a peer wait, also within a large message", () =>
    withMemoryServer({
      compression: true,
      limits: { maxMessageSize: 10_000_000 },
      rateLimits: { inflatedBytesPerSecond: 1_000_000 },
      message: (conn, data) => conn.send(`${data.length}`),
    }, async (server) => {
      const { client, conn } = await server.openPair(COMPRESSED);
      client.send(bomb(1_000_000), textFrame("next"));
      assertEquals(await client.readMessage(), "1000000");
      assertEquals(await client.readMessage(), "4");
      client.send(bomb(5_000_000), textFrame("last"));
      await server.clock.advance(1_000);
      assertEquals(conn.stats().messagesReceived, 2);
      await server.clock.advance(5_000);
      assertEquals(await client.readMessage(), "5000000");
      assertEquals(await client.readMessage(), "4");
    }));

  it("closes with 1008 where it is said to", () =>
    withMemoryServer({
      compression: true,
      rateLimits: { inflatedBytesPerSecond: 100_000, onExceeded: "close" },
      message: (conn, data) => conn.send(`${data.length}`),
    }, async (server) => {
      const client = await server.open(COMPRESSED);
      client.send(bomb(500_000));
      assertEquals(await client.readClose(), [
        1008,
        "Cannot receive more than 100000 inflated bytes a second",
      ]);
    }));
});
