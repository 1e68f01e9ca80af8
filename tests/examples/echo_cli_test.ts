import { afterEach, describe, it } from "node:test";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { withFolder } from "../runtimes/server.ts";
import { NetSocket } from "../support/net_socket.ts";
import { RawClient } from "../support/raw_client.ts";
import { playsAll } from "../support/plays_all.ts";
import type { RequestInit } from "../support/requests.ts";
import { certificate } from "../support/tls.ts";
import { words } from "../support/words.ts";
import { ExampleProcess, runExample } from "./example_process.ts";
import { WebSocketClient } from "./web_socket_client.ts";

const FLAGS = words`--hostname --port --unix --tls-cert --tls-key --origin --max-message-size
  --max-fragments --style --help`;

const STYLES = ["callback", "iterate", "streams", "messages"];
const cert = fileURLToPath(new URL("../support/tls/cert.pem", import.meta.url));
const key = fileURLToPath(new URL("../support/tls/key.pem", import.meta.url));

const running = new Set<ExampleProcess>();

function start(...args: string[]): ExampleProcess {
  const example = new ExampleProcess("echo.ts", args);
  running.add(example);
  return example;
}

afterEach(async () => {
  for (const example of running) await example.stop();
  running.clear();
});

/** Starts it on a port that is given; another process may take that port before it does. */
async function startOnFreePort(...args: string[]): Promise<{ port: string; address: string }> {
  for (let attempt = 1;; attempt++) {
    const first = start("--port", "0");
    const { port } = new URL(await first.address);
    await first.stop();
    try {
      return { port, address: await start(...args, "--port", port).address };
    } catch (error) {
      if (attempt === 5 || !String(error).includes("in use")) throw error;
    }
  }
}

async function connectTo(address: string): Promise<WebSocketClient> {
  const client = new WebSocketClient(address);
  await client.opened;
  return client;
}

/** Connects, and asserts that it is served: an echo. */
async function checkEcho(address: string): Promise<void> {
  const client = await connectTo(address);
  client.send("Hello");
  assertEquals(await client.receive(), "Hello");
  await client.close();
}

async function connectRawTo(address: string): Promise<RawClient> {
  return new RawClient(await NetSocket.connect(Number(new URL(address).port)));
}

/** Asserts that a raw client is served: the handshake, and an echo; drops it. */
async function checkRawEcho(client: RawClient, init?: RequestInit): Promise<void> {
  assertEquals((await client.requestUpgrade(init)).status, 101);
  client.sendText("Hello");
  assertEquals(await client.readMessage(), "Hello");
  client.socket.reset();
}

describe("echo.ts: the command line", () => {
  it("shows with --help every flag and every style", async () => {
    const { code, stdout, stderr } = await runExample("echo.ts", ["--help"]);
    assertEquals({ code, stderr }, { code: 0, stderr: "" });
    for (const word of [...FLAGS, ...STYLES]) assertStringIncludes(stdout, word);
  });

  const BAD: [args: string[], said: string][] = [
    [["--nonsense"], "--nonsense"],
    [["8080"], "8080"],
    [["--help=yes"], "--help"],
    [["--port"], "--port"],
    [["--port", "http"], "--port"],
    [["--port", "65536"], "--port"],
    [["--port=-1"], "--port"],
    [["--hostname="], "hostname"],
    [["--unix="], "path"],
    [["--origin", "https://example.com"], "--origin"],
    [["--style", "constructor"], "--style"],
    [["--max-message-size", "1k"], "--max-message-size"],
    [["--max-message-size", "9007199254740992"], "--max-message-size"],
    [["--max-fragments", "0"], "--max-fragments"],
    [["--tls-cert", cert], "--tls-key"],
    [["--tls-key", key], "--tls-cert"],
    [["--tls-cert", "/nowhere/cert.pem", "--tls-key", key], "/nowhere/cert.pem"],
    [["--tls-cert", key, "--tls-key", key], "certificate"],
  ];

  // Each is a process: what is said of arguments is the same on all runtimes.
  for (const [args, said] of playsAll ? BAD : BAD.slice(0, 4)) {
    const shown = args.map((arg) => arg.slice(arg.lastIndexOf("/") + 1)).join(" ");
    it(`refuses ${shown} with one line and status 2`, async () => {
      // A port that is always free, for what should be refused and is not.
      const { code, stdout, stderr } = await runExample("echo.ts", ["--port=0", ...args]);
      assertEquals({ code, stdout }, { code: 2, stdout: "" });
      assertMatch(stderr, /^echo\.ts: [^\n]+\n$/);
      assertStringIncludes(stderr, said);
    });
  }

  it("says in one line, with status 1, that the port is taken", async () => {
    const holder = createServer();
    await new Promise<void>((resolve) => holder.listen(0, "127.0.0.1", resolve));
    try {
      const { port } = holder.address() as { port: number };
      const { code, stdout, stderr } = await runExample("echo.ts", ["--port", String(port)]);
      assertEquals({ code, stdout }, { code: 1, stdout: "" });
      assertMatch(stderr, /^echo\.ts: [^\n]+ in use: [^\n]+\n$/);
      assertStringIncludes(stderr, `127.0.0.1:${port}`);
    } finally {
      await new Promise((resolve) => holder.close(resolve));
    }
  });
});

