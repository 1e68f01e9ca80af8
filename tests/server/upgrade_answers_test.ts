import { describe, it } from "node:test";
import { Readable } from "node:stream";
import { runInNewContext } from "node:vm";
import { assert, assertEquals, assertInstanceOf, assertMatch } from "@std/assert";
import * as undici from "undici";
import { serve, type UpgradeAcceptance } from "../../mod.ts";
import { foreignStream } from "../support/foreign_stream.ts";
import type { RawClient } from "../support/raw_client.ts";
import { httpRequest, upgradeRequest } from "../support/requests.ts";
import { type Harness, TRANSPORTS, withMemoryServer } from "../support/transports.ts";
import { settle } from "../support/turn.ts";
import { eventually } from "../support/waiter.ts";

const OFFER = upgradeRequest({ headers: { "Sec-WebSocket-Protocol": "chat" } });

class User {
  data = "ada";
}

class Refusal extends Response {}

/** A response of some other class, with what can be seen of one. */
class OtherResponse {
  readonly #body: unknown;
  bodyUsed = false;

  constructor(body: unknown) {
    this.#body = body;
  }

  get status(): number {
    return 401;
  }

  get headers(): Map<string, string> {
    return new Map([["x-a", "b"]]);
  }

  get body(): unknown {
    return this.#body;
  }
}

/** Each a response, whose body is "no", if it has one. */
const RESPONSES: [name: string, create: () => unknown][] = [
  ["the global Response", () => new Response("no", { status: 401, headers: { "X-A": "b" } })],
  ["a subclass of it", () => new Refusal("no", { status: 401, headers: { "X-A": "b" } })],
  [
    "the Response of undici",
    () => new undici.Response("no", { status: 401, headers: { "X-A": "b" } }),
  ],
  ["one without a body", () => new OtherResponse(null)],
  ["one whose body is undefined", () => new OtherResponse(undefined)],
  ["one with a stream of another realm", () => new OtherResponse(foreignStream([110], [111]))],
  [
    "one with a stream of Node's",
    () => new OtherResponse(Readable.from([new Uint8Array([110, 111])])),
  ],
  ["a plain object that has all of one", () => ({
    status: 401,
    statusText: "Unauthorized",
    headers: new Headers({ "X-A": "b" }),
    body: new Response("no").body,
    bodyUsed: false,
  })],
  ["one of another realm", () => {
    const create = runInNewContext(`(body) => ({
      status: 401, statusText: "Go", headers: new Map([["x-a", "b"]]), body,
    })`);
    return create(foreignStream([110], [111]));
  }],
  ["a proxy of one", () =>
    new Proxy(new OtherResponse(null), {
      get: (target, name) => {
        return name === "headers" ? target.headers : name === "status" ? 401 : undefined;
      },
    })],
];

/** What is neither, and what the report of it says. */
const NEITHER: [name: string, create: () => unknown, message: RegExp][] = [
  ["undefined", () => undefined, /returned undefined: return \{\}/],
  ["null", () => null, /returned null: return \{\}/],
  ["true", () => true, /returned true: return \{\}/],
  ["false", () => false, /returned false/],
  ["0", () => 0, /returned 0/],
  ["a text", () => "yes", /returned yes/],
  ["a symbol", () => Symbol("a"), /returned Symbol\(a\)/],
  ["a big integer", () => 1n, /returned 1/],
  ["a function", () => () => ({}), /an object of a class/],
  ["an array", () => [], /an object of a class/],
  ["a Map", () => new Map(), /an object of a class/],
  ["a date", () => new Date(), /an object of a class/],
  ["an error", () => new Error("no"), /an object of a class/],
  ["an object of a class", () => new User(), /an object of a class/],
  ["what inherits an acceptance", () => Object.create({ data: 1 }), /an object of a class/],
  ["what inherits one without a class", () => {
    return Object.create(Object.assign(Object.create(null), { data: 1 }));
  }, /an object of a class/],
  ["a Headers", () => new Headers(), /an object of a class/],
  ["a Request", () => new Request("http://example.com"), /an object of a class/],
  ["a plain object with a status", () => ({ status: 401 }), /unknown key status/],
  ["a status and a body", () => ({ status: 401, body: "no" }), /unknown key status/],
  [
    "a status and plain headers",
    () => ({ status: 401, headers: {}, body: "" }),
    /unknown key status/,
  ],
  ["a misspelt key", () => ({ protocols: "chat" }), /unknown key protocols/],
  ["another key beside the known ones", () => ({ data: 1, user: 2 }), /unknown key user/],
  ["a symbol for a key", () => ({ [Symbol("a")]: 1 }), /unknown key Symbol\(a\)/],
  ["a hidden key", () => Object.defineProperty({}, "user", { value: 1 }), /unknown key user/],
  ["a protocol that is no text", () => ({ protocol: 1 }), /protocol/],
  ["a protocol that is null", () => ({ protocol: null }), /protocol/],
  ["headers that are a text", () => ({ headers: "a: b" }), /headers/],
  ["headers that are null", () => ({ headers: null }), /headers/],
  ["headers that are a function", () => ({ headers: () => [] }), /headers/],
  ["headers that are a set of texts", () => ({ headers: new Set(["ab"]) }), /must be pairs/],
  ["headers that are a list of texts", () => ({ headers: ["ab"] }), /must be pairs/],
  ["headers that are a list of names", () => ({ headers: [["a"]] }), /must be pairs/],
  [
    "headers that are a list of more than pairs",
    () => ({ headers: [["a", "b", "c"]] }),
    /must be pairs/,
  ],
  ["headers that are a text object", () => ({ headers: new String("ab") }), /must be pairs/],
  ["headers that are bytes", () => ({ headers: new Uint8Array(1) }), /must be pairs/],
  ["headers that are a map of texts to lists", () => ({ headers: new Map([["a", ["b"]]]) }), /"a"/],
  ["headers that are a date", () => ({ headers: new Date() }), /plain object/],
  ["headers of a class", () => ({ headers: new User() }), /plain object/],
  ["headers that are inherited", () => ({ headers: Object.create({ a: "b" }) }), /plain object/],
  ["what inherits isPrototypeOf from something without a class", () => {
    return Object.create(Object.assign(Object.create(null), { isPrototypeOf() {} }));
  }, /an object of a class/],
  ["what inherits all that Object.prototype has but its constructor", () => {
    const prototype = Object.create(null, Object.getOwnPropertyDescriptors(Object.prototype));
    prototype.constructor = User;
    return Object.create(prototype);
  }, /an object of a class/],
  ["an object of a class named Object that has no ancestors", () => {
    const Class = { Object: class {} }.Object;
    Object.setPrototypeOf(Class.prototype, null);
    return new Class();
  }, /an object of a class/],
  ["a getter that throws", () => ({
    get data() {
      throw new Error("unreadable");
    },
  }), /unreadable/],
  ["a proxy that throws", () =>
    new Proxy({}, {
      getPrototypeOf() {
        throw new Error("unreadable");
      },
    }), /unreadable/],
  ["a status that throws", () => ({
    get status() {
      throw new Error("unreadable");
    },
  }), /unreadable/],
  ["an acceptance in an array", () => [{}], /an object of a class/],
];

