import { assert, assertEquals } from "@std/assert";
import { once } from "node:events";
import { createServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { join } from "node:path";
import { describe } from "node:test";
import { NodeHttpChannel } from "../../src/runtimes/node/http_channel.ts";
import type { Address } from "../../src/transport/byte_channel.ts";
import { type ChannelSource, testWrites } from "./channel_contract.ts";
import { type PeerProcess, usePeers } from "./peer.ts";
import { Recorder } from "./recorder.ts";
import { type Transport, withFolder } from "./server.ts";
import { certificate } from "../support/tls.ts";

const REQUEST = "GET / HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: test\r\n\r\n";

// What the HTTP server of each runtime gives away takes writes as every channel does.
for (const transport of ["tcp", "tls", "unix"] satisfies Transport[]) {
  describe(`a channel of an HTTP server over ${transport}`, () => {
    const peers = usePeers();

    testWrites((run) => withHttpServer(transport, peers, run));
  });
}

/** Calls `run` with what connects to an HTTP server, and checks that the channels kept their promises. */
function withHttpServer(
  transport: Transport,
  peers: PeerProcess,
  run: (source: ChannelSource) => Promise<void>,
): Promise<void> {
  return withFolder(async (folder) => {
    const recorders: Recorder[] = [];
    const http = transport === "tls" ? createTlsServer(certificate) : createServer();
    const path = join(folder, "socket");
    http.listen(transport === "unix" ? { path } : { host: "127.0.0.1", port: 0 });
    await once(http, "listening");
    const bound = http.address();
    assert(bound !== null);
    const address: Address = typeof bound === "string"
      ? { transport: "unix", path }
      : { transport: "tcp", hostname: bound.address, port: bound.port };
    const source: ChannelSource = {
      async connect({ paused = false } = {}) {
        const upgraded = Promise.withResolvers<Recorder>();
        http.once("upgrade", (_request, socket, head) => {
          assertEquals(head.length, 0);
          upgraded.resolve(new Recorder(new NodeHttpChannel(socket)));
        });
        const peer = await peers.connect(address, { paused, tls: transport === "tls" });
        await peer.writeText(REQUEST);
        const channel = await upgraded.promise;
        recorders.push(channel);
        return { channel, peer };
      },
    };
    try {
      await run(source);
    } finally {
      for (const recorder of recorders) if (!recorder.closed) recorder.abort();
      http.close();
      http.closeAllConnections();
    }
    for (const recorder of recorders) {
      await recorder.untilClosed();
      recorder.assertKept();
    }
  });
}
