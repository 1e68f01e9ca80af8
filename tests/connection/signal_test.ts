import { describe, it } from "node:test";
import { assert, assertEquals, assertInstanceOf, assertStrictEquals } from "@std/assert";
import { ProtocolError } from "../../mod.ts";
import type { CloseInfo, Connection, Message } from "../../src/server/mod.ts";
import { closeFrame, type RawClient, textFrame } from "../support/raw_client.ts";
import { type Harness, type Setup, TRANSPORTS, withConnection } from "../support/transports.ts";
import { settle } from "../support/turn.ts";
import { eventually } from "../support/waiter.ts";
import { assertIsClosedError } from "./with_connection.ts";

/** What the program does with each message; the tests have it wait. */
type Handle = (conn: Connection, data: Message) => Promise<void>;

/** The ways to receive. */
const STYLES: Record<string, (handle: Handle) => Setup<unknown>> = {
  "a callback": (handle) => ({ message: handle }),
  iteration: (handle) => ({
    async handler(conn) {
      for await (const message of conn) await handle(conn, message);
    },
  }),
  "a readable stream": (handle) => ({
    handler: (conn) =>
      conn.readable.pipeTo(new WritableStream({ write: (message) => handle(conn, message) })),
  }),
  "streamed messages": (handle) => ({
    async handler(conn) {
      for await (const message of conn.messages()) await handle(conn, await message.text());
    },
  }),
};

/** A program that is at work on its first message until `go` is called, and echoes. */
class BusyEcho {
  readonly #gate = Promise.withResolvers<void>();
  conn: Connection | undefined;
  signal: AbortSignal | undefined;
  readonly handle: Handle = async (conn, data) => {
    this.conn = conn;
    this.signal = conn.signal;
    await this.#gate.promise;
    await conn.send(data);
  };

  go(): void {
    this.#gate.resolve();
  }

  async untilAborted(): Promise<Connection> {
    await eventually("the signal to abort", () => this.signal?.aborted === true);
    return this.conn!;
  }

  async untilBusy(): Promise<void> {
    await eventually("the first message", () => this.signal !== undefined);
    assertEquals([this.signal!.aborted, this.conn!.state], [false, "open"]);
  }
}

