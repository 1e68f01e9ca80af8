import { describe, it } from "node:test";
import { assertEquals, assertMatch } from "@std/assert";
import { HandshakeError } from "../../src/server/mod.ts";
import { FRAMING_LINES } from "../support/framing_lines.ts";
import { decodeUtf8, type RawClient } from "../support/raw_client.ts";
import { checkRefusal } from "../support/refusals.ts";
import { ACCEPT, httpRequest, type RequestInit, upgradeRequest } from "../support/requests.ts";
import { type Harness, type Setup, TRANSPORTS } from "../support/transports.ts";
import { eventually } from "../support/waiter.ts";

// What a client sends is judged over real sockets, with the defaults.
const { withServer } = TRANSPORTS.find(({ name }) => name === "sockets")!;

/** Answers the URL to plain HTTP, and echoes messages. */
const ECHO: Setup<unknown> = {
  fetch: (request) => new Response(request.url),
  message: (conn, data) => conn.send(data),
};
/** Echoes messages, and serves no plain HTTP. */
const DEFAULTS: Setup<unknown> = { message: (conn, data) => conn.send(data) };

/** Puts lines at the end of a head. */
const withLines = (head: string, lines: string) => `${head.slice(0, -2)}${lines}\r\n\r\n`;

/** What would be done if it were taken for a request of its own. */
const NEXT = `${httpRequest({ target: "/next" })}${upgradeRequest({ target: "/next" })}`;

async function checkEcho(client: RawClient, text: string): Promise<void> {
  client.sendText(text);
  assertEquals(await client.readMessage(), text);
}

/** Has a server judge requests one after another, while an honest client is connected. */
function judgeAll(
  setup: Setup<unknown>,
  requests: Iterable<readonly [bytes: string, status: number]>,
): Promise<void> {
  const urls: string[] = [];
  const spied: Setup<unknown> = {
    ...setup,
    fetch: setup.fetch && ((request, info) => {
      urls.push(request.url);
      return setup.fetch!(request, info);
    }),
    upgrade: (request) => (urls.push(request.url), {}),
  };
  return withServer(spied, async (server) => {
    const honest = await server.open();
    const refused: Record<string, number> = {};
    for (const [bytes, status] of requests) {
      urls.length = 0;
      await judge(server, bytes, status);
      assertEquals(urls, status < 300 ? ["http://example.com/"] : [], JSON.stringify(bytes));
      if (status >= 300) refused[status] = (refused[status] ?? 0) + 1;
    }
    await checkEcho(honest, "still there");
    await eventually("the ends", () => server.server.stats().handshakes === 0);
    assertEquals(server.server.stats().refused, refused);
  });
}

/** Sends a request, and what must not be taken for another; checks the one answer. */
async function judge(server: Harness, bytes: string, status: number): Promise<void> {
  const client = await server.request(status === 101 ? bytes : `${bytes}hello${NEXT}`);
  if (status === 101) {
    const { headers, ...head } = await client.readHead();
    assertEquals([head.status, headers.get("sec-websocket-accept")], [101, ACCEPT]);
    await checkEcho(client, "hello");
    client.socket.reset();
    return;
  }
  // Its length is checked: there is nothing behind it.
  const response = await client.readResponse();
  assertEquals(response.status, status, `${JSON.stringify(bytes)}: ${response.body}`);
  if (status >= 300) checkRefusal(response, status);
  client.send(NEXT);
  await client.finish();
}

describe("a request with lines that say where it ends", () => {
  it("for a WebSocket", () =>
    judgeAll(
      DEFAULTS,
      FRAMING_LINES.map(([lines, status]) => [withLines(upgradeRequest(), lines), status]),
    ));

  const post = httpRequest({ method: "POST" });

  it("for plain HTTP", () =>
    judgeAll(
      ECHO,
      FRAMING_LINES.map(([lines, , status]) => [withLines(post, lines), status]),
    ));

  it("for plain HTTP that is not served", () => {
    const unserved = (status: number) => [200, 413].includes(status) ? 426 : status;
    return judgeAll(
      DEFAULTS,
      FRAMING_LINES.map(([lines, , status]) => [withLines(post, lines), unserved(status)]),
    );
  });

  it("that was served as a WebSocket, has frames behind it, and no request", () => {
    const urls: string[] = [];
    return withServer({ upgrade: ({ url }) => (urls.push(url), {}) }, async (server) => {
      const client = await server.request(upgradeRequest(), NEXT);
      assertEquals((await client.readHead()).status, 101);
      // "G": a frame with reserved bits and an unknown opcode.
      assertEquals((await client.readClose())[0], 1002);
      assertEquals(urls, ["http://example.com/"]);
    });
  });
});

