import { describe, it } from "node:test";
import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { ListenError, serve } from "../../mod.ts";
import type { ServeOptions } from "../../src/server/mod.ts";
import { NetSocket } from "../support/net_socket.ts";
import { withMemoryServer } from "../support/transports.ts";

const handler = () => {};
const local = { hostname: "127.0.0.1", port: 0 };

/** Tries to serve where that can't be. */
async function failToListen(options: ServeOptions): Promise<ListenError> {
  const error = await assertRejects(() => serve(options, handler));
  assertInstanceOf(error, ListenError);
  assertEquals(error.name, "ListenError");
  return error;
}

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

  it("rejects where the port is in use", async () => {
    const server = await serve(local, handler);
    assert(server.addr.transport === "tcp");
    const { port } = server.addr;
    const error = await failToListen({ hostname: "127.0.0.1", port });
    assertEquals(error.code, "EADDRINUSE");
    assertEquals(
      error.message,
      `Cannot listen on 127.0.0.1:${port}: the address is in use: another program, or this one a second time, listens there`,
    );
    await server.shutdown();
    // It is free again at once.
    await (await serve({ hostname: "127.0.0.1", port }, handler)).shutdown();
  });

  it("rejects where the address is not this machine's", async () => {
    const error = await failToListen({ hostname: "192.0.2.1", port: 0 });
    assertEquals(error.code, "EADDRNOTAVAIL");
    assertEquals(
      error.message,
      "Cannot listen on 192.0.2.1:0: the address is not available on this machine",
    );
  });

  it("rejects where the folder of the socket does not exist", async () => {
    const error = await failToListen({ path: "/nowhere/at/all.sock" });
    assertEquals(error.code, "ENOENT");
  });

  it("rejects where the certificate is none", async () => {
    const error = await failToListen({ ...local, tls: { cert: "cert", key: "key" } });
    assertEquals(error.code, "EINVAL");
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
