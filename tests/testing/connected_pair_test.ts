import { describe, it } from "node:test";
import { assert, assertEquals, assertInstanceOf, assertMatch, assertRejects } from "@std/assert";
import type { Connection } from "../../mod.ts";
import { ConnectError, ConnectionClosedError, UnexpectedResponseError } from "../../src/errors.ts";
import {
  connectedPair,
  expectSilence,
  FakeClock,
  type Link,
  MemoryNetwork,
  randomSizes,
  receiveMessage,
} from "../../src/testing/mod.ts";
import { assertEnd } from "../support/end.ts";
import { TestProcess } from "../support/child_process.ts";
import { settle } from "../support/turn.ts";
import { watch } from "../support/watch.ts";

async function echo(conn: Connection<unknown>): Promise<void> {
  for await (const message of conn) await conn.send(message);
}

describe("connectedPair()", () => {
  it("gives both ends of a connection", async () => {
    const { server, client } = await connectedPair();
    assertEquals([server.state, client.state], ["open", "open"]);
    await client.send("to the server");
    await server.send(Uint8Array.of(1, 2, 3));
    assertEquals(await receiveMessage(server), "to the server");
    assertEquals(await receiveMessage(client), Uint8Array.of(1, 2, 3));
    assert(await client.ping() >= 0);
    await client.close({ closeCode: 4000, reason: "enough" });
    await assertEnd(server, {
      closeCode: 4000,
      reason: "enough",
      wasClean: true,
      initiator: "remote",
    });
  });

  it("gives one message at a time, or says how the connection ended", async () => {
    const { server, client } = await connectedPair();
    await server.send("one");
    await server.send("two");
    void server.close({ closeCode: 4001, reason: "done" });
    assertEquals([await receiveMessage(client), await receiveMessage(client)], ["one", "two"]);
    const error = await assertRejects(() => receiveMessage(client), ConnectionClosedError, "4001");
    assertEquals([error.closeCode, error.reason], [4001, "done"]);
  });

  it("gives up on a message by a signal, and loses none by that", async () => {
    const { server, client } = await connectedPair();
    const [controller, enough] = [new AbortController(), new Error("enough")];
    const received = watch(receiveMessage(client, { signal: controller.signal }));
    await settle();
    controller.abort(enough);
    assertEquals((await received.untilSettled()).reason, enough);
    const late = watch(receiveMessage(client, { signal: controller.signal }));
    assertEquals((await late.untilSettled()).reason, enough);
    await server.send("one");
    assertEquals(await receiveMessage(client, { signal: undefined }), "one");
    await server.send("two");
    const next = new AbortController();
    const two = receiveMessage(client, next);
    next.abort(enough);
    assertEquals(await two.catch(() => receiveMessage(client)), "two");
    for (const options of [{ singal: next.signal }, { signal: null }, null, 5]) {
      const message = /^Unknown option receiveMessage\.singal| must be an? (?:AbortSignal|object)/;
      const error = await assertRejects(
        () => receiveMessage(client, options as never),
        TypeError,
      );
      assertMatch(error.message, message);
    }
    await client.close();
  });

  it("expects silence", async () => {
    const clock = new FakeClock();
    const { server, client } = await connectedPair({ clock });
    await expectSilence(client);
    await server.send("too early");
    await assertRejects(() => expectSilence(client), Error, 'a message arrived, "too early"');
    const timers = clock.pending.length;
    const silence = watch(expectSilence(client, { ms: 1000, clock }));
    await clock.advance(999);
    assertEquals(silence.state, "pending");
    await clock.advance(1);
    assertEquals((await silence.untilSettled()).state, "resolved");
    const broken = watch(expectSilence(client, { ms: 1000, clock }));
    await clock.advance(999);
    await server.send(new Uint8Array(200).fill(7));
    await broken.untilSettled();
    assertMatch(String(broken.reason), /a message arrived, bytes 7 7 .* and 100 more$/);
    assertEquals(clock.pending.length, timers);
    await server.send("behind");
    assertEquals(await receiveMessage(client), "behind");
    await expectSilence(client, { ms: 10 });
    for (
      const [options, type] of [
        [{ ms: -1 }, RangeError],
        [{ ms: NaN }, RangeError],
        [{ ms: Infinity }, RangeError],
        [{ seconds: 1 }, TypeError],
      ] as const
    ) {
      await assertRejects(() => expectSilence(client, options as never), type as typeof Error);
    }
    const ended = watch(expectSilence(client, { ms: 1000, clock }));
    await client.close();
    assertInstanceOf((await ended.untilSettled()).reason, ConnectionClosedError);
  });

  it("gives up at a timeout, also where that alone keeps the process", async () => {
    const receiver = new TestProcess(new URL("lonely_receiver.ts", import.meta.url));
    try {
      assertEquals(await receiver.untilEnded(), 0, receiver.output);
      assertEquals(receiver.output.trim(), "TimeoutError");
    } finally {
      receiver.kill();
    }
  });

  it("runs the program's handler, and tells its errors", async () => {
    const errors: unknown[] = [];
    const { server, client } = await connectedPair({
      server: { onError: (error) => void errors.push(error) },
      handler: async (conn) => {
        await conn.send("welcome");
        throw new Error("on purpose");
      },
    });
    assertEquals(await receiveMessage(client), "welcome");
    assertEquals((await client.closed).closeCode, 1011);
    assertEquals((await server.closed).closeCode, 1011);
    assertEquals(errors.map((error) => (error as Error).message), ["on purpose"]);
  });

  it("runs the program's callbacks and hooks, with the client's request", async () => {
    const events: string[] = [];
    const { server, client } = await connectedPair({
      url: "wss://chat.example:8443/room?name=Ada",
      client: { subprotocols: ["chat.v2", "chat.v1"], headers: { Cookie: "id=7" } },
      server: {
        port: 8080,
        upgrade: (request) => ({
          protocol: "chat.v1",
          data: [new URL(request.url).searchParams.get("name"), request.headers.get("cookie")],
        }),
        open: (conn) => void events.push(`open ${conn.data}`),
        message: (conn, data) => conn.send(`${conn.data[0]}: ${data}`),
        close: () => void events.push("close"),
        onEvent: ({ type }) => void events.push(`event ${type}`),
      },
    });
    assertEquals([server.data, server.protocol, client.protocol], [
      ["Ada", "id=7"],
      "chat.v1",
      "chat.v1",
    ]);
    assertEquals(server.request.url, "https://chat.example:8443/room?name=Ada");
    await client.send("hello");
    assertEquals(await receiveMessage(client), "Ada: hello");
    await client.close();
    await server.closed;
    assertEquals(events, ["event open", "open Ada,id=7", "event close", "close"]);
  });

  it("rejects as a client does where the server refuses", async () => {
    const error = await assertRejects(
      () => connectedPair({ server: { upgrade: () => new Response("no", { status: 401 }) } }),
      UnexpectedResponseError,
    );
    assertEquals([error.status, error.body], [401, "no"]);
  });

  it("compresses where both want it, and holds both to their limits", async () => {
    const { server, client } = await connectedPair({
      server: { compression: true, limits: { maxMessageSize: 5000 } },
      client: { compression: true, limits: { maxMessageSize: 3000 } },
    });
    assert(client.extensions.startsWith("permessage-deflate"), client.extensions);
    await client.send("x".repeat(5000));
    assertEquals(await receiveMessage(server), "x".repeat(5000));
    assert(server.stats().bytesReceived < 500);
    await server.send("x".repeat(3001));
    assertEquals((await server.closed).closeCode, 1009);
  });

  it("carries backpressure from a client that does not read to a server's send", async () => {
    const { server, client, link } = await connectedPair({
      client: { limits: { receiveQueueMessages: 1 } },
    });
    link.toClient.capacity = 0;
    const bytes = new Uint8Array(100_000);
    const sends = Array.from({ length: 8 }, () => watch(server.send(bytes)));
    await settle();
    assert(sends.some(({ state }) => state === "pending"));
    assert(link.toClient.underWay > 0, "the client reads on");
    let received = 0;
    for await (const message of client) {
      received += message.length;
      if (received === 8 * bytes.length) break;
    }
    for (const sent of sends) assertEquals((await sent.untilSettled()).state, "resolved");
    await client.close();
  });

  it("waits by the clock alone", async () => {
    const clock = new FakeClock();
    const { server, client, link } = await connectedPair({ clock });
    const ping = watch(client.ping());
    link.toClient.delayMs = 300;
    await clock.advance(300);
    assertEquals([ping.state, ping.value], ["resolved", 300]);
    link.stall();
    await clock.advance(39_000);
    assertEquals([server.state, client.state], ["open", "open"]);
    await clock.advance(2_000);
    assertEquals([server.state, client.state], ["closed", "closed"]);
    assertEquals(clock.pending, []);
  });

  it("gives up connecting in time", async () => {
    const clock = new FakeClock();
    const connecting = watch(connectedPair({
      clock,
      onLink: (link) => link.stall(),
      client: { connectTimeoutMs: 700 },
    }));
    await clock.advance(699);
    assertEquals(connecting.state, "pending");
    await clock.advance(1);
    const { reason } = await connecting.untilSettled();
    assertInstanceOf(reason, ConnectError);
    assertEquals(reason.code, "ETIMEDOUT");
    // The server has its own time, as it can't know.
    await clock.advance(10_000);
    assertEquals(clock.pending, []);
  });

  for (const [name, pieceSize] of [["1", 1], ["any number of", randomSizes(11)]] as const) {
    it(`does the same where everything arrives in pieces of ${name} bytes`, async () => {
      const onLink = ({ toServer, toClient }: Link) => {
        toServer.pieceSize = toClient.pieceSize = pieceSize;
      };
      const text = "Grüße 👋 ".repeat(300);
      const { client } = await connectedPair({ handler: echo, onLink });
      await client.send(text);
      assertEquals(await receiveMessage(client), text);
      assertEquals((await client.close()).wasClean, true);
    });
  }
});

