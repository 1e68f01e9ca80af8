import { describe, it } from "node:test";
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import {
  HandshakeError,
  RequestHead,
  RequestHeadParser,
  toRequest,
  validateUpgrade,
} from "../../src/handshake/mod.ts";
import { Random } from "../codec/support.ts";
import { latin1 } from "../support/raw_client.ts";
import { words } from "../support/words.ts";
import { assertRefused, sampleHead } from "./support.ts";
import { checkRequestParts, type RequestParts } from "../../src/http1/request_parts.ts";
import { RetainedRequest } from "../../src/http1/retained_request.ts";

function requestTo(target: string, host = "example.com", secure = false, method = "GET"): Request {
  return toRequest(new RequestHead(method, target, [["Host", host]]), { secure });
}

describe("toRequest", () => {
  it("shows every header field to user code", () => {
    const names = ["!#$%&'*+-.^_`|~"].concat(words`
      Host Origin Cookie Connection Upgrade Sec-WebSocket-Key Sec-WebSocket-Version
      Sec-WebSocket-Protocol Sec-WebSocket-Extensions Sec-Fetch-Site Content-Length
      Transfer-Encoding Expect Keep-Alive TE Trailer Via Date DNT Referer User-Agent Accept-Charset
      Accept-Encoding Access-Control-Request-Method Proxy-Authorization Authorization Set-Cookie
      __proto__ constructor toString`);
    const fields = names.map((
      name,
    ): [string, string] => [name, name === "Host" ? "a.example" : `v ${name}`]);
    const request = toRequest(new RequestHead("GET", "/", fields), { secure: false });
    for (const [name, value] of fields) assertEquals(request.headers.get(name), value);
    assertEquals([...request.headers].length, names.length);
  });

  it("keeps the order of repeated fields, and joins cookies as cookies", () => {
    const request = toRequest(
      sampleHead({ "Cookie": ["a=1; b=2", "c=3"], "X-A": ["1", "2"], "x-a": "3" }),
      { secure: false },
    );
    assertEquals(request.headers.get("cookie"), "a=1; b=2; c=3");
    assertEquals(request.headers.get("x-a"), "1, 2, 3");
  });

  it("keeps every byte of a value", () => {
    let value = "a\t ";
    for (let code = 0x20; code <= 0xff; code++) {
      if (code !== 0x7f) value += String.fromCharCode(code);
    }
    value += "z";
    const parser = new RequestHeadParser();
    parser.push(latin1(`GET / HTTP/1.1\r\nHost: a\r\nX-A: ${value}\r\nX-B:\r\n\r\n`));
    const { headers } = toRequest(parser.head!, { secure: false });
    assertEquals(headers.get("x-a"), value);
    assertEquals(headers.get("x-b"), "");
  });

  const urls: Array<[target: string, host: string, secure: boolean, url: string]> = [
    ["/", "example.com", false, "http://example.com/"],
    ["/chat?x=1&y", "example.com:8080", false, "http://example.com:8080/chat?x=1&y"],
    ["/", "example.com:80", false, "http://example.com/"],
    ["/", "example.com:443", true, "https://example.com/"],
    ["/", "example.com:443", false, "http://example.com:443/"],
    ["/", "EXAMPLE.com:", true, "https://example.com/"],
    ["/", "127.0.0.1:8080", false, "http://127.0.0.1:8080/"],
    ["/", "255.255.255.255:65535", false, "http://255.255.255.255:65535/"],
    ["/", "example.com:0", false, "http://example.com:0/"],
    ["/", "example.com:00443", true, "https://example.com/"],
    ["/", `${"a.".repeat(127)}a:8080`, false, `http://${"a.".repeat(127)}a:8080/`],
    ["/x", "[::1]:8080", true, "https://[::1]:8080/x"],
    ["/", "[0:0:0:0:0:0:0:1]", false, "http://[::1]/"],
    ["//evil.example/x", "example.com", false, "http://example.com//evil.example/x"],
    ["/\\evil.example", "example.com", false, "http://example.com//evil.example"],
    ["/@evil.example", "example.com", false, "http://example.com/@evil.example"],
    ["/:80", "example.com", false, "http://example.com/:80"],
    ["/%2e%2E/%zz?%", "example.com", false, "http://example.com/%zz?%"],
    ["/a/../../b", "example.com", false, "http://example.com/b"],
    ["/;a=b", "example.com", false, "http://example.com/;a=b"],
    ["/a?/../b", "example.com", false, "http://example.com/a?/../b"],
    ["/?{|}[]`'", "example.com", false, "http://example.com/?{|}[]`%27"],
    ["http://example.com", "example.com", false, "http://example.com/"],
    ["http://EXAMPLE.com:80?x", "example.com", false, "http://example.com/?x"],
    ["https://example.com:444/x", "example.com:444", true, "https://example.com:444/x"],
  ];
  for (const [target, host, secure, url] of urls) {
    it(`makes ${url} of ${target} at ${host}`, () => {
      assertEquals(requestTo(target, host, secure).url, url);
    });
  }

  for (const method of ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"]) {
    it(`carries the method ${method}`, () => {
      const request = requestTo("/", "a", false, method);
      assertEquals(request.method, method);
      assertEquals(request.body, null);
    });
  }

  for (
    const method of words`get Post patch TRACE CONNECT TRACK PROPFIND FOO __proto__ constructor`
  ) {
    it(`refuses the method ${method} with 501`, () => {
      assertRefused(() => requestTo("/", "a", false, method), 501, "method");
    });
  }

  it("refuses a missing Host, and a second one", () => {
    assertRefused(() => toRequest(new RequestHead("GET", "/", []), { secure: false }), 400, "Host");
    for (const method of ["GET", "CONNECT"]) {
      const head = new RequestHead(method, "/", [["Host", "a"], ["host", "a"]]);
      assertRefused(() => toRequest(head, { secure: false }), 400, "Host");
    }
  });

  const badHosts = [
    ...words`
      :80 a/b / a?b a#b a@b user:pass@a a\b a%41 a% a<b a"b a^b a|b
      a:b a:80:80 a:-1 a:+1 a:1e3 a:65536 a:99999999 a:000080
      [ [] [::1 ::1 [::1]x [::1]] [::1]:x [::1%25eth0] [::1%eth0] [v1.a] [1.2.3.4] [::g]
      [1:2:3:4:5:6:7:8:9] [:::] [/] [::1]@a [@]
      127.1 1 0x7f.1 0x7f000001 0x a.0x 2130706433 127.0.0.1. 127.0.0.01 256.0.0.1 1.2.3.4.5 a.1
      1.2.3. 127.0.0.1.a.08`,
    ...["", " ", "a b", "a,b c", "a\tb", "b\xfccher", "\xad", "a\xa0", "a: 80"],
    // Longer than any name of DNS.
    ...["a".repeat(256), `${"a.".repeat(127)}ab`, `xn--${"a".repeat(8000)}`],
    `[${"0".repeat(250)}::1]`,
  ];
  for (const host of badHosts) {
    it(`refuses the Host ${JSON.stringify(host).slice(0, 40)}`, () => {
      assertRefused(() => requestTo("/", host), 400, "Host");
    });
  }

  for (
    const target of [
      "",
      ...words`* a a:80 example.com:80 ?x http:/example.com/ http:example.com /# /a#b
        ftp://example.com/ https://a/ ws://a/ wss://a/ file:///etc/passwd javascript:alert(1)
        http://evil.example/a http://a:81/a http://user:password@a/ http://a@evil.example/
        http://a%2f@evil.example/ # a/b .. a..`,
      "\\",
    ]
  ) {
    it(`refuses the target ${JSON.stringify(target)}`, () => {
      assertRefused(() => requestTo(target), 400, "target");
    });
  }

  it("refuses a head built by hand of what no parser lets pass", () => {
    for (const field of [["a b", "x"], ["", "x"], ["X-A", "a\r\nb"], ["X-A", "\u20ac"]] as const) {
      const head = new RequestHead("GET", "/", [["Host", "a"], field]);
      assertRefused(() => toRequest(head, { secure: false }), 400, "malformed");
    }
  });

  it("gives the host that was sent, or refuses with 400, whatever is sent", () => {
    const random = new Random(11);
    const pick = (size: number) => random.below(size);
    const pieces = [
      ..."aZ0.-_~!$&'()*+,;=:@/\\?#[]%|^`{}\"<> \t",
      ...words`1 256 0x xn-- xn--a :: [::1] 127.0.0.1 .. /../ %2f %00 http:// example.com :80`,
    ];
    const some = (count: number) =>
      Array.from({ length: pick(count) }, () => random.pick(pieces)).join("");
    let accepted = 0;
    for (let round = 0; round < 6000; round++) {
      const host = pick(3) === 0 ? "example.com:81" : some(6);
      const targets = [
        `/${some(6)}`,
        some(6),
        `http://${host}${some(3)}`,
        `http://${some(4)}@${host}/`,
      ];
      const target = targets[pick(4)];
      const secure = pick(4) === 0;
      const head = new RequestHead("GET", target, [
        ...sampleHead({ Host: host, Origin: undefined }).fields,
      ]);
      let request: Request;
      try {
        request = toRequest(head, { secure });
      } catch (error) {
        assert(error instanceof HandshakeError, `${JSON.stringify([host, target])}: ${error}`);
        assertEquals(error.status, 400);
        continue;
      }
      accepted++;
      const url = new URL(request.url);
      const upgrade = validateUpgrade(head, { secure });
      assertEquals(url.host, upgrade.host, JSON.stringify([host, target]));
      assertEquals(url.protocol, secure ? "https:" : "http:");
      assertEquals(url.username + url.password + url.hash, "");
    }
    assert(accepted > 500, `${accepted}`);
  });
});