/** Responses that can't be sent. */
const UNSENDABLE: [name: string, create: () => unknown][] = [
  ["was used", () => {
    const response = new Response("no", { status: 401 });
    void response.text();
    return response;
  }],
  ["of undici was used", () => {
    const response = new undici.Response("no", { status: 401 });
    void response.text();
    return response;
  }],
  ["has a locked body", () => {
    const response = new Response("no", { status: 401 });
    response.body!.getReader();
    return response;
  }],
  ["is Response.error()", () => Response.error()],
  ["is of undici's error()", () => undici.Response.error()],
  ["has a body that is no stream", () => new OtherResponse(42)],
  ["has a body that is a text", () => new OtherResponse("no")],
];
for (const status of [101, 100, 103, 0, 99, 600, 1000, NaN, 200.5, -1]) {
  UNSENDABLE.push([`has the status ${status}`, () => ({
    status,
    statusText: "",
    headers: new Headers(),
    body: null,
  })]);
}

async function expect500(server: Harness, client: RawClient): Promise<unknown> {
  const { status, body } = await client.readResponse();
  assertEquals([status, body], [500, "Internal server error\n"]);
  const [error, ...more] = server.takeErrors();
  assertEquals(more.length, 0);
  assertEquals(server.server.connections.size, 0);
  await client.finish();
  return error;
}

for (const { name, withServer } of TRANSPORTS) {
  describe(`what the upgrade hook may return over ${name}`, () => {
    for (const [what, create] of RESPONSES) {
      it(`a refusal: ${what}`, () =>
        withServer({ upgrade: create as () => Response }, async (server) => {
          const client = await server.request(OFFER);
          const { status, headers, body } = await client.readResponse();
          assertEquals([status, headers.get("x-a")], [401, "b"]);
          assert(body === "no" || body === "", body);
          await client.finish();
          await eventually("the count", () => server.server.stats().handshakes === 0);
          assertEquals(server.server.stats().refused, { 401: 1 });
        }));
    }
  });
}

