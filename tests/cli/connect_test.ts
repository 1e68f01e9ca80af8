import { describe, it } from "node:test";
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { readFile } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { fileURLToPath } from "node:url";
import { createServer as createTlsServer, type Server } from "node:tls";
import { CliRun } from "./memory_io.ts";
import { withServer } from "./with_server.ts";

function tlsFile(name: string): string {
  return fileURLToPath(new URL(`../support/tls/${name}`, import.meta.url));
}

/** Runs a TCP server for as long as `body` takes. */
async function withTcp(
  onSocket: (socket: Socket) => void,
  body: (host: string) => Promise<void>,
): Promise<void> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on("error", () => {}));
    onSocket(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    const { port } = server.address() as { port: number };
    await body(`127.0.0.1:${port}`);
  } finally {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  }
}

describe("connecting from the command line", () => {
  it("sends the headers, the subprotocols and the offer to compress", async () => {
    let seen: unknown;
    const upgrade = ({ headers }: Request) => {
      const names = ["x-a", "authorization", "sec-websocket-protocol", "sec-websocket-extensions"];
      seen = names.map((name) => headers.get(name));
      return { protocol: "two" };
    };
    await withServer({ upgrade }, async (url) => {
      const args = ["-H", "X-A: b", "-s", "one", "-s", "two", "-c", "--wait", "0"];
      const cli = new CliRun([...args, url.replace("//", "//user:pass@")]);
      cli.endInput();
      assertEquals([await cli.status, cli.stderr], [0, ""]);
    });
    assertEquals(seen, [
      "b",
      `Basic ${btoa("user:pass")}`,
      "one, two",
      "permessage-deflate; server_no_context_takeover; client_no_context_takeover; " +
      "client_max_window_bits",
    ]);
  });

  it("says in one line how the server refused", async () => {
    const upgrade = () =>
      new Response(`<p>Log in,\r\n\tplease</p>\x1b${"x".repeat(500)}`, {
        status: 401,
        headers: { "WWW-Authenticate": 'Basic realm="r"', "X-Other": "o" },
      });
    await withServer({ upgrade }, async (url) => {
      const cli = new CliRun([`${url}?token=secret`]);
      assertEquals(await cli.status, 1);
      const body = `<p>Log in, please</p>\\x1b${"x".repeat(500)}`.slice(0, 300);
      assertEquals(
        cli.stderr,
        `sluice: Cannot connect to ${url}?...: the response was 401 Unauthorized ` +
          `(WWW-Authenticate: Basic realm="r"): ${body}...\n`,
      );
    });
  });

  it("says where a server sends it, without the query", async () => {
    const upgrade = ({ url }: Request) => {
      const headers = { Location: url.replace("http:", "https:") };
      return new Response(null, { status: 307, headers });
    };
    await withServer({ upgrade }, async (url) => {
      const cli = new CliRun([`${url}?token=secret`]);
      assertEquals(await cli.status, 1);
      const where = url.replace("ws:", "https:");
      assertEquals(
        cli.stderr,
        `sluice: Cannot connect to ${url}?...: the response was 307 Temporary Redirect ` +
          `(Location: ${where}?...)\n`,
      );
    });
  });

  it("says what an answer is, that is none of a WebSocket", async () => {
    const answer = (text: string) => (socket: Socket) =>
      void socket.once("data", () => socket.end(text));
    await withTcp(answer("HTTP/1.1 101 Switching Protocols\r\n\r\n"), async (host) => {
      const cli = new CliRun([`ws://${host}/`]);
      assertEquals(await cli.status, 1);
      assertMatch(cli.stderr, /^sluice: [^\n]*101[^\n]*\n$/);
    });
    await withTcp(answer("SSH-2.0-OpenSSH_9.9\r\n"), async (host) => {
      const cli = new CliRun([`ws://${host}/`]);
      assertEquals(await cli.status, 1);
      assertMatch(cli.stderr, /^sluice: Cannot [^\n]+\n$/);
    });
  });

  it("says that nobody listens, with the system's name for it", async () => {
    let free = "";
    await withTcp(() => {}, (host) => {
      free = host;
      return Promise.resolve();
    });
    const cli = new CliRun([`ws://${free}/`]);
    assertEquals(await cli.status, 1);
    assertMatch(cli.stderr, /^sluice: Cannot connect to [^\n]+ \(ECONNREFUSED\)\n$/);
    assertStringIncludes(cli.stderr, free);
  });

  it("gives up after --timeout", () =>
    withTcp(() => {}, async (host) => {
      const cli = new CliRun(["--timeout", "50", `ws://${host}/`]);
      assertEquals(await cli.status, 1);
      assertMatch(cli.stderr, /^sluice: [^\n]+ longer than 50 ms \(ETIMEDOUT\)\n$/);
    }));

  it("gives up where it is interrupted, without a word", () =>
    withTcp((socket) => void socket.once("data", () => cli.interrupt()), async (host) => {
      cli = new CliRun([`ws://${host}/`]);
      assertEquals([await cli.status, cli.stderr], [1, ""]);
    }));
  let cli: CliRun;

  it("connects through --proxy", () => {
    let request = "";
    const refuse = (socket: Socket) => {
      socket.once("data", (bytes) => {
        request = bytes.toString();
        socket.end(
          "HTTP/1.1 407 Who?\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n",
        );
      });
    };
    return withTcp(refuse, async (host) => {
      const cli = new CliRun(["--proxy", `http://${host}`, "ws://example.com/"]);
      assertEquals(await cli.status, 1);
      assertMatch(request, /^CONNECT example\.com:80 HTTP\/1\.1\r\n/);
      assertMatch(
        cli.stderr,
        /^sluice: Cannot connect to [^\n]* 407 Who\? \(Proxy-Authenticate: Basic\)\n$/,
      );
    });
  });

  it("trusts a certificate of --ca, any with --insecure, and no other", async () => {
    const tls = {
      cert: await readFile(tlsFile("cert.pem"), "utf8"),
      key: await readFile(tlsFile("key.pem"), "utf8"),
    };
    await withServer({ tls }, async (url) => {
      const args = ["--count", "1", url];
      for (const trust of [["--ca", tlsFile("cert.pem")], ["--insecure"]]) {
        const cli = new CliRun([...trust, ...args]);
        cli.type("hello\n");
        assertEquals([await cli.status, cli.output, cli.stderr], [0, "hello\n", ""]);
      }
      const cli = new CliRun(args);
      assertEquals(await cli.status, 1);
      assertMatch(cli.stderr, /^sluice: Cannot begin TLS[^\n]+\(\w*CERT\w*\)\n$/);
    });
  });

  it("says why TLS failed, also where the server asks for a client certificate", async () => {
    const issued = {
      cert: await readFile(tlsFile("issued.pem"), "utf8"),
      key: await readFile(tlsFile("issued_key.pem"), "utf8"),
    };
    const ca = await readFile(tlsFile("ca.pem"), "utf8");
    const mutual = createTlsServer({ ...issued, ca, requestCert: true });
    const plain = createTlsServer({ ...issued, ca, ALPNProtocols: ["h2"] });
    const servers: [Server, string][] = [
      [
        mutual,
        'the server sent the alert "certificate required": it asks for a client certificate',
      ],
      [plain, 'the server sent the alert "no application protocol"'],
    ];
    for (const [server, reason] of servers) {
      server.on("tlsClientError", () => {});
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      const { port } = server.address() as { port: number };
      const cli = new CliRun(["--ca", tlsFile("ca.pem"), `wss://localhost:${port}/`]);
      assertEquals(await cli.status, 1);
      assertEquals(
        cli.stderr,
        `sluice: Cannot begin TLS with localhost: the TLS handshake failed: ${reason} (EPROTO)\n`,
      );
      server.close();
    }
  });
});
