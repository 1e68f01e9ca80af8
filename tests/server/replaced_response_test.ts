import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { getRequestListener } from "@hono/node-server";
import { httpRequest, upgradeRequest } from "../support/requests.ts";
import { withMemoryServer } from "../support/transports.ts";

const { Response: own } = globalThis;
// It replaces the global class, with one of its own.
getRequestListener(() => new Response());
const { Response: replaced } = globalThis;

describe("where a framework has replaced the global Response", () => {
  it("it is another", () => {
    assert(own !== replaced);
  });

  for (const [name, Class] of [["own", own], ["replaced", replaced]] as const) {
    it(`one of the ${name} class is a response, from both hooks`, async () => {
      const hook = () => new Class("no", { status: 401, headers: { "X-A": "b" } });
      await withMemoryServer({ upgrade: hook, fetch: hook }, async (server) => {
        for (const request of [upgradeRequest(), httpRequest()]) {
          const client = await server.request(request);
          const { status, headers, body } = await client.readResponse();
          assertEquals([status, headers.get("x-a"), body], [401, "b", "no"]);
          await client.finish();
        }
      });
    });
  }
});
