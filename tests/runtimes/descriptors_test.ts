import process from "node:process";
import { describe, it } from "node:test";
import { skipUnless } from "../support/skip.ts";
import { canCount, countSettledSockets, untilSockets } from "./descriptors.ts";
import { patternBytes } from "./pattern.ts";
import { type Peer, usePeers } from "./peer.ts";
import type { Recorder } from "./recorder.ts";
import { type Server, type Transport, withServer } from "./server.ts";

/** How a connection may come to its end. */
const ends: Record<string, (channel: Recorder, peer: Peer) => Promise<unknown>> = {
  async "by both sides"(channel, peer) {
    await peer.end();
    await channel.untilEnded();
    channel.end();
  },
  "by a reset": (_, peer) => peer.reset(),
  async "by a reset while much is to be written"(channel, peer) {
    await peer.pause();
    channel.write([patternBytes(0, 8_388_608)]);
    await peer.reset();
  },
  // deno-lint-ignore require-await
  async "by abort(), the peer staying"(channel) {
    channel.abort();
  },
  // deno-lint-ignore require-await
  async "by abort() right after end(), the peer staying"(channel) {
    channel.end();
    channel.abort();
  },
  async "by abort() soon after end(), the peer staying"(channel) {
    channel.end();
    await new Promise((resolve) => process.nextTick(resolve));
    channel.abort();
  },
  async "by abort() while much is to be written, the peer staying"(channel, peer) {
    await peer.pause();
    channel.write([patternBytes(0, 8_388_608)]);
    channel.abort();
  },
  async "by abort() while paused, the peer staying"(channel, peer) {
    channel.pause();
    await peer.write(1000);
    channel.abort();
  },
};

const skip = skipUnless(canCount, "needs /proc to count descriptors: Linux");

for (const transport of ["tcp", "tls", "unix"] satisfies Transport[]) {
  describe(`a connection over ${transport} leaves no descriptor when it is ended`, () => {
    const peers = usePeers();

    const test = (name: string, run: (server: Server, before: number) => Promise<void>) =>
      it(name, { skip }, () =>
        withServer(transport, peers, async (server) => {
          // What a runtime opens once, it opens now.
          const { channel } = await server.connect();
          channel.abort();
          await channel.untilClosed();
          await run(server, await countSettledSockets());
        }));

    for (const [name, end] of Object.entries(ends)) {
      if (transport === "unix" && name.includes("reset")) continue;
      test(name, async (server, before) => {
        for (let i = 0; i < 20; i++) {
          const { channel, peer } = await server.connect();
          await end(channel, peer);
          await (name.includes("reset") ? channel.untilGone() : channel.untilClosed());
        }
        await untilSockets(before);
      });
    }

    if (transport === "unix") return;

    test("by 500 peers that reset it at once", async (server, before) => {
      for (let i = 0; i < 25; i++) {
        await Promise.all(Array.from({ length: 20 }, async () => {
          const peer = await server.connectPeer({ tls: transport === "tls" && i % 2 === 0 });
          await peer.reset();
        }));
      }
      const { channel, peer } = await server.connect();
      await peer.end();
      await channel.untilGone();
      for (const recorder of server.accepted) if (!recorder.closed) await recorder.untilGone();
      await untilSockets(before);
    });
  });
}
