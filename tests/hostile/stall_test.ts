import { assertEquals } from "@std/assert";
import { describe, it } from "node:test";
import { setTimeout } from "node:timers/promises";
import { skip, TIMEOUT_MS } from "../stress/scale.ts";
import { ServerProcess } from "../stress/server_process.ts";
import { Target } from "./target.ts";

/** After so long a peer counts as silent. */
const SILENCE_MS = 2_000;
const STALLS = 3;
/** How long the server stalls, each time. */
const STALL_MS = 1.5 * SILENCE_MS;

/** A client of the runtime, which answers Pings. */
class Client {
  readonly #socket: WebSocket;
  readonly opened: Promise<unknown>;
  isClosed = false;

  constructor(port: number) {
    this.#socket = new WebSocket(`ws://127.0.0.1:${port}/`);
    this.opened = new Promise((resolve) => this.#socket.onopen = resolve);
    this.#socket.onclose = () => this.isClosed = true;
  }

  /** Sends a text, and gives what comes back. */
  async echo(text: string): Promise<unknown> {
    const answer = new Promise<MessageEvent>((resolve) => this.#socket.onmessage = resolve);
    this.#socket.send(text);
    return (await answer).data;
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#socket.onclose = resolve);
    this.#socket.close();
    await closed;
  }
}

describe("a server that stalls", () => {
  it("keeps all its clients but the silent ones", { skip, timeout: TIMEOUT_MS }, async () => {
    const script = new URL("hostile_server.ts", import.meta.url);
    const server = await ServerProcess.start(script, ["callback", String(SILENCE_MS)]);
    const target = new Target({ port: server.port });
    try {
      const clients = Array.from({ length: 20 }, () => new Client(server.port));
      await Promise.all(clients.map(({ opened }) => opened));
      for (let i = 0; i < STALLS; i++) {
        const silent = await target.open();
        // Each time at another place between two Pings, or behind one that is not answered yet.
        await setTimeout(i * SILENCE_MS / STALLS);
        server.signal("SIGSTOP");
        await setTimeout(STALL_MS);
        server.signal("SIGCONT");
        await setTimeout(SILENCE_MS);
        const echoes = await Promise.all(clients.map((client) => client.echo(`stall ${i}`)));
        assertEquals(echoes, clients.map(() => `stall ${i}`));
        await silent.readToEnd();
      }
      assertEquals(clients.filter(({ isClosed }) => isClosed).length, 0);
      await Promise.all(clients.map((client) => client.close()));
      await server.stop();
    } finally {
      target.reset();
      server.kill();
    }
  });
});
