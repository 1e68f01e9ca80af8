import { assert, assertEquals, assertRejects } from "@std/assert";
import { generateKeyPairSync } from "node:crypto";
import { existsSync, statSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { describe, it } from "node:test";
import { loadListen } from "../../src/runtimes/shared/runtime.ts";
import type {
  ByteChannel,
  ListenTarget,
  TlsCertificate,
} from "../../src/transport/byte_channel.ts";
import { ListenError } from "../../src/errors.ts";
import { skipUnless } from "../support/skip.ts";
import { usePeers } from "./peer.ts";
import { loopback, otherKey, type Server, withFolder, withServer } from "./server.ts";
import { certificate } from "../support/tls.ts";

const listen = await loadListen();

async function refuse(
  target: ListenTarget,
  code: string,
  message: string,
  tls?: TlsCertificate,
): Promise<void> {
  const error = await assertRejects(() => listen(target, tls, () => {}), ListenError);
  assertEquals([error.code, error.message], [code, message]);
}

function portOf(server: Server): number {
  const { addr } = server.listener;
  return addr.transport === "tcp" ? addr.port : 0;
}

/** Takes a channel, and ends it when the peer does. */
function serveNothing(channel: ByteChannel): void {
  channel.handler = {
    receive: () => {},
    receiveEnd: () => channel.end(),
    drain: () => {},
    receiveClosed: () => {},
  };
}

/** Connects, and tells how that went. */
function tryConnect(target: { path: string } | { host: string; port: number }): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(target, () => {
      socket.destroy();
      resolve("connected");
    });
    socket.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? "unknown"));
  });
}

const hasIPv6 = Object.values(networkInterfaces()).flat().some((net) => net?.address === "::1");
const isRoot = process.getuid?.() === 0;

