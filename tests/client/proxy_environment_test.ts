import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import process from "node:process";
import { connect } from "../../src/runtimes/shared/client.ts";
import { serve } from "../../mod.ts";
import { MemoryNetwork } from "../../src/testing/mod.ts";
import { matchesNoProxy } from "../../src/client/no_proxy.ts";
import { settle } from "../support/turn.ts";
import { watch } from "../support/watch.ts";
import { ScriptedServer } from "./scripted_server.ts";

/** Tells what is dialled for a URL. */
async function dialled(
  url: string,
  environment: Record<string, string>,
  proxy: Parameters<typeof connect>[1] = { proxy: "environment" },
): Promise<string> {
  const server = new ScriptedServer();
  server.environment = environment;
  const controller = new AbortController();
  const connecting = watch(server.connect(url, { ...proxy, signal: controller.signal }));
  await settle();
  controller.abort();
  const { reason } = await connecting.untilSettled();
  if (reason instanceof TypeError) return reason.message;
  const [{ target, tls }] = server.dialled;
  assert("port" in target);
  return `${tls.length > 0 ? "tls " : ""}${target.hostname}:${target.port}`;
}

const WS = "ws://example.com/";
const WSS = "wss://example.com/";

describe("a proxy of the environment", () => {
  const CASES: [what: string, url: string, environment: Record<string, string>, to: string][] = [
    ["is none without variables", WS, {}, "example.com:80"],
    ["is http_proxy for ws:", WS, { http_proxy: "http://p:1", https_proxy: "http://q:2" }, "p:1"],
    [
      "is https_proxy for wss:",
      WSS,
      { http_proxy: "http://p:1", https_proxy: "http://q:2" },
      "q:2",
    ],
    ["is HTTP_PROXY", WS, { HTTP_PROXY: "http://p:1" }, "p:1"],
    ["is HTTPS_PROXY", WSS, { HTTPS_PROXY: "http://p:1" }, "p:1"],
    ["is in lower case first", WS, { HTTP_PROXY: "http://p:1", http_proxy: "http://q:2" }, "q:2"],
    ["may be for all", WS, { ALL_PROXY: "http://p:1" }, "p:1"],
    ["may be for all, in lower case", WSS, { all_proxy: "http://p:1" }, "p:1"],
    [
      "is rather that of the scheme",
      WSS,
      { all_proxy: "http://p:1", HTTPS_PROXY: "http://q:2" },
      "q:2",
    ],
    ["is none where it is empty", WS, { http_proxy: "", HTTP_PROXY: "" }, "example.com:80"],
    ["may lack a scheme", WS, { http_proxy: "p:1" }, "p:1"],
    ["may have a user", WS, { http_proxy: "http://me:pw@p:1" }, "p:1"],
    ["may be https:", WS, { http_proxy: "https://p" }, "tls p:443"],
    [
      "is none for what NO_PROXY names",
      WS,
      { http_proxy: "p:1", NO_PROXY: "a,example.com" },
      "example.com:80",
    ],
    ["is one for the others", WS, { http_proxy: "p:1", no_proxy: "a", NO_PROXY: "*" }, "p:1"],
    [
      "is no header of a client's",
      WS,
      { HTTP_PROXY: "p:1", REQUEST_METHOD: "GET" },
      "example.com:80",
    ],
    ["is http_proxy for CGI too", WS, { http_proxy: "p:1", REQUEST_METHOD: "GET" }, "p:1"],
    ["is HTTPS_PROXY for CGI too", WSS, { HTTPS_PROXY: "p:1", REQUEST_METHOD: "GET" }, "p:1"],
  ];
  for (const [what, url, environment, to] of CASES) {
    it(what, async () => assertEquals(await dialled(url, environment), to));
  }

  for (const [what, value] of [["SOCKS", "socks5://p:1"], ["no URL", "http://[:1"]]) {
    it(`is refused where it is ${what}, not passed over`, async () => {
      const message = await dialled(WS, { http_proxy: value });
      assert(message.startsWith("Cannot use the proxy"), message);
    });
  }

  it("is left alone where nobody asks for it", async () => {
    const environment = { http_proxy: "http://p:1", ALL_PROXY: "http://p:1" };
    assertEquals(await dialled(WS, environment, {}), "example.com:80");
    assertEquals(await dialled(WS, environment, { proxy: "http://q:2" }), "q:2");
  });

  it("has TLS options of its own", async () => {
    const server = new ScriptedServer();
    server.environment = { https_proxy: "https://p" };
    const proxy = { url: "environment", tls: { ca: "proxy" } };
    const { peer, connecting } = await server.begin(WSS, { proxy, tls: { cert: "c", key: "k" } });
    assertEquals(server.dialled[0].tls, [{ hostname: "p", options: { ca: "proxy" } }]);
    peer.socket.reset();
    await connecting.untilSettled();
  });

  it("is found anew behind a redirect", async () => {
    const server = new ScriptedServer();
    server.environment = { http_proxy: "p:1", no_proxy: "example.com" };
    const { peer, connecting } = await server.begin(WS, { proxy: "environment", maxRedirects: 1 });
    peer.send("HTTP/1.1 302 Found\r\nLocation: ws://other.example/\r\n\r\n");
    const next = await server.next();
    assertEquals((await next.readRequest()).line, "CONNECT other.example:80 HTTP/1.1");
    next.socket.reset();
    await connecting.untilSettled();
  });

  it("is read from that of the process", async () => {
    const server = await serve({ hostname: "127.0.0.1", port: 0, message() {} });
    const before = process.env.http_proxy;
    try {
      // A WebSocket server makes no tunnel.
      process.env.http_proxy = `http://127.0.0.1:${server.port}`;
      const { reason } = await watch(connect("ws://example.invalid/", { proxy: "environment" }))
        .untilSettled();
      assertEquals((reason as { status?: number }).status, 426);
    } finally {
      if (before === undefined) delete process.env.http_proxy;
      else process.env.http_proxy = before;
      await server.shutdown();
    }
  });

  it("is none in memory", async () => {
    const network = new MemoryNetwork();
    await network.serve({ port: 80, message: (conn, data) => conn.send(data) });
    (await network.connect(WS, { proxy: "environment" })).abort();
  });

  for (const proxy of [{ url: "http://p", tsl: {} }, { url: 1 }, {}, "", null, 7]) {
    it(`is no proxy by ${JSON.stringify(proxy)}`, async () => {
      const { reason } = await watch(new ScriptedServer().connect(WS, { proxy: proxy as string }))
        .untilSettled();
      assert(reason instanceof TypeError, String(reason));
    });
  }
});

