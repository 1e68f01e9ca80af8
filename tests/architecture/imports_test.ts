// @once: it only reads files.

import { describe, it } from "node:test";
import { assertEquals, assertGreater } from "@std/assert";
import { readdir, readFile } from "node:fs/promises";
import { checkFile, findCycles, findImports, findStatic, findUnreachable } from "./imports.ts";
import { tokenize } from "./tokens.ts";

const root = new URL("../../", import.meta.url);

async function readText(path: string): Promise<string> {
  return await readFile(new URL(path, root), "utf8");
}

async function readSources(): Promise<Map<string, string>> {
  const sources = new Map([["mod.ts", await readText("mod.ts")]]);
  for (const path of await readdir(new URL("src/", root), { recursive: true })) {
    if (path.endsWith(".ts")) sources.set(`src/${path}`, await readText(`src/${path}`));
  }
  return sources;
}

describe("the import graph", () => {
  it("points downward, and keeps the runtimes in their folders", async () => {
    const sources = await readSources();
    assertGreater(sources.size, 20);
    assertEquals([...sources].flatMap(([file, source]) => checkFile(file, source)), []);
  });

  it("has no cycles", async () => {
    assertEquals(findCycles(await readSources()), []);
  });

  it("leads from the entry points to every file", async () => {
    const { exports } = JSON.parse(await readText("deno.json"));
    const entryPoints = Object.values<string>(exports).map((path) => path.slice(2));
    assertEquals(findUnreachable(await readSources(), entryPoints), []);
  });
});

/** What servers load only when an option asks for it, or with the rest, before they listen. */
const LOADED_LATER = [
  /^src\/checks\.ts$/,
  /^src\/codec\/mask_(?:simd|wasm)\.ts$/,
  /^src\/(?:connection|server)\/rest\.ts$/,
  /^src\/connection\/(?:calls|held_back|options|ping_tracker|receive_queue|send_stream)\.ts$/,
  /^src\/server\/(?:grouped_queue|handshake_eviction|memory_shortage|server_url|resolve_options|shutdown|stream_acceptor|topic_calls)\.ts$/,
  /^src\/handshake\/(?:create_response|origin_policy)\.ts$/,
  /^src\/topics\//,
  /^src\/resume\//,
  /^src\/extensions\//,
  /^src\/server\/http\//,
  /^src\/http1\/(?:encode_response|send_response|head_faults|status_text|content_length)\.ts$/,
  /^src\/connection\/(?:layer_runner|rate_limiter|streamed_message)\.ts$/,
  /^src\/connection\/views\//,
];

describe("what servers import statically", () => {
  for (const entry of ["mod.ts", "deno", "bun", "node"]) {
    it(`leaves out what not all of them need: ${entry}`, async () => {
      const file = entry === "mod.ts" ? entry : `src/runtimes/${entry}/mod.ts`;
      const files = findStatic(await readSources(), file);
      assertGreater(files.length, 20);
      assertEquals(files.filter((path) => LOADED_LATER.some((rule) => rule.test(path))), []);
    });
  }
});

const ALLOWED: [file: string, source: string][] = [
  ["mod.ts", 'export { serve } from "./src/server/serve.ts";'],
  ["mod.ts", 'const adapter = await import("./src/runtimes/deno/mod.ts");'],
  ["mod.ts", 'import type { A } from "./src/runtimes/node/mod.ts";'],
  ["src/runtimes/node/mod.ts", 'import { Socket } from "node:net"; process.on("exit", f);'],
  ["src/runtimes/deno/mod.ts", 'import type { A } from "../../transport/byte_channel.ts";'],
  ["src/cli/a.ts", 'import process from "node:process"; import "../runtimes/shared/client.ts";'],
  ["src/runtimes/bun/mod.ts", 'import { BunChannel } from "./channel.ts";'],
  ["src/connection/a.ts", 'import { B } from "./b.ts"; clock.setTimeout(f, clock.now());'],
  ["src/connection/a.ts", 'import { setTimeout } from "../timers.ts"; setTimeout(f, 1);'],
  ["src/connection/a.ts", 'import { setTimeout } from "../timers.ts"; let a: typeof setTimeout;'],
  ["src/connection/a.ts", "interface A { setTimeout(f: (a: B) => void, ms: number): C }"],
  ["src/connection/a.ts", "const a = { setTimeout: f }; let b: Date;"],
  ["src/connection/a.ts", "this.#channel.resume(); // what pause() began"],
  ["src/server/a.ts", "resume(topic, presence, broker);"],
  ["src/timers.ts", "export const { setTimeout } = globalThis; Date.now();"],
  ["src/brokers/a.ts", 'import type { A } from "redis"; const a = await import("redis");'],
  ["src/brokers/a.ts", 'import { Buffer } from "node:buffer";'],
  ["src/testing/a.ts", 'import { createServe } from "../server/serve.ts";'],
  ["src/server/a.ts", 'import { ListenError } from "../errors.ts";'],
  ["src/handshake/a.ts", 'import { encodeBase64 } from "@std/encoding/base64";'],
  ["src/handshake/a.ts", "// Deno, Bun and process\n/* Deno */ const a = 'Bun' + `process`;"],
  ["src/handshake/a.ts", "const a = /Deno'/.test(b); const c = { process: 1 }.process;"],
  ["src/codec/frame_decoder_stream.ts", "async function f(): Promise<void> {}"],
  ["src/protocol/a.ts", "/** A promise of the await kind. */ export const promised = 1;"],
];

