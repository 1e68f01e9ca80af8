import { describe, it } from "node:test";
import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import type { ConnectOptions } from "../../src/client/options.ts";
import { ConnectError, UnexpectedResponseError } from "../../src/errors.ts";
import { untilAborted } from "../support/hook.ts";
import { textFrame, utf8 } from "../support/raw_client.ts";
import { encodeReferenceFrame } from "../support/reference_frames.ts";
import { settle } from "../support/turn.ts";
import { watch } from "../support/watch.ts";
import { acceptance, ScriptedServer } from "./scripted_server.ts";

const URL = "ws://example.com/chat?room=1";

describe("the request of a client", () => {
  it("is that of RFC 6455, section 4.1", async () => {
    const server = new ScriptedServer();
    const { request: { line, headers }, conn } = await server.open(URL);
    assertEquals(line, "GET /chat?room=1 HTTP/1.1");
    const key = headers.get("sec-websocket-key")!;
    assertEquals(Object.fromEntries(headers), {
      host: "example.com",
      upgrade: "websocket",
      connection: "Upgrade",
      "sec-websocket-key": key,
      "sec-websocket-version": "13",
    });
    assertEquals(atob(key).length, 16);
    assertEquals(conn.request.url, "http://example.com/chat?room=1");
    assertEquals(server.dialled, [{ target: { hostname: "example.com", port: 80 }, tls: [] }]);
    conn.abort();
  });

  it("has a key of its own each time", async () => {
    const server = new ScriptedServer();
    const keys = new Set<string>();
    for (let i = 0; i < 20; i++) {
      const { request, conn } = await server.open(URL);
      keys.add(request.headers.get("sec-websocket-key")!);
      conn.abort();
    }
    assertEquals(keys.size, 20);
  });

  it("offers what the options say", async () => {
    const server = new ScriptedServer();
    const url = "ws://al%20ice:p%C3%A4ss@example.com:8080";
    const options = {
      subprotocols: ["chat.v2", "chat.v1"],
      headers: { Origin: "https://example.org", "X-A": "b" },
      compression: { contextTakeover: true, serverMaxWindowBits: 12, clientMaxWindowBits: 15 },
    };
    const answer = { "Sec-WebSocket-Protocol": "chat.v1" };
    const { request: { line, headers }, conn } = await server.open(url, options, answer);
    assertEquals(line, "GET / HTTP/1.1");
    assertEquals(headers.get("host"), "example.com:8080");
    assertEquals(headers.get("sec-websocket-protocol"), "chat.v2, chat.v1");
    assertEquals(headers.get("origin"), "https://example.org");
    assertEquals(headers.get("x-a"), "b");
    assertEquals(
      headers.get("sec-websocket-extensions"),
      "permessage-deflate; server_max_window_bits=12; client_max_window_bits, " +
        "permessage-deflate; server_no_context_takeover; client_max_window_bits",
    );
    const credentials = atob(headers.get("authorization")!.replace("Basic ", ""));
    const bytes = Uint8Array.from(credentials, (char) => char.charCodeAt(0));
    assertEquals(new TextDecoder().decode(bytes), "al ice:päss");
    assertEquals(conn.protocol, "chat.v1");
    assertEquals(conn.extensions, "");
    conn.abort();
  });

  it("takes Host and Authorization from the headers before the URL", async () => {
    const server = new ScriptedServer();
    const headers = new Headers({ Host: "other.example", Authorization: "Bearer x" });
    const { request, conn } = await server.open("ws://a:b@example.com", { headers });
    assertEquals(request.headers.get("host"), "other.example");
    assertEquals(request.headers.get("authorization"), "Bearer x");
    conn.abort();
  });

  const addresses: [url: string, hostname: string, port: number, host: string, tls: boolean][] = [
    ["ws://example.com", "example.com", 80, "example.com", false],
    ["http://example.com", "example.com", 80, "example.com", false],
    ["wss://example.com", "example.com", 443, "example.com", true],
    ["https://example.com/", "example.com", 443, "example.com", true],
    ["ws://example.com:443", "example.com", 443, "example.com:443", false],
    ["wss://EXAMPLE.com:80/", "example.com", 80, "example.com:80", true],
    ["ws://[::1]:9000/", "::1", 9000, "[::1]:9000", false],
    ["wss://127.0.0.1:9000/", "127.0.0.1", 9000, "127.0.0.1:9000", true],
  ];
  for (const [url, hostname, port, host, isSecure] of addresses) {
    it(`goes to the right place for ${url}`, async () => {
      const server = new ScriptedServer();
      const { request, conn } = await server.open(new globalThis.URL(url));
      assertEquals(request.headers.get("host"), host);
      const tls = isSecure ? [{ hostname, options: {} }] : [];
      assertEquals(server.dialled, [{ target: { hostname, port }, tls }]);
      conn.abort();
    });
  }

  it("goes to a Unix socket", async () => {
    const server = new ScriptedServer();
    const { request, conn } = await server.open("ws://localhost/x", { path: "/run/a.sock" });
    assertEquals([request.line, request.headers.get("host")], ["GET /x HTTP/1.1", "localhost"]);
    assertEquals(server.dialled[0].target, { path: "/run/a.sock" });
    conn.abort();
  });

  it("gives TLS its options", async () => {
    const server = new ScriptedServer();
    const tls = { ca: "pem", serverName: "other.example", rejectUnauthorized: false };
    const { conn } = await server.open("wss://example.com", { tls });
    assertEquals(server.dialled[0].tls, [{ hostname: "example.com", options: tls }]);
    conn.abort();
  });
});

