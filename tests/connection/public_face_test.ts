import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import type { ClientConnection } from "../../src/client/mod.ts";
import type { Connection, ServerConnection } from "../../src/server/mod.ts";
import { connectedPair } from "../../src/testing/mod.ts";

/** The names of an interface: TypeScript sees to it that none is missing, and none too many. */
type AllNames<T> = Record<keyof T, true>;

const CONNECTION: AllNames<Connection> = {
  data: true,
  request: true,
  protocol: true,
  extensions: true,
  remoteAddress: true,
  localAddress: true,
  state: true,
  signal: true,
  bufferedAmount: true,
  closed: true,
  readable: true,
  writable: true,
  [Symbol.asyncIterator]: true,
  messages: true,
  asWebSocket: true,
  send: true,
  trySend: true,
  sendStream: true,
  ping: true,
  close: true,
  abort: true,
  stats: true,
  [Symbol.asyncDispose]: true,
};

const CLIENT_CONNECTION: AllNames<ClientConnection> = { ...CONNECTION, isResumed: true };

const SERVER_CONNECTION: AllNames<ServerConnection> = {
  ...CONNECTION,
  isResumed: true,
  subscribe: true,
  unsubscribe: true,
  topics: true,
};

/** Everything that code can name on an object, but for what all objects have. */
function reachableOn(conn: object): string[] {
  const names = new Set<PropertyKey>();
  for (let each = conn; each !== Object.prototype; each = Object.getPrototypeOf(each)) {
    for (const name of Reflect.ownKeys(each)) names.add(name);
  }
  names.delete("constructor");
  return [...names].map(String).sort();
}

const namesOf = (names: object) => Reflect.ownKeys(names).map(String).sort();

describe("what programs can reach on a connection", () => {
  it("is the public interface, before and after anything is used", async () => {
    const { server, client } = await connectedPair();
    assertEquals(reachableOn(server), namesOf(SERVER_CONNECTION));
    assertEquals(reachableOn(client), namesOf(CLIENT_CONNECTION));
    void client.send("a");
    for await (const _message of server) break;
    void server.readable;
    void server.writable;
    void server.signal;
    server.subscribe("topic");
    await client.close();
    assertEquals(reachableOn(server), namesOf(SERVER_CONNECTION));
    assertEquals(reachableOn(client), namesOf(CLIENT_CONNECTION));
  });
});
