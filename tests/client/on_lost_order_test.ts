import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { NETWORKS } from "./networks.ts";

const VISITS = 3;

for (const [name, createWays] of NETWORKS) {
  describe(`onLost over ${name}`, () => {
    for (const isAtOnce of [true, false]) {
      it(`comes when the body has begun, before messages that are ${isAtOnce ? "asked for at once" : "waited with"}`, async () => {
        const { serve, reconnecting } = createWays();
        const log: string[] = [];
        const server = await serve({
          port: 0,
          resume: { windowSize: 0 },
          open(conn) {
            conn.subscribe("x");
            setTimeout(() => void conn.send("message"), isAtOnce ? 0 : 20);
          },
        });
        let visits = 0;
        let current: unknown;
        const conns = reconnecting(server.url, {
          delayMs: () => 1,
          onLost: (topic, conn) => void log.push(`lost ${topic} ${conn === current}`),
        });
        for await (const conn of conns) {
          current = conn;
          log.push(`body ${++visits}`);
          if (!isAtOnce) await new Promise((resolve) => setTimeout(resolve, 50));
          const messages = conn[Symbol.asyncIterator]();
          log.push((await messages.next()).value as string);
          setTimeout(() => {
            for (const other of server.connections) other.abort();
            server.publish("x", "lost");
          }, 5);
          await conn.closed;
          if (visits === VISITS) break;
        }
        await server.shutdown();
        const again = ["lost x true", "message"];
        assertEquals(log, ["body 1", "message", "body 2", ...again, "body 3", ...again]);
      });
    }

    it("comes behind open, and before messages, with callbacks", async () => {
      const { serve, reconnecting } = createWays();
      const log: string[] = [];
      const server = await serve({
        port: 0,
        resume: { windowSize: 0 },
        open(conn) {
          conn.subscribe("x");
          void conn.send("message");
        },
      });
      let visits = 0;
      let current: unknown;
      const conns = reconnecting(server.url, {
        delayMs: () => 1,
        onLost: (topic, conn) => void log.push(`lost ${topic} ${conn === current}`),
        open: () => void log.push("open"),
        message(_, data) {
          log.push(data as string);
          for (const other of server.connections) other.abort();
          server.publish("x", "lost");
        },
      });
      for await (const conn of conns) {
        current = conn;
        log.push(`body ${++visits}`);
        await conn.closed;
        if (visits === VISITS) break;
      }
      await server.shutdown();
      const again = ["open", "lost x true", "message"];
      assertEquals(log, ["body 1", "open", "message", "body 2", ...again, "body 3", ...again]);
    });
  });
}
