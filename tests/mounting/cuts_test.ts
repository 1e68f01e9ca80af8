import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { closeFrame, textFrame, utf8 } from "../support/raw_client.ts";
import { concatBytes } from "../support/reference_frames.ts";
import { upgradeRequest } from "../support/requests.ts";
import { settle } from "../support/turn.ts";
import { eventually } from "../support/waiter.ts";
import { type MountSetup, STAGES } from "./harness.ts";
import { createServer } from "node:http";
import { connect } from "node:net";
import type { Message } from "../../src/server/mod.ts";
import { mount } from "../../src/runtimes/node/mount.ts";
import { skipUnless } from "../support/skip.ts";
import { ServerProcess } from "../endurance/rig/server_process.ts";
import { TestProcess } from "../support/child_process.ts";
import { onNode } from "../support/installed_runtimes.ts";

const REQUEST = utf8(upgradeRequest());
const BYTES = concatBytes([REQUEST, textFrame("x".repeat(300)), textFrame("y"), closeFrame(1000)]);
/** In the request, at its end, and in the frames behind it. */
const CUTS = [1, 20, REQUEST.length - 1, REQUEST.length, REQUEST.length + 1, REQUEST.length + 200]
  .concat(BYTES.length - 9, BYTES.length - 1, BYTES.length);

for (const { name, withMounted } of STAGES) {
  describe(`connections to what is mounted on ${name} that are cut off`, () => {
    for (const how of ["FIN", "RST"]) {
      it(`by ${how}, in the request and behind it, leave nothing`, () => {
        let open = 0;
        const setup: MountSetup<undefined> = {
          closeTimeoutMs: 500,
          upgrade: () => settle(1).then(() => ({})),
          open: (conn) => {
            open++;
            void conn.send("z".repeat(100_000));
          },
          message: (conn, data) => conn.send(data),
          close: () => void open--,
        };
        return withMounted(setup, async (server) => {
          await Promise.all(CUTS.flatMap((cut) =>
            [0, 1, 3].map(async (turns) => {
              const client = await server.connect();
              client.send(BYTES.subarray(0, cut));
              await settle(turns);
              if (how === "RST") client.socket.reset();
              else client.socket.end();
            })
          ));
          await eventually("all to be over", () => {
            const { connections, handshakes } = server.server.stats();
            return connections === 0 && handshakes === 0;
          });
          assertEquals(open, 0);
        });
      });
    }
  });
}

describe("an upgrade behind requests whose responses the client did not read", () => {
  // Bun takes it for a plain request.
  const skip = skipUnless(!("Bun" in globalThis), "needs pipelined upgrades");
  it("opens a connection that is read from", { skip }, async () => {
    const received: Message[] = [];
    const host = await mount({ message: (_, data) => void received.push(data) });
    const server = createServer((_request, response) => response.end("x".repeat(200_000)));
    host.attach(server, { path: "/ws" });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    assert(typeof address === "object" && address !== null);
    const client = connect(address.port, "127.0.0.1");
    client.pause();
    const request = "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n";
    client.write(request.repeat(20) + upgradeRequest({ target: "/ws" }));
    await new Promise((resolve) => setTimeout(resolve, 200));
    client.on("data", () => {});
    client.resume();
    await eventually("the connection to open", () => host.connections.size === 1);
    client.write(textFrame("first"));
    await eventually("the message to arrive", () => received.length > 0);
    assertEquals(received, ["first"]);
    client.destroy();
    await host.shutdown();
    server.close();
  });
});

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
