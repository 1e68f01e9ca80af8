import { assertEquals } from "@std/assert";
import { after, before, describe, it } from "node:test";
import { TestProcess } from "../../support/child_process.ts";
import { onNode } from "../../support/installed_runtimes.ts";
import { KiB, MiB, mib, progress, scaled, skip, TIMEOUT_MS } from "../rig/scale.ts";
import { ServerProcess } from "../rig/server_process.ts";
import type { ClientKind } from "./tls_clients.ts";

/** What JavaScript may still use when all is over: in all, and of each connection. See resets_test.ts. */
const MAX_LEFT = 768 * KiB;
const MAX_LEFT_OF_EACH = 128;
/** What may be left in RAM. */
const MAX_RESIDENT_GROWTH = 64 * MiB;

/** How many of each kind come before: the runtime then has the memory that it wants for a while of this. */
const WARM_UP = scaled(60, 1_000);

/** How many clients come. What a TLS socket holds is 5 to 15 KiB: if all were kept, 1.5 MiB or more. */
const KINDS: Record<ClientKind, number> = {
  "FIN at once": scaled(500, 20_000),
  "RST at once": scaled(500, 20_000),
  "FIN behind a part of a hello": scaled(500, 20_000),
  "RST behind a part of a hello": scaled(500, 20_000),
  "plain HTTP": scaled(500, 20_000),
  "bytes that are no hello": scaled(500, 20_000),
  "silence": scaled(500, 20_000),
  "a part of a hello, and silence": scaled(500, 20_000),
  "a certificate it does not trust": scaled(300, 20_000),
  "a handshake, and an end": scaled(300, 20_000),
  "a handshake, and RST": scaled(300, 20_000),
  "a handshake, and silence": scaled(300, 20_000),
};

async function come(server: ServerProcess, kind: string, count: number): Promise<void> {
  const clients = new TestProcess(
    onNode(new URL("tls_clients.ts", import.meta.url)),
    String(server.port),
    kind,
    String(count),
  );
  try {
    assertEquals(await clients.untilEnded(TIMEOUT_MS), 0, clients.output);
  } finally {
    clients.kill();
  }
}

describe("a TLS server keeps nothing of clients that come with", () => {
  let server: ServerProcess;
  let descriptors: number;
  before(async () => {
    server = await ServerProcess.start("tls_server.ts");
    descriptors = server.descriptors;
    for (const kind in KINDS) await come(server, kind, WARM_UP);
  });
  after(() => server.kill());

  for (const [kind, count] of Object.entries(KINDS)) {
    it(kind, { skip, timeout: TIMEOUT_MS }, async () => {
      await server.untilDescriptors(descriptors);
      const memory = await server.usedMemory();
      const resident = server.residentSize;
      await come(server, kind, count);
      await server.untilDescriptors(descriptors);
      const left = await server.usedMemory() - memory;
      const growth = server.residentSize - resident;
      progress(
        `${kind}: ${count} left ${(left / KiB).toFixed(0)} KiB in use, ${mib(growth)} resident`,
      );
      assertEquals(left < MAX_LEFT + count * MAX_LEFT_OF_EACH, true, `${left} bytes are in use`);
      assertEquals(growth < MAX_RESIDENT_GROWTH, true, `${mib(growth)} more are resident`);
    });
  }

  it("whatever there was, and ends in order", { skip }, () => server.stop());
});
