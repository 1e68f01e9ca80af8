import { describe, it } from "node:test";
import { assertEquals, assertThrows } from "@std/assert";
import {
  computeAccept,
  isUpgrade,
  RequestHead,
  selectSubprotocol,
  upgradeRequired,
  validateUpgrade,
} from "../../src/handshake/mod.ts";
import { assertRefused, sampleHead } from "../http1/support.ts";
import { KEY } from "../support/requests.ts";
import { words } from "../support/words.ts";
import { createHash, randomBytes } from "node:crypto";

type Changes = Record<string, string | string[] | undefined>;

const UPGRADE_HEADERS = [["Upgrade", "websocket"], ["Sec-WebSocket-Version", "13"]] as const;
/** What is validated comes without TLS, unless a test says otherwise. */
const validate = (head: RequestHead, secure = false) => validateUpgrade(head, { secure });

describe("isUpgrade", () => {
  for (
    const value of [
      ...words`websocket WebSocket WEBSOCKET ,websocket,`,
      ...["h2c, websocket", "websocket , h2c", "HTTP/3.0,\twebsocket", ["h2c", "websocket"]],
    ]
  ) {
    it(`is meant by ${JSON.stringify(value)}`, () => {
      assertEquals(isUpgrade(sampleHead({ Upgrade: value })), true);
    });
  }

  for (
    const value of [
      ...[undefined, "", "web socket"],
      ...words`h2c websockets xwebsocket websocket/13 "websocket" websocket;`,
    ]
  ) {
    it(`is not meant by ${JSON.stringify(value)}`, () => {
      const head = sampleHead({ Upgrade: value });
      assertEquals(isUpgrade(head), false);
      const error = assertRefused(() => validate(head), 426);
      assertEquals(error.headers, upgradeRequired().headers);
    });
  }

  it("does not depend on anything else", () => {
    assertEquals(isUpgrade(new RequestHead("POST", "*", [["uPGRADE", "websocket"]])), true);
  });
});

describe("upgradeRequired", () => {
  it("says what is wanted", () => {
    assertEquals(upgradeRequired().status, 426);
    assertEquals(upgradeRequired().headers, UPGRADE_HEADERS);
  });
});

