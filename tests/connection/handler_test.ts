import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import type { CloseInfo, Connection } from "../../src/server/mod.ts";
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
      await client.answerClose(code);
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

    it("reports what it throws, also where that is nothing", async () => {
      assertEquals((await runHandler(() => Promise.reject(), 1011)).errors, [undefined]);
    });

    it("may close with another code, and return", async () => {
      const { info } = await runHandler((conn) => void conn.close({ closeCode: 3000 }), 3000);
      assertEquals(info?.closeCode, 3000);
    });

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
