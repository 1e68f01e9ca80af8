/**
 * A client that sends as much as it can get rid of.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { encodeReferenceFrame, REFERENCE_OPCODES } from "../../support/reference_frames.ts";
import { patternChunk } from "../rig/pattern.ts";
import { MiB } from "../rig/scale.ts";
import type { TcpClient } from "../rig/tcp_client.ts";

const MASKING_KEY = Uint8Array.of(0x37, 0xfa, 0x21, 0x3d);
/** For so long nothing moves before the flood counts as stopped. Too short only makes a test weaker. */
const STILL_MS = 1_500;

/** The payload of every message of the flood. */
export const MESSAGE_SIZE: number = patternChunk.length;

const message: Uint8Array = encodeReferenceFrame({
  opcode: REFERENCE_OPCODES.binary,
  maskingKey: MASKING_KEY,
  payload: patternChunk,
});

/**
 * The most that the system holds of one direction of a connection: what waits to be sent at one end,
 * and what waits to be read at the other.
 */
export function kernelBufferSize(): number {
  return ["tcp_wmem", "tcp_rmem"]
    .map((name) => readFileSync(`/proc/sys/net/ipv4/${name}`, "latin1").trim().split(/\s+/)[2])
    .reduce((sum, most) => sum + Number(most), 0);
}

/** What a flood has come to. */
export interface Flood {
  /** The messages sent, the last one perhaps not taken yet. */
  readonly count: number;
  /** Sends no more; resolves when the last message is taken, rejects where one was not. */
  stop(): Promise<void>;
}

/** Sends messages until it is stopped, each one when the kernel has taken the one before. */
export function startFlood(client: TcpClient): Flood {
  let count = 0;
  let isStopping = false;
  const run = async () => {
    while (!isStopping) {
      count++;
      await client.write(message);
    }
  };
  const running = run();
  // stop() tells.
  running.catch(() => {});
  return {
    get count() {
      return count;
    },
    stop() {
      isStopping = true;
      return running;
    },
  };
}

/**
 * Waits until the kernel takes no more of a flood, and gives what it has taken.
 *
 * @throws Where it has taken more than `most`: then nothing stops it.
 */
export async function waitForStandstill(client: TcpClient, most: number): Promise<number> {
  let accepted = -1;
  while (accepted !== client.acceptedSize) {
    accepted = client.acceptedSize;
    if (accepted > most) {
      throw new Error(`${accepted / MiB} MiB were taken, ${most / MiB} were to be the most`);
    }
    await setTimeout(STILL_MS);
  }
  return accepted;
}
