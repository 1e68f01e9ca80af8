import { assertEquals } from "@std/assert";
import { describe, it } from "node:test";
import type { Address } from "../../src/transport/byte_channel.ts";
import { moduleCommand, TestProcess } from "../support/child_process.ts";
import { usePeers } from "./peer.ts";
import { execFile } from "node:child_process";
import { createServer } from "node:net";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { skipUnless } from "../support/skip.ts";

// Without descriptors left, Deno would panic when it looks for a newer Deno, and Node would warn that it can't
// read more certificates.
const ENVIRONMENT = { DENO_NO_UPDATE_CHECK: "1", NODE_EXTRA_CA_CERTS: undefined };

/** A process of the runtime that the tests run on. */
class ServerProcess extends TestProcess {
  /**
   * Starts `exit_process.ts`.
   *
   * @param mode What it does.
   * @param transport `tcp` or `tls`.
   * @param descriptors How many descriptors it may have. Default: as many as the test.
   */
  constructor(mode: string, transport: string, descriptors?: number) {
    const command = moduleCommand({ url: new URL("exit_process.ts", import.meta.url) });
    if (descriptors !== undefined) {
      command.unshift("sh", "-c", `ulimit -n ${descriptors} && exec "$@"`, "sh");
    }
    super({ command, env: ENVIRONMENT }, mode, transport);
  }

  /** Where it listens. */
  async address(): Promise<Address> {
    return { transport: "tcp", hostname: "127.0.0.1", port: Number(await this.nextLine()) };
  }

  /** Checks that it ends with status 0, and prints nothing to its standard error. */
  async assertEnds(): Promise<void> {
    assertEquals([await this.ended, this.errors], [0, ""]);
  }
}

for (const transport of ["tcp", "tls"]) {
  describe(`a process that listens over ${transport}`, () => {
    const peers = usePeers();

    const tls = transport === "tls";

    it("ends when its listener is closed and its channels are gone", async () => {
      const server = new ServerProcess("closed", transport);
      const peer = await peers.connect(await server.address(), { tls });
      await peer.write(100);
      assertEquals((await peer.untilReceived(100)).intact, true);
      await peer.end();
      await peer.untilClosed();
      await server.assertEnds();
    });

    it("goes on while a channel is open, after its listener is closed", async () => {
      const server = new ServerProcess("channel", transport);
      const peer = await peers.connect(await server.address(), { tls });
      for (let size = 100; size <= 1000; size += 100) {
        await peer.write(100);
        assertEquals((await peer.untilReceived(size)).received, size);
      }
      await peer.end();
      await peer.untilClosed();
      await server.assertEnds();
    });

    it("goes on accepting after its descriptors ran out", async () => {
      const server = new ServerProcess("ref", transport, 80);
      const address = await server.address();
      const first = await peers.connect(address, { tls });
      const crowd = await Promise.all(
        Array.from({ length: 120 }, () => peers.connect(address, { tls: false })),
      );
      // While this one is served, the server accepts as many of the others as it can.
      for (let size = 100; size <= 5000; size += 100) {
        await first.write(100);
        assertEquals((await first.untilReceived(size)).received, size);
      }
      for (const peer of crowd) await peer.destroy();
      // The first ones may still be refused.
      for (let served = false; !served && server.status === undefined;) {
        const peer = await peers.connect(address, { tls });
        await peer.write(100);
        served = (await peer.untilReceived(100)).received === 100;
        await peer.destroy();
      }
      assertEquals((await first.now()).closed, false);
      server.end();
      await server.ended;
      assertEquals(server.errors, "");
    });

    it("ends where its listener is unref'd", async () => {
      await new ServerProcess("unref", transport).assertEnds();
    });

    it("goes on where its listener is ref'd again", async () => {
      const server = new ServerProcess("ref", transport);
      const address = await server.address();
      for (let i = 0; i < 3; i++) {
        const peer = await peers.connect(address, { tls });
        await peer.write(100);
        assertEquals((await peer.untilReceived(100)).received, 100);
        await peer.end();
        await peer.untilClosed();
      }
      server.end();
      await server.ended;
    });
  });
}

const script = fileURLToPath(new URL("permission_process.ts", import.meta.url));

describe("the permission for a name", () => {
  it(
    "is enough to listen on it and to dial it, and no more",
    { skip: skipUnless("Deno" in globalThis, "needs Deno") },
    async () => {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      const { port } = server.address() as { port: number };
      await new Promise((resolve) => server.close(resolve));
      const flags = ["--no-prompt", "--no-check", "--quiet", `--allow-net=localhost:${port}`];
      const { stdout, stderr } = await promisify(execFile)(
        process.execPath,
        ["run", ...flags, script, `${port}`],
      );
      const refusals = ["EACCES", "EACCES", "EACCES"];
      assertEquals(stderr, "");
      assertEquals(stdout.trim().split("\n"), ["listening", "connected", ...refusals]);
    },
  );
});
