import { after, before, describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { serve } from "../../../mod.ts";
import type { Connection } from "../../../src/server/mod.ts";
import { canCount, countSettledSockets, untilSockets } from "../../runtimes/descriptors.ts";
import { type Peer, PeerProcess } from "../../runtimes/peer.ts";
import { upgradeRequest } from "../../support/requests.ts";
import { certificate } from "../../support/tls.ts";
import { watch } from "../../support/watch.ts";
import { Ledger } from "../rig/ledger.ts";
import { untilOver } from "./faults.ts";

/** How a client leaves TLS. */
const FAULTS: Record<string, (peer: Peer) => Promise<unknown>> = {
  RST: (peer) => peer.reset(),
  "FIN, and TLS closed before": (peer) => peer.end(),
  "FIN, and TLS not closed": (peer) => peer.endRaw(),
  silence: () => Promise.resolve(),
};

const REQUEST = upgradeRequest();
/** Some bytes of the request, all of it, and more, which is no frame. */
const CUTS = Array.from({ length: 9 }, (_, i) => i * 20).concat(REQUEST.length, REQUEST.length + 1);
/** How often, since a fault may meet the server at work or not. */
const ROUNDS = 3;

describe("connections over TLS that are cut off", () => {
  let peers: PeerProcess;
  before(() => {
    peers = new PeerProcess();
  });
  after(() => peers.close());

  for (const [name, fault] of Object.entries(FAULTS)) {
    it(`by ${name}, in the request and behind it, leave nothing`, async () => {
      const ledger = new Ledger();
      const errors: unknown[] = [];
      const server = await serve(ledger.watch<unknown>({
        port: 0,
        hostname: "127.0.0.1",
        tls: certificate,
        handshakeTimeoutMs: 1_000,
        closeTimeoutMs: 500,
        keepAlive: { intervalMs: 300, timeoutMs: 600 },
        open(conn: Connection) {
          void ledger.track("ping", conn.ping());
          void ledger.track("send", conn.send("x".repeat(100_000)));
        },
        onError: (error) => void errors.push(error),
      }));
      try {
        await (await peers.connect(server.addr, { tls: true })).reset();
        await untilOver(server);
        const sockets = canCount ? await countSettledSockets() : 0;
        const all: Peer[] = [];
        await Promise.all(CUTS.flatMap((cut) =>
          Array.from({ length: ROUNDS }, async (_, round) => {
            const peer = await peers.connect(server.addr, { tls: true, paused: round === 2 });
            all.push(peer);
            if (cut > 0) await peer.writeText((REQUEST + "x").slice(0, cut));
            if (round > 0 && cut >= REQUEST.length) await peer.now();
            await fault(peer);
          })
        ));
        await untilOver(server);
        ledger.check(server);
        assert(ledger.ends.every((end) => end!.wasClean === false));
        assertEquals(errors, []);
        for (const peer of all) await peer.destroy();
        if (canCount) await untilSockets(sockets);
      } finally {
        await watch(server.shutdown()).settled;
      }
    });
  }
});
