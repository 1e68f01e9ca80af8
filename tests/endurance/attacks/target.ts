/**
 * The server that is attacked, as its attackers see it.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { setImmediate, setTimeout } from "node:timers/promises";
import { createPick, type Pick } from "../../connection/pick.ts";
import { NetSocket } from "../../support/net_socket.ts";
import { decodeUtf8, RawClient } from "../../support/raw_client.ts";
import { REFERENCE_OPCODES } from "../../support/reference_frames.ts";
import { upgradeRequest } from "../../support/requests.ts";

/** One hostile connection. */
export type Attacker = RawClient<NetSocket>;

/** How an attack is made. */
export interface TargetOptions {
  /** The port of the server, on this machine. */
  port: number;
  /** Decides what attacks draw by lot. */
  seed?: number;
  /** How long a flood lasts, in milliseconds. */
  floodMs?: number;
  /** How many connections an attack makes, compared with what it makes by default. */
  scale?: number;
  /** Ends floods early. */
  signal?: AbortSignal;
  /** What part of the default times the server gives peers that are open. @default 1, which is all of them */
  pace?: number;
}

/** A server to attack: one that runs a program of `arena_server.ts`. */
export class Target {
  readonly #port: number;
  readonly #floodMs: number;
  readonly #scale: number;
  readonly #signal: AbortSignal | undefined;
  readonly #pace: number;
  readonly #attackers: Set<Attacker> = new Set();
  /** Draws by lot: `pick(n)` gives 0 to n - 1. */
  readonly pick: Pick;

  constructor(options: TargetOptions) {
    const { port, seed = 1, floodMs = 1_000, scale = 1, signal, pace = 1 } = options;
    this.#port = port;
    this.#floodMs = floodMs;
    this.#scale = scale;
    this.#signal = signal;
    this.#pace = pace;
    this.pick = createPick(seed);
  }

  /** Connects, and sends nothing. */
  async connect(): Promise<Attacker> {
    const attacker = new RawClient(await NetSocket.connect(this.#port));
    this.#attackers.add(attacker);
    return attacker;
  }

  /** Connects, and sends something. */
  async send(...parts: (string | Uint8Array)[]): Promise<Attacker> {
    const attacker = await this.connect();
    attacker.send(...parts);
    return attacker;
  }

  /** Opens a WebSocket. */
  async open(): Promise<Attacker> {
    const attacker = await this.send(upgradeRequest());
    const { status } = await attacker.readHead();
    assertEquals(status, 101);
    return attacker;
  }

  /** Does something with many connections, all at once; gives how many. */
  async crowd(count: number, body: (index: number) => Promise<void>): Promise<number> {
    const scaled = Math.max(1, Math.round(count * this.#scale));
    await Promise.all(Array.from({ length: scaled }, (_, index) => body(index)));
    return scaled;
  }

  /** Does something over and over, for as long as a flood lasts; gives how often it was done. */
  async flood(body: (round: number) => Promise<void> | void): Promise<number> {
    const endsAt = performance.now() + this.#floodMs;
    let round = 0;
    while (performance.now() < endsAt && !this.#signal?.aborted) {
      await body(round++);
      await this.yield();
    }
    return round;
  }

  /** Lets everybody else in this process have a turn. */
  yield(): Promise<void> {
    return setImmediate();
  }

  /** Waits. */
  wait(ms: number): Promise<void> {
    return setTimeout(ms);
  }

  /** Waits for that part of a time. */
  pass(ms: number): Promise<void> {
    return setTimeout(ms * this.#pace);
  }

  /** Reads a message of one frame, behind any Pings and Pongs, and gives its payload. */
  async readMessage(attacker: Attacker): Promise<Uint8Array> {
    for (;;) {
      const { opcode, payload } = await attacker.readFrame();
      assert(opcode !== REFERENCE_OPCODES.close, "the connection was closed");
      if (opcode < REFERENCE_OPCODES.close) return payload;
    }
  }

  /** Checks that an open WebSocket is served. */
  async assertServed(attacker: Attacker): Promise<void> {
    const text = `still there ${this.pick(1_000_000)}?`;
    attacker.sendText(text);
    assertEquals(decodeUtf8(await this.readMessage(attacker)), text);
  }

  /** Drops the connections that are left. */
  reset(): void {
    for (const attacker of this.#attackers) attacker.socket.reset();
    this.#attackers.clear();
  }
}
