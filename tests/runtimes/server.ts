/**
 * A listener of the runtime that the tests run on.
 *
 * @module
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadListen } from "../../src/runtimes/shared/runtime.ts";
import type { ByteListener, ListenTarget } from "../../src/transport/byte_channel.ts";
import type { Peer, PeerProcess } from "./peer.ts";
import type { PeerTarget } from "./peer_process.ts";
import { certificate, readTls } from "../support/tls.ts";
import { Recorder } from "./recorder.ts";

/** A key that belongs to no certificate. */
export const otherKey: string = readTls("other_key.pem");

/** A loopback address with a free port. */
export const loopback: ListenTarget = { hostname: "127.0.0.1", port: 0 };

/** Calls `run` with the path of a new folder, which is removed afterwards. */
export async function withFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "sluice-"));
  try {
    await run(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What the tests of channels run over. */
export type Transport = "tcp" | "tls" | "unix";

/** A listener, and the channels it accepted. */
export class Server {
  readonly accepted: Recorder[] = [];
  /** Called with each channel, before its first event. */
  onAccept: (recorder: Recorder) => void = () => {};
  readonly #transport: Transport;
  readonly #peers: PeerProcess;
  #listener!: ByteListener;
  #waiting: (() => void)[] = [];

  constructor(transport: Transport, peers: PeerProcess) {
    this.#transport = transport;
    this.#peers = peers;
  }

  get listener(): ByteListener {
    return this.#listener;
  }

  async open(target: ListenTarget): Promise<void> {
    const listen = await loadListen();
    const tls = this.#transport === "tls" ? certificate : undefined;
    this.#listener = await listen(target, tls, (channel) => {
      const recorder = new Recorder(channel);
      this.accepted.push(recorder);
      this.onAccept(recorder);
      for (const wake of this.#waiting.splice(0)) wake();
    });
  }

  /** Connects a peer, without waiting for its channel. */
  connectPeer(options: Partial<PeerTarget> = {}): Promise<Peer> {
    return this.#peers.connect(this.#listener.addr, options);
  }

  /** Connects a peer, and waits for its channel. */
  async connect(options: Partial<PeerTarget> = {}): Promise<{ channel: Recorder; peer: Peer }> {
    const count = this.accepted.length;
    const peer = await this.connectPeer({ tls: this.#transport === "tls", ...options });
    await this.untilAccepted(count + 1);
    return { channel: this.accepted[count], peer };
  }

  async untilAccepted(count: number): Promise<void> {
    while (this.accepted.length < count) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /** Closes the listener and drops all channels. Checks that all of them kept their promises. */
  async close(): Promise<void> {
    await this.#listener.close();
    for (const recorder of this.accepted) {
      if (!recorder.closed) recorder.abort();
      await recorder.untilClosed();
    }
    // Whatever is still to come must not.
    await new Promise((resolve) => setImmediate(resolve));
    for (const recorder of this.accepted) recorder.assertKept();
  }
}

/** Calls `run` with a server, which is closed and checked afterwards. */
export function withServer(
  transport: Transport,
  peers: PeerProcess,
  run: (server: Server) => Promise<void>,
): Promise<void> {
  return withFolder(async (folder) => {
    const server = new Server(transport, peers);
    await server.open(transport === "unix" ? { path: join(folder, "socket") } : loopback);
    let failed = true;
    try {
      await run(server);
      failed = false;
    } finally {
      // A failed test has said enough.
      await server.close().catch((error) => {
        if (!failed) throw error;
      });
    }
  });
}
