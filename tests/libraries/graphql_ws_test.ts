import { describe, it } from "node:test";
import { assertEquals, assertRejects } from "@std/assert";
import { buildSchema } from "graphql";
import { type Client, type ClientOptions, createClient } from "graphql-ws";
import { GRAPHQL_TRANSPORT_WS_PROTOCOL, makeHandler } from "graphql-ws/use/deno";
import { eventually } from "../support/waiter.ts";
import { type LibraryServer, withLibrary } from "./serve_library.ts";

const schema = buildSchema(`
  type Query { greeting(name: String!): String!, long(size: Int!): String! }
  type Subscription { countdown(from: Int!): Int!, forever: Int! }
`);

/** A server of the schema, through the adapter for standard WebSockets. */
class GraphqlServer {
  /** The subscriptions that run. */
  running = 0;
  /** How connections ended. */
  readonly closes: unknown[][] = [];

  /** Takes a connection. */
  readonly take: (socket: WebSocket) => void = makeHandler({
    schema,
    roots: {
      query: {
        greeting: ({ name }: { name: string }) => `Hello ${name}`,
        long: ({ size }: { size: number }) => "é".repeat(size),
      },
      subscription: {
        countdown: ({ from }: { from: number }) => this.#count(from),
        forever: () => this.#count(Infinity),
      },
    },
    onConnect: ({ connectionParams }) => connectionParams?.token !== "wrong",
    onClose: (_context, code, reason) => void this.closes.push([code, reason]),
  });

  async *#count(from: number): AsyncGenerator<{ countdown: number } | { forever: number }> {
    this.running++;
    try {
      for (let i = from; i >= 0; i--) {
        await new Promise((resolve) => setTimeout(resolve, 0));
        yield from === Infinity ? { forever: 1 } : { countdown: i };
      }
    } finally {
      this.running--;
    }
  }
}

async function withGraphql(
  body: (graphql: GraphqlServer, client: Client, server: LibraryServer) => Promise<void>,
  clientOptions: Partial<ClientOptions> = {},
): Promise<void> {
  const graphql = new GraphqlServer();
  await withLibrary(graphql.take, async (server) => {
    const client = createClient({ url: server.url, retryAttempts: 0, ...clientOptions });
    try {
      await body(graphql, client, server);
    } finally {
      await client.dispose();
    }
  }, {
    compression: true,
    upgrade: (request) =>
      request.headers.get("Sec-WebSocket-Protocol") === GRAPHQL_TRANSPORT_WS_PROTOCOL
        ? { protocol: GRAPHQL_TRANSPORT_WS_PROTOCOL }
        : {},
  });
}

async function results(client: Client, query: string): Promise<unknown[]> {
  const all: unknown[] = [];
  for await (const { data, errors } of client.iterate({ query })) all.push(errors ?? data);
  return all;
}

describe("graphql-ws", () => {
  it("answers queries", () =>
    withGraphql(async (_graphql, client) => {
      assertEquals(
        await Promise.all(
          ["a", "b", "c"].map((name) => results(client, `{ greeting(name: "${name}") }`)),
        ),
        ["a", "b", "c"].map((name) => [{ greeting: `Hello ${name}` }]),
      );
      const [{ long }] = await results(client, "{ long(size: 200000) }") as [{ long: string }];
      assertEquals([long.length, long.replaceAll("é", "")], [200_000, ""]);
    }));

  it("serves subscriptions to their end, several at once", () =>
    withGraphql(async (graphql, client) => {
      const countdowns = [3, 20, 0].map((from) =>
        results(client, `subscription { countdown(from: ${from}) }`)
      );
      for (const [index, from] of [3, 20, 0].entries()) {
        const expected = Array.from({ length: from + 1 }, (_, i) => ({ countdown: from - i }));
        assertEquals(await countdowns[index], expected);
      }
      await eventually("the subscriptions to end", () => graphql.running === 0);
    }));

  it("ends a subscription that the client leaves", () =>
    withGraphql(async (graphql, client) => {
      let count = 0;
      for await (const { data } of client.iterate({ query: "subscription { forever }" })) {
        assertEquals(data, { forever: 1 });
        if (++count === 5) break;
      }
      await eventually("the subscription to end", () => graphql.running === 0);
      assertEquals(await results(client, `{ greeting(name: "still") }`), [
        { greeting: "Hello still" },
      ]);
    }));

  it("ends what runs when the client closes", () =>
    withGraphql(async (graphql, client, { server }) => {
      const subscription = client.iterate({ query: "subscription { forever }" });
      await subscription.next();
      assertEquals([graphql.running, server.connections.size], [1, 1]);
      await client.dispose();
      await eventually("the subscription to end", () => graphql.running === 0);
      await eventually("the connection to end", () => server.connections.size === 0);
      assertEquals(graphql.closes, [[1000, "Normal Closure"]]);
    }));

  it("refuses a client with its own codes", async () => {
    const closed = Promise.withResolvers<unknown>();
    const on = { closed: closed.resolve };
    await withGraphql(async (graphql, client) => {
      await assertRejects(() => results(client, `{ greeting(name: "a") }`));
      const { code, reason } = await closed.promise as CloseEvent;
      assertEquals([code, reason], [4403, "Forbidden"]);
      await eventually("the server to know", () => graphql.closes.length === 1);
    }, { connectionParams: { token: "wrong" }, on });
  });

  it("refuses a client without the subprotocol", () =>
    withGraphql(async (_graphql, _client, { url }) => {
      const socket = new WebSocket(url);
      const { code } = await new Promise<CloseEvent>((resolve) => socket.onclose = resolve);
      assertEquals(code, 4406);
    }));
});