const PARTS: RequestParts = {
  method: "GET",
  target: "/chat?room=1",
  version: "1.1",
  fields: [["Host", "example.com"], ["X-Octets", "a\xff\t b"], ["x-empty", ""]],
};

/** The bytes of a head, a character each. */
function encode({ method, target, version, fields }: RequestParts): Uint8Array {
  const lines = fields.map(([name, value]) => `${name}: ${value}\r\n`);
  const text = `${method} ${target} HTTP/${version}\r\n${lines.join("")}\r\n`;
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

const REFUSED: [what: string, status: number, parts: Partial<RequestParts>][] = [
  ["HTTP/1.0", 505, { version: "1.0" }],
  ["HTTP/2.0", 505, { version: "2.0" }],
  ["no method", 400, { method: "" }],
  ["a method that is no token", 400, { method: "G(T" }],
  ["no target", 400, { target: "" }],
  ["a space in the target", 400, { target: "/a b" }],
  ["a fragment in the target", 400, { target: "/#a" }],
  ["an octet in the target", 400, { target: "/\xe4" }],
  ["a line feed in the target", 400, { target: "/\n" }],
  ["a field without a name", 400, { fields: [["", "a"]] }],
  ["a name that is no token", 400, { fields: [["X ", "a"]] }],
  ["a carriage return in a value", 400, { fields: [["X", "a\rb"]] }],
  ["a line feed in a value", 400, { fields: [["X", "a\nb"]] }],
  ["a NUL in a value", 400, { fields: [["X", "a\0b"]] }],
  ["DEL in a value", 400, { fields: [["X", "a\x7fb"]] }],
  ["many fields", 431, { fields: Array(5).fill(["X", "a"]) }],
];

describe("checkRequestParts()", () => {
  it("gives the head that the parser gives", () => {
    const parser = new RequestHeadParser();
    parser.push(encode(PARTS));
    const { method, target, fields } = parser.head!;
    const head = checkRequestParts(PARTS, 4);
    assertEquals([head.method, head.target, head.fields], [method, target, fields]);
    assertEquals(head.get("host"), "example.com");
  });

  it("trims values", () => {
    const head = checkRequestParts({ ...PARTS, fields: [["X", " \ta b\t "]] }, 4);
    assertEquals(head.get("x"), "a b");
  });

  for (const [what, status, change] of REFUSED) {
    it(`refuses ${what} with ${status}, as the parser does`, () => {
      const parts = { ...PARTS, ...change };
      for (
        const refuse of [
          () => checkRequestParts(parts, 4),
          () => new RequestHeadParser({ maxFields: 4 }).push(encode(parts)),
        ]
      ) {
        const error = assertThrows(refuse);
        assertInstanceOf(error, HandshakeError);
        assertEquals(error.status, status, error.message);
      }
    });
  }

  it("refuses characters that are no octets", () => {
    for (const change of [{ target: "/\u0100" }, { fields: [["X", "\u0100"]] as const }]) {
      const error = assertThrows(() => checkRequestParts({ ...PARTS, ...change }, 4));
      assertInstanceOf(error, HandshakeError);
      assertEquals(error.status, 400);
    }
  });
});

const FIELDS = [
  ["Host", "example.org:8080"],
  ["X-Empty", ""],
  ["X-Twice", "a: b"],
  ["x-twice", "c\td"],
  ["Cookie", "a=1"],
  ["Cookie", "b=2"],
  ["X-Latin", "caf\xe9"],
] as const;

describe("RetainedRequest", () => {
  for (const secure of [false, true]) {
    it(`gives the same as the head itself would, ${secure ? "with" : "without"} TLS`, () => {
      const head = new RequestHead("GET", "/chat?room=1&x=:", FIELDS);
      const expected = toRequest(head, { secure });
      const retained = new RetainedRequest(head, secure);
      const request = retained.get(toRequest);
      assertEquals([request.method, request.url], [expected.method, expected.url]);
      assertEquals([...request.headers], [...expected.headers]);
      assertStrictEquals(retained.get(toRequest), request);
    });
  }

  it("gives the request that exists already", () => {
    const head = new RequestHead("GET", "/", FIELDS);
    const request = toRequest(head, { secure: false });
    assertStrictEquals(new RetainedRequest(head, false, request).get(toRequest), request);
  });
});
