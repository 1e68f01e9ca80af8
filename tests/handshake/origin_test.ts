import { describe, it } from "node:test";
import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import {
  type OriginPolicy,
  type RequestHead,
  validateOriginPolicy,
  validateUpgrade,
} from "../../src/handshake/mod.ts";
import { assertRefused, sampleHead } from "../http1/support.ts";
import { words } from "../support/words.ts";

function check(
  origin: string | undefined,
  { host = "example.com", secure = false, policy }: {
    host?: string;
    secure?: boolean;
    policy?: OriginPolicy;
  } = {},
): string | undefined {
  const head = sampleHead({ Host: host, Origin: origin });
  return validateUpgrade(head, policy === undefined ? { secure } : { secure, origin: policy })
    .origin;
}

describe('the origin policy "same"', () => {
  const accepted: Array<[origin: string, host: string, secure: boolean]> = [
    ["http://example.com", "example.com", false],
    ["https://example.com", "example.com", true],
    ["http://example.com:80", "example.com", false],
    ["http://example.com", "example.com:80", false],
    ["https://example.com", "example.com:443", true],
    ["https://example.com:443", "example.com", true],
    ["http://example.com:443", "example.com:443", false],
    ["http://localhost:8080", "localhost:8080", false],
    ["http://EXAMPLE.com", "example.COM", false],
    ["HTTP://example.com", "example.com", false],
    ["http://127.0.0.1:8080", "127.0.0.1:8080", false],
    ["http://[::1]:8080", "[::1]:8080", false],
    ["https://[::1]", "[::1]:443", true],
    ["http://[2001:db8::1]", "[2001:DB8:0:0:0:0:0:1]:80", false],
    ["http://[0:0::1]:8080", "[::0:1]:8080", false],
    ["http://[::ffff:127.0.0.1]", "[::FFFF:7f00:1]", false],
    ["http://xn--bcher-kva.example", "xn--bcher-kva.example", false],
    ["http://XN--BCHER-KVA.example", "xn--bcher-kva.EXAMPLE", false],
    ["http://example.com.", "example.com.", false],
  ];
  for (const [origin, host, secure] of accepted) {
    it(`accepts ${origin} at ${host}${secure ? " with TLS" : ""}`, () => {
      assertEquals(check(origin, { host, secure }), origin);
      assertEquals(check(origin, { host, secure, policy: "same" }), origin);
    });
  }

  const refused: Array<[origin: string, host: string, secure: boolean]> = [
    ["null", "example.com", false],
    ["", "example.com", false],
    ["null", "null", false],
    ["NULL", "example.com", false],
    ["null, http://example.com", "example.com", false],
    ["undefined", "undefined", false],
    ["http://", "example.com", false],
    ["//example.com", "example.com", false],
    ["http://example.com\\@evil.example", "example.com", false],
    ["http://example.com%2eevil.example", "example.com", false],
    ["http://example.com:0080", "example.com:8080", false],
    ["http://example.com:65616", "example.com", false],
    ["https://example.com", "example.com", false],
    ["http://example.com", "example.com", true],
    ["http://example.com:8080", "example.com", false],
    ["http://example.com", "example.com:8080", false],
    ["http://example.com:443", "example.com", false],
    ["https://example.com:80", "example.com", true],
    ["http://evil.example", "example.com", false],
    ["http://example.com.evil.example", "example.com", false],
    ["http://evilexample.com", "example.com", false],
    ["http://example.com.", "example.com", false],
    ["http://sub.example.com", "example.com", false],
    // An IP address is an origin like any other (CVE-2025-30360).
    ["http://127.0.0.1", "localhost", false],
    ["http://127.0.0.1:8081", "127.0.0.1:8080", false],
    ["http://192.168.1.1", "127.0.0.1", false],
    ["http://127.0.0.1", "example.com", false],
    ["http://10.0.0.1:8080", "example.com:8080", false],
    ["http://8.8.8.8", "example.com", false],
    ["http://[::1]", "example.com", false],
    ["http://[fe80::1]", "example.com", false],
    ["http://example.com", "127.0.0.1", false],
    ["http://127.0.0.1", "0.0.0.0", false],
    ["http://localhost:8080", "127.0.0.1:8080", false],
    ["http://localhost:8080", "[::1]:8080", false],
    ["http://[::ffff:127.0.0.1]", "127.0.0.1", false],
    ["http://2130706433", "127.0.0.1", false],
    ["http://0x7f.0.0.1", "127.0.0.1", false],
    ["http://0177.0.0.1", "127.0.0.1", false],
    ["http://127.0.0.1.", "127.0.0.1", false],
    ["http://127.0.0.1.example.com", "127.0.0.1", false],
    ["http://127.0.0.1:80@evil.example", "127.0.0.1", false],
    ["http://[::1%25eth0]", "[::1]", false],
    ["http://b\xfccher.example", "xn--bcher-kva.example", false],
    ["http://b%C3%BCcher.example", "xn--bcher-kva.example", false],
    ["http://[::1]", "127.0.0.1", false],
    ["http://[::1]", "[::2]", false],
    ["http://[::1", "[::1]", false],
    ["http://127.1", "127.0.0.1", false],
    ["http://example.com/", "example.com", false],
    ["http://example.com/path", "example.com", false],
    ["http://example.com http://evil.example", "example.com", false],
    ["http://user@example.com", "example.com", false],
    ["http:example.com", "example.com", false],
    ["http:/example.com", "example.com", false],
    ["http:///example.com", "example.com", false],
    ["example.com", "example.com", false],
    ["ws://example.com", "example.com", false],
    ["file://", "example.com", false],
    ["chrome-extension://example.com", "example.com", false],
  ];
  for (const [origin, host, secure] of refused) {
    it(`refuses ${JSON.stringify(origin)} at ${host}${secure ? " with TLS" : ""}`, () => {
      assertRefused(() => check(origin, { host, secure }), 403, "origin");
    });
  }
});

