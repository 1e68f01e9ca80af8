// @waits

import { assertEquals } from "@std/assert";
import { describe } from "node:test";
import { setTimeout } from "node:timers/promises";
import { decodeUtf8 } from "../../support/raw_client.ts";
import { REFERENCE_OPCODES } from "../../support/reference_frames.ts";
import type { ServerProcess } from "../rig/server_process.ts";
import { testServers } from "../rig/test_server.ts";
import { type Attacker, Target } from "../attacks/target.ts";

/** After so long a peer counts as silent. */
const SILENCE_MS = 2_000;
const TIMES = 2;
/** How long the server stalls, each time. */
const STALL_MS = 1.5 * SILENCE_MS;

/** What a client takes to answer a Ping: so there are always some that are not answered yet. */
const ANSWER_MS = SILENCE_MS / 4;
const CLIENTS = 20;

/** A client that answers, after a while. */
class Client {
  readonly #client: Attacker;
  #onText: (text: string) => void = () => {};
  isClosed = false;

  constructor(client: Attacker) {
    this.#client = client;
    void this.#run();
  }

  /** Sends a text, and gives what comes back. */
  echo(text: string): Promise<string> {
    return new Promise((resolve) => {
      this.#onText = resolve;
      this.#client.sendText(text);
    });
  }

  async #run(): Promise<void> {
    const { text, ping } = REFERENCE_OPCODES;
    try {
      for (;;) {
        const { opcode, payload } = await this.#client.readFrame();
        if (opcode === text) this.#onText(decodeUtf8(payload));
        else if (opcode === ping) {
          void setTimeout(ANSWER_MS).then(() => this.#client.sendPong(decodeUtf8(payload)));
        }
      }
    } catch {
      this.isClosed = true;
    }
  }
}

async function openClients(target: Target): Promise<Client[]> {
  const clients: Client[] = [];
  while (clients.length < CLIENTS) {
    clients.push(new Client(await target.open()));
    // Each is at another place between two Pings.
    await setTimeout(SILENCE_MS / CLIENTS);
  }
  return clients;
}

/** The ways to stall a server for {@linkcode STALL_MS}. */
const STALLS: Record<string, (server: ServerProcess, target: Target) => Promise<void>> = {
  "its process is stopped": async (server) => {
    server.signal("SIGSTOP");
    await setTimeout(STALL_MS);
    server.signal("SIGCONT");
  },
  // Its timers are due before it looks for what has arrived.
  "its program does not return": async (_server, target) => {
    (await target.open()).sendText(`stall for ${STALL_MS}`);
    await setTimeout(STALL_MS);
  },
};

const DEADLINES = { keepAlive: { intervalMs: SILENCE_MS / 2, timeoutMs: SILENCE_MS / 2 } };
const SERVERS = Object.keys(STALLS).map((name) => ({
  name,
  script: new URL("../rig/arena_server.ts", import.meta.url),
  args: ["callback", "--deadlines", JSON.stringify(DEADLINES)],
}));

describe("a server that stalls keeps all its clients but the silent ones", () => {
  testServers(SERVERS, async (server, name) => {
    const target = new Target({ port: server.port });
    try {
      const clients = await openClients(target);
      for (let i = 0; i < TIMES; i++) {
        const silent = await target.open();
        await STALLS[name](server, target);
        await setTimeout(SILENCE_MS);
        const dropped = clients.filter(({ isClosed }) => isClosed);
        assertEquals(dropped.length, 0, "clients were dropped");
        for (const client of clients) assertEquals(await client.echo(`time ${i}`), `time ${i}`);
        await silent.readToEnd();
      }
    } finally {
      target.reset();
    }
  });
});