describe("what connect() refuses before it connects", () => {
  const wrong: [what: string, url: string, options: unknown, message: string][] = [
    ["no URL", "example.com", {}, "it must be a URL"],
    ["another scheme", "ftp://example.com", {}, "its scheme must be ws, wss, http or https"],
    ["a fragment", "ws://example.com/#a", {}, "must not have a fragment"],
    ["an empty fragment", "ws://example.com/#", {}, "must not have a fragment"],
    ["a subprotocol that is no token", URL, { subprotocols: ["a b"] }, "must be a token"],
    ["an empty subprotocol", URL, { subprotocols: [""] }, "must be a token"],
    ["a subprotocol twice", URL, { subprotocols: ["a", "a"] }, "twice"],
    ["subprotocols that are no list", URL, { subprotocols: "a" }, "must be an array"],
    ["a header of the handshake", URL, { headers: { Upgrade: "x" } }, "belongs to the handshake"],
    ["a header with a line break", URL, { headers: { "X-A": "b\r\nC: d" } }, "without CR, LF"],
    ["a header name with a line break", URL, { headers: { "X\r\nA": "b" } }, "must be a token"],
    ["a Host with a line break", URL, { headers: { Host: "a\r\nb" } }, "without CR, LF"],
    ["a proxy that is no URL", URL, { proxy: "proxy:x y" }, "Cannot use the proxy"],
    ["a SOCKS proxy", URL, { proxy: "socks5://h:1" }, "its scheme must be http or https"],
    ["a path that is none", URL, { path: "" }, "path must be a non-empty file name"],
    ["a path and a proxy", URL, { path: "/a", proxy: "http://b" }, "must not be given together"],
  ];
  for (const [what, url, options, message] of wrong) {
    it(what, async () => {
      const server = new ScriptedServer();
      const error = await assertRejects(() => server.connect(url, options as ConnectOptions));
      assert(error instanceof TypeError || error instanceof RangeError, String(error));
      assert(error.message.includes(message), error.message);
      assert(!error.message.includes("\r"), "a line break in the message");
      assertEquals(server.dialled, []);
      assertEquals(server.clock.pending, []);
    });
  }

  it("a user with a colon, which would be taken for the beginning of the password", async () => {
    for (const url of ["ws://me%3Ayou:secret@d/", "ws://me%3ayou@d/", "ws://%3A@d/"]) {
      const { connect } = new ScriptedServer();
      const proxy = url.replace("ws", "http");
      for (const attempt of [() => connect(url), () => connect("ws://d/", { proxy })]) {
        const error = await assertRejects(
          attempt,
          TypeError,
          "its user must not have a colon",
        );
        assert(!/me|you|secret/.test(error.message), error.message);
      }
    }
  });

  it("a password in the URL is not in the message", async () => {
    const { connect } = new ScriptedServer();
    const error = await assertRejects(() => connect("ws://me:secret@example.com/#x"), TypeError);
    assert(!error.message.includes("secret"), error.message);
  });

  for (
    const wrong of ["ws://me:secret@exa mple.com/", "ws://me:sec%ret@a:b@c:99999", "//x:secret@a"]
  ) {
    it(`a password in ${wrong} is not in the message, nor as that of a proxy`, async () => {
      const { connect } = new ScriptedServer();
      for (const [url, proxy] of [[wrong, undefined], ["ws://a/", wrong]] as const) {
        const error = await assertRejects(() => connect(url, { proxy }), TypeError);
        assert(!/sec.*ret|a:b/.test(error.message), error.message);
      }
    });
  }
});

