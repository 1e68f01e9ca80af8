import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import type { ConnectOptions } from "../../src/client/options.ts";
import { ConnectError, UnexpectedResponseError } from "../../src/errors.ts";
import { ACCEPT } from "../support/requests.ts";
import { settle } from "../support/turn.ts";
import { watch } from "../support/watch.ts";
import {
  acceptance,
  type Fields,
  type ReceivedRequest,
  type ScriptedPeer,
  ScriptedServer,
} from "./scripted_server.ts";

const URL = "ws://example.com/";
const OFFERS: ConnectOptions = { subprotocols: ["a", "b"], compression: true };

/** Connects to a server that answers so, and gives what becomes of it. */
async function connectTo(
  answer: (request: ReceivedRequest) => string,
  options: ConnectOptions = {},
) {
  const server = new ScriptedServer();
  const { peer, request, connecting } = await server.begin(URL, options);
  peer.send(answer(request));
  return { server, peer, connecting };
}

describe("a client refuses an answer", () => {
  const AGREED = { "Sec-WebSocket-Protocol": "a" };
  const EXTENSIONS = "Sec-WebSocket-Extensions";
  const DEFLATE = "permessage-deflate";
  const wrong: [what: string, changes: Fields, message: string, offers?: boolean][] = [
    ["without Upgrade", { Upgrade: undefined }, "the Upgrade header"],
    ["to upgrade to another protocol", { Upgrade: "h2c" }, "the Upgrade header"],
    ["with a list in Upgrade", { Upgrade: "websocket, h2c" }, "the Upgrade header"],
    ["with two Upgrade headers", { Upgrade: ["websocket", "websocket"] }, "more than one Upgrade"],
    ["without Connection", { Connection: undefined }, "the Connection header"],
    ["with another Connection", { Connection: "keep-alive" }, "the Connection header"],
    ["with a Connection that only contains the word", { Connection: "upgraded" }, "Connection"],
    ["without Sec-WebSocket-Accept", { "Sec-WebSocket-Accept": undefined }, "match the key"],
    ["with the Accept of another key", { "Sec-WebSocket-Accept": ACCEPT }, "match the key"],
    ["with an empty Accept", { "Sec-WebSocket-Accept": "" }, "match the key"],
    [
      "with two Accepts",
      { "Sec-WebSocket-Accept": [ACCEPT, "x"] },
      "more than one Sec-WebSocket-Accept",
    ],
    ["that selects what was not offered", { "Sec-WebSocket-Protocol": "c" }, '"c" was not', true],
    ["that selects in another case", { "Sec-WebSocket-Protocol": "A" }, '"A" was not', true],
    ["that selects two", { "Sec-WebSocket-Protocol": "a, b" }, "was not offered", true],
    ["that selects two in two fields", { "Sec-WebSocket-Protocol": ["a", "b"] }, "more than", true],
    ["that selects none of those offered", {}, "none of the subprotocols a, b", true],
    ["that selects where nothing was offered", AGREED, "was not offered"],
    ["with an extension not offered", { [EXTENSIONS]: DEFLATE }, `${DEFLATE} was not offered`],
    ...([
      ["with another extension", "x-mux", "x-mux was not offered"],
      ["with an extension twice", `${DEFLATE}, ${DEFLATE}`, "more than once"],
      ["with malformed extensions", `${DEFLATE}; =`, `malformed ${EXTENSIONS}`],
      ["with a parameter that does not exist", `${DEFLATE}; x`, "unknown or malformed"],
      ["without the takeover that was declined", DEFLATE, "no server_no_context_takeover"],
    ] as const).map(([what, extensions, message]): typeof wrong[number] => [
      what,
      { ...AGREED, [EXTENSIONS]: extensions },
      message,
      true,
    ]),
  ];
  for (const [what, changes, message, offers] of wrong) {
    it(what, async () => {
      const { server, connecting } = await connectTo(
        (request) => acceptance(request, changes),
        offers ? OFFERS : {},
      );
      const { reason } = await connecting.untilSettled();
      assert(reason instanceof UnexpectedResponseError, String(reason));
      assert(reason.message.includes(message), reason.message);
      assertEquals(reason.status, 101);
      await server.checkLeaks();
    });
  }

  const noHttp: [what: string, answer: string, message: string][] = [
    ["of SSH", "SSH-2.0-OpenSSH_9.2\r\n", "it begins with the byte 0x53"],
    ["of HTTP/2", "HTTP/2 101\r\n\r\n", "it is not HTTP/1"],
    ["with a header folded", "HTTP/1.1 101 x\r\nA: b\r\n c\r\n\r\n", "begins with whitespace"],
    ["with 101 headers", `HTTP/1.1 101 x\r\n${"A: b\r\n".repeat(101)}\r\n`, "100 header lines"],
    ["too long", `HTTP/1.1 101 x\r\n${`A: ${"b".repeat(1000)}\r\n`.repeat(17)}`, "16384 bytes"],
  ];
  for (const [what, answer, message] of noHttp) {
    it(what, async () => {
      const { server, connecting } = await connectTo(() => answer);
      const { reason } = await connecting.untilSettled();
      assert(reason instanceof UnexpectedResponseError, String(reason));
      assert(reason.message.includes(message), reason.message);
      assertEquals(reason.status, 0);
      await server.checkLeaks();
    });
  }

  it("of HTTP/1.0", async () => {
    const { connecting } = await connectTo((request) =>
      acceptance(request, {}, "HTTP/1.0 101 Switching Protocols")
    );
    const { reason } = await connecting.untilSettled();
    assert(String(reason).includes("its HTTP version must be 1.1"), String(reason));
  });
});