describe("what the upgrade hook may return", () => {
  const ACCEPTANCES: [name: string, create: () => unknown][] = [
    ["{}", () => ({})],
    ["without a prototype", () => Object.assign(Object.create(null), { data: 1 })],
    ["of another realm", () => runInNewContext(`({ data: 1, protocol: "chat" })`)],
    [
      "whose values are undefined",
      () => ({ protocol: undefined, headers: undefined, data: undefined }),
    ],
    ["frozen", () => Object.freeze({ protocol: "chat" })],
    ["with headers of undici", () => ({ headers: new undici.Headers({ "X-A": "b" }) })],
    ["with headers of another realm", () => runInNewContext(`({ headers: { "X-A": "b" } })`)],
    ["with pairs of another realm", () => runInNewContext(`({ headers: [["X-A", "b"]] })`)],
    ["with a map for headers", () => ({ headers: new Map([["X-A", "b"]]) })],
    ["with headers without a prototype", () => {
      return { headers: Object.assign(Object.create(null), { "X-A": "b" }) };
    }],
    ["with data that is a Response", () => ({ data: new Response("no") })],
  ];
  for (const [what, create] of ACCEPTANCES) {
    it(`an acceptance: ${what}`, async () => {
      for (const later of [false, true]) {
        const upgrade = () => (later ? Promise.resolve(create()) : create()) as object;
        await withMemoryServer({ upgrade }, async (server) => {
          assertEquals((await (await server.request(OFFER)).readHead()).status, 101);
        });
      }
    });
  }

  it("an acceptance inherits nothing, whatever was done to the prototype of all", async () => {
    const polluted = Object.prototype as { protocol?: unknown };
    polluted.protocol = "chat";
    try {
      await withMemoryServer({ upgrade: () => ({}) }, async (server) => {
        const client = await server.request(OFFER);
        const { status, headers } = await client.readHead();
        assertEquals([status, headers.get("sec-websocket-protocol")], [101, undefined]);
      });
    } finally {
      delete polluted.protocol;
    }
  });

  for (const [what, create, message] of NEITHER) {
    it(`never opens a connection for ${what}`, async () => {
      for (const later of [false, true]) {
        const upgrade = () => (later ? Promise.resolve(create()) : create()) as never;
        await withMemoryServer({ upgrade }, async (server) => {
          const error = await expect500(server, await server.request(OFFER) as RawClient);
          assertMatch(String(error), message);
        });
      }
    });

    it(`never answers plain HTTP with ${what}`, () =>
      withMemoryServer({ fetch: create as () => Response }, async (server) => {
        const error = await expect500(server, await server.request(httpRequest()) as RawClient);
        assertInstanceOf(error, Error);
      }));
  }

  for (const [what, create] of UNSENDABLE) {
    it(`a response that ${what} is 500, from both hooks`, async () => {
      const hook = create as () => Response;
      for (const request of [upgradeRequest(), httpRequest()]) {
        await withMemoryServer({ upgrade: hook, fetch: hook }, async (server) => {
          await expect500(server, await server.request(request) as RawClient);
        });
      }
    });
  }
});

describe("what the fetch hook may return", () => {
  for (const [what, create] of RESPONSES) {
    it(`a response: ${what}`, () =>
      withMemoryServer({ fetch: create as () => Response }, async (server) => {
        const { status, headers, body } = await server.fetch(httpRequest());
        assertEquals([status, headers.get("x-a")], [401, "b"]);
        assert(body === "no" || body === "", body);
      }));
  }

  it("a body of Node's, which is given up where the client has left", async () => {
    const stream = new Readable({ read() {} });
    await withMemoryServer(
      { fetch: () => new OtherResponse(stream) as unknown as Response },
      async (server) => {
        const client = await server.request(httpRequest());
        await client.readHead();
        client.socket.reset();
        await settle();
        // The iteration is at a read that a stream of Node's answers when it gets something.
        stream.push(new Uint8Array(1));
        await settle();
        assertEquals(stream.destroyed, true);
      },
    );
  });
});

describe("the type of the upgrade hook", () => {
  const find = (request: Request): string | undefined => request.url;

  it("makes an error of a forgotten return", () => {
    // Only to be checked, never called.
    const programs = [
      () =>
        serve({
          // @ts-expect-error: Not every way returns something.
          upgrade(request: Request) {
            const user = find(request);
            if (user) return { data: user };
          },
          open() {},
        }),
      () =>
        serve({
          // @ts-expect-error: Not every way returns something.
          async upgrade(request: Request) {
            const user = await Promise.resolve(find(request));
            if (user) return { data: user };
          },
          open() {},
        }),
      // @ts-expect-error: It returns nothing.
      () => serve({ upgrade() {}, open() {} }),
      // @ts-expect-error: It returns nothing.
      () => serve({ async upgrade() {}, open() {} }),
      // @ts-expect-error: It returns nothing.
      () => serve({ upgrade: (request) => void find(request), open() {} }),
      // @ts-expect-error: There is no such key.
      () => serve({ upgrade: () => ({ status: 401 }), open() {} }),
      // @ts-expect-error: It is no answer.
      () => serve({ upgrade: () => true, open() {} }),
      // @ts-expect-error: It is no answer.
      () => serve({ upgrade: () => null, open() {} }),
      // These are fine.
      () => serve({ upgrade: () => ({}), open() {} }),
      () =>
        serve({
          upgrade: (): Promise<UpgradeAcceptance<undefined>> => Promise.resolve({}),
          open() {},
        }),
      () => serve({ upgrade: () => ({ data: 1 }), open: (conn) => void conn.data.toFixed() }),
      () =>
        serve({
          upgrade: (request) => find(request) ? {} : new Response("no", { status: 401 }),
          open() {},
        }),
    ];
    assertEquals(programs.length, 12);
  });
});