describe("the query of a URL", () => {
  const SECRET = "s3cr3t";
  const QUERY = `?token=${SECRET}&to=a@${SECRET}`;

  it("is not in the message of what is no URL of a WebSocket", async () => {
    const { connect } = new ScriptedServer();
    const wrong: [url: string, shown: string][] = [
      [`ws://a/b${QUERY}#c`, "ws://a/b?...:"],
      [`ws://a/b#${SECRET}`, "ws://a/b?...:"],
      [`ftp://me:${SECRET}@a/b${QUERY}`, "ftp://a/b?...:"],
      [`localhost:80/b?token=${SECRET}`, "localhost:80/b?...:"],
      [`localhost:80/b${QUERY}`, "localhost://...:"],
      [`ws://a b/?token=${SECRET}`, '"ws://a b/?...":'],
      [`ws://a b/${QUERY}`, '"ws://...":'],
      [`/b#${SECRET}`, '"/b?...":'],
      [`me:${SECRET}@a b/`, "me://a b/"],
    ];
    for (const [url, shown] of wrong) {
      for (const given of [url, () => url]) {
        const error = await assertRejects(() => connect(given), TypeError, shown);
        assert(!error.message.includes(SECRET), error.message);
      }
      const proxy = url.replace(/^ws:/, "http:").replace("http://a/", "socks://a/");
      const error = await assertRejects(() => connect("ws://a/", { proxy }), TypeError);
      assert(!error.message.includes(SECRET), error.message);
    }
  });

  it("is sent, and not in the message of what fails", async () => {
    const url = `ws://me:${SECRET}@a/b${QUERY}`;
    const answers: [answer: string, message: string][] = [
      ["HTTP/1.1 401 Who?\r\nContent-Length: 0\r\n\r\n", "to ws://a/b?...: the response was 401"],
      [
        `HTTP/1.1 302 Found\r\nLocation: /c${QUERY}#d\r\n\r\n`,
        "ws://a/c?...: a WebSocket URL must",
      ],
      [`HTTP/1.1 302 Found\r\nLocation: ftp://c${QUERY}\r\n\r\n`, "ftp://c/?...: its scheme"],
      [`HTTP/1.1 302 Found\r\nLocation: //[${QUERY}\r\n\r\n`, "it must be a URL"],
    ];
    for (const [answer, message] of answers) {
      const server = new ScriptedServer();
      const { peer, request, connecting } = await server.begin(url, { maxRedirects: 1 });
      assert(request.line.includes(QUERY));
      peer.send(answer);
      const { reason } = await connecting.untilSettled();
      assert((reason as Error).message.includes(message), String(reason));
      assert(!String(reason).includes(SECRET), String(reason));
    }
  });

  it("is not in the message where there is no answer in time", async () => {
    const server = new ScriptedServer();
    const { connecting } = await server.begin(`ws://a/b${QUERY}`, { connectTimeoutMs: 10 });
    await server.clock.advance(10);
    const { reason } = await connecting.untilSettled();
    assertEquals(
      (reason as Error).message,
      "Cannot connect to ws://a/b?...: it took longer than 10 ms",
    );
  });

  it("is not in the message of a proxy that refuses", async () => {
    const server = new ScriptedServer();
    const { peer, connecting } = await server.begin(`ws://a/b${QUERY}`, { proxy: "http://proxy" });
    peer.send("HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n");
    const { reason } = await connecting.untilSettled();
    const message =
      "Cannot connect to ws://a/b?... through the proxy at proxy:80: the response was 403 No";
    assertEquals((reason as Error).message, message);
  });
});

describe("the connection of a client", () => {
  it("masks its frames, each with a key of its own", async () => {
    const server = new ScriptedServer();
    const { peer, conn } = await server.open(URL);
    const keys = new Set<string>();
    for (let i = 0; i < 50; i++) {
      void conn.send("Hello");
      const frame = await peer.readFrame();
      assertEquals(new TextDecoder().decode(frame.payload), "Hello");
      keys.add(String(frame.maskingKey));
    }
    assertEquals(keys.size, 50);
    conn.abort();
  });

  for (const size of [1, 2, 1000]) {
    it(`takes frames behind the response, in pieces of ${size}`, async () => {
      const server = new ScriptedServer();
      const connecting = server.connect(URL);
      const peer = await server.next();
      const request = await peer.readRequest();
      const text = new TextEncoder().encode(acceptance(request));
      const bytes = [...text, ...encodeReferenceFrame({ opcode: 1, payload: utf8("AB") })];
      for (let i = 0; i < bytes.length; i += size) {
        peer.send(Uint8Array.from(bytes.slice(i, i + size)));
      }
      const conn = await connecting;
      const { value } = await conn[Symbol.asyncIterator]().next();
      assertEquals(value, "AB");
      conn.abort();
      assertEquals(server.violations, []);
    });
  }

  it("calls callbacks, with the data given", async () => {
    const server = new ScriptedServer();
    const calls: unknown[] = [];
    const { peer, conn } = await server.open(URL, {
      data: { name: "Ada" },
      open: (conn) => void calls.push(["open", conn.data.name]),
      message: (_conn, data) => void calls.push(["message", data]),
      close: (_conn, { closeCode, wasClean }) => void calls.push(["close", closeCode, wasClean]),
    });
    peer.sendText("A");
    peer.sendClose(1001);
    // "The server [...] closes first" (section 7.1.1): the client waits for it.
    assertEquals(await peer.readClose(), [1001, ""]);
    await settle();
    assert(!peer.hasEnded);
    peer.socket.end();
    assertEquals((await conn.closed).initiator, "remote");
    assertEquals(calls, [["open", "Ada"], ["message", "A"], ["close", 1001, true]]);
  });

  it("fails where the server masks its frames", async () => {
    const server = new ScriptedServer();
    const { peer, conn } = await server.open(URL);
    peer.send(textFrame("A"));
    peer.socket.end();
    assertEquals((await conn.closed).closeCode, 1002);
  });
});

