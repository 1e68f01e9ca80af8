import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { type CloseInfo, type Connection, ConnectionClosedError } from "../../src/server/mod.ts";
import { TRANSPORTS } from "../support/transports.ts";
import { settle } from "../support/turn.ts";
import { watch, type Watched } from "../support/watch.ts";

for (const { name, withServer } of TRANSPORTS) {
  /** Runs a handler whose end is what the test is about; gives how the connection closed. */
  const runHandler = async (
    handler: (conn: Connection) => unknown,
    code: number,
  ): Promise<{ info: CloseInfo | undefined; errors: unknown[] }> => {
    let closed: Watched<CloseInfo> | undefined;
    let errors: unknown[] = [];
    const setup = {
      handler: (conn: Connection) => {
        closed = watch(conn.closed);
        return handler(conn);
      },
    };
    await withServer(setup, async (server) => {
      const client = await server.open();
      assertEquals(await client.readClose(), [code, ""]);
      client.sendClose(code);
      await client.finish();
      await closed?.untilSettled();
      errors = server.takeErrors();
    });
    return { info: closed?.value, errors };
  };

  describe(`a handler over ${name}`, () => {
    it("ends the connection with 1000 when it returns", async () => {
      for (const handler of [() => {}, () => 5, () => settle()]) {
        const { info, errors } = await runHandler(handler, 1000);
        assertEquals(info, { closeCode: 1000, reason: "", wasClean: true, initiator: "local" });
        assertEquals(errors, []);
      }
    });

    it("ends the connection with 1011 when it throws, and that is reported", async () => {
      const broken = new Error("broken");
      const handlers = [
        () => {
          throw broken;
        },
        () => Promise.reject(broken),
        () => settle().then(() => Promise.reject(broken)),
      ];
      for (const handler of handlers) {
        const { info, errors } = await runHandler(handler, 1011);
        assertEquals(info, { closeCode: 1011, reason: "", wasClean: true, initiator: "local" });
        assertEquals(errors, [broken]);
      }
    });

    it("reports what it throws, also where that is nothing", async () => {
      assertEquals((await runHandler(() => Promise.reject(), 1011)).errors, [undefined]);
    });

    it("may close with another code, and return", async () => {
      const { info } = await runHandler((conn) => void conn.close({ closeCode: 3000 }), 3000);
      assertEquals(info?.closeCode, 3000);
    });

    it("sends what it sent before it returns", () =>
      withServer({ handler: (conn) => void conn.send("bye") }, async (server) => {
        const client = await server.open();
        assertEquals(await client.readMessage(), "bye");
        assertEquals(await client.readClose(), [1000, ""]);
      }));

    it("is not to blame where the connection ended while it sent", () =>
      withServer({
        handler: async (conn) => {
          await conn.closed;
          await conn.send("too late");
        },
      }, async (server) => {
        for (const end of ["end", "reset"] as const) {
          (await server.open()).socket[end]();
          await settle();
        }
        // No error was reported: finish() sees to that.
      }));

    it("is to blame where another connection had ended that it sent to", () => {
      const conns: Connection[] = [];
      const handler = async (conn: Connection) => {
        conns.push(conn);
        if (conns.length === 1) await conn.closed;
        else await conns[0].send("to a connection that is closed");
      };
      return withServer({ handler }, async (server) => {
        const first = await server.open();
        first.socket.reset();
        await conns[0].closed;
        const second = await server.open();
        assertEquals((await second.readClose())[0], 1011);
        const [error, ...more] = server.takeErrors();
        assertEquals([error instanceof ConnectionClosedError, more], [true, []]);
      });
    });

    it("goes on after the end, when it wants to", () => {
      let isDone = false;
      const handler = async (conn: Connection) => {
        await conn.closed;
        await settle();
        isDone = true;
      };
      return withServer({ handler }, async (server) => {
        const client = await server.open();
        client.sendClose(4000, "bye");
        assertEquals(await client.readClose(), [4000, ""]);
        await client.finish();
        await settle(10);
        assertEquals(isDone, true);
      });
    });
  });
}
