import { afterEach, describe, it } from "node:test";
import { assert, assertEquals, assertGreater } from "@std/assert";
import { mkdtemp, rm } from "node:fs/promises";
import { networkInterfaces, tmpdir } from "node:os";
import { type Connection, serve } from "../../mod.ts";
import type { ServeOptions, Server } from "../../src/server/mod.ts";
import { connect } from "../../src/runtimes/shared/client.ts";
import { certificate } from "../support/tls.ts";
import { skipUnless } from "../support/skip.ts";

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
