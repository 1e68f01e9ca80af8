import { describe, it } from "node:test";
import { assertEquals, assertRejects } from "@std/assert";
import type { Connection } from "../../src/connection/connection.ts";
import { connect, reconnecting } from "../../src/runtimes/shared/client.ts";
import type { Sendable } from "../../src/server/mod.ts";
import { serve } from "../../mod.ts";
import { receiveMessage } from "../../src/testing/mod.ts";

const TOKENS = 20_000;
const MIB = 1024 * 1024;

/** The tokens of a model's answer: 4 bytes each, and as hard to compress as they may be. */
function tokens(count: number): ReadableStream<string> {
  let made = 0;
  return new ReadableStream({
    pull(controller) {
      if (made === count) return controller.close();
      controller.enqueue(
        (made++ * 2_654_435_761 % 2 ** 32).toString(36).padStart(4, "0").slice(-4),
      );
    },
  });
}

/** What is received whole, by each way to receive. */
const WAYS: Record<string, (conn: Connection) => Promise<number>> = {
  iteration: async (conn) => (await receiveMessage(conn)).length,
  "streamed messages": async (conn) => {
    for await (const message of conn.messages()) return (await message.text()).length;
    return -1;
  },
};

for (const compression of [false, true]) {
  describe(`an answer of ${TOKENS} tokens, ${compression ? "" : "not "}compressed`, () => {
    for (const [way, receive] of Object.entries(WAYS)) {
      it(`arrives in both directions by default: ${way}`, async () => {
        const server = await serve({ port: 0, compression }, async (conn) => {
          await conn.sendStream("text", tokens(await receive(conn) / 4));
          await conn.closed;
        });
        const conn = await connect(server.url, { compression });
        await conn.sendStream("text", tokens(TOKENS));
        assertEquals(await receive(conn), 4 * TOKENS);
        await conn.close();
        await server.shutdown();
      });
    }

    it("arrives where a message may have exactly as many bytes", async () => {
      const limits = { maxMessageSize: 4 * TOKENS };
      const server = await serve({ port: 0, compression, limits }, async (conn) => {
        await conn.sendStream("text", tokens((await receiveMessage(conn)).length / 4));
        await conn.closed;
      });
      const conn = await connect(server.url, { compression, limits });
      await conn.sendStream("text", tokens(TOKENS));
      assertEquals((await receiveMessage(conn)).length, 4 * TOKENS);
      await conn.sendStream("text", tokens(TOKENS + 1)).catch(() => {});
      assertEquals((await conn.closed).closeCode, 1009);
      await server.shutdown();
    });
  });
}

describe(`a message of the largest size, to a client that resumes`, () => {
  type Send = (conn: Connection, data: Sendable, publish: (data: Sendable) => void) => unknown;
  const SENDERS: Record<string, Send> = {
    "send()": (conn, data) => conn.send(data),
    "sendStream()": (conn, data) =>
      conn.sendStream(
        typeof data === "string" ? "text" : "binary",
        new ReadableStream({
          start(controller) {
            controller.enqueue(data);
            controller.close();
          },
        }),
      ),
    "publish()": (_conn, data, publish) => publish(data),
  };
  const sized = (size: number): Sendable[] => [
    "\x1e".padEnd(size, "x"),
    "\x1eé".padEnd(size - 1, "x"),
    new Uint8Array(size).fill(0x1e),
  ];
  for (const [sender, send] of Object.entries(SENDERS)) {
    for (const streamed of [false, true]) {
      it(`arrives, and a larger one does not: ${sender}, ${streamed ? "streamed" : "whole"}`, async () => {
        const server = await serve({ port: 0, resume: true }, async (conn) => {
          conn.subscribe("topic");
          for await (const wish of conn) {
            const [kind, size] = String(wish).split(" ").map(Number) as [number, number];
            void send(conn, sized(size)[kind]!, (data) => server.publish("topic", data));
          }
        });
        const receive = async (conn: Connection) => {
          if (!streamed) return await receiveMessage(conn);
          for await (const message of conn.messages()) return await message.bytes();
          throw new Error("it ended");
        };
        for await (const conn of reconnecting(server.url)) {
          for (const [kind, expected] of sized(MIB).entries()) {
            await conn.send(`${kind} ${MIB}`);
            const data = await receive(conn);
            assertEquals(data.length, streamed ? MIB : expected.length);
          }
          await conn.send(`1 ${MIB + 1}`);
          await assertRejects(() => receive(conn));
          const { closeCode, reason } = await conn.closed;
          assertEquals([closeCode, /1048577 bytes/.test(reason)], [1009, true]);
          break;
        }
        await server.shutdown();
      });
    }
  }
});