for (const { name, withServer, withConnection } of TRANSPORTS) {
  describe(`the signal of a connection over ${name}`, () => {
    for (const [style, setup] of Object.entries(STYLES)) {
      it(`aborts at the peer's Close frame, behind messages that wait: ${style}`, () => {
        const program = new BusyEcho();
        return withServer(setup(program.handle), async (server) => {
          const client = await server.open();
          client.sendText("a");
          await program.untilBusy();
          client.send(textFrame("b"), textFrame("c"));
          client.sendClose(4000, "bye");
          const conn = await program.untilAborted();
          assertIsClosedError(conn.signal.reason, 4000, "bye");
          assertEquals(conn.state, "closing");
          assertEquals(client.unreadSize, 0);
          // What was received before is still answered, and the Close frame behind that.
          program.go();
          for (const text of "abc") assertEquals(await client.readMessage(), text);
          assertEquals(await client.readClose(), [4000, ""]);
          await client.finish();
        });
      });

      const ENDS: [
        end: string,
        cause: (client: RawClient, server: Harness) => unknown,
        code: number,
      ][] = [
        ["the end of the peer's bytes", (client) => client.socket.end(), 1006],
        ["bytes that break the protocol", (client) => client.send(Uint8Array.of(0xff, 0xff)), 1002],
        ["a reset", (client) => client.socket.reset(), 1006],
        ["shutdown", (_, { server }) => void server.shutdown({ reason: "maintenance" }), 1001],
      ];
      for (const [end, cause, code] of ENDS) {
        it(`aborts at ${end}: ${style}`, () => {
          const program = new BusyEcho();
          return withServer(setup(program.handle), async (server) => {
            const client = await server.open();
            client.sendText("a");
            await program.untilBusy();
            client.sendText("b");
            cause(client, server);
            const { signal, state } = await program.untilAborted();
            assert(state !== "open");
            if (code === 1002) assertInstanceOf(signal.reason, ProtocolError);
            else assertIsClosedError(signal.reason, code, code === 1001 ? "maintenance" : "");
            assertEquals(signal.reason.closeCode, code);
            program.go();
            if (code === 1001) client.sendClose(1001);
          });
        });
      }
    }

    it("aborts at once where a handler only sends", () => {
      let signal: AbortSignal | undefined;
      let sent = 0;
      const setup: Setup<unknown> = {
        async handler(conn) {
          signal = conn.signal;
          while (!conn.signal.aborted) {
            await conn.send(String(sent++));
            await new Promise((resolve) => setTimeout(resolve, 1));
          }
        },
      };
      return withServer(setup, async (server) => {
        const client = await server.open();
        await client.readMessage();
        client.sendClose(4000);
        await eventually("the signal to abort", () => signal!.aborted);
        assertIsClosedError(signal!.reason, 4000);
      });
    });

    it("aborts behind messages that asWebSocket() has no listener for", () =>
      withConnection({}, async ({ client, conn }) => {
        const socket = conn.asWebSocket();
        client.send(textFrame("a"), textFrame("b"));
        client.sendClose(4000);
        await eventually("the signal to abort", () => conn.signal.aborted);
        assertIsClosedError(conn.signal.reason, 4000);
        const received: unknown[] = [];
        socket.onmessage = ({ data }) => {
          received.push(data);
          socket.send(data);
        };
        for (const text of "ab") assertEquals(await client.readMessage(), text);
        assertEquals(await client.readClose(), [4000, ""]);
        assertEquals(received, ["a", "b"]);
      }));

    it("aborts where this side closes or drops the connection", () =>
      withServer({}, async (server) => {
        const closing = await server.openPair();
        const { signal } = closing.conn;
        assertStrictEquals(closing.conn.signal, signal);
        void closing.conn.close({ closeCode: 3000, reason: "done" });
        assertIsClosedError(signal.reason, 3000, "done");
        const dropped = await server.openPair();
        const calls: string[] = [];
        dropped.conn.signal.addEventListener("abort", () => calls.push(dropped.conn.state));
        dropped.conn.abort();
        assertIsClosedError(dropped.conn.signal.reason, 1006);
        assertEquals(calls, ["closed"]);
      }));

    it("has aborted where it is asked for behind the end", () =>
      withConnection({}, async ({ server, client, conn }) => {
        client.sendClose(4000, "bye");
        await client.readClose();
        await client.finish();
        await conn.closed;
        assertEquals(conn.signal.aborted, true);
        assertIsClosedError(conn.signal.reason, 4000, "bye");
        const broken = await server.openPair();
        broken.client.send(Uint8Array.of(0xff, 0xff));
        await broken.client.readClose();
        assertInstanceOf(broken.conn.signal.reason, ProtocolError);
      }));

    it("may have listeners that close, drop and send", () =>
      withServer({}, async (server) => {
        for (const act of ["close", "abort", "send"] as const) {
          const { client, conn } = await server.openPair();
          conn.signal.addEventListener("abort", () => {
            if (act === "send") void conn.send("too late");
            else void conn[act]();
          });
          client.sendClose(4000);
          await client.readToEnd();
          if (!client.isClosed) client.socket.end();
          const { closeCode } = await conn.closed;
          assertEquals(closeCode, 4000);
        }
      }));

    it("has what is thrown because of it not reported", () => {
      const errors: unknown[] = [
        "its reason",
        new DOMException("The operation was aborted", "AbortError"),
        Object.assign(new Error("The operation was aborted"), { name: "AbortError" }),
      ];
      let next: unknown;
      const message = (conn: Connection) =>
        new Promise<void>((_, reject) => {
          const { signal } = conn;
          signal.addEventListener("abort", () => {
            reject(next === "its reason" ? signal.reason : next);
          });
        });
      return withServer({ message }, async (server) => {
        for (const error of [...errors, new Error("broken")]) {
          next = error;
          const client = await server.open();
          client.send(textFrame("a"), closeFrame(4000));
          assertEquals(await client.readClose(), [4000, ""]);
          await client.finish();
          // Only the last is the program's own.
          const reported = server.takeErrors();
          assertEquals(reported, errors.includes(error) ? [] : [error]);
        }
      });
    });

    it("is none of others: an AbortError of the program is reported while the connection is open", () => {
      const error = new DOMException("The operation was aborted", "AbortError");
      const message = (conn: Connection) => {
        assertEquals(conn.signal.aborted, false);
        throw error;
      };
      return withServer({ message }, async (server) => {
        const client = await server.open();
        client.sendText("a");
        assertEquals((await client.readClose())[0], 1011);
        assertEquals(server.takeErrors(), [error]);
      });
    });
  });

  describe(`a callback at work over ${name}`, () => {
    it("has Pings answered, and Pongs received", () => {
      let time: number | undefined;
      const setup: Setup<unknown> = {
        async message(conn, data) {
          time = await conn.ping();
          await conn.send(data);
        },
      };
      return withServer(setup, async (server) => {
        const client = await server.open();
        client.sendText("a");
        const payload = await client.readPing();
        client.sendPing("mine");
        assertEquals(await client.readPong(), "mine");
        client.sendPong(payload);
        assertEquals(await client.readMessage(), "a");
        assert(time !== undefined && time >= 0);
      });
    });

    it("comes before the callbacks of what arrived behind it, in order", () => {
      const calls: string[] = [];
      const gates: (() => void)[] = [];
      const wait = (call: string) => {
        calls.push(call);
        return new Promise<void>((resolve) => void gates.push(resolve));
      };
      const setup: Setup<unknown> = {
        message: (_, data) => wait(`message ${data}`),
        ping: (_, payload) => wait(`ping ${new TextDecoder().decode(payload)}`),
      };
      return withServer(setup, async (server) => {
        const client = await server.open();
        client.sendText("1");
        client.sendPing("2");
        client.sendPing("3");
        client.sendText("4");
        client.sendPing("5");
        const expected = ["message 1", "ping 2", "ping 3", "message 4", "ping 5"];
        for (let count = 1; count <= 5; count++) {
          await eventually(`call ${count}`, () => calls.length >= count);
          await settle();
          assertEquals(calls, expected.slice(0, count));
          gates[count - 1]();
        }
      });
    });

    it("gets nothing more once the connection has ended, and keeps nobody from being told", () => {
      const calls: string[] = [];
      const gate = Promise.withResolvers<void>();
      const setup: Setup<unknown> = {
        message(_, data) {
          calls.push(String(data));
          return gate.promise;
        },
        ping: () => void calls.push("ping"),
        close: (_: Connection, { closeCode }: CloseInfo) => void calls.push(`close ${closeCode}`),
      };
      return withConnection(setup, async ({ client, conn }) => {
        client.send(textFrame("a"), textFrame("b"));
        client.sendPing();
        await client.readPong();
        client.socket.reset();
        await conn.closed;
        gate.resolve();
        await settle();
        assertEquals(calls, ["a", "close 1006"]);
        assertEquals(conn.stats().receiveQueueLength, 0);
      });
    });

    it("gets nothing more where it failed behind the peer's Close frame", () => {
      const calls: string[] = [];
      const gate = Promise.withResolvers<void>();
      const setup: Setup<unknown> = {
        message(_, data) {
          calls.push(String(data));
          return gate.promise;
        },
      };
      return withConnection(setup, async ({ server, client, conn }) => {
        client.send(textFrame("a"), textFrame("b"), closeFrame(4000));
        await eventually("the Close frame", () => conn.state === "closing");
        gate.reject(new Error("broken"));
        assertEquals(await client.readClose(), [4000, ""]);
        await client.finish();
        assertEquals(calls, ["a"]);
        assertEquals(server.takeErrors().length, 1);
      });
    });
  });
}