/** A connection with a fault, from its first byte on; gives whether it came to an end by itself. */
async function runWithFault(fault: (link: Link) => void): Promise<boolean> {
  const clock = new FakeClock();
  let link!: Link;
  const connecting = watch(connectedPair({
    clock,
    handler: echo,
    onLink: (given) => {
      link = given;
      fault(given);
    },
  }));
  const { state, value: pair } = await connecting.untilSettled();
  if (state === "resolved") {
    void pair!.client.send("hello");
    const received = watch(receiveMessage(pair!.client));
    await received.untilSettled();
    void pair!.client.close();
    await clock.advance(60_000);
    await Promise.all([pair!.client.closed, pair!.server.closed]);
  }
  await clock.advance(60_000);
  assertEquals([clock.pending, link.toServer.underWay, link.toClient.underWay], [[], 0, 0]);
  return state === "resolved";
}

describe("a connection that is cut behind any byte", () => {
  for (const wire of ["toServer", "toClient"] as const) {
    for (const deed of ["endAfter", "resetAfter"] as const) {
      it(`ends at both ends, with nothing left: ${wire}, ${deed}`, async () => {
        let size = 0;
        const sizes = randomSizes(1, 40);
        const outcomes = new Set<boolean>();
        // Far enough for the last Close frame.
        for (; size < 300; size += sizes()) {
          outcomes.add(await runWithFault((link) => link[wire][deed](size)));
        }
        assertEquals(outcomes, new Set([false, true]));
      });
    }
  }
});