describe("listen()", () => {
  const peers = usePeers();

  it("refuses a port in use", () =>
    withServer("tcp", peers, async (server) => {
      const port = portOf(server);
      const message =
        `Cannot listen on 127.0.0.1:${port}: the address is in use: another program, or this one a second time, listens there`;
      await refuse({ hostname: "127.0.0.1", port }, "EADDRINUSE", message);
      await refuse({ hostname: "127.0.0.1", port }, "EADDRINUSE", message, certificate);
    }));

  it("refuses a port that another process listens on", async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const { port } = other.address() as { port: number };
    await refuse(
      { hostname: "127.0.0.1", port },
      "EADDRINUSE",
      `Cannot listen on 127.0.0.1:${port}: the address is in use: another program, or this one a second time, listens there`,
    );
    await new Promise((resolve) => other.close(resolve));
  });

  it("refuses an address of another machine", () =>
    refuse(
      { hostname: "192.0.2.1", port: 0 },
      "EADDRNOTAVAIL",
      "Cannot listen on 192.0.2.1:0: the address is not available on this machine",
    ));

  it("refuses a name that has no address", () =>
    refuse(
      { hostname: "no.such.name.invalid", port: 80 },
      "ENOTFOUND",
      "Cannot listen on no.such.name.invalid:80: the host name can't be resolved",
    ));

  it(
    "refuses a port it may not use",
    { skip: skipUnless(!isRoot && process.platform === "linux", "needs Linux, and not root") },
    () =>
      refuse(
        { hostname: "127.0.0.1", port: 80 },
        "EACCES",
        "Cannot listen on 127.0.0.1:80: permission denied, as for most users below port 1024",
      ),
  );

  it("refuses the path of a socket in use, of one left behind, and of a file", () =>
    withFolder(async (folder) => {
      const inUse = join(folder, "in-use");
      const listener = await listen({ path: inUse }, undefined, serveNothing);
      const message = (path: string) =>
        `Cannot listen on ${path}: the address is in use: another program, or this one a second time, listens there`;
      await refuse({ path: inUse }, "EADDRINUSE", message(inUse));
      assertEquals(await tryConnect({ path: inUse }), "connected");
      await listener.close();

      const file = join(folder, "file");
      writeFileSync(file, "precious");
      await refuse({ path: file }, "EADDRINUSE", message(file));
      assertEquals(statSync(file).size, 8);
    }));

  it("refuses paths that can't be", () =>
    withFolder(async (folder) => {
      const file = join(folder, "file");
      writeFileSync(file, "");
      const lost = join(folder, "lost", "socket");
      await refuse(
        { path: lost },
        "ENOENT",
        `Cannot listen on ${lost}: the directory does not exist`,
      );
      const below = join(file, "socket");
      await refuse(
        { path: below },
        "ENOTDIR",
        `Cannot listen on ${below}: a part of the path is not a directory`,
      );
      const long = join(folder, "é".repeat(60));
      await refuse(
        { path: long },
        "ENAMETOOLONG",
        `Cannot listen on ${long}: the path is too long`,
      );
      assertEquals(existsSync(long.slice(0, 107)), false);
    }));

  it("refuses certificates and keys that can't be used", async () => {
    const { cert, key } = certificate;
    const encrypted = generateKeyPairSync("ec", {
      namedCurve: "P-256",
      publicKeyEncoding: { type: "spki", format: "pem" },
      privateKeyEncoding: { type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "x" },
    }).privateKey;
    const weak = generateKeyPairSync("rsa", {
      modulusLength: 1024,
      publicKeyEncoding: { type: "spki", format: "pem" },
      privateKeyEncoding: { type: "pkcs8", format: "pem" },
    }).privateKey;
    const noCertificate = "cert is not a PEM encoded certificate";
    const noKey = "key is not a PEM encoded, unencrypted private key";
    const cases: [TlsCertificate, string][] = [
      [{ cert: "", key }, noCertificate],
      [{ cert: "nonsense", key }, noCertificate],
      [{ cert: key, key }, noCertificate],
      [{ cert: cert.slice(0, 300), key }, noCertificate],
      [{ cert, key: "" }, noKey],
      [{ cert, key: "nonsense" }, noKey],
      [{ cert, key: cert }, noKey],
      [{ cert, key: encrypted }, noKey],
      [{ cert, key: weak }, "an RSA key needs at least 2048 bits, this one has 1024"],
      [{ cert, key: otherKey }, "the private key belongs to another certificate"],
    ];
    for (const [tls, reason] of cases) {
      await refuse(loopback, "EINVAL", `Cannot use the TLS certificate: ${reason}`, tls);
    }
  });

  it("has no TLS for Unix sockets", async () => {
    await assertRejects(
      () => listen({ path: "/tmp/socket" }, certificate, () => {}),
      TypeError,
      "Cannot listen on /tmp/socket: TLS needs a host name and port",
    );
  });

  it("writes IPv6 addresses in brackets", {
    skip: skipUnless(hasIPv6, "needs IPv6 on the loopback interface"),
  }, async () => {
    const listener = await listen({ hostname: "::1", port: 0 }, undefined, () => {});
    assert(listener.addr.transport === "tcp");
    const { hostname, port } = listener.addr;
    assertEquals(hostname, "::1");
    await refuse(
      { hostname, port },
      "EADDRINUSE",
      `Cannot listen on [::1]:${port}: the address is in use: another program, or this one a second time, listens there`,
    );
    await listener.close();
  });

  it("takes a host name", async () => {
    const listener = await listen({ hostname: "localhost", port: 0 }, undefined, serveNothing);
    assert(listener.addr.transport === "tcp");
    const { hostname, port } = listener.addr;
    assert(hostname === "127.0.0.1" || hostname === "::1", hostname);
    assertEquals(await tryConnect({ host: hostname, port }), "connected");
    await listener.close();
  });

  it("can be called again after it failed", async () => {
    const listener = await listen(loopback, undefined, () => {});
    assert(listener.addr.transport === "tcp");
    const target = { hostname: "127.0.0.1", port: listener.addr.port };
    await assertRejects(() => listen(target, undefined, () => {}), ListenError);
    await listener.close();
    for (const tls of [undefined, certificate]) {
      const again = await listen(target, tls, () => {});
      assertEquals(again.addr, { transport: "tcp", ...target });
      await again.close();
    }
  });
});

for (const transport of ["tcp", "tls", "unix"] as const) {
  describe(`a listener over ${transport}`, () => {
    const peers = usePeers();

    it("accepts nobody after it is closed, and its channels live on", () =>
      withServer(transport, peers, async (server) => {
        const { channel, peer } = await server.connect();
        const { addr } = server.listener;
        await server.listener.close();
        await server.listener.close();
        if (addr.transport === "unix") {
          assertEquals(existsSync(addr.path), false);
          assertEquals(await tryConnect({ path: addr.path }), "ENOENT");
        } else if (addr.transport === "tcp") {
          assertEquals(await tryConnect({ host: addr.hostname, port: addr.port }), "ECONNREFUSED");
        }
        await peer.write(1000);
        await channel.untilReceived(1000);
        await channel.send(1000);
        assertEquals((await peer.untilReceived(1000)).intact, true);
        await peer.end();
        await channel.untilEnded();
        channel.end();
        await channel.untilClosed();
        channel.assertClosedInOrder();
      }));

    it("can be closed while peers connect", () =>
      withServer(transport, peers, async (server) => {
        const connecting = Array.from({ length: 20 }, () => server.connectPeer());
        await server.listener.close();
        for (const peer of await Promise.all(connecting)) await peer.destroy();
      }));
  });
}