describe("the origin policies", () => {
  it("let pass what has no Origin header", () => {
    for (
      const policy of ["same", "any", [], ["https://a.example"], () => false] as OriginPolicy[]
    ) {
      assertEquals(check(undefined, { policy }), undefined);
    }
  });

  it("refuse two Origin headers", () => {
    for (const policy of ["same", "any", ["http://a.example"], () => true] as OriginPolicy[]) {
      const head = sampleHead({ Origin: ["http://a.example", "http://a.example"] });
      assertRefused(() => validateUpgrade(head, { secure: false, origin: policy }), 400);
    }
  });

  it('"any" accepts every origin', () => {
    for (const origin of ["http://evil.example", "null", "", "x y", "\xff"]) {
      assertEquals(check(origin, { policy: "any" }), origin);
    }
  });

  it("a list accepts its origins exactly", () => {
    const policy = ["https://app.example", "chrome-extension://abcdef"];
    assertEquals(check("https://app.example", { policy }), "https://app.example");
    assertEquals(check("chrome-extension://abcdef", { policy }), "chrome-extension://abcdef");
    for (
      const origin of [
        "",
        ...words`https://APP.example https://app.example:443 https://app.example/ http://app.example
          https://app.example.evil.example http://example.com null
          https://app.example,chrome-extension://abcdef`,
      ]
    ) {
      assertRefused(() => check(origin, { policy }), 403);
    }
    assertRefused(() => check("http://example.com", { policy: [] }), 403);
  });

  it("a function decides, and sees the request", () => {
    const seen: Array<[string, RequestHead]> = [];
    const policy = (origin: string, head: RequestHead) => {
      seen.push([origin, head]);
      return origin.endsWith(".example");
    };
    const head = sampleHead({ Origin: "https://a.example", Cookie: "x" });
    assertEquals(
      validateUpgrade(head, { secure: true, origin: policy }).origin,
      "https://a.example",
    );
    assertEquals(seen.length, 1);
    assertEquals(seen[0][0], "https://a.example");
    assertStrictEquals(seen[0][1], head);
    assertRefused(() => check("https://a.example.com", { policy }), 403);
  });

  it("a function that returns no boolean allows nothing", () => {
    for (const result of [undefined, 1, "yes"]) {
      const policy = (() => result) as unknown as OriginPolicy;
      assertThrows(() => check("http://example.com", { policy }), TypeError, "boolean");
    }
  });

  it("a function that returns a promise allows nothing, also where that rejects", () => {
    for (const result of [() => Promise.resolve(true), () => Promise.reject(new Error("late"))]) {
      const policy = result as unknown as OriginPolicy;
      assertThrows(
        () => check("http://example.com", { policy }),
        TypeError,
        "must return synchronously",
      );
    }
  });

  it("an error of the function is the application's own", () => {
    const policy = () => {
      throw new RangeError("mine");
    };
    assertThrows(() => check("http://example.com", { policy }), RangeError, "mine");
  });

  it("are asked last: a malformed request never reaches the function", () => {
    const policy = () => {
      throw new Error("reached");
    };
    const head = sampleHead({ "Sec-WebSocket-Key": "x" });
    assertRefused(() => validateUpgrade(head, { secure: false, origin: policy }), 400);
  });
});

