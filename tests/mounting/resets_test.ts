import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { ServerProcess } from "../endurance/rig/server_process.ts";
import { TestProcess } from "../support/child_process.ts";
import { onNode } from "../support/installed_runtimes.ts";

/** 56 clients each. */
const ROUNDS = 5;

for (const scheme of ["http", "https"]) {
  describe(`clients that reset the connection while node:${scheme} gives their upgrade away`, () => {
    for (const how of ["alone", "watched", "by-hand"]) {
      it(`do no harm: ${how}`, async () => {
        const server = await ServerProcess.start(new URL("reset_server.ts", import.meta.url), [
          scheme,
          how,
        ]);
        const clients = new TestProcess(
          onNode(new URL("reset_clients.ts", import.meta.url)),
          String(server.port),
          scheme,
          String(ROUNDS),
        );
        try {
          assertEquals(await clients.untilEnded(), 0, clients.output);
          await server.stop();
        } finally {
          clients.kill();
          server.kill();
        }
      });
    }
  });
}
