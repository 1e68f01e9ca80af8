import { after, before, describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { serve } from "../../mod.ts";
import type { ServeOptions, Server } from "../../src/server/mod.ts";
import { type Peer, PeerProcess } from "../runtimes/peer.ts";
import { withFolder } from "../runtimes/server.ts";
import { Body, Hook, untilAborted } from "../support/hook.ts";
import { httpRequest, upgradeRequest } from "../support/requests.ts";
import { certificate } from "../support/tls.ts";
import { eventually } from "../support/waiter.ts";
import { watch } from "../support/watch.ts";

/** How a client leaves without a reset, on what it leaves. */
const ENDS: [name: string, transport: "TCP" | "TLS" | "Unix", end: (peer: Peer) => unknown][] = [
  ["FIN on TCP", "TCP", (peer) => peer.end()],
  ["closing its TCP socket", "TCP", (peer) => peer.destroy()],
  ["FIN on a Unix socket", "Unix", (peer) => peer.end()],
  ["closing its Unix socket", "Unix", (peer) => peer.destroy()],
  ["the end of TLS and FIN", "TLS", (peer) => peer.end()],
  ["FIN on TLS, without the end of TLS", "TLS", (peer) => peer.endRaw()],
];

const HOOKS: [name: string, hook: "upgrade" | "fetch", request: string][] = [
  ["the upgrade hook", "upgrade", upgradeRequest()],
  ["the upgrade hook, with bytes behind the request", "upgrade", `${upgradeRequest()}early`],
  ["the fetch hook", "fetch", httpRequest()],
  [
    "the fetch hook of a request with a body",
    "fetch",
    `${httpRequest({ method: "POST", headers: { "Content-Length": "4" } })}body`,
  ],
  [
    "the fetch hook of a request with a body of more than 4 KiB",
    "fetch",
    `${httpRequest({ method: "POST", headers: { "Content-Length": "8000" } })}${"x".repeat(8000)}`,
  ],
];

describe("a client that leaves by", () => {
  let peers: PeerProcess;
  before(() => {
    peers = new PeerProcess();
  });
  after(() => peers.close());

  /** Serves for as long as `body` takes; neither the deadline nor the end of a shutdown is of any help. */
  async function withServer(
    transport: "TCP" | "TLS" | "Unix",
    options: ServeOptions<unknown>,
    body: (server: Server, connect: () => Promise<Peer>) => Promise<void>,
  ): Promise<void> {
    const errors: unknown[] = [];
    await withFolder(async (folder) => {
      const server = await serve<unknown>({
        ...(transport === "Unix"
          ? { path: `${folder}/socket` }
          : { port: 0, hostname: "127.0.0.1" }),
        tls: transport === "TLS" ? certificate : undefined,
        handshakeTimeoutMs: Infinity,
        onError: (error) => void errors.push(error),
        message() {},
        ...options,
      });
      const clients: Peer[] = [];
      const connect = async () => {
        const peer = await peers.connect(server.addr, { tls: transport === "TLS" });
        clients.push(peer);
        return peer;
      };
      try {
        await body(server, connect);
        assertEquals(errors, []);
      } finally {
        const finished = watch(server.shutdown({ timeoutMs: 1 }));
        await finished.settled;
        for (const client of clients) await client.destroy();
      }
    });
  }

  const isOver = (server: Server) => {
    const { connections, handshakes, heldSize } = server.stats();
    return connections === 0 && handshakes === 0 && heldSize === 0;
  };

  for (const [end, transport, leave] of ENDS) {
    describe(end, () => {
      for (const [name, hookName, request] of HOOKS) {
        it(`aborts the signal of ${name}`, () => {
          const hook = new Hook(({ signal }) => untilAborted(signal));
          return withServer(transport, { [hookName]: hook.call }, async (server, connect) => {
            const client = await connect();
            await client.writeText(request);
            await hook.untilCalled();
            assertEquals(hook.signal.aborted, false);
            await leave(client);
            await eventually("the signal to abort", () => hook.signal.aborted);
            assertEquals((hook.signal.reason as DOMException).name, "AbortError");
            await eventually("nothing to be left", () => isOver(server));
          });
        });
      }

      it("is let go while a hook goes on that takes no notice", () => {
        const hook = new Hook<never>();
        return withServer(transport, { fetch: hook.call }, async (server, connect) => {
          const client = await connect();
          await client.writeText(httpRequest());
          await hook.untilCalled();
          await leave(client);
          await watch(server.shutdown({ timeoutMs: Infinity })).untilSettled();
          assert(isOver(server));
        });
      });

      it("has a response that says nothing cancelled, and nothing waits for it", () => {
        const body = new Body();
        body.write("data: 1\n\n");
        return withServer(transport, { fetch: body.respond }, async (server, connect) => {
          const client = await connect();
          await client.writeText(httpRequest());
          await client.untilReceived(1);
          assertEquals(server.stats().handshakes, 1);
          await leave(client);
          const finished = watch(server.shutdown({ timeoutMs: Infinity }));
          await eventually("the body to be cancelled", () => body.isCancelled);
          assertEquals((body.reasons[0] as DOMException).name, "AbortError");
          await finished.untilSettled();
          assert(isOver(server));
        });
      });
    });
  }
});
