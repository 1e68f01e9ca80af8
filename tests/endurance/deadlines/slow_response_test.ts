import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { httpRequest } from "../../support/requests.ts";
import { withMemoryServer } from "../../support/transports.ts";
import { settle } from "../../support/turn.ts";
import { eventually } from "../../support/waiter.ts";

const SIZE = 1024 * 1024;
/** Of one chunk: where the body is no stream, the runtimes cut it as they like. */
const setup = {
  fetch: () =>
    new Response(
      new ReadableStream({
        start(controller) {
          controller.enqueue(new Uint8Array(SIZE));
          controller.close();
        },
      }),
    ),
};

describe("a client that reads a large response slowly", () => {
  it("gets all of it, however long that takes, at 32 KiB a second", () =>
    withMemoryServer(setup, async (server) => {
      const client = await server.connect();
      client.socket.pause();
      client.send(httpRequest());
      const channel = server.channelOf(client);
      while (!channel.isEnding || channel.outgoingSize > 0) {
        await eventually("more of it", () => channel.outgoingSize > 0 || channel.isEnding);
        for (let i = 0; i < 8; i++) {
          client.socket.take(4 * 1024);
          await settle(1);
        }
        await server.clock.advance(1_000);
      }
      assertEquals((await client.readResponse()).body.length, SIZE);
      assertEquals(server.clock.now() >= 1_030_000, true);
    }));

  it("is dropped where it has taken less than 64 KiB in responseTimeoutMs", () =>
    withMemoryServer({ ...setup, responseTimeoutMs: 10_000 }, async (server) => {
      const client = await server.connect();
      client.socket.pause();
      client.send(httpRequest());
      const channel = server.channelOf(client);
      await eventually("the head", () => channel.isBlocked);
      client.socket.take(1_000);
      await eventually("the body", () => channel.outgoingSize > 1_000);
      for (let i = 0; i < 10; i++) {
        assertEquals(client.isClosed, false);
        client.socket.take(6 * 1024);
        await server.clock.advance(1_000);
      }
      assertEquals(client.isClosed, true);
    }));
});
