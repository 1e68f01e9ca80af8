import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { httpRequest, upgradeRequest } from "../support/requests.ts";
import { TRANSPORTS } from "../support/transports.ts";
import { eventually } from "../support/waiter.ts";

for (const { name, withServer } of TRANSPORTS) {
  describe(`a full server over ${name}`, () => {
    for (
      const [option, which] of [
        ["maxConnections", ""],
        ["maxConnectionsPerAddress", " of this address"],
      ]
    ) {
      it(`has 503 for one past ${option}, and takes another when one has left`, () =>
        withServer({ [option]: 2 }, async (server) => {
          const [first] = [await server.open(), await server.open()];
          const client = await server.request(upgradeRequest());
          const { status, headers, body } = await client.readResponse();
          assertEquals([status, headers.get("connection")], [503, "close"]);
          assertEquals(body, `The server has as many connections${which} as it may have\n`);
          await client.finish();
          first.socket.reset();
          await eventually("the connection to be gone", () => server.server.connections.size === 1);
          assertEquals((await server.open()).isClosed, false);
        }));
    }

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
