import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { closeStatusOf, isReasonless } from "../../src/connection/give_up.ts";
import { ConnectionClosedError, ProtocolError, WebSocketError } from "../../src/server/mod.ts";

const wish = (closeCode?: number, reason?: string) =>
  new WebSocketError("m", { closeCode, reason });
class Kick extends WebSocketError {
  override name = "Kick";
}

function throwBroken(): never {
  throw new Error("broken");
}

const REASONS: [name: string, reason: unknown, status: [code: number, reason: string] | "none"][] =
  [
    ["a WebSocketError with a code and a reason", wish(4001, "é"), [4001, "é"]],
    ["one with a code", wish(1013), [1013, ""]],
    ["one with a code of the standard", wish(1003), [1003, ""]],
    ["one with a reason", wish(undefined, "done"), [1000, "done"]],
    ["one with neither", wish(), "none"],
    ["a class of the program's own", new Kick("", { closeCode: 4001 }), [4001, ""]],
    [
      "that of a browser",
      Object.assign(new DOMException("", "WebSocketError"), { closeCode: 4001, reason: "kicked" }),
      [4001, "kicked"],
    ],
    ["what close() takes", { closeCode: 4001, reason: "kicked" }, [4001, "kicked"]],
    ["the reasons of both branches of a tee", [undefined, wish(4001)], [4001, ""]],
    ["a code that may not be sent", wish(1006), [1011, ""]],
    ["such a code in an object", { closeCode: 1005 }, [1011, ""]],
    ["a code that is none", { closeCode: "4001" }, [1011, ""]],
    ["too long a reason", wish(4001, "x".repeat(124)), [1011, ""]],
    ["what throws where it is looked at", new Proxy({}, { get: throwBroken, has: throwBroken }), [
      1011,
      "",
    ]],
    ["how another connection ended", new ConnectionClosedError("ended", 4001), "none"],
    ["what another peer did wrong", new ProtocolError(1002, "wrong"), "none"],
    ["an error like any other", new Error("secret"), "none"],
    ["a number", 4001, "none"],
    ["a text", "secret", "none"],
    ["null", null, "none"],
  ];

describe("closeStatusOf()", () => {
  for (const [name, reason, expected] of REASONS) {
    it(`reads ${expected} from ${name}`, () => {
      const status = closeStatusOf(reason);
      assertEquals(status === undefined ? "none" : [status.closeCode, status.reason], expected);
    });
  }
});

describe("isReasonless()", () => {
  it("holds for undefined, and for that of each branch", () => {
    for (const reason of [undefined, [undefined, undefined], [undefined, [undefined]]]) {
      assertEquals(isReasonless(reason), true);
    }
    for (const reason of [null, 0, "", [undefined, null]]) {
      assertEquals(isReasonless(reason), false);
    }
  });
});