const REFUSED: [file: string, source: string, problem: string][] = [
  ["mod.ts", 'import "./src/runtimes/bun/mod.ts";', "src/runtimes/bun/mod.ts statically"],
  ["src/cli/a.ts", "setInterval(f, 1);", "the global setInterval"],
  ["src/server/a.ts", "globalThis.setTimeout(f, 1);", "the global setTimeout"],
  ["src/server/a.ts", "const { setImmediate } = globalThis;", "the global setImmediate"],
  ["src/server/a.ts", "schedule = queueMicrotask;", "the global queueMicrotask"],
  ["src/server/a.ts", "const a = new Date();", "the global Date"],
  ["src/server/a.ts", "const a = globalThis.performance;", "the global performance"],
  ["src/server/a.ts", 'import { setTimeout } from "./timers.ts"; setTimeout(f);', "setTimeout"],
  [
    "src/runtimes/node/a.ts",
    'import * as timers from "node:timers/promises";',
    'imports "node:timers',
  ],
  ["mod.ts", 'export * from "./src/runtimes/node/mod.ts";', "src/runtimes/node/mod.ts statically"],
  ["mod.ts", "await import(`./src/runtimes/${name}.ts`);", "not a literal"],
  ["mod.ts", 'await import("./src/" + name);', "not a literal"],
  ["mod.ts", "if (typeof Deno !== 'undefined') f();", "names Deno"],
  ["mod.ts", "if (globalThis.Bun) f();", "names Bun"],
  ["src/testing/a.ts", 'import net from "node:net";', 'imports "node:net"'],
  ["src/brokers/a.ts", 'import { createClient } from "redis";', 'the package "redis"'],
  ["src/brokers/a.ts", 'import net from "node:net";', 'imports "node:net"'],
  ["src/server/a.ts", 'const a = await import("redis");', 'the package "redis"'],
  ["src/server/a.ts", 'import { a } from "../brokers/redis.ts";', "above it"],
  ["src/testing/a.ts", "const a = Deno.test;", "names Deno"],
  ["src/server/a.ts", 'import { FakeClock } from "../testing/fake_clock.ts";', "above it"],
  ["src/cli/a.ts", "Deno.exit(1);", "names Deno"],
  ["src/cli/a.ts", 'import "../runtimes/node/mod.ts";', "statically"],
  ["src/runtimes/node/a.ts", 'import { a } from "../../cli/a.ts";', "above it"],
  ["src/server/a.ts", 'import net from "node:net";', 'imports "node:net"'],
  ["src/server/a.ts", 'import ws from "ws";', 'the package "ws"'],
  ["src/server/a.ts", 'import { a } from "../runtimes/streams.ts";', "above it"],
  ["src/server/a.ts", 'import { a } from "../../mod.ts";', "above it"],
  ["src/runtimes/shared/a.ts", 'import { listen } from "../deno/listen.ts";', "statically"],
  ["src/runtimes/node/mod.ts", 'import { BunChannel } from "../bun/channel.ts";', "statically"],
  ["src/connection/a.ts", 'import type { A } from "../server/a.ts";', "above it"],
  ["src/connection/a.ts", 'type A = import("../server/a.ts").A;', "above it"],
  ["src/connection/a.ts", "const isResumed = true;", "names Resum, which is a feature"],
  ["src/connection/a.ts", "resume: () => a(),", "names resum"],
  ["src/connection/a.ts", "// sent to topics", "names topic"],
  ["src/connection/a.ts", "let presenceOf;", "names presence"],
  ["src/connection/a.ts", "new Broker();", "names Broker"],
  ["src/protocol/a.ts", 'export { a } from "../connection/a.ts";', "above it"],
  ["src/protocol/a.ts", "const now = performance.now();", "names performance"],
  ["src/protocol/a.ts", "export async function f() {}", "names async"],
  ["src/handshake/a.ts", 'import {\n  a,\n} from "../protocol/a.ts";', "above it"],
  ["src/protocol/a.ts", 'import { a } from "../extensions/a.ts";', "the interface only"],
  ["src/topics/a.ts", 'import type { A } from "../extensions/a.ts";', "the interface only"],
  ["src/codec/a.ts", 'import { a } from "../handshake/a.ts";', "above it"],
  ["src/codec/a.ts", "const a = 1 / 2; setTimeout(f); /* / */", "names setTimeout"],
  ["src/codec/a.ts", "const a = `${new Date()}`;", "names Date"],
  ["src/codec/a.ts", "let a: Promise<void>;", "names Promise"],
  ["src/codec/frame_encoder_stream.ts", "setTimeout(f);", "names setTimeout"],
  ["src/errors.ts", 'import { a } from "./codec/a.ts";', "above it"],
];

