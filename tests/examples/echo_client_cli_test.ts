import { describe, it } from "node:test";
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";
import type { Connection } from "../../src/connection/connection.ts";
import { serve, type ServeOptions } from "../../mod.ts";
import { runExample } from "./example_process.ts";

const FLAGS = ["--max-message-size", "--max-fragments", "--compression", "--style", "--help"]
  .concat(["--subprotocol", "--tls-ca"]);
const STYLES = ["callback", "iterate", "streams", "messages"];
const MESSAGES = ["", "Hello", new Uint8Array([0, 255, 128]), "κόσμε 🌊", "x".repeat(100_000)];

/** Runs the example against a server that does what the function says. */
async function runAgainst(
  talk: (conn: Connection) => Promise<void>,
  args: string[],
  options: ServeOptions = {},
) {
  let failure: unknown;
  const server = await serve({ ...options, port: 0 }, async (conn) => {
    try {
      await talk(conn);
    } catch (error) {
      failure = error;
    }
  });
  const { addr } = server;
  const port = addr.transport === "tcp" ? addr.port : 0;
  const scheme = options.tls === undefined ? "ws" : "wss";
  const ended = await runExample("echo_client.ts", [...args, `${scheme}://127.0.0.1:${port}/`]);
  await server.shutdown();
  if (failure !== undefined) throw failure;
  return ended;
}

/** Sends the messages, and expects their echoes. */
async function exchange(conn: Connection): Promise<void> {
  for (const message of MESSAGES) await conn.send(message);
  const echoes: unknown[] = [];
  for await (const message of conn) {
    echoes.push(message);
    if (echoes.length === MESSAGES.length) break;
  }
  await conn.close({ closeCode: 4000, reason: "enough" });
  assertEquals(echoes, MESSAGES);
}

describe("echo_client.ts", () => {
  for (const style of STYLES) {
    it(`echoes until the server closes, with --style ${style}`, async () => {
      const ended = await runAgainst(exchange, ["--style", style]);
      assertEquals({ code: ended.code, stderr: ended.stderr }, { code: 0, stderr: "" });
      assertMatch(ended.stdout, /^5 messages, \d{6} bytes; closed with 4000 "enough", clean\n$/);
    });
  }

  it("takes its limits, compression, subprotocols and authority from its flags", async () => {
    const [cert, key] = ["cert.pem", "key.pem"]
      .map((name) => fileURLToPath(new URL(`../support/tls/${name}`, import.meta.url)));
    const ended = await runAgainst(
      async (conn) => {
        assertEquals(conn.protocol, "b");
        assertStringIncludes(conn.extensions, "permessage-deflate");
        await conn.send("eleven byte");
        assertEquals((await conn.closed).closeCode, 1009);
      },
      [
        ...["--compression", "takeover", "--subprotocol", "a", "--subprotocol", "b"],
        ...["--tls-ca", cert, "--max-message-size", "10", "--style", "iterate"],
      ],
      {
        tls: { cert: await readFile(cert, "utf8"), key: await readFile(key, "utf8") },
        compression: true,
        upgrade: () => ({ protocol: "b" }),
      },
    );
    assertEquals({ code: ended.code, stderr: ended.stderr }, { code: 0, stderr: "" });
    assertMatch(ended.stdout, /^0 messages, \d+ bytes; closed with 1009 /);
  });

  it("shows with --help every flag and every style", async () => {
    const { code, stdout, stderr } = await runExample("echo_client.ts", ["--help"]);
    assertEquals({ code, stderr }, { code: 0, stderr: "" });
    for (const word of [...FLAGS, ...STYLES]) assertStringIncludes(stdout, word);
  });

  it("says in one line, with status 2, which argument is wrong", async () => {
    const bad: [args: string[], said: string][] = [
      [[], "URL"],
      [["ws://a/#b"], "fragment"],
      [["--style", "constructor", "ws://a/"], "--style"],
      [["--tls-ca", "/nowhere/ca.pem", "ws://a/"], "/nowhere/ca.pem"],
    ];
    await Promise.all(bad.map(async ([args, said]) => {
      const { code, stdout, stderr } = await runExample("echo_client.ts", args);
      assertEquals({ code, stdout }, { code: 2, stdout: "" });
      assertMatch(stderr, /^echo_client\.ts: [^\n]+\n$/);
      assertStringIncludes(stderr, said);
    }));
  });

  it("says in one line, with status 1, that nobody listens", async () => {
    const holder = createServer();
    await new Promise<void>((resolve) => holder.listen(0, "127.0.0.1", resolve));
    const { port } = holder.address() as { port: number };
    await new Promise((resolve) => holder.close(resolve));
    const { code, stdout, stderr } = await runExample("echo_client.ts", [`ws://127.0.0.1:${port}`]);
    assertEquals({ code, stdout }, { code: 1, stdout: "" });
    assertMatch(stderr, /^echo_client\.ts: [^\n]+ refused\n$/);
  });
});