describe("what waits for callbacks", () => {
  it("leaves others their turn of the event loop", () => {
    const [, { withConnection }] = TRANSPORTS;
    const gate = Promise.withResolvers<void>();
    const count = 3_000;
    let handled = 0;
    const setup: Setup<unknown> = {
      limits: { receiveQueueMessages: Infinity },
      open: () => gate.promise,
      message() {
        handled++;
        for (const start = performance.now(); performance.now() - start < 0.1;);
      },
    };
    return withConnection(setup, async ({ client, conn }) => {
      client.send(...Array.from({ length: count }, () => textFrame("a")));
      await eventually("the messages", () => conn.stats().receiveQueueLength === count);
      gate.resolve();
      await new Promise((resolve) => setTimeout(resolve, 1));
      assert(handled > 0 && handled < count, `${handled} of ${count} before a timer`);
      await eventually("all to be handled", () => handled === count);
    });
  });
});

describe("how far the peer's Close frame is looked for", () => {
  for (const [style, setup] of Object.entries(STYLES)) {
    it(`is behind as many messages as there is room for: ${style}`, () => {
      const limits = { receiveQueueMessages: 4 };
      const gates: (() => void)[] = [];
      const handle = () => new Promise<void>((resolve) => void gates.push(resolve));
      return withConnection({ ...setup(handle), limits }, async ({ client, conn }) => {
        const { signal } = conn;
        // One is in hand, and four wait: the fifth, and the Close frame behind it, are not read.
        client.send(...Array.from({ length: 6 }, (_, i) => textFrame(String(i))));
        client.sendClose(4000);
        await settle();
        assertEquals([gates.length, signal.aborted], [1, false]);
        // One is taken, another one read.
        gates[0]();
        await eventually("the second message", () => gates.length === 2);
        await settle();
        assertEquals([gates.length, signal.aborted], [2, false]);
        gates[1]();
        await eventually("the third message", () => gates.length === 3);
        await eventually("the signal to abort", () => signal.aborted);
        assertEquals(gates.length, 3);
        for (let i = 2; i < 6; i++) {
          await eventually(`message ${i}`, () => gates.length > i);
          gates[i]();
        }
        assertEquals(await client.readClose(), [4000, ""]);
        await client.finish();
      });
    });
  }

  it("counts Pings that wait for their callback", () => {
    const limits = { receiveQueueMessages: 4 };
    const setup: Setup<unknown> = {
      message: () => new Promise(() => {}),
      ping() {},
      limits,
    };
    return withConnection(setup, async ({ client, conn, channel }) => {
      client.sendText("a");
      for (let i = 0; i < 100; i++) client.sendPing(String(i));
      await settle();
      const { receiveQueueLength, heldSize } = conn.stats();
      assertEquals([receiveQueueLength, channel.isPaused], [4, true]);
      assert(heldSize > 4 * 100, `${heldSize} bytes are counted`);
    });
  });
});
