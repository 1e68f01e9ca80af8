/**
 * Honest clients of a server that sends to everybody: one that publishes numbers, and those who must
 * get all of them, in order.
 *
 * @module
 */

import { setTimeout } from "node:timers/promises";
import type { Random } from "../../../codec/support.ts";
import type { Peer, PeerSocket } from "../../../interop/peer.ts";
import { inTime } from "./deadline.ts";
import type { Recorder } from "./recorder.ts";

const INTERVAL_MS = 50;
const MAX_FILLER = 4_000;
/** After so many messages, at most, a client connects anew. */
const MAX_MESSAGES = 300;

/** The numbers that were sent, and when. */
export class Broadcast {
  readonly #sentAt: Map<number, number> = new Map();
  #next = 0;

  /** Notes that the next number is sent now. */
  send(): number {
    this.#sentAt.set(this.#next, performance.now());
    this.#sentAt.delete(this.#next - 10_000);
    return this.#next++;
  }

  /** How long ago a number was sent, in milliseconds. */
  age(number: number): number {
    return performance.now() - this.#sentAt.get(number)!;
  }
}

/** Publishes until the signal aborts. */
export async function publish(
  peer: Peer,
  url: string,
  random: Random,
  recorder: Recorder,
  broadcast: Broadcast,
  signal: AbortSignal,
): Promise<void> {
  await reconnect("publisher", peer, url, recorder, signal, async (socket) => {
    for (let i = random.below(MAX_MESSAGES); i >= 0 && !signal.aborted; i--) {
      const filler = "x".repeat(random.below(MAX_FILLER));
      socket.send(`${broadcast.send()} ${filler}`);
      await setTimeout(INTERVAL_MS);
    }
  });
}

/** Receives until the signal aborts. */
export async function subscribe(
  peer: Peer,
  url: string,
  random: Random,
  recorder: Recorder,
  broadcast: Broadcast,
  signal: AbortSignal,
): Promise<void> {
  await reconnect(`subscriber with ${peer.name}`, peer, url, recorder, signal, async (socket) => {
    let last: number | undefined;
    for (let i = random.below(MAX_MESSAGES); i >= 0 && !signal.aborted; i--) {
      const number = parseInt(String(await inTime("a broadcast", socket.receive())));
      if (last !== undefined && number !== last + 1) {
        throw new Error(`got broadcast ${number} after ${last}`);
      }
      last = number;
      recorder.record("broadcast", broadcast.age(number));
    }
  });
}

/** Connects over and over, and closes in order. */
async function reconnect(
  name: string,
  peer: Peer,
  url: string,
  recorder: Recorder,
  signal: AbortSignal,
  use: (socket: PeerSocket) => Promise<void>,
): Promise<void> {
  while (!signal.aborted) {
    try {
      const socket = await recorder.measure("open", inTime("open", peer.connect(url, {})));
      try {
        await use(socket);
      } finally {
        socket.close(1000, "");
      }
      const { closeCode } = await recorder.measure("close", inTime("close", socket.closed));
      if (closeCode !== 1000) throw new Error(`closed with ${closeCode} instead of 1000`);
    } catch (error) {
      recorder.fail(`${name}: ${error}`);
      await setTimeout(1_000);
    }
  }
}