/** How programs that speak another protocol begin; more of them: `http1/request_head_parser_test.ts`. */
const OTHERS: readonly (readonly [name: string, bytes: string, status: number])[] = [
  ["HTTP/0.9", "GET /\r\n", 400],
  ["HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", 505],
  ["HTTP/2 with prior knowledge", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", 505],
  ["HTTP/2 by upgrade", httpRequest({ headers: { Upgrade: "h2c", Connection: "Upgrade" } }), 426],
  ["TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400],
  ["SMTP", "EHLO client.example\r\n", 400],
  ["bytes", "\0\x01\x02\x03", 400],
  ["nothing but line ends", "\r\n\r\n", 400],
  ["frames", "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", 400],
];

describe("what is no HTTP/1.1", () => {
  for (const [name, bytes, status] of OTHERS) {
    it(`${name}: ${status}`, () => judgeAll(DEFAULTS, [[bytes, status], [bytes, status]]));
  }
});

/** Request targets, and the URL that the program sees, or the status; more: `http1/request_test.ts`. */
const TARGETS: readonly (readonly [target: string, outcome: string | number, method?: string])[] = [
  ["/", "http://example.com/"],
  ["/chat?room=1&room=2", "http://example.com/chat?room=1&room=2"],
  ["//evil.example/chat", "http://example.com//evil.example/chat"],
  ["/a/../b/./c", "http://example.com/b/c"],
  ["/..%2fa%5c..%00", "http://example.com/..%2fa%5c..%00"],
  ["HTTP://EXAMPLE.com:80?a", "http://example.com/?a"],
  ["http://evil.example/a", 400],
  ["http://user:password@example.com/a", 400],
  ["/a#b", 400],
  ["*", 400, "OPTIONS"],
  ["example.com:80", 400, "CONNECT"],
  ["/\xe9", 400],
  ["", 400],
];

describe("a request target", () => {
  for (const [target, outcome, method = "GET"] of TARGETS) {
    it(`${method} ${JSON.stringify(target)}: ${outcome}`, () => {
      const urls: string[] = [];
      const upgrade = ({ url }: Request) => (urls.push(url), {});
      return withServer({ upgrade }, async (server) => {
        const init = { target, method };
        if (typeof outcome === "number") await judge(server, upgradeRequest(init), outcome);
        else await server.open(init);
        assertEquals(urls, typeof outcome === "number" ? [] : [outcome]);
      });
    });
  }
});

describe("names of properties of objects", () => {
  const NAMES = ["__proto__", "constructor", "hasOwnProperty", "toString", "prototype"];

  it("are names like others: of fields, cookies, parameters and subprotocols", () => {
    const seen: unknown[] = [];
    const setup: Setup<unknown> = {
      upgrade(request, { subprotocols }) {
        const { searchParams } = new URL(request.url);
        seen.push(
          NAMES.map((name) => request.headers.get(name)),
          NAMES.map((name) => searchParams.get(name)),
          request.headers.get("cookie"),
          subprotocols,
        );
        return { protocol: "__proto__", headers: new Map(NAMES.map((name) => [name, "x"])) };
      },
    };
    return withServer(setup, async (server) => {
      const init: RequestInit = {
        target: `/?${NAMES.map((name) => `${name}=1`).join("&")}`,
        // A literal `__proto__` would be no property.
        headers: Object.fromEntries([
          ...NAMES.map((name) => [name, `v ${name}`]),
          ["Cookie", NAMES.map((name) => `${name}=2`).join("; ")],
          ["Sec-WebSocket-Protocol", NAMES.join(", ")],
          ["Sec-WebSocket-Extensions", NAMES.map((name) => `${name}; ${name}=${name}`).join()],
        ]),
      };
      const client = await server.request(upgradeRequest(init));
      const { status, headers } = await client.readHead();
      assertEquals([status, headers.get("sec-websocket-protocol")], [101, "__proto__"]);
      for (const name of NAMES) assertEquals(headers.get(name.toLowerCase()), "x");
      assertEquals(seen, [
        NAMES.map((name) => `v ${name}`),
        NAMES.map(() => "1"),
        NAMES.map((name) => `${name}=2`).join("; "),
        NAMES,
      ]);
      assertEquals(Object.keys(Object.prototype), []);
    });
  });
});

/** Bytes that would be a head of their own, or a field of its own. */
const SPLITS = [
  "\r\nX-Split: 1",
  "\nX-Split: 1",
  "\rX-Split: 1",
  "\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
];

/** A Response that says what none can be made to say. */
function forge(properties: Record<string, unknown>): Response {
  const response = new Response("text");
  for (const [name, value] of Object.entries(properties)) {
    Object.defineProperty(response, name, { value });
  }
  return response;
}

describe("values of the program that would split a response", () => {
  const HOOKS: [name: string, create: (split: string) => unknown][] = [
    ["the value of a header", (split) => ({ headers: { "X-A": `a${split}` } })],
    ["the name of a header", (split) => ({ headers: { [`X-A: a${split}`]: "b" } })],
    ["the value of a cookie", (split) => ({ headers: [["Set-Cookie", `a=b${split}`]] })],
    ["the subprotocol", (split) => ({ protocol: `chat${split}` })],
    ["the status text", (split) => forge({ statusText: `OK${split}` })],
    ["a header of a Response", (split) => forge({ headers: new Map([["X-A", `a${split}`]]) })],
    ["a header's name", (split) => forge({ headers: new Map([[`X-A: a${split}`, "b"]]) })],
    ["the status", (split) => forge({ status: `200 OK${split}` })],
    ["a header of an error", (split) => {
      throw new HandshakeError(403, "No", [["X-A", `a${split}`]]);
    }],
  ];
  for (const [name, create] of HOOKS) {
    it(`${name}: 500, and a report`, async () => {
      for (const split of SPLITS) {
        const hook = () => create(split) as never;
        await withServer({ upgrade: hook, fetch: hook }, async (server) => {
          for (const request of [upgradeRequest(), httpRequest()]) {
            const client = await server.request(request);
            const { status, headers, body } = await client.readResponse();
            assertEquals([status, body], [500, "Internal server error\n"]);
            assertEquals([headers.has("x-split"), headers.has("x-a")], [false, false]);
            assertEquals(server.takeErrors().length, 1);
            await client.finish();
          }
        });
      }
    });
  }

  it("the reason of an error is a line of the body", async () => {
    for (const split of SPLITS) {
      const upgrade = () => {
        throw new HandshakeError(403, `No${split}`);
      };
      await withServer({ upgrade }, async (server) => {
        const { status, headers, body } = await server.fetch(upgradeRequest());
        assertEquals([status, headers.has("x-split")], [403, false]);
        assertMatch(body, /^No [ -~]+\n$/);
      });
    }
  });

  it("a Response, or an error, of no status for an answer: 500, and a report", async () => {
    const hooks: (() => Response)[] = [
      () => Response.error(),
      () => forge({ status: 101 }),
      () => forge({ status: 99 }),
      () => forge({ status: 600 }),
      () => forge({ status: NaN }),
      () => {
        throw new HandshakeError(200, "No");
      },
    ];
    for (const hook of hooks) {
      await withServer({ upgrade: hook, fetch: hook }, async (server) => {
        for (const [i, request] of [upgradeRequest(), httpRequest()].entries()) {
          const client = await server.request(request);
          assertEquals((await client.readResponse()).status, 500);
          assertEquals(server.takeErrors().length, 1);
          await client.finish();
          await eventually("the end", () => server.server.stats().handshakes === 0);
          assertEquals(server.server.stats().refused, { 500: i + 1 });
        }
      });
    }
  });

  it("several cookies have a line each", async () => {
    const headers = new Headers([["Set-Cookie", "a=1, b"], ["Set-Cookie", "c=2; Path=/"]]);
    const hooks: (() => unknown)[] = [
      () => ({ headers }),
      () => ({ headers: [...headers] }),
      () => new Response("text", { headers }),
    ];
    for (const hook of hooks) {
      await withServer({ upgrade: hook as () => object }, async (server) => {
        const client = await server.request(upgradeRequest());
        await client.until("a head", () => client.unreadSize > 100);
        const head = decodeUtf8(await client.readBytes(client.unreadSize));
        assertMatch(head, /\r\nset-cookie: a=1, b\r\n(.*\r\n)*set-cookie: c=2; Path=\/\r\n/i);
      });
    }
  });
});
