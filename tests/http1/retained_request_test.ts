import { describe, it } from "node:test";
import { assertEquals, assertStrictEquals } from "@std/assert";
import { RetainedRequest } from "../../src/http1/retained_request.ts";
import { toRequest } from "../../src/http1/request.ts";
import { RequestHead } from "../../src/http1/request_head.ts";

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
