import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { createServer, type Server as NetServer } from "node:net";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { describe, it } from "node:test";
import { loadDialer, loadListen } from "../../src/runtimes/shared/runtime.ts";
import type { ByteChannel, DialTarget, ListenTarget } from "../../src/transport/byte_channel.ts";
import { ConnectError } from "../../src/errors.ts";
import { skipUnless } from "../support/skip.ts";
import { canCount, countSettledSockets, untilSockets } from "./descriptors.ts";
import { unexpected, withDialled } from "./dialled.ts";
import { PeerProcess, usePeers } from "./peer.ts";
import { Recorder } from "./recorder.ts";
import { withFolder } from "./server.ts";

const { dial } = await loadDialer();
const { signal } = new AbortController();
const hasIPv6 = Object.values(networkInterfaces()).flat().some((net) => net?.address === "::1");
const isRoot = process.getuid?.() === 0;
const isBun = "Bun" in globalThis;
const skip = skipUnless(canCount, "needs /proc to count descriptors: Linux");

async function refuse(target: DialTarget, code: string, message: string): Promise<void> {
  const error = await assertRejects(() => dial(target, unexpected, signal), ConnectError);
  assertEquals([error.code, error.message], [code, message]);
}

/** Listens with `node:net`, and gives the port. */
async function listenNet(server: NetServer, hostname: string): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, hostname, resolve));
  return (server.address() as { port: number }).port;
}

