/**
 * Drives the peer process from a test.
 *
 * @module
 */

import { after } from "node:test";
import type { Address } from "../../src/transport/byte_channel.ts";
import { HelperProcess } from "../support/helper_process.ts";
import { onNode } from "../support/installed_runtimes.ts";
import type { PeerRequest, PeerState, PeerTarget } from "./peer_process.ts";

/** The process that the peers of one test file live in. */
export class PeerProcess {
  /** It is started for the first peer. */
  #process: HelperProcess<PeerRequest, PeerState> | undefined;
  #id = 0;

  /** Connects a peer; resolves when it is connected, or failed to. */
  async connect(address: Address, options: Partial<PeerTarget> = {}): Promise<Peer> {
    const peer = this.#create();
    await peer.connect(address, options);
    return peer;
  }

  /** Has a peer listen for one connection; resolves when it does, with its port. */
  async listen(
    address: Address,
    options: Partial<PeerTarget> = {},
  ): Promise<{ peer: Peer; port: number }> {
    const peer = this.#create();
    const { port } = await peer.listen(address, options);
    return { peer, port };
  }

  /** Ends the process, and all peers with it. */
  async close(): Promise<void> {
    await this.#process?.stop();
  }

  /** Has the process do nothing any more, until it is killed. */
  stop(): void {
    this.#process?.suspend();
  }

  /** Ends the process at once, which can't clean anything up. */
  async kill(): Promise<void> {
    await this.#process?.kill();
  }

  #create(): Peer {
    const id = this.#id++;
    const process = this.#process ??= new HelperProcess(
      onNode(new URL("peer_process.ts", import.meta.url)),
    );
    return new Peer((method, argument) => process.ask({ id, method, argument }));
  }
}

/** Gives the peers of the suite that is being declared; their process ends with it. */
export function usePeers(): PeerProcess {
  const peers = new PeerProcess();
  after(() => peers.close());
  return peers;
}

type Ask = (method: PeerRequest["method"], argument?: unknown) => Promise<PeerState>;

/** One socket of the peer process. Each call resolves to how the socket then stands. */
export class Peer {
  readonly #ask: Ask;

  constructor(ask: Ask) {
    this.#ask = ask;
  }

  connect(address: Address, options: Partial<PeerTarget>): Promise<PeerState> {
    return this.#ask("connect", targetOf(address, options));
  }

  listen(address: Address, options: Partial<PeerTarget>): Promise<PeerState> {
    return this.#ask("listen", targetOf(address, options));
  }

  /** Waits until somebody has connected, and TLS is ready where there is any. */
  untilAccepted(): Promise<PeerState> {
    return this.#ask("untilAccepted");
  }

  /** Writes bytes of the pattern; resolves when the system has taken them. */
  write(size: number): Promise<PeerState> {
    return this.#ask("write", size);
  }

  writeText(text: string): Promise<PeerState> {
    return this.#ask("writeText", text);
  }

  writeRawText(text: string): Promise<PeerState> {
    return this.#ask("writeRawText", text);
  }

  pause(): Promise<PeerState> {
    return this.#ask("pause");
  }

  resume(): Promise<PeerState> {
    return this.#ask("resume");
  }

  readSlowly(): Promise<PeerState> {
    return this.#ask("readSlowly");
  }

  rest(): Promise<PeerState> {
    return this.#ask("rest");
  }

  end(): Promise<PeerState> {
    return this.#ask("end");
  }

  endRaw(): Promise<PeerState> {
    return this.#ask("endRaw");
  }

  reset(): Promise<PeerState> {
    return this.#ask("reset");
  }

  destroy(): Promise<PeerState> {
    return this.#ask("destroy");
  }

  now(): Promise<PeerState> {
    return this.#ask("now");
  }

  untilReceived(size: number): Promise<PeerState> {
    return this.#ask("untilReceived", size);
  }

  untilEnded(): Promise<PeerState> {
    return this.#ask("untilEnded");
  }

  untilClosed(): Promise<PeerState> {
    return this.#ask("untilClosed");
  }
}

function targetOf(address: Address, options: Partial<PeerTarget>): PeerTarget {
  if (address.transport === "stream") throw new TypeError("Cannot connect to a stream");
  return {
    address: address.transport === "unix"
      ? { path: address.path }
      : { host: address.hostname, port: address.port },
    tls: false,
    paused: false,
    ...options,
  };
}