describe("checkFile()", () => {
  for (const [file, source] of ALLOWED) {
    it(`allows ${JSON.stringify(source)} in ${file}`, () => {
      assertEquals(checkFile(file, source), []);
    });
  }

  for (const [file, source, problem] of REFUSED) {
    it(`refuses ${JSON.stringify(source)} in ${file}`, () => {
      const problems = checkFile(file, source);
      assertEquals(problems.map((text) => text.includes(problem)), [true], problems.join("\n"));
    });
  }
});

describe("findImports()", () => {
  const kindsOf = (source: string) => findImports(tokenize(source)).map(({ kind }) => kind);

  it("tells types from what runs", () => {
    assertEquals(kindsOf('import type { A } from "./a.ts";'), ["type"]);
    assertEquals(kindsOf('import { type A, type B } from "./a.ts";'), ["type"]);
    assertEquals(kindsOf('export type { A } from "./a.ts";'), ["type"]);
    assertEquals(kindsOf('export type * from "./a.ts";'), ["type"]);
    assertEquals(kindsOf('import { type A, b } from "./a.ts";'), ["static"]);
    assertEquals(kindsOf('import type from "./a.ts";'), ["static"]);
    assertEquals(kindsOf('import a, * as b from "./a.ts";'), ["static"]);
    assertEquals(kindsOf('export * as a from "./a.ts";'), ["static"]);
  });

  it("finds nothing where nothing is imported", () => {
    assertEquals(kindsOf('export const a = import.meta.url; export { a }; f("from");'), []);
    assertEquals(kindsOf('export type A = "a"; export function from() {}; f(from, "a");'), []);
  });
});

describe("findCycles()", () => {
  it("finds a cycle, and no other way back to the same file", () => {
    const sources = new Map([
      ["src/a.ts", 'import "./b.ts"; import "./c.ts";'],
      ["src/b.ts", 'import "./c.ts";'],
      ["src/c.ts", 'import type { D } from "./a.ts"; import "./d.ts";'],
      ["src/d.ts", 'export * from "./c.ts";'],
    ]);
    assertEquals(findCycles(sources), [["src/c.ts", "src/d.ts", "src/c.ts"]]);
  });
});

describe("findStatic()", () => {
  it("finds what runs when a file is imported", () => {
    const sources = new Map([
      ["mod.ts", 'import "./src/a.ts"; import type { D } from "./src/d.ts";'],
      ["src/a.ts", 'export * from "./b.ts"; await import("./c.ts");'],
      ["src/b.ts", 'import "./a.ts";'],
      ["src/c.ts", ""],
      ["src/d.ts", ""],
    ]);
    assertEquals(findStatic(sources, "mod.ts"), ["mod.ts", "src/a.ts", "src/b.ts"]);
  });
});

describe("findUnreachable()", () => {
  it("finds the file that nothing imports", () => {
    const sources = new Map([
      ["mod.ts", 'await import("./src/a.ts");'],
      ["src/a.ts", 'import type { B } from "./b.ts";'],
      ["src/b.ts", ""],
      ["src/c.ts", 'import "./a.ts";'],
    ]);
    assertEquals(findUnreachable(sources, ["mod.ts"]), ["src/c.ts"]);
  });
});