/** A port on which nobody listens. */
async function closedPort(): Promise<number> {
  const server = createServer();
  const port = await listenNet(server, "127.0.0.1");
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Sends back what it receives, and ends when its peer does. */
function echo(channel: ByteChannel): void {
  channel.handler = {
    receive: (bytes) => void channel.write([bytes.slice()]),
    receiveEnd: () => channel.end(),
    drain: () => {},
    receiveClosed: () => {},
  };
}

/** Calls `run` with where our own listener of this runtime echoes. */
async function withEcho(
  target: ListenTarget,
  run: (target: DialTarget) => Promise<void>,
): Promise<void> {
  const listen = await loadListen();
  const listener = await listen(target, undefined, echo);
  const { addr } = listener;
  assert(addr.transport !== "stream");
  try {
    await run(addr.transport === "unix" ? { path: addr.path } : addr);
  } finally {
    await listener.close();
  }
}

async function checkEcho(target: DialTarget): Promise<Recorder> {
  const channel = new Recorder(await dial(target, unexpected, signal));
  await channel.send(1000);
  await channel.untilReceived(1000);
  channel.end();
  await channel.untilClosed();
  assertEquals([channel.received, channel.ended], [1000, true]);
  channel.assertClosedInOrder();
  return channel;
}

describe("dial()", () => {
  it("connects to a listener of the same runtime", () =>
    withEcho({ hostname: "127.0.0.1", port: 0 }, async (target) => {
      assert("port" in target);
      const { channel } = await checkEcho(target);
      assertEquals(channel.remoteAddress, {
        transport: "tcp",
        hostname: "127.0.0.1",
        port: target.port,
      });
      assert(channel.localAddress.transport === "tcp");
      assertEquals(channel.localAddress.hostname, "127.0.0.1");
      assert(channel.localAddress.port > 0 && channel.localAddress.port !== target.port);
    }));

  it("connects to the path of a Unix socket", () =>
    withFolder((folder) =>
      withEcho({ path: join(folder, "socket") }, async (target) => {
        assert("path" in target);
        const { channel } = await checkEcho(target);
        assertEquals(channel.remoteAddress, { transport: "unix", path: target.path });
        assertEquals(channel.localAddress, { transport: "unix", path: "" });
      })
    ));

  it(
    "connects to an IPv6 address",
    { skip: skipUnless(hasIPv6, "needs IPv6 on the loopback interface") },
    () => withEcho({ hostname: "::1", port: 0 }, async (target) => void await checkEcho(target)),
  );

  it("connects to a name", () =>
    withEcho({ hostname: "localhost", port: 0 }, async (target) => {
      assert("port" in target);
      await checkEcho({ hostname: "localhost", port: target.port });
    }));

  it("refuses a port on which nobody listens", async () => {
    const port = await closedPort();
    const message = (place: string) => `Cannot connect to ${place}: the connection was refused`;
    for (const hostname of ["127.0.0.1", "localhost"]) {
      await refuse({ hostname, port }, "ECONNREFUSED", message(`${hostname}:${port}`));
    }
    await refuse({ hostname: "127.0.0.1", port: 0 }, "ECONNREFUSED", message("127.0.0.1:0"));
  });

  it("refuses a name that has no address", async () => {
    for (const hostname of ["no.such.name.invalid", "a b", "", "x".repeat(300)]) {
      await refuse(
        { hostname, port: 80 },
        "ENOTFOUND",
        `Cannot connect to ${hostname}:80: the host name can't be resolved`,
      );
    }
  });

  it("refuses an address that can't be reached", {
    skip: skipUnless(
      process.platform === "linux" && !isBun,
      "needs Linux; Bun says that the connection was refused, whatever the system says",
    ),
  }, () =>
    refuse(
      { hostname: "255.255.255.255", port: 80 },
      "ENETUNREACH",
      "Cannot connect to 255.255.255.255:80: the network can't be reached",
    ));

  it("refuses a path that leads to no socket", () =>
    withFolder(async (folder) => {
      const file = join(folder, "file");
      writeFileSync(file, "");
      const cases = [
        [join(folder, "none"), "ENOENT", "the path does not exist"],
        [join(file, "none"), "ENOTDIR", "a part of the path is not a directory"],
        [file, "ECONNREFUSED", "the connection was refused"],
        [folder, "ECONNREFUSED", "the connection was refused"],
        ["/" + "x".repeat(107), "ENAMETOOLONG", "the path is too long"],
        ["", "ENOENT", "the path does not exist"],
      ];
      for (const [path, code, reason] of cases) {
        await refuse({ path }, code, `Cannot connect to ${path}: ${reason}`);
      }
    }));

  it("refuses a path that nobody listens on any more", () =>
    withFolder(async (folder) => {
      const path = join(folder, "socket");
      // Its process does not get to remove it.
      const peers = new PeerProcess();
      await peers.listen({ transport: "unix", path });
      await peers.kill();
      await refuse(
        { path },
        "ECONNREFUSED",
        `Cannot connect to ${path}: the connection was refused`,
      );
    }));

  it("refuses a path it may not use", {
    skip: skipUnless(!isRoot && process.platform === "linux", "needs Linux, and not root"),
  }, () =>
    withFolder(async (folder) => {
      const closed = join(folder, "closed");
      mkdirSync(closed);
      chmodSync(closed, 0);
      const path = join(closed, "socket");
      await refuse({ path }, "EACCES", `Cannot connect to ${path}: permission denied`);
      chmodSync(closed, 0o700);
    }));

  it("is aborted before it begins", async () => {
    const reason = new Error("enough");
    const target = { hostname: "127.0.0.1", port: 1 };
    const error = await assertRejects(() => dial(target, unexpected, AbortSignal.abort(reason)));
    assertStrictEquals(error, reason);
  });

  it("is aborted at any time, and leaves no socket", () =>
    withEcho({ hostname: "127.0.0.1", port: 0 }, async (target) => {
      await checkEcho(target);
      const before = canCount ? await countSettledSockets() : 0;
      const outcomes = { aborted: 0, connected: 0 };
      const attempt = async (hostname: string, wait: () => Promise<void>) => {
        assert("port" in target);
        const controller = new AbortController();
        const reason = new Error("enough");
        const { port } = target;
        const dialling = dial({ hostname, port }, unexpected, controller.signal).then(
          (channel) => {
            outcomes.connected++;
            channel.handler = { ...unexpected, receiveClosed: () => {} };
            channel.abort();
          },
          (error) => {
            outcomes.aborted++;
            assertStrictEquals(error, reason);
          },
        );
        await wait();
        controller.abort(reason);
        await dialling;
      };
      for (const hostname of ["127.0.0.1", "localhost"]) {
        for (let steps = 0; steps < 30; steps++) {
          await attempt(hostname, async () => {
            for (let i = 0; i < steps; i++) await Promise.resolve();
          });
          await attempt(hostname, async () => {
            for (let i = 0; i < steps / 5; i++) await new Promise((done) => setImmediate(done));
          });
        }
      }
      assert(outcomes.aborted > 30);
      if (canCount) await untilSockets(before);
    }));

  it("is aborted while the server does not answer, and leaves no socket", { skip }, async () => {
    const peers = new PeerProcess();
    const address = { transport: "tcp", hostname: "127.0.0.1", port: 0 } as const;
    const { port } = await peers.listen(address);
    // The system accepts a few in its stead, and leaves the others without an answer.
    peers.stop();
    const before = await countSettledSockets();
    const controller = new AbortController();
    const reason = new Error("enough");
    const target = { hostname: "127.0.0.1", port };
    const dialling = Array.from(
      { length: 8 },
      () => dial(target, { ...unexpected, receiveClosed: () => {} }, controller.signal),
    );
    (await Promise.race(dialling)).abort();
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
    controller.abort(reason);
    const results = await Promise.allSettled(dialling);
    for (const result of results) {
      if (result.status === "fulfilled") result.value.abort();
      else assertStrictEquals(result.reason, reason);
    }
    assert(results.filter(({ status }) => status === "rejected").length > 3);
    // Deno begins to listen to signals at some time, which takes two.
    await untilSockets(before + 2);
    await peers.kill();
  });

  it("leaves nothing with the signal once it is connected", () =>
    withEcho({ hostname: "127.0.0.1", port: 0 }, async (target) => {
      const controller = new AbortController();
      const channel = new Recorder(await dial(target, unexpected, controller.signal));
      controller.abort();
      await channel.send(1000);
      await channel.untilReceived(1000);
      channel.abort();
      await channel.untilClosed();
      channel.assertClosedInOrder();
    }));
});

for (const transport of ["tcp", "tls", "unix"] as const) {
  describe(`a dialled connection over ${transport} leaves no descriptor`, () => {
    const peers = usePeers();

    it("however it is ended", { skip }, () =>
      withDialled(transport, peers, async (source) => {
        const first = await source.connect();
        first.channel.abort();
        await first.channel.untilClosed();
        const before = await countSettledSockets();
        for (let i = 0; i < 5; i++) {
          for (const isFirst of [true, false]) {
            const { channel, peer } = await source.connect();
            if (isFirst) channel.end();
            await peer.end();
            await channel.untilEnded();
            channel.end();
            await channel.untilClosed();
          }
          const aborted = await source.connect();
          aborted.channel.abort();
          const abortedAtEnd = await source.connect();
          abortedAtEnd.channel.end();
          abortedAtEnd.channel.abort();
          const unread = await source.connect({ paused: true });
          unread.channel.write([new Uint8Array(8_388_608)]);
          unread.channel.abort();
          if (transport !== "unix") {
            const reset = await source.connect();
            await reset.peer.reset();
            await reset.channel.untilGone();
          }
        }
        // The peers have not closed theirs.
        await untilSockets(before);
      }));
  });
}