describe("an attempt to connect", () => {
  it("ends after connectTimeoutMs, wherever it stands", async () => {
    for (const at of ["dialling", "connected", "half an answer"]) {
      const server = new ScriptedServer();
      if (at === "dialling") server.dialling = (signal) => untilAborted(signal);
      const connecting = watch(server.connect(URL, { connectTimeoutMs: 500 }));
      if (at !== "dialling") {
        const peer = await server.next();
        await peer.readRequest();
        if (at === "half an answer") peer.send("HTTP/1.1 101 Switching");
      } else await settle();
      await server.clock.advance(499);
      assertEquals(connecting.state, "pending");
      await server.clock.advance(1);
      await connecting.untilSettled();
      assert(connecting.reason instanceof ConnectError);
      assertEquals(connecting.reason.code, "ETIMEDOUT");
      assert(connecting.reason.message.includes("500 ms"), connecting.reason.message);
      await server.checkLeaks();
    }
  });

  it("ends with the reason of its signal, wherever it stands", async () => {
    for (const at of ["before", "dialling", "connected", "half an answer"]) {
      const server = new ScriptedServer();
      const controller = new AbortController();
      const { signal } = controller;
      const reason = new Error("enough");
      if (at === "before") controller.abort(reason);
      if (at === "dialling") server.dialling = (signal) => untilAborted(signal);
      const connecting = watch(server.connect(URL, { signal }));
      if (at === "connected" || at === "half an answer") {
        const peer = await server.next();
        await peer.readRequest();
        if (at === "half an answer") peer.send("HTTP/1.1 101 Switching");
      } else await settle();
      controller.abort(reason);
      assertStrictEquals((await connecting.untilSettled()).reason, reason);
      await server.checkLeaks();
    }
  });

  it("leaves the connection alone once it is open", async () => {
    const server = new ScriptedServer();
    const controller = new AbortController();
    const { conn } = await server.open(URL, { signal: controller.signal, keepAlive: false });
    assertEquals(server.clock.pending, []);
    controller.abort();
    await settle();
    assertEquals(conn.state, "open");
    conn.abort();
  });

  it("rejects with what dialling throws", async () => {
    const server = new ScriptedServer();
    const error = new ConnectError("ECONNREFUSED", "nobody is there");
    server.dialling = () => Promise.reject(error);
    assertStrictEquals(await assertRejects(() => server.connect(URL)), error);
    assertEquals(server.clock.pending, []);
  });

  const losses: [what: string, end: "end" | "reset", sent: string][] = [
    ["the server ends without an answer", "end", ""],
    ["the server resets without an answer", "reset", ""],
    ["the server ends within the answer", "end", "HTTP/1.1 101 Swit"],
    ["the server resets within the answer", "reset", "HTTP/1.1 101 Switching\r\nUpgr"],
  ];
  for (const [what, end, sent] of losses) {
    it(`rejects where ${what}`, async () => {
      const server = new ScriptedServer();
      const { peer, connecting } = await server.begin(URL);
      peer.send(sent);
      peer.socket[end]();
      await connecting.untilSettled();
      assert(connecting.reason instanceof ConnectError, String(connecting.reason));
      assertEquals(connecting.reason.code, "ECONNRESET");
      await server.checkLeaks();
    });
  }

  it("rejects with all that a refusal says", async () => {
    const server = new ScriptedServer();
    const { peer, connecting } = await server.begin(URL);
    peer.send(
      "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer\r\nContent-Length: 7\r\n\r\nWho",
    );
    await settle();
    assertEquals(connecting.state, "pending");
    peer.send(" is?more");
    await connecting.untilSettled();
    const { reason } = connecting;
    assert(reason instanceof UnexpectedResponseError);
    assertEquals(reason.status, 401);
    assertEquals(reason.headers.get("www-authenticate"), "Bearer");
    assertEquals(reason.body.slice(0, 7), "Who is?");
    assert(reason.message.includes("401 Unauthorized"), reason.message);
    await server.checkLeaks();
  });
});
