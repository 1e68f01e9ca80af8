import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { receiveMessage } from "../../src/testing/mod.ts";
import { NETWORKS } from "./networks.ts";

const SIDES: [server: boolean, client: boolean][] = [
  [true, true],
  [true, false],
  [false, true],
  [false, false],
];

for (const [name, createWays] of NETWORKS) {
  describe(`isResumed over ${name}`, () => {
    for (const [serverResumes, clientResumes] of SIDES) {
      it(`is known from the beginning: the server ${serverResumes}, the client ${clientResumes}`, async () => {
        const { serve, reconnecting } = createWays();
        const seen: [side: string, isResumed: boolean][] = [];
        const server = await serve({
          port: 0,
          resume: serverResumes || undefined,
          open(conn) {
            seen.push(["server", conn.isResumed]);
            return conn.send("Welcome");
          },
        });
        let visits = 0;
        const options = { minDelayMs: 1, maxDelayMs: 1, resume: clientResumes };
        for await (const conn of reconnecting(server.url, options)) {
          seen.push(["client", conn.isResumed]);
          const before = conn.isResumed;
          await receiveMessage(conn);
          assertEquals(conn.isResumed, before);
          for (const other of server.connections) {
            assertEquals(other.isResumed, before);
            // A topic is not needed for it.
            other.abort();
          }
          await conn.closed;
          assertEquals(conn.isResumed, before);
          if (++visits === 3) break;
        }
        await server.shutdown();
        const isResumed = serverResumes && clientResumes;
        for (const side of ["client", "server"]) {
          const own = seen.filter(([who]) => who === side).map(([, is]) => is);
          assertEquals(own, [false, isResumed, isResumed], side);
        }
      });
    }

    it("is known to callbacks of both sides", async () => {
      const { serve, reconnecting } = createWays();
      const seen: string[] = [];
      const server = await serve({
        port: 0,
        resume: true,
        open(conn) {
          seen.push(`server ${conn.isResumed}`);
          return conn.send("Welcome");
        },
      });
      let visits = 0;
      for await (
        const conn of reconnecting(server.url, {
          minDelayMs: 1,
          maxDelayMs: 1,
          open: (conn) => void seen.push(`client ${conn.isResumed}`),
          message: (conn) => conn.abort(),
        })
      ) {
        await conn.closed;
        if (++visits === 2) break;
      }
      await server.shutdown();
      assertEquals(seen.sort(), ["client false", "client true", "server false", "server true"]);
    });

    it("is false where the client begins afresh, since the server refused what it said", async () => {
      const { serve, reconnecting } = createWays();
      const seen: boolean[] = [];
      let isRefusing = false;
      const server = await serve({
        port: 0,
        resume: true,
        onEvent(event) {
          // Before its first message is answered.
          if (event.type === "open" && isRefusing) {
            isRefusing = false;
            void event.conn.close({ closeCode: 1011 });
          }
        },
        open: (conn) => conn.send("Welcome"),
      });
      for await (const conn of reconnecting(server.url, { minDelayMs: 1, maxDelayMs: 1 })) {
        seen.push(conn.isResumed);
        if (seen.length !== 2) await receiveMessage(conn);
        if (seen.length === 3) break;
        isRefusing = seen.length === 1;
        for (const other of server.connections) if (seen.length === 1) other.abort();
        await conn.closed;
      }
      await server.shutdown();
      assertEquals(seen, [false, true, false]);
    });
  });
}
