import { describe, it } from "node:test";
import { assert, assertEquals, assertLess, assertMatch } from "@std/assert";
import type { Connection, Message } from "../../mod.ts";
import { createServer } from "node:net";
import { acceptance } from "../client/scripted_server.ts";
import { turn } from "../support/turn.ts";
import { CliRun } from "./memory_io.ts";
import { withServer } from "./with_server.ts";

describe("the client between other programs", () => {
  it("makes messages of lines, and lines of messages", () =>
    withServer({}, async (url) => {
      const cli = new CliRun(["--count", "5", url]);
      cli.type("one\r\ntw");
      cli.type("o\n\n  κόσμε 🌊 \nlast");
      cli.endInput();
      assertEquals(await cli.status, 0);
      assertEquals([cli.output, cli.stderr], ["one\ntwo\n\n  κόσμε 🌊 \nlast\n", ""]);
    }));

  it("sends no message for an empty input, with --binary or without", async () => {
    const received: Message[] = [];
    await withServer({ message: (_, data) => void received.push(data) }, async (url) => {
      for (const flags of [[], ["--binary"]]) {
        const cli = new CliRun([...flags, "--wait", "0", url]);
        cli.endInput();
        assertEquals(await cli.status, 0);
      }
    });
    assertEquals(received, []);
  });

  it("sends the input as one binary message with --binary, and copies what arrives", async () => {
    const received: Message[] = [];
    const setup = {
      limits: { maxMessageSize: Infinity, maxFragments: Infinity },
      async message(conn: Connection, data: Message) {
        received.push(data);
        await conn.send(Uint8Array.of(255, 10));
        await conn.send("text");
      },
    };
    const pieces = Array.from({ length: 20 }, (_, i) => new Uint8Array(100_000).fill(i));
    await withServer(setup, async (url) => {
      const cli = new CliRun(["--binary", "--count=2", url]);
      cli.type(...pieces);
      cli.endInput();
      assertEquals(await cli.status, 0);
      assertEquals(Buffer.concat(cli.stdout), Buffer.from([255, 10, ...Buffer.from("text")]));
    });
    assertEquals(received.length, 1);
    assert(Buffer.concat(pieces).equals(Buffer.from(received[0] as Uint8Array)));
  });

  it("reads messages larger than a server would, and of many fragments", async () => {
    const size = 3_000_000;
    const open = (conn: Connection) => {
      const chunk = new Uint8Array(1_000).fill(0x61);
      let left = size / chunk.length;
      const body = new ReadableStream<Uint8Array>({
        pull(controller) {
          if (left-- > 0) controller.enqueue(chunk);
          else controller.close();
        },
      });
      return conn.sendStream("text", body);
    };
    await withServer({ open }, async (url) => {
      const cli = new CliRun(["--count", "1", url]);
      assertEquals(await cli.status, 0);
      assertEquals(cli.output, `${"a".repeat(size)}\n`);
    });
  });

  it("closes after --count messages, though the input goes on", () =>
    withServer({}, async (url) => {
      const cli = new CliRun(["--count", "1", url]);
      cli.type("one\n");
      assertEquals(await cli.status, 0);
      assertEquals(cli.output, "one\n");
    }));

  it("stays without end with --wait Infinity", async () => {
    const message = async (conn: Connection) => {
      await conn.send("answer");
      await conn.close({ closeCode: 1001 });
    };
    await withServer({ message }, async (url) => {
      const cli = new CliRun(["--wait", "Infinity", url]);
      cli.type("ask\n");
      cli.endInput();
      assertEquals(await cli.status, 0);
      assertEquals(cli.output, "answer\n");
    });
  });

  it("slows the server while nobody reads the output", async () => {
    const total = 32;
    let sent = 0;
    const open = async (conn: Connection) => {
      for (; sent < total; sent++) await conn.send(new Uint8Array(1024 * 1024));
    };
    await withServer({ open }, async (url) => {
      const gate = Promise.withResolvers<void>();
      const cli = new CliRun(["--binary", "--count", String(total), url]);
      cli.gate = gate.promise;
      await cli.until("the first write", () => cli.stdout.length > 0);
      // As long as it goes on, it may be that nothing stops it.
      for (let before = -1; before !== sent && sent < total;) {
        before = sent;
        for (let i = 0; i < 100; i++) await turn();
      }
      assertLess(sent, total);
      gate.resolve();
      assertEquals(await cli.status, 0);
      assertEquals(Buffer.concat(cli.stdout).length, total * 1024 * 1024);
    });
  });

  it("reads no more of the input than the server takes", async () => {
    const total = 32;
    const gate = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    let received = 0;
    const message = async () => {
      received++;
      begun.resolve();
      await gate.promise;
    };
    const line = new TextEncoder().encode(`${"x".repeat(1024 * 1024 - 1)}\n`);
    let taken = 0;
    async function* readLines() {
      for (; taken < total; taken++) yield line;
    }
    await withServer({ message }, async (url) => {
      const cli = new CliRun(["--wait", "0", url], { stdin: readLines() });
      await begun.promise;
      for (let before = -1; before !== taken && taken < total;) {
        before = taken;
        for (let i = 0; i < 100; i++) await turn();
      }
      assertLess(taken, total);
      gate.resolve();
      assertEquals(await cli.status, 0);
      assertEquals(received, total);
    });
  });

  it("writes what arrived before the end, however late it is read", async () => {
    const open = async (conn: Connection) => {
      for (let i = 0; i < 20; i++) await conn.send(new Uint8Array(100_000));
      void conn.close();
    };
    await withServer({ open }, async (url) => {
      const gate = Promise.withResolvers<void>();
      const cli = new CliRun(["--binary", url]);
      cli.gate = gate.promise;
      await cli.until("the first write", () => cli.stdout.length > 0);
      gate.resolve();
      assertEquals(await cli.status, 0);
      assertEquals(Buffer.concat(cli.stdout).length, 2_000_000);
    });
  });

  it("shows on a screen what could steer it", async () => {
    const open = async (conn: Connection) => {
      await conn.send("\x1b[2Jred\u202e\tκ\r\n");
      await conn.send(Uint8Array.from({ length: 600 }, (_, i) => i % 256));
      await conn.send(Uint8Array.of(72, 105, 0));
      await conn.close();
    };
    await withServer({ open }, async (url) => {
      const cli = new CliRun(["--binary", url], { isOutputShown: true });
      assertEquals(await cli.status, 0);
      const lines = cli.output.split("\n");
      assertEquals(lines.slice(0, 4), [
        "\\x1b[2Jred\\u202e\tκ\\r",
        "",
        "600 bytes:",
        "00000000  00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f  |................|",
      ]);
      assertEquals(lines.slice(-3), ["... and 88 more", "3 bytes: 48 69 00  |Hi.|", ""]);
    });
  });

  it("sends Pings with --ping, and tells of the Pongs on standard error", () =>
    withServer({}, async (url) => {
      const cli = new CliRun(["--ping", "1", url]);
      await cli.until("two Pongs", () => cli.stderr.split("\n").length > 2);
      cli.endInput();
      cli.interrupt();
      assertEquals(await cli.status, 0);
      assertMatch(cli.stderr, /^(sluice: pong after \d+(\.\d\d)? ms\n)+$/);
      assertEquals(cli.output, "");
    }));

  it("closes with 1000 at the end, and with 1001 where it is interrupted", async () => {
    const codes: number[] = [];
    const close = (_: Connection, { closeCode }: { closeCode: number }) => {
      codes.push(closeCode);
    };
    await withServer({ close }, async (url) => {
      const first = new CliRun(["--wait", "0", url]);
      first.endInput();
      assertEquals(await first.status, 0);
      const second = new CliRun([url]);
      second.type("hello\n");
      await second.until("the echo", () => second.output === "hello\n");
      second.interrupt();
      assertEquals(await second.status, 0);
    });
    assertEquals(codes, [1000, 1001]);
  });

  const ENDS: [closeCode: number, status: number, stderr: string][] = [
    [1000, 0, ""],
    [1001, 0, ""],
    [1008, 1, "sluice: closed by the server with 1008 (policy violation): go\\x1baway\n"],
    [4000, 1, "sluice: closed by the server with 4000: go\\x1baway\n"],
  ];
  for (const [closeCode, status, stderr] of ENDS) {
    it(`ends with ${status} where the server ends with ${closeCode}`, () => {
      const open = async (conn: Connection) => {
        await conn.send("before");
        await conn.close({ closeCode, reason: "go\x1baway" });
      };
      return withServer({ open }, async (url) => {
        const cli = new CliRun([url]);
        assertEquals(await cli.status, status);
        assertEquals([cli.output, cli.stderr], ["before\n", stderr]);
      });
    });
  }

  it("ends with 1 where the server is lost", () =>
    withServer({ message: (conn) => conn.abort() }, async (url) => {
      const cli = new CliRun([url]);
      cli.type("hello\n");
      assertEquals(await cli.status, 1);
      assertMatch(cli.stderr, /^sluice: lost \(1006\)[^\n]*\n$/);
    }));

  it("takes a Close frame without a code for a good end", async () => {
    const server = createServer((socket) => {
      socket.on("error", () => {}).once("data", (head) => {
        const key = /Sec-WebSocket-Key: (.*)\r\n/.exec(head.toString())![1];
        const headers = new Map([["sec-websocket-key", key]]);
        socket.write(acceptance({ line: "", text: "", headers }));
        socket.end(Uint8Array.of(0x88, 0));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    try {
      const { port } = server.address() as { port: number };
      const cli = new CliRun([`ws://127.0.0.1:${port}/`]);
      assertEquals(await cli.status, 0);
    } finally {
      server.close();
    }
  });
});