describe("validateUpgrade", () => {
  it("reads the handshake of RFC 6455, section 1.2", () => {
    assertEquals(validate(sampleHead()), {
      key: KEY,
      version: 13,
      host: "server.example.com",
      origin: "http://server.example.com",
      subprotocols: ["chat", "superchat"],
      extensions: [],
    });
  });

  it("reads a handshake without the optional fields", () => {
    const head = sampleHead({ "Origin": undefined, "Sec-WebSocket-Protocol": undefined });
    assertEquals(validate(head, true), {
      key: KEY,
      version: 13,
      host: "server.example.com",
      origin: undefined,
      subprotocols: [],
      extensions: [],
    });
  });

  const accepted: Array<[what: string, changes: Changes, target?: string]> = [
    ["names in lower case", {
      "Sec-WebSocket-Key": undefined,
      "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }],
    ["names in upper case", { "Host": undefined, "HOST": "server.example.com" }],
    ["options beside Upgrade", { Connection: "keep-alive, Upgrade" }],
    ["options in several fields", { Connection: ["keep-alive", "UPGRADE"] }],
    ["protocols beside websocket", { Upgrade: "h2c, WebSocket" }],
    ["protocols with versions, and odd commas", { Upgrade: ",HTTP/2.0,, \twebsocket ,x/1" }],
    ["websocket twice", { Upgrade: ["websocket", "websocket"] }],
    ["odd commas in Connection", { Connection: ",, Upgrade\t,, upgrade," }],
    ["a body of no length", { "Content-Length": "0" }],
    ["names of properties", { __proto: "x", constructor: "y", toString: "z" }],
    ["a query", {}, "/chat?x=1&y=%20{|}"],
    ["an absolute-form target", {}, "http://server.example.com/chat"],
    [
      "an absolute-form target in upper case with the default port",
      {},
      "HTTP://SERVER.example.com:80/",
    ],
    ["an absolute-form target without a path", {}, "http://server.example.com"],
    ["an absolute-form target with a query only", {}, "http://server.example.com?x"],
    ["the default port in Host", { Host: "server.example.com:80" }],
    ["an empty port in Host", { Host: "server.example.com:" }],
    ["a Host in upper case", { Host: "SERVER.EXAMPLE.COM" }],
  ];
  for (const [what, changes, target = "/chat"] of accepted) {
    it(`accepts ${what}`, () => {
      const upgrade = validate(sampleHead(changes, { target }));
      assertEquals(upgrade.host, "server.example.com");
    });
  }

  it("reads extensions and subprotocols of several fields in order", () => {
    const head = sampleHead({
      "Sec-WebSocket-Extensions": ["a; b=1", "c, d"],
      "Sec-WebSocket-Protocol": ["x", "y, z", "X"],
    });
    const upgrade = validate(head);
    assertEquals(upgrade.extensions.map(({ name }) => name), ["a", "c", "d"]);
    assertEquals(upgrade.extensions[0].parameters, [["b", "1"]]);
    assertEquals(upgrade.subprotocols, ["x", "y", "z", "X"]);
  });

  const VERSION = "Sec-WebSocket-Version";
  const PROTOCOL = "Sec-WebSocket-Protocol";
  const EXTENSIONS = "Sec-WebSocket-Extensions";
  const ORIGIN = "http://server.example.com";
  /** What is no key: not 16 bytes, or not the base64 of them. */
  const noKeys: [what: string, key: string][] = [
    ["an empty key", ""],
    ["a key of 15 bytes", "AAAAAAAAAAAAAAAAAAAA"],
    ["a key of 17 bytes", "AAAAAAAAAAAAAAAAAAAAAAA="],
    ["a key of 18 bytes", "AAAAAAAAAAAAAAAAAAAAAAAA"],
    ["a key without padding", "dGhlIHNhbXBsZSBub25jZQ"],
    ["a key with stray bits", "dGhlIHNhbXBsZSBub25jZR=="],
    ["a key with a space", "dGhlIHNhbXBsZSBub25jZ Q=="],
    ["a key with a space for a character", "dGhlIHNhbXBsZSBu 25jZQ=="],
    ["a key of base64url", "__-_AAAAAAAAAAAAAAAAAA=="],
    ["a key of another alphabet", "dGhlIHNhbXBsZSBub2\xe9jZQ=="],
    ["padding within a key", "dGhlIHNhbXBsZSBub2==ZQ=="],
  ];
  const refused: Array<
    [what: string, changes: Changes, status: number, reason: string, target?: string]
  > = [
    ["no Host", { Host: undefined }, 400, "no Host"],
    ["an empty Host", { Host: "" }, 400, "malformed Host"],
    ["two Hosts", { Host: Array(2).fill("server.example.com") }, 400, "more than one Host"],
    ["a Host with a path", { Host: "server.example.com/x" }, 400, "malformed Host"],
    ["a Host with a user", { Host: "user@server.example.com" }, 400, "malformed Host"],
    ["two names in Host", { Host: "a.example b.example" }, 400, "malformed Host"],
    ["a body", { "Content-Length": "5" }, 400, "no body"],
    ["a length that is not 0 in one form", { "Content-Length": "00" }, 400, "no body"],
    ["a length that is no number", { "Content-Length": "" }, 400, "no body"],
    ["a list of lengths", { "Content-Length": "0, 0" }, 400, "no body"],
    ["a signed length", { "Content-Length": "+0" }, 400, "no body"],
    ["two lengths", { "Content-Length": ["0", "0"] }, 400, "more than one Content-Length"],
    ["a transfer coding", { "Transfer-Encoding": "chunked" }, 400, "no body"],
    ["an unknown transfer coding", { "transfer-encoding": "xchunked" }, 400, "no body"],
    ["an empty transfer coding", { "Transfer-Encoding": "" }, 400, "no body"],
    [
      "a length and a coding",
      { "Transfer-Encoding": "chunked", "Content-Length": "0" },
      400,
      "no body",
    ],
    ["no Upgrade", { Upgrade: undefined }, 426, "only WebSocket upgrades"],
    ["another Upgrade", { Upgrade: "h2c" }, 426, "only WebSocket upgrades"],
    ["a malformed Upgrade", { Upgrade: "websocket, h2 c" }, 400, "malformed Upgrade"],
    ["a quotation mark in Upgrade", { Upgrade: '"a, websocket' }, 400, "malformed Upgrade"],
    ["a protocol of no name", { Upgrade: "websocket, /1" }, 400, "malformed Upgrade"],
    ["a protocol of two versions", { Upgrade: "a/1/2, websocket" }, 400, "malformed Upgrade"],
    ["an Upgrade that is malformed elsewhere", { Upgrade: ["websocket", "@"] }, 400, "malformed"],
    ["no Connection", { Connection: undefined }, 400, "Connection"],
    ["another Connection", { Connection: "keep-alive" }, 400, "Connection"],
    ["a malformed Connection", { Connection: "Upgrade; x" }, 400, "malformed Connection"],
    ["an empty Connection", { Connection: "" }, 400, "malformed Connection"],
    ["a Connection that resembles", { Connection: "upgrades" }, 400, "Connection"],
    ["no version", { "Sec-WebSocket-Version": undefined }, 400, "no Sec-WebSocket-Version"],
    ["two versions", { [VERSION]: ["13", "13"] }, 400, `more than one ${VERSION}`],
    ["an older version", { "Sec-WebSocket-Version": "8" }, 426, "must be 13"],
    ["a list of versions", { "Sec-WebSocket-Version": "13, 8" }, 426, "must be 13"],
    ["a version with a zero", { "Sec-WebSocket-Version": "013" }, 426, "must be 13"],
    ["an empty version", { "Sec-WebSocket-Version": "" }, 426, "must be 13"],
    ["no key", { "Sec-WebSocket-Key": undefined }, 400, "no Sec-WebSocket-Key"],
    ["two keys", { "Sec-WebSocket-Key": [KEY, KEY] }, 400, "more than one Sec-WebSocket-Key"],
    ["two keys of different case", { "sec-websocket-key": KEY }, 400, "more than one"],
    ...noKeys.map(([what, key]): typeof refused[number] => [
      what,
      { "Sec-WebSocket-Key": key },
      400,
      "16 bytes",
    ]),
    ["an empty subprotocol", { [PROTOCOL]: "" }, 400, `malformed ${PROTOCOL}`],
    ["a subprotocol that is no token", { "Sec-WebSocket-Protocol": "chat, a b" }, 400, "malformed"],
    ["a quoted subprotocol", { "Sec-WebSocket-Protocol": '"chat"' }, 400, "malformed"],
    ["a subprotocol twice", { "Sec-WebSocket-Protocol": "chat, x, chat" }, 400, "unique"],
    ["a subprotocol in two fields", { "Sec-WebSocket-Protocol": ["chat", "chat"] }, 400, "unique"],
    ["an empty extension header", { [EXTENSIONS]: "" }, 400, `malformed ${EXTENSIONS}`],
    ["a malformed extension", { "Sec-WebSocket-Extensions": ["a", "b;"] }, 400, "malformed"],
    ["two Origins", { Origin: [ORIGIN, ORIGIN] }, 400, "more than one Origin"],
    ["another origin", { Origin: "http://evil.example" }, 403, "origin"],
    ["an asterisk-form target", {}, 400, "must be a path", "*"],
    ["an authority-form target", {}, 400, "must be a path", "server.example.com:80"],
    ["a target that is no path", {}, 400, "must be a path", "chat"],
    ["a fragment", {}, 400, "fragment", "/chat#x"],
    ["the scheme ws", {}, 400, "must be a path", "ws://server.example.com/chat"],
    ["the scheme of TLS", {}, 400, "must be a path", "https://server.example.com/chat"],
    ["another host in the target", {}, 400, "differ", "http://evil.example/chat"],
    ["another port in the target", {}, 400, "differ", "http://server.example.com:8080/chat"],
    ["no host in the target", {}, 400, "differ", "http:///chat"],
    ["a user in the target", {}, 400, "differ", "http://user@server.example.com/chat"],
    [
      "a host that only begins the same",
      {},
      400,
      "differ",
      "http://server.example.com.evil.example/",
    ],
    ["a backslash after the host", {}, 400, "differ", "http://server.example.com\\@evil.example/"],
  ];
  for (const [what, changes, status, reason, target = "/chat"] of refused) {
    it(`refuses ${what} with ${status}`, () => {
      const head = what === "two keys of different case"
        ? sampleHead({ "Sec-WebSocket-Key": KEY, ...changes })
        : sampleHead(changes, { target });
      const error = assertRefused(() => validate(head), status, reason);
      assertEquals(error.headers, status === 426 ? UPGRADE_HEADERS : []);
    });
  }

  for (const method of ["POST", "HEAD", "get", "CONNECT", "OPTIONS", "__proto__"]) {
    it(`refuses the method ${method} with 405`, () => {
      const error = assertRefused(() => validate(sampleHead({}, { method })), 405);
      assertEquals(error.headers, [["Allow", "GET"]]);
    });
  }

  it("refuses what is malformed as such, whatever the method", () => {
    const post = { method: "POST" };
    for (
      const changes of [
        { Host: undefined },
        { "Content-Length": "5" },
        { "Content-Length": "x" },
        { "Transfer-Encoding": "chunked" },
      ]
    ) {
      assertRefused(() => validate(sampleHead(changes, post)), 400);
    }
  });

  it("accepts every canonical key", () => {
    for (const last of ["A", "Q", "g", "w"]) {
      const key = `+/09azAZAAAAAAAAAAAAA${last}==`;
      assertEquals(validate(sampleHead({ "Sec-WebSocket-Key": key })).key, key);
    }
    for (const last of "BCDEFGHIJKLMNOPRSTUVWXYZabcdefhijklmnopqrstuvxyz0123456789+/") {
      const key = `+/09azAZAAAAAAAAAAAAA${last}==`;
      assertRefused(() => validate(sampleHead({ "Sec-WebSocket-Key": key })), 400);
    }
  });

  it("takes the scheme of the connection for an absolute-form target", () => {
    const changes = { Host: "a:443", Origin: undefined };
    const secure = sampleHead(changes, { target: "https://a/" });
    assertEquals(validate(secure, true).host, "a");
    assertRefused(() => validate(secure), 400);
    const plain = sampleHead(changes, { target: "http://a:443/" });
    assertEquals(validate(plain).host, "a:443");
    assertRefused(() => validate(plain, true), 400);
  });
});

describe("selectSubprotocol", () => {
  it("selects what was offered, and nothing by itself", () => {
    assertEquals(selectSubprotocol("b", ["a", "b"]), "b");
    assertEquals(selectSubprotocol(undefined, ["a", "b"]), undefined);
    assertEquals(selectSubprotocol(undefined, []), undefined);
  });

  it("refuses what was not offered", () => {
    assertThrows(
      () => selectSubprotocol("c", ["a", "b"]),
      TypeError,
      '"c": the client offered a, b',
    );
    assertThrows(() => selectSubprotocol("A", ["a"]), TypeError, '"A"');
    assertThrows(() => selectSubprotocol("a", []), TypeError, "offered none");
  });

  it("refuses what is no token", () => {
    for (const selected of ["", "a b", "a\r\nX: y", "a,b", "caf\xe9", 1, null]) {
      const offered = [selected as string];
      assertThrows(() => selectSubprotocol(selected as string, offered), TypeError, "token");
    }
  });
});

function expected(key: string): string {
  const hash = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`);
  return hash.digest("base64");
}

describe("computeAccept", () => {
  it("computes the example of RFC 6455, section 1.3, and another known one", async () => {
    assertEquals(await computeAccept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assertEquals(await computeAccept("x3JJHMbDL1EzLkh9GBhXDw=="), "HSmrc0sMlYUkAGmm5OPpG2HaGWk=");
  });

  it("agrees with another implementation of SHA-1 and base64", async () => {
    for (let i = 0; i < 50; i++) {
      const key = randomBytes(16).toString("base64");
      assertEquals(await computeAccept(key), expected(key));
    }
  });

  it("computes many at the same time, whatever their length", async () => {
    const lengths = Array.from({ length: 60 }, (_, i) => i);
    const keys = [
      ...lengths.map((length) => "k".repeat(length)),
      ...lengths.map(() => randomBytes(16).toString("base64")),
      "\u00e9".repeat(12),
      "\u00e9".repeat(24),
    ];
    assertEquals(await Promise.all(keys.map(computeAccept)), keys.map(expected));
  });
});
