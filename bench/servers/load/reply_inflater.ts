/**
 * Decompresses replies, as a client has to.
 *
 * @module
 */

import { constants, inflateRawSync } from "node:zlib";
import type { Compression } from "../compression.ts";

/** What the sender leaves out at the end of each message (RFC 7692, section 7.2.2). */
const TAIL = Uint8Array.of(0x00, 0x00, 0xff, 0xff);

/** Inflates a few messages of a connection, each by itself or with those before it. */
export class ReplyInflater {
  readonly #keepsWindow: boolean;
  #stream: Uint8Array[] = [];
  /** The length of all messages so far. */
  #size = 0;

  constructor(compression: Compression) {
    this.#keepsWindow = compression === "takeover";
  }

  /**
   * Gives the message.
   *
   * @throws {Error} Where it is corrupt.
   */
  inflate(payload: Uint8Array): Uint8Array {
    if (!this.#keepsWindow) this.#stream = [];
    this.#stream.push(payload, TAIL);
    const all = inflateRawSync(Buffer.concat(this.#stream), {
      finishFlush: constants.Z_SYNC_FLUSH,
    });
    const start = this.#keepsWindow ? this.#size : 0;
    this.#size = all.length;
    return all.subarray(start);
  }
}
