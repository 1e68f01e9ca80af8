import { afterEach, describe, it } from "node:test";
import { assert, assertEquals, assertGreater, assertRejects } from "@std/assert";
import { type Connection, serve } from "../../mod.ts";
import type { ServeOptions, Server } from "../../src/server/mod.ts";
import { NetSocket } from "../support/net_socket.ts";
import { withMemoryServer } from "../support/transports.ts";
import { mkdtemp, rm } from "node:fs/promises";
import { networkInterfaces, tmpdir } from "node:os";
import { connect } from "../../src/runtimes/shared/client.ts";
import { certificate } from "../support/tls.ts";
import { skipUnless } from "../support/skip.ts";
import { TestProcess } from "../support/child_process.ts";
import { RawClient } from "../support/raw_client.ts";
import { upgradeRequest } from "../support/requests.ts";

const handler = () => {};
const local = { hostname: "127.0.0.1", port: 0 };

describe("serve()", () => {
  it("listens when it resolves, and no longer after shutdown()", async () => {
    const server = await serve(local, handler);
    const { addr } = server;
    assert(addr.transport === "tcp");
    assertEquals(addr.hostname, "127.0.0.1");
    assert(addr.port > 0 && addr.port < 65536);
    const socket = await NetSocket.connect(addr.port);
    socket.handler = { receive() {}, receiveEnd() {}, receiveClosed() {} };
    socket.reset();
    await server.shutdown();
    await assertRejects(() => NetSocket.connect(addr.port));
    assertEquals(server.addr, addr);
  });
});

describe("a server", () => {
  it("hands ref() and unref() to its listener", () =>
    withMemoryServer({}, ({ server, listener }) => {
      assertEquals(listener.isReferenced, true);
      server.unref();
      assertEquals(listener.isReferenced, false);
      server.ref();
      assertEquals(listener.isReferenced, true);
      return Promise.resolve();
    }));

  it("knows its address, and which connections are open", () =>
    withMemoryServer({}, async (harness) => {
      const { server } = harness;
      assertEquals(server.addr, { transport: "tcp", hostname: "192.0.2.2", port: 80 });
      assertEquals(server.connections.size, 0);
      const { client, conn } = await harness.openPair();
      assertEquals([...server.connections], [conn]);
      client.socket.reset();
      assertEquals(server.connections.size, 0);
    }));
});

const hasIPv6 = Object.values(networkInterfaces()).flat().some((net) => net?.address === "::1");

describe("the port and the URL of a server", () => {
  const open: Server<undefined>[] = [];

  afterEach(async () => {
    for (const server of open.splice(0)) await server.shutdown();
  });

  async function start(options: ServeOptions<undefined>): Promise<Server<undefined>> {
    const server = await serve({ ...options, message: (conn, data) => conn.send(data) });
    open.push(server);
    return server;
  }

  /** Connects by the URL, and checks that it is this server. */
  async function echo(
    server: Server<undefined>,
    options: Parameters<typeof connect>[1] = {},
  ): Promise<Connection> {
    const conn = await connect(server.url, options);
    await conn.send("hello");
    const { value } = await conn[Symbol.asyncIterator]().next();
    assertEquals(value, "hello");
    await conn.close();
    return conn;
  }

  it("lead to it, where it listens on one address", async () => {
    const server = await start({ hostname: "127.0.0.1", port: 0 });
    assert(server.addr.transport === "tcp");
    assertGreater(server.port, 0);
    assertEquals(server.port, server.addr.port);
    assertEquals(server.url, `ws://127.0.0.1:${server.port}/`);
    await echo(server);
  });

  it("lead to it, where it listens on all addresses", async () => {
    const server = await start({ port: 0 });
    assertEquals(server.url, `ws://127.0.0.1:${server.port}/`);
    await echo(server);
  });

  it("lead to it, where it listens on all addresses of IPv6", {
    skip: skipUnless(hasIPv6, "needs IPv6 on the loopback interface"),
  }, async () => {
    const server = await start({ hostname: "::", port: 0 });
    assertEquals(server.url, `ws://[::1]:${server.port}/`);
    await echo(server);
  });

  it("have the name that was given, for which the certificate is", async () => {
    const server = await start({ hostname: "localhost", port: 0, tls: certificate });
    assertEquals(server.url, `wss://localhost:${server.port}/`);
    await echo(server, { tls: { ca: certificate.cert } });
  });

  it("lead to it by its path, where it listens on a Unix socket", async () => {
    const folder = await mkdtemp(`${tmpdir()}/sluice-`);
    try {
      const path = `${folder}/socket`;
      const server = await start({ path });
      assertEquals([server.port, server.url], [0, "ws://localhost/"]);
      const conn = await echo(server, { path });
      assertEquals(new URL(conn.request.url).host, "localhost");
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("stay what they were, after a shutdown", async () => {
    const server = await start({ hostname: "127.0.0.1", port: 0 });
    const { port, url } = server;
    await server.shutdown();
    assertEquals([server.port, server.url], [port, url]);
  });
});

async function withProcess(word: string, body: (child: TestProcess) => Promise<void>) {
  const child = new TestProcess(new URL("serving_process.ts", import.meta.url), word);
  try {
    await body(child);
  } finally {
    child.kill();
  }
}

/** Opens a WebSocket to the process. */
async function open(child: TestProcess): Promise<RawClient<NetSocket>> {
  const [, port] = await child.untilPrinted(/^port (\d+)/);
  const client = new RawClient(await NetSocket.connect(Number(port)));
  client.send(upgradeRequest());
  await client.readHead();
  return client;
}

describe("a process that serves", () => {
  it("ends by itself after unref()", () =>
    withProcess("unref", async (child) => {
      assertEquals(await child.untilEnded(), 0);
      assertEquals(child.output.includes("alive"), false);
    }));

  it("lives on after ref(), until the server is shut down", () =>
    withProcess("ref", async (child) => {
      await child.untilPrinted(/alive/);
      assertEquals(await child.untilEnded(), 0);
    }));

  it("lives on after unref() while a connection is open", () =>
    withProcess("connection", async (child) => {
      const client = await open(child);
      await child.untilPrinted(/alive/);
      await client.close();
      assertEquals(await child.untilEnded(), 0);
    }));

  it("ends by itself after shutdown(): no timer and no socket is left", () =>
    withProcess("shutdown", async (child) => {
      const client = await open(child);
      await client.answerClose(1001);
      await child.untilPrinted(/finished/);
      assertEquals(await child.untilEnded(), 0);
    }));
});