const EARLY_HINTS = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";

describe("a client accepts an answer", () => {
  const right: [what: string, changes: Fields, statusLine?: string, before?: string][] = [
    ["in other cases", { Upgrade: "WebSocket", Connection: "UPGRADE" }],
    ["with more in Connection", { Connection: "keep-alive,\tUpgrade" }],
    ["with two Connections", { Connection: ["x", "upgrade"] }],
    ["without a reason phrase", {}, "HTTP/1.1 101 "],
    ["without the space before it", {}, "HTTP/1.1 101"],
    ["with a Content-Length of 0", { "Content-Length": "0" }],
    // "Any response with a 1xx [...] is always terminated by the first empty line" (RFC 9112, 6.3)
    ["with a Content-Length", { "Content-Length": "5" }],
    ["with a coding", { "Transfer-Encoding": "chunked" }],
    ["with other headers", { "Set-Cookie": ["a=b", "c=\xe9"] }],
    ["behind interim responses", {}, undefined, `HTTP/1.1 100 Continue\r\n\r\n${EARLY_HINTS}`],
  ];
  for (const [what, changes, statusLine, before = ""] of right) {
    it(what, async () => {
      const { connecting } = await connectTo((request) =>
        before + acceptance(request, changes, statusLine)
      );
      const { value, reason } = await connecting.untilSettled();
      assertEquals(reason, undefined);
      assertEquals(value!.state, "open");
      value!.abort();
    });
  }

  it("that selects a subprotocol and compression", async () => {
    const extensions = "permessage-deflate; server_no_context_takeover; client_max_window_bits=10";
    const { connecting } = await connectTo(
      (request) =>
        acceptance(request, {
          "Sec-WebSocket-Protocol": "b",
          "Sec-WebSocket-Extensions": extensions,
        }),
      OFFERS,
    );
    const { value } = await connecting.untilSettled();
    assertEquals(value!.protocol, "b");
    assertEquals(value!.extensions, extensions);
    value!.abort();
  });

  it("and takes what follows for frames, whatever it says of a body", async () => {
    for (const changes of [{ "Content-Length": "4" }, { "Transfer-Encoding": "chunked" }]) {
      const { connecting } = await connectTo((request) =>
        `${acceptance(request, changes)}\x81\x02Hi`
      );
      const { value } = await connecting.untilSettled();
      for await (const message of value!) {
        assertEquals(message, "Hi");
        break;
      }
      value!.abort();
    }
  });

  it("of more fields, and longer lines, than usual, where the options say so", async () => {
    const fields: Record<string, string> = { "X-Long": "x".repeat(10_000) };
    for (let i = 0; i < 150; i++) fields[`X-${i}`] = "";
    const limits = { maxHeadFields: 200, maxHeadLineSize: 20_000 };
    for (const given of [limits, { ...limits, maxHeadFields: Infinity }]) {
      const { connecting } = await connectTo((request) => acceptance(request, fields), given);
      const { value, reason } = await connecting.untilSettled();
      assertEquals(reason, undefined);
      value!.abort();
    }
    const tooFew: [Partial<typeof limits>, string][] = [
      [{ maxHeadLineSize: 20_000 }, "100 header lines"],
      [{ maxHeadFields: 200 }, "8192 bytes"],
    ];
    for (const [given, message] of tooFew) {
      const { connecting } = await connectTo((request) => acceptance(request, fields), given);
      const { reason } = await connecting.untilSettled();
      assert(String(reason).includes(message), String(reason));
    }
  });

  it("but not behind more than 8 interim responses", async () => {
    const { connecting } = await connectTo(() => "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(9));
    const { reason } = await connecting.untilSettled();
    assert(String(reason).includes("more than 8 interim responses"), String(reason));
  });
});

describe("the body of a refusal", () => {
  const HEAD = "HTTP/1.1 503 Busy\r\n";
  const bodies: [what: string, answer: string, end: boolean, body: string][] = [
    ["is as long as Content-Length says", `${HEAD}Content-Length: 3\r\n\r\nabc`, false, "abc"],
    ["ends with the connection", `${HEAD}\r\nabc`, true, "abc"],
    ["may be empty", `${HEAD}Content-Length: 0\r\n\r\n`, false, ""],
    ["is not expected with 204", "HTTP/1.1 204 No Content\r\n\r\n", false, ""],
    [
      "is put together from chunks",
      `${HEAD}Transfer-Encoding: chunked\r\n\r\n2;x=y\r\n\xc3\xa4\r\n1\r\nb\r\n0\r\n\r\n`,
      false,
      "äb",
    ],
    [
      "may be a part of its chunks",
      `${HEAD}Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n5\r\nc`,
      true,
      "abc",
    ],
    ["is cut where it is long", `${HEAD}\r\n${"x".repeat(20_000)}`, false, "x".repeat(16_384)],
  ];
  for (const [what, answer, ends, body] of bodies) {
    it(what, async () => {
      const { server, peer, connecting } = await connectTo(() => answer);
      if (ends) peer.socket.end();
      const { reason } = await connecting.untilSettled();
      assert(reason instanceof UnexpectedResponseError, String(reason));
      assertEquals(reason.body, body);
      await server.checkLeaks();
    });
  }

  it("is waited for by a second", async () => {
    const { server, connecting } = await connectTo(() => `${HEAD}\r\nab`);
    await server.clock.advance(999);
    assertEquals(connecting.state, "pending");
    await server.clock.advance(1);
    const { reason } = await connecting.untilSettled();
    assertEquals((reason as UnexpectedResponseError).body, "ab");
  });

  const exact: [what: string, head: string, body: string, expected: string][] = [
    ["ends where its length says", "401 No\r\nContent-Length: 3", "no!HTTP/1.1 200 OK", "no!"],
    ["is none of a 304", "304 Not Modified", "what?", ""],
    ["is none of a 204", "204 No Content\r\nContent-Length: 2", "no", ""],
  ];
  for (const [what, head, body, expected] of exact) {
    it(what, async () => {
      const { connecting } = await connectTo(() => `HTTP/1.1 ${head}\r\n\r\n${body}`);
      const { reason } = await connecting.untilSettled();
      assertEquals((reason as UnexpectedResponseError).body, expected);
    });
  }

  it("is given up with the reason of the signal", async () => {
    const controller = new AbortController();
    const { connecting } = await connectTo(() => `${HEAD}\r\nab`, { signal: controller.signal });
    await settle();
    const reason = new Error("enough");
    controller.abort(reason);
    assertEquals((await connecting.untilSettled()).reason, reason);
  });

  it("is given up at the end of the time, with what there is", async () => {
    const { server, connecting } = await connectTo(() => `${HEAD}\r\nab`, {
      connectTimeoutMs: 500,
    });
    await server.clock.advance(500);
    const { reason } = await connecting.untilSettled();
    assertEquals((reason as UnexpectedResponseError).body, "ab");
    assertEquals(server.clock.pending, []);
  });
});

describe("a redirect", () => {
  const moved = (location: string, status = 302) =>
    `HTTP/1.1 ${status} Moved\r\nLocation: ${location}\r\nContent-Length: 0\r\n\r\n`;

  it("is an error by default, with its Location", async () => {
    const { connecting } = await connectTo(() => moved("/x"));
    const { reason } = await connecting.untilSettled();
    assert(reason instanceof UnexpectedResponseError);
    assertEquals(reason.status, 302);
    assertEquals(reason.headers.get("location"), "/x");
  });

  /** Has a client redirected to each of these, and agrees to the last request; gives all requests. */
  async function follow(
    server: ScriptedServer,
    url: string,
    options: ConnectOptions,
    locations: string[],
  ): Promise<ReceivedRequest[]> {
    const connecting = server.connect(url, { maxRedirects: 3, ...options });
    const requests: ReceivedRequest[] = [];
    for (const location of locations) {
      const peer = await server.next();
      requests.push(await peer.readRequest());
      peer.send(moved(location));
    }
    requests.push(await (await server.next()).accept());
    (await connecting).abort();
    return requests;
  }

  it("is followed as often as the option says, with a key of its own", async () => {
    const server = new ScriptedServer();
    const connecting = watch(server.connect(URL, { maxRedirects: 3 }));
    const lines: string[] = [];
    const keys = new Set<string>();
    for (const location of ["/a?b", "ws://example.com:81/c", "http://other.example", "/last"]) {
      const peer = await server.next();
      const { line, headers } = await peer.readRequest();
      lines.push(`${line} ${headers.get("host")}`);
      keys.add(headers.get("sec-websocket-key")!);
      peer.send(moved(location, [301, 303, 307, 308][lines.length - 1]));
      await settle();
    }
    const { reason } = await connecting.untilSettled();
    assertEquals((reason as UnexpectedResponseError).headers.get("location"), "/last");
    assertEquals(keys.size, 4);
    assertEquals(lines, [
      "GET / HTTP/1.1 example.com",
      "GET /a?b HTTP/1.1 example.com",
      "GET /c HTTP/1.1 example.com:81",
      "GET / HTTP/1.1 other.example",
    ]);
    await server.checkLeaks();
  });

  const REDIRECTED = ["/same", "ws://other.example/", "ws://example.com/back"];
  const KEPT: [
    what: string,
    url: string,
    options: ConnectOptions,
    field: string,
    seen: unknown[],
  ][] = [
    [
      "the user of the URL",
      "ws://me:pw@example.com/",
      {},
      "authorization",
      [`Basic ${btoa("me:pw")}`, `Basic ${btoa("me:pw")}`, undefined, `Basic ${btoa("me:pw")}`],
    ],
    [
      "cookies",
      "ws://me:pw@example.com/",
      { headers: { Cookie: "a=b", "X-A": "c" } },
      "cookie",
      ["a=b", "a=b", undefined, "a=b"],
    ],
    [
      "a Host of the program's own",
      URL,
      { headers: { Host: "inner.example" } },
      "host",
      ["inner.example", "inner.example", "other.example", "inner.example"],
    ],
  ];
  for (const [what, url, options, field, seen] of KEPT) {
    it(`takes ${what} along to the same origin only`, async () => {
      const requests = await follow(new ScriptedServer(), url, options, REDIRECTED);
      assertEquals(requests.map(({ headers }) => headers.get(field)), seen);
    });
  }

  it("takes other headers along to any origin", async () => {
    const options = { headers: { Cookie: "a=b", "X-A": "c" } };
    const requests = await follow(new ScriptedServer(), URL, options, REDIRECTED);
    assertEquals(requests.map(({ headers }) => headers.get("x-a")), ["c", "c", "c", "c"]);
  });

  it("takes the client's certificate and the server's name along to the same origin only", async () => {
    const server = new ScriptedServer();
    const tls = { serverName: "inner.example", ca: "ca", cert: "c", key: "k" };
    await follow(server, "wss://example.com/", { tls }, ["/same", "wss://other.example/"]);
    assertEquals(server.dialled.flatMap(({ tls }) => tls), [
      { hostname: "example.com", options: tls },
      { hostname: "example.com", options: tls },
      { hostname: "other.example", options: { ca: "ca" } },
    ]);
  });

  const refused: [what: string, location: string, message: string][] = [
    ["to two places", "/a\r\nLocation: /b", "more than one Location"],
    ["from wss: to ws:", "ws://example.com/", "from wss: to ws:"],
    ["to another scheme", "ftp://example.com/", "its scheme must be"],
    ["to no URL", "//[", "it must be a URL"],
    ["to a fragment", "/#a", "must not have a fragment"],
  ];
  for (const [what, location, message] of refused) {
    it(`is not followed ${what}`, async () => {
      const server = new ScriptedServer();
      const { peer, connecting } = await server.begin("wss://example.com/", { maxRedirects: 9 });
      peer.send(moved(location));
      const { reason } = await connecting.untilSettled();
      assert(reason instanceof UnexpectedResponseError, String(reason));
      assert(reason.message.includes(message), reason.message);
      await server.checkLeaks();
    });
  }
});

describe("a client that is answered before its request has been taken", () => {
  /** Connects to a server that reads the request but for its last byte, and agrees. */
  async function connectEarly(url: string, proxy: string | undefined, answer: string) {
    const server = new ScriptedServer();
    // Nothing is taken until the test does it.
    server.takesAtOnce = 0;
    const connecting = watch(server.connect(url, proxy === undefined ? {} : { proxy }));
    const peer = await server.next();
    await settle();
    const size = peer.channel.outgoingSize - 1;
    peer.channel.take(size);
    const text = new TextDecoder().decode(await peer.readBytes(size));
    const [, key = ""] = /Sec-WebSocket-Key: (\S+)/i.exec(text) ?? [];
    peer.send(
      answer || acceptance({ line: "", headers: new Map([["sec-websocket-key", key]]), text }),
    );
    await settle();
    return { server, peer, connecting };
  }

  it("is given the connection when it has been", async () => {
    const { server, peer, connecting } = await connectEarly(URL, undefined, "");
    assertEquals(connecting.state, "pending");
    peer.socket.resume();
    await connecting.untilSettled();
    const conn = connecting.value!;
    await conn.send("a");
    assertEquals(server.violations, []);
    conn.abort();
  });

  it("is not given it where the connection is lost before that", async () => {
    const { peer, connecting } = await connectEarly(URL, undefined, "");
    peer.socket.reset();
    await connecting.untilSettled();
    assert(connecting.reason instanceof ConnectError);
  });

  it("goes on through the tunnel of a proxy when it has been", async () => {
    const { server, peer, connecting } = await connectEarly(
      URL,
      "http://proxy.example",
      "HTTP/1.1 200 OK\r\n\r\n",
    );
    assertEquals(peer.channel.outgoingSize, 1);
    peer.socket.resume();
    await peer.readBytes(1);
    await peer.accept();
    await connecting.untilSettled();
    assertEquals([connecting.state, server.violations], ["resolved", []]);
    connecting.value!.abort();
  });
});

describe("a proxy", () => {
  for (
    const [what, leave] of [
      ["ends", (peer) => peer.socket.end()],
      ["is lost", (peer) => peer.socket.reset()],
      ["sends what is no HTTP", (peer) => peer.send("what?\r\n\r\n")],
    ] as [string, (peer: ScriptedPeer) => void][]
  ) {
    it(`is named with its address where it ${what} before its answer`, async () => {
      const server = new ScriptedServer();
      const { peer, connecting } = await server.begin(URL, { proxy: "http://proxy.example:3128" });
      leave(peer);
      const { reason } = await connecting.untilSettled();
      const { message } = reason as Error;
      assert(message.includes("through the proxy at proxy.example:3128: "), message);
    });
  }

  it("is asked for a tunnel, with the user in its URL", async () => {
    const server = new ScriptedServer();
    const connecting = server.connect("ws://[::1]/chat", {
      proxy: "http://me:pw@proxy.example:3128",
    });
    const peer = await server.next();
    const { line, headers } = await peer.readRequest();
    assertEquals(line, "CONNECT [::1]:80 HTTP/1.1");
    assertEquals(headers.get("host"), "[::1]:80");
    assertEquals(headers.get("proxy-authorization"), `Basic ${btoa("me:pw")}`);
    peer.send("HTTP/1.1 200 Connection established\r\n\r\n");
    const request = await peer.accept();
    assertEquals(request.line, "GET /chat HTTP/1.1");
    assertEquals(request.headers.get("host"), "[::1]");
    assert(!request.headers.has("proxy-authorization"));
    assertEquals(server.dialled, [{ target: { hostname: "proxy.example", port: 3128 }, tls: [] }]);
    const conn = await connecting;
    assertEquals(conn.state, "open");
    conn.abort();
    assertEquals(server.violations, []);
  });

  it("carries TLS within TLS, each with its own name", async () => {
    const server = new ScriptedServer();
    const tls = { serverName: "inner.example", ca: "pem", cert: "cert", key: "key" };
    const proxyTls = { ca: "proxy", serverName: "outer.example" };
    const { peer, connecting } = await server.begin("wss://example.com", {
      proxy: { url: "https://proxy.example", tls: proxyTls },
      tls,
    });
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    await peer.accept();
    (await connecting.promise).abort();
    assertEquals(server.dialled, [{
      target: { hostname: "proxy.example", port: 443 },
      tls: [
        { hostname: "proxy.example", options: proxyTls },
        { hostname: "example.com", options: tls },
      ],
    }]);
  });

  for (const proxy of ["https://proxy.example", { url: "https://proxy.example" }]) {
    it(`gets none of the TLS options that are for the server: ${typeof proxy}`, async () => {
      const server = new ScriptedServer();
      const tls = { ca: "pem", cert: "cert", key: "key", rejectUnauthorized: false };
      const { peer, connecting } = await server.begin(URL, { proxy, tls });
      peer.send("HTTP/1.1 200 OK\r\n\r\n");
      await peer.accept();
      (await connecting.promise).abort();
      assertEquals(server.dialled[0].tls, [{ hostname: "proxy.example", options: {} }]);
    });
  }

  it("may refuse", async () => {
    const server = new ScriptedServer();
    const { peer, connecting } = await server.begin(URL, { proxy: "http://proxy.example" });
    peer.send("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 3\r\n\r\nno!");
    const { reason } = await connecting.untilSettled();
    assert(reason instanceof UnexpectedResponseError);
    assertEquals(reason.status, 407);
    assertEquals(reason.body, "no!");
    assert(reason.message.includes("through the proxy"), reason.message);
    await server.checkLeaks();
  });

  it("must not speak before the server", async () => {
    const server = new ScriptedServer();
    const { peer, connecting } = await server.begin(URL, { proxy: "http://proxy.example" });
    peer.send("HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 101");
    const { reason } = await connecting.untilSettled();
    assert(String(reason).includes("sent bytes behind it"), String(reason));
    await server.checkLeaks();
  });

  it("may be lost", async () => {
    const server = new ScriptedServer();
    const { peer, connecting } = await server.begin("wss://example.com", {
      proxy: "http://p.example",
    });
    peer.socket.reset();
    const { reason } = await connecting.untilSettled();
    assert(reason instanceof ConnectError, String(reason));
    assertEquals(reason.code, "ECONNRESET");
  });
});
