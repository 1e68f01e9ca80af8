import { describe, it } from "node:test";
import { assertEquals, assertMatch } from "@std/assert";
import type { RequestInfo } from "../../src/server/mod.ts";
import { httpRequest, type RequestInit, upgradeRequest } from "../support/requests.ts";
import { TRANSPORTS } from "../support/transports.ts";

/** A POST request with a body, or with the length of one. */
function post(body: string | number, headers: RequestInit["headers"] = {}): string {
  const length = typeof body === "string" ? body.length : body;
  const head = httpRequest({
    method: "POST",
    headers: { "Content-Length": String(length), ...headers },
  });
  return typeof body === "string" ? head + body : head;
}

const echoBody = async (request: Request) => new Response(await request.text());

for (const { name, withServer } of TRANSPORTS) {
  describe(`the fetch hook over ${name}`, () => {
    it("sees the request, and what is known of the client", () => {
      let seen: [Request, RequestInfo] | undefined;
      const fetch = (request: Request, info: RequestInfo) => {
        seen = [request, info];
        return new Response();
      };
      return withServer({ fetch }, async (server) => {
        await server.fetch(
          httpRequest({ target: "/a/b?c=d", headers: { "X-Token": "abc" } }),
        );
        const [request, info] = seen!;
        assertEquals(request.url, "http://example.com/a/b?c=d");
        assertEquals([request.method, request.body], ["GET", null]);
        assertEquals(request.headers.get("x-token"), "abc");
        assertEquals([info.remoteAddress.transport, info.localAddress.transport], ["tcp", "tcp"]);
        assertEquals(info.subprotocols, []);
      });
    });

    it("answers, and the connection ends", () => {
      const fetch = () =>
        new Response("text", {
          status: 418,
          statusText: "Teapot",
          headers: { "X-One": "1", Connection: "keep-alive", "Keep-Alive": "timeout=5" },
        });
      return withServer({ fetch }, async (server) => {
        const client = await server.request(httpRequest(), httpRequest());
        const { status, statusText, headers, body } = await client.readResponse();
        assertEquals([status, statusText, body], [418, "Teapot", "text"]);
        assertEquals([headers.get("x-one"), headers.get("keep-alive")], ["1", undefined]);
        await client.finish();
      });
    });

    it("may be async, and is called as a method of the options", () => {
      const text = Symbol("text");
      const setup = {
        [text]: "mine",
        async fetch() {
          await Promise.resolve();
          return new Response(this[text]);
        },
      };
      return withServer(setup, async (server) => {
        assertEquals((await server.fetch(httpRequest())).body, "mine");
      });
    });

    for (const method of ["GET", "HEAD", "DELETE", "OPTIONS", "PATCH", "PUT", "POST"]) {
      it(`answers ${method}${method === "HEAD" ? " without the body" : ""}`, () => {
        const fetch = ({ method }: Request) =>
          new Response("text", { headers: { "Content-Length": "4", "X-Method": method } });
        return withServer({ fetch }, async (server) => {
          const client = await server.request(httpRequest({ method }));
          const { status, headers } = await client.readHead();
          assertEquals([status, headers.get("content-length")], [200, "4"]);
          assertEquals(headers.get("x-method"), method);
          assertEquals((await client.readToEnd()).length, method === "HEAD" ? 0 : 4);
          await client.finish();
        });
      });
    }

    for (const status of [204, 205, 304]) {
      it(`answers ${status}, which has no body`, () =>
        withServer({ fetch: () => new Response(null, { status }) }, async (server) => {
          const response = await server.fetch(httpRequest());
          assertEquals([response.status, response.body], [status, ""]);
          assertEquals(response.headers.get("content-length"), undefined);
        }));
    }

    it("announces a length of 0 where there is no body", () =>
      withServer({ fetch: () => new Response(null) }, async (server) => {
        const { headers } = await server.fetch(httpRequest());
        assertEquals(headers.get("content-length"), "0");
      }));

    it("does not get WebSocket requests", () => {
      let calls = 0;
      const fetch = () => (calls++, new Response());
      return withServer({ fetch }, async (server) => {
        await server.open();
        await server.fetch(upgradeRequest({ method: "POST" }));
        assertEquals(calls, 0);
      });
    });

    for (const method of ["FOO", "get", "CONNECT", "TRACE"]) {
      it(`does not get the method ${method}: 501`, () => {
        let calls = 0;
        const fetch = () => (calls++, new Response());
        return withServer({ fetch }, async (server) => {
          assertEquals((await server.fetch(httpRequest({ method }))).status, 501);
          assertEquals(calls, 0);
        });
      });
    }

    const broken = new Error("the disk is full");
    const FAULTS: [name: string, fetch: () => unknown, message: RegExp][] = [
      ["throws", () => {
        throw broken;
      }, /the disk is full/],
      ["rejects", () => Promise.reject(broken), /the disk is full/],
      [
        "returns a text",
        () => "text",
        /hook returned a string: return a Response, such as new Response\(text\)/,
      ],
      ["returns nothing", () => undefined, /hook returned undefined: return a Response/],
      [
        "returns an object",
        () => ({ a: 1 }),
        /hook returned an object: .*Response\.json\(object\)/,
      ],
      ["returns a Response that was used", () => {
        const response = new Response("text");
        void response.text();
        return response;
      }, /used/],
    ];
    for (const [what, hook, message] of FAULTS) {
      it(`answers 500 and reports where it ${what}`, () => {
        const fetch = hook as () => Response;
        return withServer({ fetch }, async (server) => {
          const client = await server.request(httpRequest());
          const { status, body } = await client.readResponse();
          assertEquals([status, body], [500, "Internal server error\n"]);
          assertMatch(server.takeErrors().map(String).join(), message);
          await client.finish();
        });
      });
    }
  });

  describe(`the body of a request over ${name}`, () => {
    it("arrives with the head", () =>
      withServer({ fetch: echoBody }, async (server) => {
        const client = await server.request(post("hello"));
        assertEquals((await client.readResponse()).body, "hello");
        await client.finish();
      }));

    it("arrives byte by byte", () =>
      withServer({ fetch: echoBody }, async (server) => {
        const client = await server.connect();
        for (const character of post("hello")) client.send(character);
        assertEquals((await client.readResponse()).body, "hello");
        await client.finish();
      }));

    it("is what the length says: what follows is dropped", () =>
      withServer({ fetch: echoBody }, async (server) => {
        const client = await server.request(post("hello"), post("again"), upgradeRequest());
        assertEquals((await client.readResponse()).body, "hello");
        await client.finish();
      }));

    it("may be empty", () =>
      withServer({ fetch: echoBody }, async (server) => {
        assertEquals((await server.fetch(post(""))).body, "");
        // Without a length, there is none.
        const request = httpRequest({ method: "POST" });
        assertEquals((await server.fetch(request)).body, "");
      }));

    it("keeps the request's headers and URL", () => {
      const fetch = (request: Request) =>
        new Response(`${request.url} ${request.headers.get("x-token")} ${request.method}`);
      return withServer({ fetch }, async (server) => {
        assertEquals(
          (await server.fetch(post("hello", { "X-Token": "abc" }))).body,
          "http://example.com/ abc POST",
        );
      });
    });

    it("has a limit: 413 above it, and not at or below", () =>
      withServer({ fetch: echoBody, maxRequestBodySize: 5 }, async (server) => {
        for (const [body, status] of [["1234", 200], ["12345", 200], ["123456", 413]] as const) {
          const response = await server.fetch(post(body));
          assertEquals(response.status, status);
          if (status === 413) assertMatch(response.body, /^.* 6 bytes, at most 5 .*\n$/);
        }
      }));

    it("is refused by its announced length, before it arrives", () =>
      withServer({ fetch: echoBody }, async (server) => {
        assertEquals((await server.fetch(post(1024 * 1024 + 1))).status, 413);
      }));

    it("has no limit with Infinity, and none at all with 0", async () => {
      await withServer({ fetch: echoBody, maxRequestBodySize: Infinity }, async (server) => {
        const body = "x".repeat(1_100_000);
        assertEquals((await server.fetch(post(body))).body, body);
      });
      await withServer({ fetch: echoBody, maxRequestBodySize: 0 }, async (server) => {
        assertEquals((await server.fetch(post("x"))).status, 413);
        assertEquals((await server.fetch(post(""))).status, 200);
      });
    });

    // What is wrong with the lines that announce it: `strictness_test.ts`.
    const chunked = httpRequest({ method: "POST", headers: { "Transfer-Encoding": "chunked" } });
    const REFUSED: [name: string, status: number, request: string][] = [
      ["chunked", 411, chunked],
      ["of a GET", 400, httpRequest({ headers: { "Content-Length": "5" } })],
      ["of a HEAD", 400, httpRequest({ method: "HEAD", headers: { "Content-Length": "5" } })],
    ];
    for (const [what, status, request] of REFUSED) {
      it(`${what}: ${status}`, () => {
        let calls = 0;
        const fetch = () => (calls++, new Response());
        return withServer({ fetch }, async (server) => {
          const client = await server.request(request);
          assertEquals((await client.readHead()).status, status);
          await client.readToEnd();
          await client.finish();
          assertEquals(calls, 0);
        });
      });
    }

    it("that ends early: 400, and no request", () => {
      let calls = 0;
      const fetch = () => (calls++, new Response());
      return withServer({ fetch }, async (server) => {
        const client = await server.request(post(5), "hell");
        client.socket.end();
        assertEquals((await client.readResponse()).status, 400);
        await client.untilClosed();
        assertEquals([client.error, calls], [undefined, 0]);
      });
    });

    it("that is reset: no request", () => {
      let calls = 0;
      const fetch = () => (calls++, new Response());
      return withServer({ fetch }, async (server) => {
        const client = await server.request(post(5), "hell");
        client.socket.reset();
        await server.fetch(httpRequest());
        assertEquals(calls, 1);
      });
    });

    it("is asked for with 100, where the client expects that", () =>
      withServer({ fetch: echoBody }, async (server) => {
        const client = await server.request(post(5, { Expect: "100-Continue" }));
        assertEquals((await client.readHead()).status, 100);
        client.send("hello");
        const { status, body } = await client.readResponse();
        assertEquals([status, body], [200, "hello"]);
        await client.finish();
      }));

    it("is not asked for where it is refused", () =>
      withServer({ fetch: echoBody, maxRequestBodySize: 4 }, async (server) => {
        const client = await server.request(post(5, { Expect: "100-continue" }));
        assertEquals((await client.readHead()).status, 413);
      }));

    it("was asked for with 100: a hook that throws is a 500 still", () => {
      const fetch = () => {
        throw new Error("the disk is full");
      };
      return withServer({ fetch }, async (server) => {
        const client = await server.request(post(5, { Expect: "100-continue" }));
        assertEquals((await client.readHead()).status, 100);
        client.send("hello");
        assertEquals((await client.readResponse()).status, 500);
        await client.finish();
        assertEquals(server.takeErrors().length, 1);
      });
    });
  });
}
