import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { clientFrame, textFrame, utf8 } from "../support/raw_client.ts";
import { REFERENCE_OPCODES } from "../support/reference_frames.ts";
import { settle } from "../support/turn.ts";
import { type Setup, withConnection, withMemoryServer } from "../support/transports.ts";
import { eventually } from "../support/waiter.ts";
import { withStalledClient } from "./with_connection.ts";

function pingFrame(payload: string): Uint8Array {
  return clientFrame({ opcode: REFERENCE_OPCODES.ping, payload: utf8(payload) });
}

describe("the Pings of a client that keeps up", () => {
  it("are answered before receiving ends its turn", () =>
    withConnection({}, ({ client }) => {
      client.sendPing("now");
      assertEquals(client.unreadSize, 5);
      return Promise.resolve();
    }));

  it("are answered behind what was sent before", () =>
    withConnection({}, async ({ conn, client }) => {
      void conn.send("before");
      client.sendPing("p");
      void conn.send("behind");
      assertEquals(await client.readMessage(), "before");
      assertEquals(await client.readPong(), "p");
      assertEquals(await client.readMessage(), "behind");
    }));

  it("are not answered behind a Close frame", () =>
    withConnection({}, async ({ conn, client }) => {
      void conn.close();
      client.sendPing("late");
      assertEquals(await client.readClose(), [1000, ""]);
      await settle();
      assertEquals(client.unreadSize, 0);
    }));
});

describe("the Pings of a client that reads nothing", () => {
  it("are answered once it reads, and only the latest of them", () =>
    withStalledClient({}, async ({ conn, client }) => {
      for (let i = 0; i < 1000; i++) client.sendPing(`${i}`);
      assertEquals(conn.bufferedAmount, 10);
      void conn.send("a");
      client.socket.resume();
      await client.readMessage();
      assertEquals(await client.readMessage(), "a");
      assertEquals(await client.readPong(), "999");
      await settle();
      assertEquals(client.unreadSize, 0);
      // It keeps up again.
      client.send(pingFrame("x"), pingFrame("y"));
      assertEquals([await client.readPong(), await client.readPong()], ["x", "y"]);
    }));

  it("are answered once for each time it reads", () =>
    withStalledClient({}, async ({ client }) => {
      client.sendPing("1");
      client.sendPing("2");
      client.socket.take(10);
      await client.readMessage();
      // The answer is in flight now.
      client.sendPing("3");
      client.sendPing("4");
      client.socket.take(3);
      assertEquals(await client.readPong(), "2");
      client.socket.take(3);
      assertEquals(await client.readPong(), "4");
      await settle();
      assertEquals(client.unreadSize, 0);
    }));

  it("are not answered where the connection is closed before it reads", () =>
    withStalledClient({}, async ({ conn, client }) => {
      client.sendPing("1");
      void conn.close();
      client.socket.resume();
      await client.readMessage();
      assertEquals(await client.readClose(), [1000, ""]);
      await settle();
      assertEquals(client.unreadSize, 0);
    }));

  it("take no memory, however many", () =>
    withStalledClient({}, async ({ conn, client, channel }) => {
      const burst = new Uint8Array(131 * 1000);
      for (let i = 0; i < 1000; i++) burst.set(pingFrame("x".repeat(125)), i * 131);
      for (let i = 0; i < 10; i++) client.send(burst);
      await settle();
      assertEquals([conn.bufferedAmount, channel.outgoingSize], [10, 10]);
    }));
});

describe("the ping callback", () => {
  it("is told of Pings in the order of the messages, with a payload of its own", () => {
    const calls: unknown[] = [];
    const setup: Setup<unknown> = {
      message: (_, data) => void calls.push(data),
      ping: (_, payload) => void calls.push(payload),
    };
    return withMemoryServer(setup, async (server) => {
      const client = await server.open();
      client.send(textFrame("a"), pingFrame("1"), textFrame("b"), pingFrame(""));
      for (const payload of ["1", ""]) assertEquals(await client.readPong(), payload);
      assertEquals(calls, ["a", utf8("1"), "b", new Uint8Array(0)]);
    });
  });

  it("makes the next message wait for its promise, but not the Pong", () => {
    const calls: unknown[] = [];
    const gate = Promise.withResolvers<void>();
    const setup: Setup<unknown> = {
      message: (_, data) => void calls.push(data),
      ping: () => gate.promise,
    };
    return withMemoryServer(setup, async (server) => {
      const client = await server.open();
      client.send(pingFrame("1"), textFrame("a"));
      assertEquals(await client.readPong(), "1");
      await settle();
      assertEquals(calls, []);
      gate.resolve();
      await eventually("the message", () => calls.length === 1);
    });
  });
});
