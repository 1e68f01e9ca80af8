import { createServer, type Server } from "node:net";
import type { AddressInfo } from "node:net";
import { describe, it } from "node:test";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { serve, type ServerEvent } from "../../mod.ts";
import { natsBroker } from "../../src/brokers/nats.ts";
import { redisBroker } from "../../src/brokers/redis.ts";
import type { Broker } from "../../src/topics/cluster/broker.ts";

/** A port that nobody listens on. */
async function freePort(): Promise<number> {
  const server: Server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** What a server is told first of a broker. */
async function firstEvent(broker: Broker): Promise<ServerEvent> {
  const { promise, resolve } = Promise.withResolvers<ServerEvent>();
  const server = await serve({
    port: 0,
    broker,
    message() {},
    onEvent: (event) => event.type === "broker" && resolve(event),
  });
  const event = await promise;
  await server.shutdown();
  return event;
}

const BROKERS: [
  name: string,
  create: (address: string) => Broker,
  url: (address: string) => string,
][] = [
  [
    "Redis",
    (address) => redisBroker({ url: `redis://${address}/3?a=b` }),
    (address) => `redis://${address}/3`,
  ],
  ["NATS", (address) => natsBroker({ servers: address }), (address) => address],
];

for (const [name, create, urlOf] of BROKERS) {
  describe(`a ${name} that can't be reached`, () => {
    for (const host of ["127.0.0.1", "localhost"]) {
      it(`is told by name and address, and why: ${host}`, async () => {
        const address = `${host}:${await freePort()}`;
        const event = await firstEvent(create(address));
        assert(event.type === "broker" && event.status === "lost", JSON.stringify(event));
        const { message, cause, code } = event.error as Error & { code?: unknown };
        const start = `Cannot connect to ${name} at ${urlOf(address)}: `;
        assertEquals(message.slice(0, start.length), start);
        assert(message.length > start.length, message);
        assertEquals(code, (cause as { code?: unknown }).code);
        if (name === "Redis") assertEquals(code, "ECONNREFUSED");
      });
    }

    it("is told without the user and the password", async () => {
      const port = await freePort();
      const event = await firstEvent(create(`ada:s3:cr@t@127.0.0.1:${port}`.replace("@t", "%40t")));
      assert(event.type === "broker" && event.status === "lost", JSON.stringify(event));
      const { message } = event.error as Error;
      assert(message.includes(`127.0.0.1:${port}`) && !/ada|s3|cr/.test(message), message);
    });
  });
}

describe("the URL of a Redis", () => {
  for (
    const url of ["localhost:6379", "127.0.0.1:6379", "http://ada:s3cret@localhost", "redis:/x", ""]
  ) {
    it(`is refused at once where it is ${JSON.stringify(url)}, and says what it is`, () => {
      const error = assertThrows(
        () => redisBroker({ url }),
        TypeError,
        'such as "redis://127.0.0.1:6379"',
      );
      assert(!error.message.includes("s3cret"), error.message);
    });
  }
});
