import { after, before, describe } from "node:test";
import { connect } from "../../../src/runtimes/shared/client.ts";
import { readTls, tlsPath } from "../../support/tls.ts";
import { compressionOf, LIMITS } from "./client_stage.ts";
import { type Reach, testCell } from "./matrix.ts";
import { agentCommand, pathOf, PeerProcess } from "./peer_process.ts";
import { NEEDS_PYTHON, PYTHON } from "./python.ts";

const CERTIFICATE = [tlsPath("issued.pem"), tlsPath("issued_key.pem")];
const CA = readTls("ca.pem");

interface Ports {
  name: string;
  port: number;
  tlsPort: number;
}

/** Reads the lines in which the servers of a process tell their ports. */
class Servers {
  readonly #process: PeerProcess;
  readonly #ports = new Map<string, PromiseWithResolvers<Ports>>();

  constructor(command: string[], names: readonly string[]) {
    for (const name of names) {
      const ports = Promise.withResolvers<Ports>();
      // It is asked for later, if at all.
      ports.promise.catch(() => {});
      this.#ports.set(name, ports);
    }
    this.#process = new PeerProcess(command, {}, (error) => {
      for (const { reject } of this.#ports.values()) reject(error);
    });
    this.#process.onLine = (line) => {
      const ports: Ports = JSON.parse(line);
      this.#ports.get(ports.name)!.resolve(ports);
    };
  }

  async reach(name: string): Promise<Reach> {
    const { port, tlsPort } = await this.#ports.get(name)!.promise;
    return {
      connect(kind) {
        const url = kind === "tls" ? `wss://127.0.0.1:${tlsPort}/` : `ws://127.0.0.1:${port}/`;
        return connect(url, { compression: compressionOf(kind), tls: { ca: CA }, limits: LIMITS });
      },
    };
  }

  stop(): Promise<void> {
    return this.#process.stop();
  }
}

/** Registers the tests of servers that run in one process. */
function testServers(names: readonly string[], skip: false | string, command: () => string[]) {
  describe(`our client, servers of a process: ${names.join(", ")}`, () => {
    let servers: Servers | undefined;
    before(() => {
      if (!skip) servers = new Servers(command(), names);
    });
    after(async () => {
      await servers?.stop();
    });
    for (const name of names) testCell("server", name, skip, () => servers!.reach(name));
  });
}

for (
  const [runtime, names] of [
    ["Node", ["ws", "websocket", "faye-websocket"]],
    ["Bun", ["Bun.serve"]],
    ["Deno", ["Deno.upgradeWebSocket"]],
  ] as const
) {
  testServers(names, false, () => agentCommand(runtime, "servers", ...CERTIFICATE, ...names));
}

testServers(["websockets (Python)"], NEEDS_PYTHON, () => {
  return [PYTHON, pathOf("agents/websockets_agent.py"), "server", ...CERTIFICATE];
});
