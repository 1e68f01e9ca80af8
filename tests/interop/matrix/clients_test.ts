import { after, before, describe } from "node:test";
import { ClientStage } from "./client_stage.ts";
import { testCell } from "./matrix.ts";
import { agentCommand, PeerProcess, TRUST } from "./peer_process.ts";

/** The rows whose clients run in a process of a runtime, and what agents/clients.ts calls them. */
const CLIENTS = {
  Node: {
    "ws": "ws",
    "undici": "undici",
    "websocket": "websocket",
    "faye-websocket": "faye-websocket",
    "Node's own": "native",
  },
  Deno: { "Deno's own": "native" },
  Bun: { "Bun's own": "native" },
} as const;

for (const [runtime, rows] of Object.entries(CLIENTS)) {
  describe(`our server, clients on ${runtime}`, () => {
    const stage = new ClientStage();
    let process: PeerProcess;

    before(async () => {
      await stage.start();
      const names = Object.values(rows);
      const command = agentCommand(runtime as keyof typeof CLIENTS, "clients", stage.url());
      process = new PeerProcess([...command, ...names], TRUST, (error) => {
        for (const name of names) stage.fail(name, error);
      });
    });
    after(async () => {
      await process.stop();
      await stage.stop();
    });

    for (const [name, path] of Object.entries(rows)) {
      testCell("client", name, false, () => stage.reach(path));
    }
  });
}
