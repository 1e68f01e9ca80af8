import { connect, type Socket } from "node:net";
import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { serve } from "../../mod.ts";
import type { ServerEvent } from "../../src/server/mod.ts";
import { NetSocket } from "../support/net_socket.ts";
import { RawClient } from "../support/raw_client.ts";
import { httpRequest, upgradeRequest } from "../support/requests.ts";
import { withMemoryServer } from "../support/transports.ts";
import { certificate } from "../support/tls.ts";
import { settle } from "../support/turn.ts";
import { eventually } from "../support/waiter.ts";

/** The first bytes of a TLS record that never becomes whole. */
const HALF_A_HELLO = "\x16\x03\x01\x02\x00\x01";
const MAX_HANDSHAKES = 200;
const HOSTILE = 300;
const HONEST = 40;

function connectHostile(port: number, text: string): Promise<Socket> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1" });
    // It is reset where it makes room.
    socket.on("error", () => {});
    socket.on("connect", () => {
      if (text !== "") socket.write(text, "latin1");
      resolve(socket);
    });
  });
}

for (
  const { name, tls, text } of [
    { name: "say nothing", tls: false, text: "" },
    { name: "say one byte", tls: false, text: "G" },
    { name: "send a request without the end of its body", tls: false, text: "POST" },
    { name: "have their answer, and do not leave", tls: false, text: httpRequest() },
    { name: "say nothing where TLS is expected", tls: true, text: "" },
    { name: "stop within their TLS hello", tls: true, text: HALF_A_HELLO },
  ]
) {
  describe(`connections that ${name}`, () => {
    it("make room for those that come to be served", async () => {
      const hostile: Socket[] = [];
      let drops = 0;
      const server = await serve({
        port: 0,
        hostname: "127.0.0.1",
        tls: tls ? certificate : undefined,
        maxHandshakes: MAX_HANDSHAKES,
        // No deadline makes room here.
        handshakeTimeoutMs: Infinity,
        closeTimeoutMs: Infinity,
        fetch: () => new Response("here"),
        onEvent: ({ type }) => void (drops += type === "drop" ? 1 : 0),
        message: () => {},
      });
      try {
        const { port } = server.addr as { port: number };
        const sent = text === "POST"
          ? httpRequest({ method: "POST", headers: { "Content-Length": "10" } })
          : text;
        while (hostile.length < HOSTILE) hostile.push(await connectHostile(port, sent));
        await eventually("a full server", () => server.stats().handshakes === MAX_HANDSHAKES);
        const clients = await Promise.all(Array.from({ length: HONEST }, async () => {
          const socket = tls
            ? await NetSocket.connectTls(port, certificate.cert)
            : await NetSocket.connect(port);
          const client = new RawClient(socket);
          client.send(upgradeRequest());
          assertEquals((await client.readHead()).status, 101);
          return client;
        }));
        const { connections, handshakes, dropped } = server.stats();
        assertEquals(connections, HONEST);
        assert(handshakes <= MAX_HANDSHAKES);
        assertEquals(drops, dropped);
        // Those that have an answer are not told of as dropped.
        assertEquals(dropped > 0, text !== httpRequest());
        for (const client of clients) client.socket.reset();
      } finally {
        for (const socket of hostile) socket.destroy();
        await server.shutdown({ timeoutMs: 1 });
      }
    });
  });
}

describe("a server with default limits", () => {
  it("serves forty among ten thousand that say nothing", () => {
    const events: ServerEvent[] = [];
    return withMemoryServer({ onEvent: (event) => void events.push(event) }, async (harness) => {
      const { listener, server } = harness;
      for (let i = 0; i < 10_000; i++) listener.connect();
      await settle();
      assertEquals([server.stats().handshakes, server.stats().dropped], [10_000, 0]);
      for (let i = 0; i < 40; i++) await harness.open();
      assertEquals(server.stats().connections, 40);
      // The place of each that was served is there for the next one.
      assertEquals(server.stats().dropped, 1);
      assertEquals(events.filter(({ type }) => type === "drop").length, 1);
      for (const channel of listener.channels.slice(0, 10_000)) channel.socket.reset();
    });
  });

  it("drops nobody for whom a hook is at work, but the newcomer", () => {
    const gate = Promise.withResolvers<void>();
    const fetch = () => gate.promise.then(() => new Response("here"));
    return withMemoryServer({ maxHandshakes: 2, fetch }, async (harness) => {
      const first = await harness.request(httpRequest());
      const second = await harness.request(httpRequest());
      await settle();
      await harness.request(httpRequest());
      assertEquals(harness.server.stats().dropped, 1);
      gate.resolve();
      for (const client of [first, second]) assertEquals((await client.readHead()).status, 200);
    });
  });
});
