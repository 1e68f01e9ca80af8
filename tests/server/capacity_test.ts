import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { httpRequest, upgradeRequest } from "../support/requests.ts";
import { TRANSPORTS } from "../support/transports.ts";
import { eventually } from "../support/waiter.ts";

for (const { name, withServer } of TRANSPORTS) {
  describe(`a full server over ${name}`, () => {
    for (const maxConnections of [0, 1, 3]) {
      it(`takes ${maxConnections} connections, and answers 503 to one more`, () =>
        withServer({ maxConnections }, async (server) => {
          for (let i = 0; i < maxConnections; i++) await server.open();
          const client = await server.request(upgradeRequest());
          const { status, headers, body } = await client.readResponse();
          assertEquals([status, headers.get("connection")], [503, "close"]);
          assertEquals(body, "The server has as many connections as it may have\n");
          await client.finish();
          assertEquals(server.server.connections.size, maxConnections);
        }));
    }

    for (const maxConnectionsPerAddress of [0, 2]) {
      it(`takes ${maxConnectionsPerAddress} connections of an address, and answers 503 to one more`, () =>
        withServer({ maxConnectionsPerAddress }, async (server) => {
          const clients = [];
          for (let i = 0; i < maxConnectionsPerAddress; i++) clients.push(await server.open());
          const client = await server.request(upgradeRequest());
          const { status, body } = await client.readResponse();
          assertEquals(status, 503);
          assertEquals(body, "The server has as many connections of this address as it may have\n");
          await client.finish();
          if (clients.length === 0) return;
          clients[0].socket.reset();
          await eventually("the connection to be gone", () => server.server.connections.size === 1);
          assertEquals((await server.open()).isClosed, false);
        }));
    }

    it("takes another when one has left", () =>
      withServer({ maxConnections: 1 }, async (server) => {
        for (let i = 0; i < 3; i++) {
          const client = await server.open();
          client.socket.reset();
          await eventually("the connection to be gone", () => server.server.connections.size === 0);
        }
        assertEquals((await server.open()).isClosed, false);
      }));

    it("has no limit with Infinity", () =>
      withServer({ maxConnections: Infinity }, async (server) => {
        for (let i = 0; i < 20; i++) await server.open();
        assertEquals(server.server.connections.size, 20);
      }));

    it("still serves plain HTTP, which is over at once", () =>
      withServer({ maxConnections: 0, fetch: () => new Response("here") }, async (server) => {
        assertEquals((await server.fetch(httpRequest())).body, "here");
      }));

    it("counts those that became connections while the hook was awaited", () => {
      const gates: (() => void)[] = [];
      const upgrade = () => new Promise<object>((resolve) => void gates.push(() => resolve({})));
      return withServer({ maxConnections: 1, upgrade }, async (server) => {
        const first = await server.request(upgradeRequest());
        const second = await server.request(upgradeRequest());
        await eventually("both hooks", () => gates.length === 2);
        gates[1]();
        gates[0]();
        const statuses = [(await first.readHead()).status, (await second.readHead()).status];
        assertEquals(statuses.toSorted(), [101, 503]);
        assertEquals(server.server.connections.size, 1);
      });
    });

    it("does not ask the hook about a request it has no room for", () => {
      let calls = 0;
      const upgrade = () => (calls++, {});
      return withServer({ maxConnections: 1, upgrade }, async (server) => {
        await server.open();
        assertEquals((await server.fetch(upgradeRequest())).status, 503);
        assertEquals(calls, 1);
      });
    });
  });
}

// In memory the client would be dropped before it has its end.
const overSockets = TRANSPORTS.find(({ name }) => name === "sockets")!;

describe("a server with as many handshakes as there may be", () => {
  it("drops the oldest that is not whole for a new one", () =>
    overSockets.withServer({ maxHandshakes: 2 }, async (server) => {
      const slow = [await server.request("GET / HT"), await server.request("GET / HT")];
      await eventually("what both sent", () => server.server.stats().heldSize === 16);
      const client = await server.request(upgradeRequest());
      assertEquals((await client.readHead()).status, 101);
      // Some runtimes end what others reset.
      const [first] = slow;
      await first.until("the first to be dropped", () => first.hasEnded || first.isClosed);
      slow[1].send("TP/1.1\r\nHost: x\r\n\r\n");
      assertEquals((await slow[1].readHead()).status, 426);
      assertEquals(server.server.stats().dropped, 1);
    }));
});