describe("validateOriginPolicy", () => {
  it("accepts what can be an origin", () => {
    const policies: OriginPolicy[] = [
      "same",
      "any",
      [],
      () => true,
      words`https://example.com http://localhost:8080 http://127.0.0.1 https://[::1]:8443
        https://xn--bcher-kva.example https://example.com. http://a_b.example
        chrome-extension://abcdefghijklmnop moz-extension://1b2c3d4e-0000-4000-8000-000000000000
        capacitor://localhost file://`,
    ];
    for (const policy of policies) validateOriginPolicy(policy);
  });

  const refused: Array<[entry: unknown, hint: string]> = [
    ["https://EXAMPLE.com", 'sends it as "https://example.com"'],
    ["HTTPS://example.com", 'sends it as "https://example.com"'],
    ["https://example.com:443", 'sends it as "https://example.com"'],
    ["http://example.com:80", 'sends it as "http://example.com"'],
    ["http://example.com:", 'sends it as "http://example.com"'],
    ["http://example.com:08080", 'sends it as "http://example.com:8080"'],
    ["http://[0:0:0:0:0:0:0:1]", 'sends it as "http://[::1]"'],
    ["https://example.com/", "it must be like"],
    ["https://example.com/path", "it must be like"],
    ["https://*.example.com", "it must be like"],
    ["*", "it must be like"],
    ["example.com", "it must be like"],
    ["wss://example.com", "it must be like"],
    ["ws://example.com", "it must be like"],
    ["https://", "it must be like"],
    ["https://user@example.com", "it must be like"],
    ["https://example.com:99999", "it must be like"],
    ["https://127.1", "it must be like"],
    ["https://b\xfccher.example", "it must be like"],
    ["://example.com", "it must be like"],
    ["null", "it must be like"],
    ["", "it must be like"],
    [" https://example.com", "it must be like"],
    [undefined, "it must be like"],
    [1, "it must be like"],
    [/example/, "it must be like"],
  ];
  for (const [entry, hint] of refused) {
    it(`refuses the entry ${String(entry)}`, () => {
      const policy = ["https://good.example", entry as string];
      const error = assertThrows(() => validateOriginPolicy(policy), TypeError, hint);
      assertEquals((error as Error).message.includes(`${JSON.stringify(entry)}`), true);
      assertEquals((error as Error).message.includes("good"), false);
    });
  }

  it("refuses what is no policy", () => {
    for (
      const policy of ["SAME", "", "https://example.com", null, undefined, 1, true, {}, new Set()]
    ) {
      assertThrows(() => validateOriginPolicy(policy as OriginPolicy), TypeError, "origin must be");
    }
  });
});
