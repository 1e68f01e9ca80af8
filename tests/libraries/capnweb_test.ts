import { describe, it } from "node:test";
import { assertEquals, assertRejects } from "@std/assert";
import { newWebSocketRpcSession, RpcTarget } from "capnweb";
import { connect as connectSluice } from "../../src/runtimes/shared/client.ts";
import { eventually } from "../support/waiter.ts";
import { withLibrary } from "./serve_library.ts";

class Counter extends RpcTarget {
  #value: number;

  constructor(value: number) {
    super();
    this.#value = value;
  }

  increment(by: number): number {
    return this.#value += by;
  }

  get value(): number {
    return this.#value;
  }
}

class Api extends RpcTarget {
  greet(name: string): string {
    return `Hello ${name}`;
  }

  echo(data: unknown): unknown {
    return data;
  }

  makeCounter(value: number): Counter {
    return new Counter(value);
  }

  async each(count: number, call: (index: number) => Promise<string>): Promise<string[]> {
    return await Promise.all(Array.from({ length: count }, (_, index) => call(index)));
  }

  fail(): never {
    throw new RangeError("out of range");
  }
}

async function withApi(body: (api: ReturnType<typeof connect>) => Promise<void>): Promise<void> {
  const take = (socket: WebSocket) => void newWebSocketRpcSession(socket, new Api());
  await withLibrary(take, async ({ server, url }) => {
    const api = connect(url);
    try {
      await body(api);
    } finally {
      api[Symbol.dispose]();
    }
    await eventually("the connection to end", () => server.connections.size === 0);
  }, { compression: true });
}

function connect(url: string): ReturnType<typeof newWebSocketRpcSession<Api>> {
  return newWebSocketRpcSession<Api>(url);
}

describe("capnweb", () => {
  it("calls, many at once", () =>
    withApi(async (api) => {
      const names = Array.from({ length: 100 }, (_, i) => String(i));
      assertEquals(
        await Promise.all(names.map((name) => api.greet(name))),
        names.map((name) => `Hello ${name}`),
      );
    }));

  it("passes values of many kinds, and large ones", () =>
    withApi(async (api) => {
      const values = [null, "é€😀", 12.5, 123n, new Date(0), { nested: [1, [2]] }];
      for (const value of values) assertEquals(await api.echo(value), value);
      const bytes = Uint8Array.from({ length: 100_000 }, (_, i) => i);
      // It gives a Buffer, where there are any.
      assertEquals(new Uint8Array(await api.echo(bytes) as Uint8Array), bytes);
    }));

  it("pipelines calls on what is not there yet", () =>
    withApi(async (api) => {
      const counter = api.makeCounter(10);
      const results = [counter.increment(1), counter.increment(5), counter.value];
      assertEquals(await Promise.all(results), [11, 16, 16]);
    }));

  it("calls back", () =>
    withApi(async (api) => {
      const results = await api.each(20, (index: number) => Promise.resolve(`called ${index}`));
      assertEquals(results, Array.from({ length: 20 }, (_, index) => `called ${index}`));
    }));

  it("passes errors on", () =>
    withApi(async (api) => {
      const error = await assertRejects(async () => await api.fail(), RangeError);
      assertEquals(error.message, "out of range");
      assertEquals(await api.greet("again"), "Hello again");
    }));

  it("runs at both ends of Sluice", () =>
    withLibrary(
      (socket) => void newWebSocketRpcSession(socket, new Api()),
      async ({ url }) => {
        const conn = await connectSluice(url);
        const api = newWebSocketRpcSession<Api>(conn.asWebSocket());
        const results = await api.each(20, (index: number) => Promise.resolve(`called ${index}`));
        assertEquals(results.length, 20);
        api[Symbol.dispose]();
        const { initiator, wasClean } = await conn.closed;
        assertEquals([initiator, wasClean], ["local", true]);
      },
    ));

  it("ends its calls where the connection ends", () =>
    withLibrary(
      (socket) => void newWebSocketRpcSession(socket, new Api()),
      async ({ server, url }) => {
        const api = connect(url);
        await api.greet("first");
        const pending = api.each(1, () => new Promise<string>(() => {}));
        for (const conn of server.connections) void conn.close({ closeCode: 4000 });
        await assertRejects(async () => await pending);
        api[Symbol.dispose]();
        await eventually("the end", () => server.connections.size === 0);
      },
    ));
});
