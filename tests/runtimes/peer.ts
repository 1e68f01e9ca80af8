/**
 * Drives the peer process from a test.
 *
 * @module
 */

import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Address } from "../../src/transport/byte_channel.ts";
import { findNode } from "../support/find_node.ts";
import type { PeerRequest, PeerState, PeerTarget } from "./peer_process.ts";

/** The process that the peers of one test file live in. */
export class PeerProcess {
  readonly #child: ChildProcess;
  readonly #answers = new Map<number, (state: PeerState) => void>();
  readonly #exit: Promise<void>;
  #seq = 0;
  #id = 0;

  constructor() {
    const script = fileURLToPath(new URL("peer_process.ts", import.meta.url));
    this.#child = spawn(findNode(), ["--disable-warning=ExperimentalWarning", script], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.#exit = new Promise((resolve) => this.#child.on("exit", () => resolve()));
    createInterface({ input: this.#child.stdout! }).on("line", (line) => {
      const { seq, state } = JSON.parse(line) as { seq: number; state: PeerState };
      this.#answers.get(seq)?.(state);
      this.#answers.delete(seq);
    });
  }

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
    this.#child.stdin!.end();
    await this.#exit;
  }

  /** Has the process do nothing any more, until it is killed. */
  stop(): void {
    // Not child.kill(): on Deno, that would be the last signal.
    process.kill(this.#child.pid!, "SIGSTOP");
  }

  /** Ends the process at once, which can't clean anything up. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#exit;
  }

  #create(): Peer {
    const id = this.#id++;
    return new Peer((method, argument) => this.#ask(id, method, argument));
  }

  #ask(id: number, method: PeerRequest["method"], argument: unknown): Promise<PeerState> {
    const request: PeerRequest = { seq: this.#seq++, id, method, argument };
    const { promise, resolve } = Promise.withResolvers<PeerState>();
    this.#answers.set(request.seq, resolve);
    this.#child.stdin!.write(JSON.stringify(request) + "\n");
    return promise;
  }
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
