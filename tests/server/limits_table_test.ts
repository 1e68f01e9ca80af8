import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { accept, type AcceptStreamOptions, WebSocketError } from "../../mod.ts";
import { StreamSocket } from "../support/stream_socket.ts";
import { watch } from "../support/watch.ts";
import { LIMITS, optionsWith } from "./limits_table.ts";
import { OPTION_GROUPS } from "../support/option_groups.ts";

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
const SOURCES = [
  "src/server/options.ts",
  "src/server/memory_budget.ts",
  "src/server/resume_options.ts",
  "src/connection/options.ts",
  "src/protocol/message_receiver.ts",
  "src/topics/presence/options.ts",
].map(read).join("");
const MAX_DURATION_MS = 2 ** 31 - 1;

/** The number that a cell says, such as `Infinity`, 16 MiB, or 20,000 each. */
function parseSize(cell: string): number {
  const [, number, unit] = /^ `?([\d,]+|Infinity)`?(?: (MiB|each))? *$/.exec(cell) ?? [];
  return Number(number?.replaceAll(",", "")) * (unit === "MiB" ? 1024 * 1024 : 1);
}

/** The numbers of the table in the README, by the names of the options. */
function readTable(): Record<string, number> {
  const [, section] = read("README.md").split("\n## Limits\n");
  const table: Record<string, number> = {};
  for (const line of section.split("\n## ")[0].split("\n").slice(1)) {
    const [, names, value] = line.split("|");
    if (value === undefined || !names.includes("`")) continue;
    let group = "";
    for (const [, name] of names.matchAll(/`([^`]+)`/g)) {
      // `.timeoutMs`, behind `keepAlive.intervalMs`, is of the same object.
      if (!name.startsWith(".")) group = name.split(".")[0];
      table[name.startsWith(".") ? group + name : name] = parseSize(value);
    }
  }
  return table;
}

/** The declaration of an interface, and where it starts. */
function findInterface(name: string): { text: string; start: number } {
  const start = SOURCES.search(new RegExp(`export interface ${name}\\b`));
  return { text: SOURCES.slice(start, SOURCES.indexOf("\n}\n", start)), start };
}

/** The doc comment of an option, and that of the interface it is in, in one line. */
function docsOf(path: string): string {
  const [first, second] = path.split(".");
  const interfaces = second === undefined
    ? ["AcceptOptions", "HostOptions", "ConnectionOptions"]
    : [OPTION_GROUPS[first]];
  for (const name of interfaces) {
    const about = findInterface(name);
    // What it extends has the others.
    const [, base] = /^export interface \w+ extends (\w+) /.exec(about.text) ?? [];
    for (const { text, start } of base === undefined ? [about] : [about, findInterface(base)]) {
      const property = text.search(new RegExp(`\n  ${second ?? first}\\??:`));
      if (property === -1) continue;
      const docs = [about.start, start + property].map((offset) =>
        SOURCES.slice(SOURCES.lastIndexOf("/**", offset), offset)
      );
      return docs.join(" ").replaceAll(/\n +\*/g, "").replaceAll(/\s+/g, " ");
    }
  }
  throw new Error(`${path} is no option`);
}

describe("every limit", () => {
  it("is in the README, with its default, and every one of the README is tested here", () => {
    assertEquals(
      readTable(),
      Object.fromEntries(LIMITS.map((limit) => [limit.name, limit.default])),
    );
  });
});

for (const limit of LIMITS) {
  const { name, unit, other, isExclusive = false, isServers = false } = limit;
  const isDuration = unit === "ms";
  const min = limit.min ?? (isDuration ? 1 : 0);

  describe(`the limit ${name}`, () => {
    it("is documented with its unit, range and default", () => {
      const docs = docsOf(name);
      assertStringIncludes(docs, `@default {${limit.default}}`);
      assertMatch(docs, /`Infinity`/);
      if (unit === "bytes") assertMatch(docs, /bytes/);
      if (isDuration) {
        assertStringIncludes(docs, "in milliseconds: an integer from 1 to 2,147,483,647");
      } else assertStringIncludes(docs, `${min} or more`);
    });

    const check = async (setup: ReturnType<typeof optionsWith>, value: number) => {
      assertEquals(await limit.isWithin(setup, value - 1), true, `${value - 1} of ${value}`);
      assertEquals(await limit.isWithin(setup, value), !isExclusive, `${value} of ${value}`);
      assertEquals(await limit.isWithin(setup, value + 1), false, `${value + 1} of ${value}`);
    };

    it(`holds one below, at and one above ${other}`, () => check(optionsWith(name, other), other));

    if (limit.default === Infinity) {
      it("is none by default", async () => {
        assertEquals(await limit.isWithin({}, 300), true);
      });
    } else {
      it(`holds one below, at and one above ${limit.default}, by default`, () =>
        check({}, limit.default));
    }

    it("is none with Infinity", async () => {
      const amount = limit.default === Infinity ? 300 : limit.default + 1;
      assertEquals(await limit.isWithin(optionsWith(name, Infinity), amount), true);
    });

    const bad = [min - 1, min + 0.5, NaN, -1, -Infinity, 2 ** 53, "1", null, true, {}, 1n];
    if (isDuration) bad.push(MAX_DURATION_MS + 1);

    // With serve(): options_test.ts.
    if (isServers) return;

    it("is no other value with accept()", async () => {
      for (const value of bad) {
        const { server } = new StreamSocket();
        const options = optionsWith(name, value) as AcceptStreamOptions;
        const ErrorClass = typeof value === "number" ? RangeError : TypeError;
        await assertRejects(() => accept(server, options), ErrorClass, `${name} must be `);
        assertEquals([server.readable.locked, server.writable.locked], [false, false]);
      }
    });

    it("is any value of its range with accept()", async () => {
      for (const value of [min, isDuration ? MAX_DURATION_MS : 2 ** 53 - 1, Infinity, undefined]) {
        const socket = new StreamSocket();
        const accepted = watch(
          accept(socket.server, optionsWith(name, value) as AcceptStreamOptions),
        );
        socket.reset();
        const { reason } = await accepted.untilSettled();
        assertInstanceOf(reason, WebSocketError);
        assert(!(reason instanceof RangeError));
      }
    });
  });
}
