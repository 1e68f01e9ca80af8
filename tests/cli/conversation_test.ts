import { describe, it } from "node:test";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { Connection, Message } from "../../mod.ts";
import { CliRun, MemoryTerminal } from "./memory_io.ts";
import { withServer } from "./with_server.ts";

function start(...args: string[]): { terminal: MemoryTerminal; cli: CliRun } {
  const terminal = new MemoryTerminal();
  return { terminal, cli: new CliRun(args, { terminal }) };
}

describe("the client at a terminal", () => {
  it("sends each line, shows what arrives, and closes at the end of the lines", () =>
    withServer({ compression: true, upgrade: () => ({ protocol: "chat" }) }, async (url) => {
      const { terminal, cli } = start("--compression", "-s", "chat", url);
      await terminal.untilShown("/help");
      terminal.lines.push("hello");
      await terminal.untilShown("< hello\n");
      terminal.lines.push("", "//slash");
      await terminal.untilShown("< \n< /slash\n");
      terminal.lines.end();
      assertEquals([await cli.status, cli.output, cli.stderr], [0, "", ""]);
      const { port } = new URL(url);
      const lines = terminal.shown.split("\n");
      assert(
        lines[0].startsWith(
          `* connected to 127.0.0.1 port ${port}: subprotocol chat; permessage-deflate`,
        ),
        lines[0],
      );
      assertEquals(lines.at(-2), "* closed with 1000 (normal closure)");
    }));

  it("shows bytes in hexadecimal, and text without what could steer the terminal", async () => {
    const open = async (conn: Connection) => {
      await conn.send("two\nlines\x07");
      await conn.send(Uint8Array.of(0x48, 0x69, 0xff));
      await conn.send(new Uint8Array(17));
    };
    await withServer({ open }, async (url) => {
      const { terminal, cli } = start(url);
      await terminal.untilShown("17 bytes");
      assertStringIncludes(terminal.shown, "< two\n  lines\\x07\n< 3 bytes: 48 69 ff  |Hi.|\n");
      assertMatch(terminal.shown, /< 17 bytes:\n {2}00000000 {2}(00 ){16} \|\.{16}\|\n/);
      terminal.lines.end();
      assertEquals(await cli.status, 0);
    });
  });

  it("shows the Pings of the server, and with /ping and --ping the times of its own", async () => {
    const pinged = Promise.withResolvers<void>();
    const open = (conn: Connection) => void conn.ping().then(() => pinged.resolve());
    await withServer({ open, ping: () => {}, message() {} }, async (url) => {
      const { terminal, cli } = start(url);
      await terminal.untilShown("* ping, 1 byte: 31  |1|\n");
      await pinged.promise;
      terminal.lines.push("/ping");
      await terminal.untilShown("* pong after ");
      assertMatch(terminal.shown, /\* pong after \d+(\.\d\d)? ms\n/);
      terminal.lines.end();
      assertEquals(await cli.status, 0);

      const regular = start("--ping", "1", url);
      await regular.terminal.untilShown("* pong after ");
      regular.terminal.lines.end();
      assertEquals(await regular.cli.status, 0);
    });
  });

  it("sends bytes with /binary and --binary, and text with /text", async () => {
    const received: Message[] = [];
    const message = (_: Connection, data: Message) => void received.push(data);
    await withServer({ message }, async (url) => {
      for (const flags of [[], ["--binary"]]) {
        const { terminal, cli } = start(...flags, url);
        await terminal.untilShown("/help");
        terminal.lines.push("/binary 48 656C", "/text /x y", "/binary 4", "48");
        terminal.lines.end();
        assertEquals(await cli.status, 0);
        assertStringIncludes(terminal.shown, "not sent");
      }
    });
    const hel = Uint8Array.of(0x48, 0x65, 0x6c);
    assertEquals(received, [hel, "/x y", "48", hel, "/x y", Uint8Array.of(0x48)]);
  });

  it("closes with the code and reason of /close, and the exit status follows the code", async () => {
    const ends: string[] = [];
    const close = (_: Connection, info: { closeCode: number; reason: string }) => {
      ends.push(`${info.closeCode} ${info.reason}`);
    };
    await withServer({ close }, async (url) => {
      const CLOSES: [line: string, status: number][] = [
        ["/close 4000 bye bye", 1],
        ["/close 1001", 0],
        ["/close", 0],
      ];
      for (const [line, status] of CLOSES) {
        const { terminal, cli } = start(url);
        await terminal.untilShown("/help");
        terminal.lines.push(line, "never sent");
        assertEquals(await cli.status, status);
      }
    });
    assertEquals(ends, ["4000 bye bye", "1001 ", "1000 "]);
  });

  it("says what is wrong with a command, and goes on", () =>
    withServer({}, async (url) => {
      const { terminal, cli } = start(url);
      await terminal.untilShown("/help");
      terminal.lines.push(
        "/nonsense",
        "/close 1006",
        `/close 4000 ${"x".repeat(200)}`,
        "/help",
        "on",
      );
      await terminal.untilShown("< on\n");
      assertStringIncludes(terminal.shown, "* unknown command /nonsense");
      assertStringIncludes(terminal.shown, "Cannot close");
      for (const name of ["/ping", "/close", "/text", "/binary"]) {
        assertStringIncludes(terminal.shown, `${name} `);
      }
      terminal.lines.end();
      assertEquals(await cli.status, 0);
    }));

  it("ends when the server closes, and says how", async () => {
    const message = (conn: Connection) => {
      void conn.close({ closeCode: 1012, reason: "back soon" });
    };
    await withServer({ message }, async (url) => {
      const { terminal, cli } = start(url);
      terminal.lines.push("hello");
      assertEquals(await cli.status, 1);
      assertStringIncludes(
        terminal.shown,
        "* closed by the server with 1012 (service restart): back soon\n",
      );
    });
  });

  it("closes with 1001 where it is interrupted", () =>
    withServer({}, async (url) => {
      const { terminal, cli } = start(url);
      await terminal.untilShown("/help");
      cli.interrupt();
      assertEquals(await cli.status, 0);
      assertStringIncludes(terminal.shown, "* closed with 1001 (going away)\n");
    }));

  it("has colours where they are wanted", () =>
    withServer({}, async (url) => {
      const terminal = new MemoryTerminal();
      const cli = new CliRun([url], { terminal, hasColors: true });
      await terminal.untilShown("/help");
      terminal.lines.push("hello");
      await terminal.untilShown("\x1b[36m< hello\x1b[39m\n");
      terminal.lines.end();
      assertEquals(await cli.status, 0);
    }));

  it("says why there is no connection", () =>
    withServer({ upgrade: () => new Response("No.", { status: 403 }) }, async (url) => {
      const { terminal, cli } = start(url);
      assertEquals(await cli.status, 1);
      assertEquals(terminal.shown, "");
      assertMatch(cli.stderr, /^sluice: [^\n]*403 Forbidden: No\.\n$/);
    }));
});