describe("matchesNoProxy()", () => {
  const CASES: [list: string, hostname: string, port: number, expected: boolean][] = [
    ["", "example.com", 80, false],
    [" , ", "example.com", 80, false],
    ["*", "example.com", 80, true],
    ["example.com", "example.com", 80, true],
    ["EXAMPLE.com", "Example.COM.", 80, true],
    ["example.com", "a.b.example.com", 80, true],
    [".example.com", "a.example.com", 80, true],
    [".example.com", "example.com", 80, true],
    ["*.example.com", "a.example.com", 80, true],
    ["example.com", "badexample.com", 80, false],
    ["a.example.com", "example.com", 80, false],
    ["b, example.com", "example.com", 80, true],
    ["b example.com", "example.com", 80, true],
    ["example.com:81", "example.com", 80, false],
    ["example.com:81", "a.example.com", 81, true],
    ["127.0.0.1", "127.0.0.1", 80, true],
    ["0.0.1", "127.0.0.1", 80, false],
    ["127.0.0.1:9", "127.0.0.1", 80, false],
    ["10.0.0.0/8", "10.1.2.3", 80, true],
    ["10.0.0.0/8", "11.1.2.3", 80, false],
    ["10.0.0.0/8", "10.example.com", 80, false],
    ["10.0.0.0/33", "10.0.0.0", 80, false],
    ["10.0.0.0/x", "10.0.0.0", 80, false],
    ["10.0.0.0/", "10.0.0.0", 80, false],
    ["0.0.0.0/0", "8.8.8.8", 80, true],
    ["::1", "::1", 80, true],
    ["[::1]", "::1", 80, true],
    ["[::1]:80", "::1", 80, true],
    ["[::1]:81", "::1", 80, false],
    ["0:0:0:0:0:0:0:1", "::1", 80, true],
    ["fd00::/8", "fd12:3456::1", 80, true],
    ["fd00::/8", "fe80::1", 80, false],
    ["fd00::/8", "10.0.0.1", 80, false],
    ["10.0.0.0/8", "fd00::1", 80, false],
    ["[::1", "::2", 80, false],
    ["/", "example.com", 80, false],
    [":80", "example.com", 80, false],
  ];
  for (const [list, hostname, port, expected] of CASES) {
    it(`${expected ? "excepts" : "does not except"} ${hostname}:${port} by "${list}"`, () => {
      assertEquals(matchesNoProxy(list, { hostname, port }), expected);
    });
  }
});