describe("echo.ts: where it listens", () => {
  it("picks a port for --port 0, on 127.0.0.1", async () => {
    const address = await start("--port", "0").address;
    assertMatch(address, /^ws:\/\/127\.0\.0\.1:[1-9]\d*\/$/);
    await checkEcho(address);
  });

  it("listens on the --hostname and the --port it is given", async () => {
    const { port, address } = await startOnFreePort("--hostname", "localhost");
    assertEquals(address, `ws://localhost:${port}/`);
    await checkEcho(address);
  });

  it("listens on a Unix domain socket with --unix", async () => {
    await withFolder(async (folder) => {
      const path = join(folder, "echo.sock");
      assertEquals(await start("--unix", path).address, `ws+unix:${path}`);
      await checkRawEcho(new RawClient(await NetSocket.connectUnix(path)));
    });
  });

  it("speaks TLS with --tls-cert and --tls-key", async () => {
    const address = await start("--port", "0", "--tls-cert", cert, "--tls-key", key).address;
    assertMatch(address, /^wss:\/\/127\.0\.0\.1:\d+\/$/);
    const { port } = new URL(address);
    const socket = await NetSocket.connectTls(Number(port), certificate.cert);
    await checkRawEcho(new RawClient(socket));
  });
});

describe("echo.ts: what it does", () => {
  for (const style of STYLES) {
    it(`echoes texts and bytes in order with --style ${style}`, async () => {
      const client = await connectTo(await start("--port", "0", "--style", style).address);
      const messages = [
        "",
        "Hello",
        new Uint8Array([0, 255, 128]),
        "κόσμε 🌊",
        "x".repeat(100_000),
      ];
      for (const message of messages) client.send(message);
      for (const message of messages) assertEquals(await client.receive(), message);
      await client.close();
      assertEquals((await client.closed).code, 1005);
    });

    it(`holds --max-message-size and --max-fragments with --style ${style}`, async () => {
      const limits = ["--max-message-size", "10", "--max-fragments", "2"];
      const address = await start("--port", "0", "--style", style, ...limits).address;
      const client = await connectTo(address);
      client.send("ten bytes.");
      assertEquals(await client.receive(), "ten bytes.");
      client.send("eleven byte");
      assertEquals((await client.closed).code, 1009);

      const rawClient = await connectRawTo(address);
      await rawClient.requestUpgrade();
      // One more for each byte.
      rawClient.sendFrame({ opcode: 1, fin: false, payload: Uint8Array.of(97) });
      for (let i = 0; i < 3; i++) rawClient.sendFrame({ opcode: 0, fin: false });
      // What "messages" has echoed of it may come first.
      let frame;
      do frame = await rawClient.readFrame(); while (frame.opcode !== 8);
      assertEquals(frame.payload[0] * 256 + frame.payload[1], 1008);
      rawClient.socket.reset();
    });
  }

  it("lifts the limits with Infinity", async () => {
    const args = ["--port", "0", "--max-message-size", "Infinity", "--max-fragments", "Infinity"];
    const client = await connectTo(await start(...args).address);
    const message = "x".repeat(1024 * 1024 + 1);
    client.send(message);
    assert(await client.receive() === message);
    await client.close();
  });

  it("refuses the origins of others, unless --origin is any", async () => {
    const init = { headers: { Origin: "https://example.com" } };
    const strict = await connectRawTo(await start("--port", "0").address);
    assertEquals((await strict.requestUpgrade(init)).status, 403);
    strict.socket.reset();
    const address = await start("--port", "0", "--origin", "any").address;
    await checkRawEcho(await connectRawTo(address), init);
  });

  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    it(`closes its connections with 1001 and ends with status 0 on ${signal}`, async () => {
      const example = start("--port", "0");
      const client = await connectTo(await example.address);
      client.send("Hello");
      assertEquals(await client.receive(), "Hello");
      const ended = example.stop(signal);
      assertEquals((await client.closed).code, 1001);
      const { code, signal: endedBy, stderr } = await ended;
      assertEquals({ code, endedBy, stderr }, { code: 0, endedBy: null, stderr: "" });
    });
  }
});
