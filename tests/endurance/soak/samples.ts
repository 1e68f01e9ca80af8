/**
 * What a soak measures.
 *
 * @module
 */

import type { Latency, Wait } from "../rig/honest/recorder.ts";
import type { ServerSample } from "./reports.ts";

/** A moment of a soak, about one each second. */
export interface Moment {
  /** Milliseconds since the soak began. */
  atMs: number;
  /** Whether hostile clients are there. */
  isAttacked: boolean;
  /** The server's memory in RAM, in bytes. */
  resident: number;
  descriptors: number;
  /** Echoes of honest clients since the moment before. */
  latency: Latency;
  /** The longest wait of an honest client for anything but large messages since then. */
  longest: Wait;
  /** How long the server waited for a core since then, in milliseconds. */
  waitedForCore: number;
  /** The attacks that are being made. */
  attacks: string[];
}

/** The server while only honest clients are there. */
export interface Calm extends ServerSample {
  atMs: number;
  descriptors: number;
}

/** All of one soak. */
export interface Measured {
  /** The server before it had any client. */
  before: Calm;
  moments: Moment[];
  calms: Calm[];
  /** The server when all its clients have left; `undefined` where it did not come to that. */
  after: Calm | undefined;
  /** The honest clients' latencies, by what they did. */
  honest: Record<string, Latency>;
  /** How many honest clients with a large message were turned away, as memory was short. */
  turnedAway: number;
  /** How often each attack was made. */
  attacks: Record<string, number>;
  /** What went wrong, as it was told while it happened. */
  failures: string[];
}
