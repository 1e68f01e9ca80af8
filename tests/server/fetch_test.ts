import { describe, it } from "node:test";
import { assertEquals, assertMatch } from "@std/assert";
import type { RequestInfo } from "../../src/server/mod.ts";
import { decodeUtf8 } from "../support/raw_client.ts";
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

    for (const [status, length] of [[200, "0"], [204], [205], [304]] as const) {
      it(`answers ${status} without a body, and with a length of ${length ?? "none"}`, () =>
        withServer({ fetch: () => new Response(null, { status }) }, async (server) => {
          const response = await server.fetch(httpRequest());
          assertEquals([response.status, response.body], [status, ""]);
          assertEquals(response.headers.get("content-length"), length);
        }));
    }

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

    const FAULTS: [value: unknown, message: RegExp][] = [
      ["text", /returned a string: return a Response, such as new Response\(text\)/],
      [undefined, /hook returned undefined: return a Response/],
      [{ a: 1 }, /hook returned an object: .*Response\.json\(object\)/],
    ];
    it("answers 500 and reports where it returns no Response", async () => {
      for (const [value, message] of FAULTS) {
        await withServer({ fetch: () => value as Response }, async (server) => {
          const client = await server.request(httpRequest());
          const { status, body } = await client.readResponse();
          assertEquals([status, body], [500, "Internal server error\n"]);
          assertMatch(server.takeErrors().map(String).join(), message);
          await client.finish();
        });
      }
    });
  });

  describe(`the body of a request over ${name}`, () => {
    const chunked = httpRequest({ method: "POST", headers: { "Transfer-Encoding": "chunked" } });
    const withLength = (method: string) =>
      httpRequest({ method, headers: { "Content-Length": "5" } });
    // What is wrong with the lines that announce it: `strictness_test.ts`.
    const ROWS: [what: string, request: string, status: number, body?: string, limit?: number][] = [
      ["arrives with the head", post("hello"), 200, "hello"],
      ["is what the length says", post("hello") + post("more") + upgradeRequest(), 200, "hello"],
      ["may be empty", post(""), 200, ""],
      ["is none without a length", httpRequest({ method: "POST" }), 200, ""],
      ["may be as long as it may", post("12345"), 200, "12345", 5],
      ["is refused where it is longer", post("123456"), 413, undefined, 5],
      ["is refused by its announced length", post(1024 * 1024 + 1), 413],
      ["has no limit with Infinity", post("x".repeat(1_100_000)), 200, undefined, Infinity],
      ["is refused where there may be none", post("x"), 413, undefined, 0],
      ["may be empty where there may be none", post(""), 200, "", 0],
      ["is refused in chunks", chunked, 411],
      ["is refused with GET", withLength("GET"), 400],
      ["is refused with HEAD", withLength("HEAD"), 400],
    ];
    for (const [what, request, status, expected, maxRequestBodySize] of ROWS) {
      it(`${what}: ${status}`, () => {
        let calls = 0;
        const fetch = (request: Request) => (calls++, echoBody(request));
        return withServer({ fetch, maxRequestBodySize }, async (server) => {
          const client = await server.request(request);
          const head = await client.readHead();
          const body = decodeUtf8(await client.readToEnd());
          assertEquals([head.status, calls], [status, status === 200 ? 1 : 0]);
          if (expected !== undefined) assertEquals(body, expected);
          if (maxRequestBodySize === 5 && status === 413) {
            assertMatch(body, /^.* 6 bytes, at most 5 .*\n$/);
          }
          await client.finish();
        });
      });
    }

    it("arrives byte by byte, with the request's headers and URL", () => {
      const fetch = async (request: Request) =>
        new Response(
          `${request.url} ${request.headers.get("x-token")} ${request.method} ` +
            await request.text(),
        );
      return withServer({ fetch }, async (server) => {
        const client = await server.connect();
        for (const character of post("hello", { "X-Token": "abc" })) client.send(character);
        assertEquals((await client.readResponse()).body, "http://example.com/ abc POST hello");
        await client.finish();
      });
    });

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
