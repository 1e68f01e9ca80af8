import { assert, assertEquals } from "@std/assert";
import { describe, it } from "node:test";
import { testChannels } from "./channel_contract.ts";
import { usePeers } from "./peer.ts";
import { type Server, type Transport, withServer } from "./server.ts";

for (const transport of ["tcp", "tls", "unix"] satisfies Transport[]) {
  describe(`a channel over ${transport}`, () => {
    const peers = usePeers();

    testChannels(transport, (run) => withServer(transport, peers, run));

    const test = (name: string, run: (server: Server) => Promise<void>) =>
      it(name, () => withServer(transport, peers, run));

    test("knows both addresses, also once it is closed", async (server) => {
      const { channel, peer } = await server.connect();
      const { remoteAddress, localAddress } = channel.channel;
      assertEquals(localAddress, server.listener.addr);
      if (remoteAddress.transport === "tcp") {
        assertEquals(remoteAddress.hostname, "127.0.0.1");
        assert(remoteAddress.port > 0);
        assert(JSON.stringify(remoteAddress) !== JSON.stringify(localAddress));
      } else {
        assertEquals(remoteAddress, { transport: "unix", path: "" });
      }
      const before = JSON.stringify([remoteAddress, localAddress]);
      await peer.end();
      await channel.untilEnded();
      channel.end();
      await channel.untilClosed();
      assertEquals(
        JSON.stringify([channel.channel.remoteAddress, channel.channel.localAddress]),
        before,
      );
    });

    if (transport === "unix") return;

    test("goes on accepting after peers that are gone at once", async (server) => {
      for (let i = 0; i < 200; i++) {
        const peer = await server.connectPeer();
        await peer.reset();
      }
      const count = server.accepted.length;
      const peer = await server.connectPeer({ tls: transport === "tls" });
      await peer.write(10);
      await server.untilAccepted(count + 1);
      const last = server.accepted.at(-1)!;
      await last.untilReceived(10);
      assertEquals(last.received, 10);
    });
  });
}
