import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { resolveServeOptions } from "../../src/server/resolve_options.ts";
import { defaultServerSettings, plainSettings } from "../../src/server/settings.ts";
import { FakeClock } from "../../src/testing/fake_clock.ts";

// deno-lint-ignore no-explicit-any
type Given = any;

const message = () => {};
const handler = () => {};

describe("the settings of a server that are found without loading the checks of options", () => {
  const plain: [what: string, options: Given, handler?: () => void][] = [
    ["a callback", { message }],
    ["all callbacks", { open: message, message, ping: message, drain: message, close: message }],
    ["a handler", {}, handler],
    ["a port and a host name", { port: 0, hostname: "::1", message }],
    ["a port and a host name left out", { port: undefined, hostname: undefined }, handler],
  ];
  for (const [what, options, handler] of plain) {
    it(`are those that the checks give for ${what}`, () => {
      const defaults = defaultServerSettings(new FakeClock());
      const found = plainSettings(options, handler, defaults);
      assertEquals(found, resolveServeOptions(options, handler, defaults, options));
      assertEquals(found?.settings.accept.callbacks, handler === undefined ? options : undefined);
    });
  }

  const others: [what: string, options: Given, handler?: unknown][] = [
    ["null", null],
    [
      "an object of a class",
      new (class {
        message() {}
      })(),
    ],
    ["neither handler nor callback", { port: 0 }],
    ["both", { message }, handler],
    ["a handler that is no function", {}, "handler"],
    ["a callback that is no function", { message: "message" }],
    ["an option of another name", { message, maxHandshakes: 1 }],
    ["an unknown name that is left out", { message, mesage: undefined }],
    ["a port out of range", { message, port: 65_536 }],
    ["a text as port", { message, port: "80" }],
    ["an empty host name", { message, hostname: "" }],
  ];
  for (const [what, options, handler] of others) {
    it(`are left to the checks for ${what}`, () => {
      assertEquals(plainSettings(options, handler as Given, defaultServerSettings()), undefined);
    });
  }
});
