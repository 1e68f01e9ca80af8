/**
 * Callbacks that fail as another connection has ended, to which they sent.
 *
 * @module
 */

import { describe, it } from "node:test";
import { assert, assertEquals, assertInstanceOf, assertStrictEquals } from "@std/assert";
import { type Connection, ConnectionClosedError, ProtocolError } from "../../src/server/mod.ts";
import { connectedPair } from "../../src/testing/mod.ts";
import { type Harness, type Setup, TRANSPORTS } from "../support/transports.ts";
import { settle } from "../support/turn.ts";
import { eventually } from "../support/waiter.ts";
import { watch } from "../support/watch.ts";
import { assertIsClosedError } from "./with_connection.ts";

/** What a program does for a connection with another, which has ended; each rejects with how. */
const DEEDS: Record<string, (other: Connection) => unknown> = {
  "send()": (other) => other.send("x"),
  "sendStream()": (other) => other.sendStream("text", new ReadableStream()),
  "ping()": (other) => other.ping(),
  "a write": (other) => other.writable.getWriter().write("x"),
  "its signal": (other) => other.signal.throwIfAborted(),
};

/** Programs that go on behind a failure. */
const STYLES: Record<string, (fail: (conn: Connection) => unknown) => Setup<unknown>> = {
  "a callback": (fail) => ({
    async message(conn, data) {
      if (data === "fail") await fail(conn);
      else await conn.send(data);
    },
  }),
  "a listener": (fail) => ({
    async handler(conn) {
      const socket = conn.asWebSocket();
      socket.onmessage = async ({ data }) => {
        if (data === "fail") await fail(conn);
        else socket.send(data);
      };
      await conn.closed;
    },
  }),
};

