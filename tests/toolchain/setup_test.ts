// @once: the tools run on Deno and Node, whatever is tested.

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import process from "node:process";
import { satisfies } from "../../tools/setup.ts";

const WANTED = {
  packages: {
    "": { version: "0.1.0" },
    "node_modules/ws": { version: "8.0.0", integrity: "sha512-a" },
    "node_modules/here": { version: "1.0.0", optional: true, os: [process.platform] },
    "node_modules/elsewhere": { version: "1.0.0", optional: true, os: ["plan9"] },
    "node_modules/@std/assert": { resolved: "tools/std/assert", link: true },
    "tools/std/assert": { version: "1.0.0" },
  },
};

function installed(changes: Record<string, unknown> = {}) {
  const packages = {
    "node_modules/ws": { version: "8.0.0", integrity: "sha512-a" },
    "node_modules/here": { version: "1.0.0", optional: true },
    "node_modules/@std/assert": { resolved: "tools/std/assert", link: true },
    ...changes,
  };
  return JSON.parse(JSON.stringify({ packages }));
}

describe("satisfies()", () => {
  it("accepts an installation without the packages for other platforms", () => {
    assertEquals(satisfies(installed(), WANTED), true);
  });

  it("misses a package", () => {
    assertEquals(satisfies(installed({ "node_modules/ws": undefined }), WANTED), false);
  });

  it("misses an optional package for this platform", () => {
    assertEquals(satisfies(installed({ "node_modules/here": undefined }), WANTED), false);
  });

  it("refuses another version, another archive and another link", () => {
    const ws = { version: "8.0.1", integrity: "sha512-a" };
    assertEquals(satisfies(installed({ "node_modules/ws": ws }), WANTED), false);
    const archive = { version: "8.0.0", integrity: "sha512-b" };
    assertEquals(satisfies(installed({ "node_modules/ws": archive }), WANTED), false);
    const link = { resolved: "elsewhere", link: true };
    assertEquals(satisfies(installed({ "node_modules/@std/assert": link }), WANTED), false);
  });
});
