/**
 * Channels that the dialer of the runtime connects to peers.
 *
 * @module
 */

import { join } from "node:path";
import { loadDialer } from "../../src/runtimes/shared/runtime.ts";
import type {
  ByteChannel,
  ByteChannelHandler,
  DialTarget,
} from "../../src/transport/byte_channel.ts";
import type { ChannelSource } from "./channel_contract.ts";
import type { Peer, PeerProcess } from "./peer.ts";
import { Recorder } from "./recorder.ts";
import { type Transport, withFolder } from "./server.ts";
import { certificate } from "../support/tls.ts";

/** A handler of a channel to which nothing must happen. */
export const unexpected: ByteChannelHandler = {
  receive: () => fail("receive"),
  receiveEnd: () => fail("receiveEnd"),
  drain: () => fail("drain"),
  receiveClosed: () => fail("receiveClosed"),
};

function fail(event: string): never {
  throw new Error(`The channel called ${event}() before its handler was replaced`);
}

/** The channels that were dialled, and the peers they are connected to. */
class DialledChannels implements ChannelSource {
  readonly recorders: Recorder[] = [];
  readonly #transport: Transport;
  readonly #peers: PeerProcess;
  readonly #folder: string;
  #count = 0;

  constructor(transport: Transport, peers: PeerProcess, folder: string) {
    this.#transport = transport;
    this.#peers = peers;
    this.#folder = folder;
  }

  async connect({ paused = false } = {}): Promise<{ channel: Recorder; peer: Peer }> {
    const tls = this.#transport === "tls";
    let target: DialTarget;
    let peer: Peer;
    if (this.#transport === "unix") {
      target = { path: join(this.#folder, `${this.#count++}`) };
      ({ peer } = await this.#peers.listen({ transport: "unix", ...target }, { paused }));
    } else {
      const address = { transport: "tcp", hostname: "127.0.0.1", port: 0 } as const;
      const listening = await this.#peers.listen(address, { paused, tls });
      peer = listening.peer;
      target = { hostname: address.hostname, port: listening.port };
    }
    const { dial, startTls } = await loadDialer();
    const { signal } = new AbortController();
    let channel: ByteChannel = await dial(target, unexpected, signal);
    if (tls) {
      channel = await startTls(channel, "127.0.0.1", { ca: certificate.cert }, unexpected, signal);
    }
    const recorder = new Recorder(channel);
    this.recorders.push(recorder);
    await peer.untilAccepted();
    return { channel: recorder, peer };
  }
}

/** Calls `run` with what dials. Drops all channels afterwards, and checks that they kept their promises. */
export function withDialled(
  transport: Transport,
  peers: PeerProcess,
  run: (source: ChannelSource) => Promise<void>,
): Promise<void> {
  return withFolder(async (folder) => {
    const channels = new DialledChannels(transport, peers, folder);
    try {
      await run(channels);
    } finally {
      for (const recorder of channels.recorders) if (!recorder.closed) recorder.abort();
    }
    for (const recorder of channels.recorders) {
      await recorder.untilClosed();
      recorder.assertKept();
    }
  });
}