describe("a network in memory", () => {
  it("connects any number of clients to a server", async () => {
    const network = new MemoryNetwork();
    const room = new Set<Connection>();
    const server = await network.serve({
      port: 0,
      open: (conn) => void room.add(conn),
      message: (_, data) => room.forEach((conn) => void conn.send(data)),
    });
    const { addr } = server;
    assert(addr.transport === "tcp" && addr.port > 0);
    const connect = () => network.connect(`ws://room.example:${addr.port}/`);
    const clients = [await connect(), await connect(), await connect()];
    assertEquals([server.connections.size, room.size], [3, 3]);
    await clients[0].send("to all");
    assertEquals(await Promise.all(clients.map((client) => receiveMessage(client))), [
      "to all",
      "to all",
      "to all",
    ]);
    await server.shutdown();
    for (const client of clients) assertEquals((await client.closed).closeCode, 1001);
    await assertRejects(connect, ConnectError, "connection refused");
  });

  it("lets a port and a path be listened on once", async () => {
    const network = new MemoryNetwork();
    for (const target of [{ port: 80 }, { path: "/tmp/a" }]) {
      const server = await network.serve(target, echo);
      await assertRejects(() => network.serve(target, echo), Error, "address already in use");
      await server.shutdown();
      await (await network.serve(target, echo)).shutdown();
    }
  });

  it("connects by a path", async () => {
    const network = new MemoryNetwork();
    const server = await network.serve({ path: "/run/app.sock" }, echo);
    const client = await network.connect("ws://localhost/", { path: "/run/app.sock" });
    assertEquals([server.addr, client.remoteAddress], [
      { transport: "unix", path: "/run/app.sock" },
      { transport: "unix", path: "/run/app.sock" },
    ]);
    await client.send("by path");
    assertEquals(await receiveMessage(client), "by path");
    await server.shutdown();
  });

  it("gives the link of both ends, and of no other connection", async () => {
    const links: Link[] = [];
    const network = new MemoryNetwork({ onLink: (link) => void links.push(link) });
    const server = await network.serve({ port: 80 }, (conn) => conn.closed);
    const client = await network.connect("ws://localhost/");
    const [conn] = server.connections;
    assert(network.linkOf(client) === links[0] && network.linkOf(conn) === links[0]);
    const other = await connectedPair();
    await assertRejects(
      () => Promise.resolve().then(() => network.linkOf(other.client)),
      TypeError,
      "conn must be a connection of this network",
    );
    other.client.abort();
    await server.shutdown();
  });
});
