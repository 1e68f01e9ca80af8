import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import type { CloseInfo, Connection, Message } from "../../src/server/mod.ts";
import { textFrame } from "../support/raw_client.ts";
import { upgradeRequest } from "../support/requests.ts";
import { type Setup, TRANSPORTS } from "../support/transports.ts";
import { settle } from "../support/turn.ts";
import { eventually } from "../support/waiter.ts";

const CLEAN: CloseInfo = { closeCode: 1000, reason: "", wasClean: true, initiator: "remote" };

for (const { name, withServer, withConnection } of TRANSPORTS) {
  describe(`callbacks over ${name}`, () => {
    it("are called in order, as methods of the options, with the connection", () => {
      const calls: unknown[] = [];
      const conns = new Set<unknown>();
      const note = Symbol("note");
      const setup = {
        [note](conn: Connection, ...call: unknown[]) {
          conns.add(conn);
          calls.push(call);
        },
        open(conn: Connection) {
          this[note](conn, "open", conn.state);
        },
        message(conn: Connection, data: Message) {
          this[note](conn, "message", data);
        },
        close(conn: Connection, info: CloseInfo) {
          this[note](conn, "close", conn.state, info);
        },
      };
      return withConnection(setup, async ({ client, conn }) => {
        client.sendText("a");
        client.sendBinary(Uint8Array.of(1, 2));
        await client.close();
        await eventually("the close callback", () => calls.length === 4);
        assertEquals(calls, [
          ["open", "open"],
          ["message", "a"],
          ["message", Uint8Array.of(1, 2)],
          ["close", "closed", CLEAN],
        ]);
        assertEquals([...conns], [conn]);
      });
    });

    it("get bytes of their own", () => {
      const received: Message[] = [];
      return withServer({ message: (_, data) => void received.push(data) }, async (server) => {
        const client = await server.open();
        for (const size of [0, 1, 200, 70_000]) {
          client.sendBinary(new Uint8Array(size).fill(size % 251));
        }
        await eventually("all messages", () => received.length === 4);
        await settle();
        for (const [i, size] of [0, 1, 200, 70_000].entries()) {
          const data = received[i];
          assert(data instanceof Uint8Array);
          assertEquals(data.constructor, Uint8Array);
          assertEquals(data, new Uint8Array(size).fill(size % 251));
        }
      });
    });

    it("of other connections do not wait for each other", () => {
      const received: Message[] = [];
      const message = (_: unknown, data: Message) => {
        received.push(data);
        return new Promise<void>(() => {});
      };
      return withServer({ message }, async (server) => {
        for (const text of ["a", "b"]) {
          const client = await server.open();
          client.sendText(text);
          await eventually("the message", () => received.at(-1) === text);
        }
      });
    });

    it("get the first message when the promise of open is settled", () => {
      const gate = Promise.withResolvers<void>();
      const received: Message[] = [];
      const setup = {
        open: () => gate.promise,
        message: (_: unknown, data: Message) => void received.push(data),
      };
      return withServer(setup, async (server) => {
        const client = await server.open({}, textFrame("a"));
        client.sendText("b");
        await settle();
        assertEquals(received, []);
        gate.resolve();
        await eventually("both messages", () => received.length === 2);
        assertEquals(received, ["a", "b"]);
      });
    });

    it("need not be there for messages, which are read and dropped then", () =>
      withServer({ open: (conn) => conn.send("hello") }, async (server) => {
        const client = await server.open();
        for (let i = 0; i < 100; i++) client.sendText("x".repeat(1000));
        assertEquals(await client.readMessage(), "hello");
        client.sendPing("still there?");
        assertEquals(await client.readPong(), "still there?");
      }));

    it("get no message after they closed the connection", () => {
      const received: Message[] = [];
      const message = (conn: Connection, data: Message) => {
        received.push(data);
        void conn.close();
      };
      return withServer({ message }, async (server) => {
        const client = await server.open();
        client.send(textFrame("a"), textFrame("b"));
        await client.readClose();
        client.sendText("c");
        client.sendClose(1000);
        await client.finish();
        assertEquals(received, ["a"]);
      });
    });

    it("get no message after they aborted the connection, and no other call than close", () => {
      const calls: string[] = [];
      const setup: Setup<unknown> = {
        message(conn, data) {
          calls.push(String(data));
          conn.abort();
        },
        close: (_, { closeCode, initiator }) => void calls.push(`${closeCode} ${initiator}`),
      };
      return withServer(setup, async (server) => {
        const client = await server.open();
        client.send(textFrame("a"), textFrame("b"));
        await client.readToEnd();
        await eventually("the close callback", () => calls.length > 1);
        await settle();
        assertEquals(calls, ["a", "1006 local"]);
      });
    });

    it("may do anything to the connection, in any of them", () => {
      let opens = 0;
      let ends = 0;
      const deeds: ((conn: Connection) => void)[] = [
        (conn) => conn.abort(),
        (conn) => void conn.close(),
        (conn) => void [conn.close(), conn.abort()],
        (conn) => void [conn.send("x"), conn.abort(), conn.send("y"), conn.ping()],
        (conn) => void [conn.trySend("x"), conn.close(), conn.trySend("y"), conn.close()],
        // What a stream refuses is its own to tell.
        (conn) => void conn.writable.close().catch(() => {}),
        (conn) => void conn.writable.abort().catch(() => {}),
        (conn) => void conn.sendStream("text", new ReadableStream()),
      ];
      const setup: Setup<number> = {
        upgrade: ({ url }) => ({ data: Number(new URL(url).searchParams.get("deed")) }),
        open: (conn) => {
          opens++;
          deeds[conn.data](conn);
        },
        message: (conn) => deeds[conn.data](conn),
        drain: (conn) => deeds[conn.data](conn),
        close: (conn) => {
          ends++;
          if (conn.data < 5) deeds[conn.data](conn);
        },
      };
      return withServer(setup, async (server) => {
        for (const deed of deeds.keys()) {
          const client = await server.request(
            upgradeRequest({ target: `/?deed=${deed}` }),
            textFrame("a"),
            textFrame("b"),
          );
          // Before, a reset ends the handshake, and there is no connection.
          await eventually("the open callback", () => opens === deed + 1);
          await settle();
          client.socket.reset();
          await eventually("the close callback", () => ends === deed + 1);
        }
      });
    });

    it("may shut the server down", () => {
      const setup: Setup<unknown> = { message: () => void shutDown() };
      let shutDown = () => {};
      return withServer(setup, async (server) => {
        shutDown = () => void server.server.shutdown();
        const client = await server.open();
        client.sendText("a");
        await client.answerClose(1001);
        await server.server.finished;
      });
    });

    it("give the connection that failed to onError, which may throw itself", () => {
      const conns: unknown[] = [];
      const printed: unknown[] = [];
      const { error: print } = console;
      const setup: Setup<unknown> = {
        message: () => Promise.reject(new Error("first")),
        onError: (_, conn) => {
          conns.push(conn);
          throw new Error("second");
        },
      };
      return withConnection(setup, async ({ server, client, conn }) => {
        console.error = (what: unknown) => void printed.push(what);
        try {
          client.sendText("a");
          assertEquals(await client.readClose(), [1011, ""]);
        } finally {
          console.error = print;
        }
        assertEquals(conns, [conn]);
        assertEquals(printed.map(String), ["Error: first", "Error: second"]);
        assertEquals(server.takeErrors().map(String), ["Error: first"]);
      });
    });

    it("may return a thenable, which is awaited too", () => {
      const calls: string[] = [];
      const message = (_: unknown, data: Message) => {
        calls.push(String(data));
        return {
          then(resolve: () => void) {
            calls.push("then");
            resolve();
          },
        } as Promise<void>;
      };
      return withServer({ message }, async (server) => {
        const client = await server.open();
        client.send(textFrame("a"), textFrame("b"));
        await eventually("both messages", () => calls.length === 4);
        assertEquals(calls, ["a", "then", "b", "then"]);
      });
    });
  });
}