for (const { name, withServer, withConnection } of TRANSPORTS) {
  /** Opens a pair of connections of which one has ended, and lets the other's program deal with it. */
  const withEnded = (
    setup: (fail: (conn: Connection) => unknown) => Setup<unknown>,
    deed: (other: Connection) => unknown,
    body: (
      ends: Awaited<ReturnType<Harness["openPair"]>> & { server: Harness; other: Connection },
    ) => Promise<void>,
  ) => {
    let other: Connection | undefined;
    return withServer(setup(() => deed(other!)), async (server) => {
      const first = await server.openPair();
      other = first.conn;
      first.client.socket.reset();
      await other.closed;
      await body({ ...await server.openPair(), server, other });
    });
  };

  describe(`the end of another connection over ${name}`, () => {
    for (const [style, setup] of Object.entries(STYLES)) {
      for (const [what, deed] of Object.entries(DEEDS)) {
        it(`is reported, and does not end this one: ${what} in ${style}`, () =>
          withEnded(setup, deed, async ({ client, server }) => {
            client.sendText("fail");
            client.sendText("next");
            assertEquals(await client.readMessage(), "next");
            const errors: unknown[] = [];
            await eventually("a report", () => errors.push(...server.takeErrors()) > 0);
            assertEquals(errors.length, 1);
            assertIsClosedError(errors[0], 1006);
          }));
      }
    }

    for (const isAsync of [false, true]) {
      it(`ends this one, where ${isAsync ? "an async" : "a"} callback \`open\` fails by it`, () => {
        let other: Connection | undefined;
        const check = (conn: Connection) => {
          if (other === undefined) other = conn;
          else other.signal.throwIfAborted();
        };
        const setup: Setup<unknown> = {
          open: isAsync ? (conn) => settle().then(() => check(conn)) : check,
          message: (conn, data) => conn.send(`handled ${data}`),
        };
        return withServer(setup, async (server) => {
          const first = await server.openPair();
          first.client.sendText("a");
          assertEquals(await first.client.readMessage(), "handled a");
          first.client.socket.reset();
          await other!.closed;
          const { client, conn } = await server.openPair();
          client.sendText("b");
          await client.answerClose(1011, /.*/);
          assertEquals((await conn.closed).closeCode, 1011);
          const [error, ...more] = server.takeErrors();
          assertIsClosedError(error, 1006);
          assertEquals(more, []);
        });
      });
    }

    it("that broke the protocol is no fault of this one either", () => {
      const ended = new Set<Connection>();
      return withServer(
        STYLES["a callback"]((conn) => {
          const other = [...ended].find((each) => each !== conn)!;
          other.signal.throwIfAborted();
        }),
        async (server) => {
          const first = await server.openPair();
          ended.add(first.conn);
          first.client.send(Uint8Array.of(0xff, 0xff));
          await first.client.readClose();
          const client = await server.open();
          client.sendText("fail");
          client.sendText("next");
          assertEquals(await client.readMessage(), "next");
          const [error, ...more] = server.takeErrors();
          assertInstanceOf(error, ProtocolError);
          assertEquals([error.closeCode, more], [1002, []]);
        },
      );
    });

    it("reports each that a broadcast meets, and keeps the sender", () => {
      let left: (() => void) | undefined;
      const setup: Setup<unknown> = {
        async message(conn, data) {
          const others = [...conns].filter((each) => each !== conn);
          await new Promise<void>((resolve) => left = resolve);
          for (const each of others) await each.send(data);
          await conn.send("done");
        },
        open: (conn) => void conns.add(conn),
      };
      const conns = new Set<Connection>();
      return withServer(setup, async (server) => {
        const leaver = await server.openPair();
        const sender = await server.open();
        sender.sendText("a");
        await eventually("the callback", () => left !== undefined);
        leaver.client.socket.reset();
        await leaver.conn.closed;
        left!();
        const errors: unknown[] = [];
        await eventually("a report", () => errors.push(...server.takeErrors()) > 0);
        assertInstanceOf(errors[0], ConnectionClosedError);
        conns.delete(leaver.conn);
        left = undefined;
        sender.sendText("b");
        await eventually("the callback", () => left !== undefined);
        left!();
        assertEquals(await sender.readMessage(), "done");
      });
    });

    it("is reported where this one ends, too", () =>
      withEnded(
        (fail) => ({ close: fail }),
        (other) => other.send("x"),
        async ({ client, conn, server }) => {
          // The first of the two failed as well, by its own end: nobody is told of that.
          assertEquals(server.takeErrors(), []);
          client.socket.reset();
          await conn.closed;
          await settle();
          const [error, ...more] = server.takeErrors();
          assertIsClosedError(error, 1006);
          assertEquals(more, []);
        },
      ));

    it("ends a handler, which is closed with 1011 as for any other failure", () =>
      withEnded(
        (fail) => ({
          async handler(conn) {
            for await (const _message of conn) await fail(conn);
          },
        }),
        (other) => other.send("x"),
        async ({ client, server }) => {
          client.sendText("fail");
          assertEquals((await client.readClose())[0], 1011);
          assertIsClosedError(server.takeErrors()[0], 1006);
        },
      ));

    it("is told from the own one, which is nobody's fault", () => {
      const setup: Setup<unknown> = {
        async message(conn) {
          await conn.closed;
          await conn.send("late");
        },
      };
      return withConnection(setup, async ({ server, client, conn }) => {
        client.sendText("a");
        await settle();
        client.socket.reset();
        await conn.closed;
        await settle();
        assertEquals(server.takeErrors(), []);
      });
    });

    it("is not what a program makes itself: that is a failure like any other", () => {
      const error = new ConnectionClosedError("mine", 4000);
      const setup: Setup<unknown> = {
        message: () => {
          throw error;
        },
      };
      return withServer(setup, async (server) => {
        const client = await server.open();
        client.sendText("a");
        assertEquals(await client.readClose(), [1011, ""]);
        assertStrictEquals(server.takeErrors()[0], error);
      });
    });
  });
}

describe("the end of a server's connection at a client", () => {
  it("does not end another client of the same program", async () => {
    const upstream = await connectedPair();
    const errors: unknown[] = [];
    const { server, client } = await connectedPair({
      client: {
        onError: (error) => void errors.push(error),
        async message(conn, data) {
          if (data === "fail") await upstream.client.send(data);
          else await conn.send(data);
        },
      },
    });
    upstream.server.abort();
    await upstream.client.closed;
    await server.send("fail");
    await server.send("next");
    const next = watch(server[Symbol.asyncIterator]().next());
    assertEquals((await next.untilSettled()).value?.value, "next");
    assertIsClosedError(errors[0], 1006);
    assert(client.state === "open");
    // The server has a message in hand, and would not answer a Close frame for as long.
    client.abort();
  });
});
