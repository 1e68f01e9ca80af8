import { describe, it } from "node:test";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { randomFillSync } from "node:crypto";
import type { Connection, IncomingMessage } from "../../mod.ts";
import { serve } from "../../mod.ts";
import { CliProcess } from "./cli_process.ts";
import { withServer } from "./with_server.ts";

describe("the client in a process of its own", { concurrency: 2 }, () => {
  it("sends lines and writes lines, and ends with status 0", () =>
    withServer({}, async (url) => {
      const cli = new CliProcess("--count", "2", url).read();
      cli.stdin.end("hello\nκόσμε\n");
      assertEquals(await cli.status, 0);
      assertEquals([cli.text, cli.stderr], ["hello\nκόσμε\n", ""]);
    }));

  it("copies bytes of any size through an echo", async () => {
    const options = { port: 0, hostname: "127.0.0.1", limits: { maxMessageSize: Infinity } };
    const server = await serve(options, async (conn: Connection) => {
      const echo = ({ type, body }: IncomingMessage) => conn.sendStream(type, body);
      for await (const message of conn.messages()) await echo(message);
    });
    try {
      assert(server.addr.transport === "tcp");
      const data = randomFillSync(new Uint8Array(8 * 1024 * 1024 + 1));
      const cli = new CliProcess("--binary", "--count=1", `ws://127.0.0.1:${server.addr.port}`);
      cli.stdin.end(data);
      cli.read();
      assertEquals([await cli.status, cli.stderr], [0, ""]);
      assert(Buffer.concat(cli.output).equals(data));
    } finally {
      await server.shutdown({ timeoutMs: 1 });
    }
  });

  it("ends with status 0 where nobody reads its output any more", async () => {
    const open = async (conn: Connection) => {
      while (conn.state === "open") await conn.send("x".repeat(10_000));
    };
    await withServer({ open }, async (url) => {
      const cli = new CliProcess(url);
      cli.stdout.once("data", () => cli.stdout.destroy());
      assertEquals([await cli.status, cli.stderr], [0, ""]);
    });
  });

  it("ends with status 2 and one line for a wrong command line", async () => {
    const cli = new CliProcess("--nonsense").read();
    assertEquals(await cli.status, 2);
    assertMatch(cli.stderr, /^sluice: [^\n]*--nonsense[^\n]*\n$/);
    assertEquals(cli.text, "");
  });

  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    it(`closes with 1001 on ${signal}`, async () => {
      const ended = Promise.withResolvers<number>();
      const close = (_: Connection, info: { closeCode: number }) => ended.resolve(info.closeCode);
      await withServer({ close }, async (url) => {
        const cli = new CliProcess(url).read();
        cli.stdin.write("hello\n");
        await cli.untilWritten("hello\n");
        cli.kill(signal);
        assertEquals(await ended.promise, 1001);
        assertEquals([await cli.status, cli.stderr], [0, ""]);
      });
    });
  }
});
