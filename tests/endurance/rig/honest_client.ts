/**
 * A client that only wants its echoes, whatever others do to the server.
 *
 * @module
 */

import { setTimeout } from "node:timers/promises";
import { encodeReferenceFrame, REFERENCE_OPCODES } from "../../support/reference_frames.ts";
import { FrameReader } from "./frame_reader.ts";
import type { TcpClient } from "./tcp_client.ts";

const MASKING_KEY = Uint8Array.of(0x01, 0x02, 0x03, 0x04);

/** What it is a client of. */
export interface Echoing {
  /** Connects a client, and makes the opening handshake. */
  open(onBytes: (bytes: Uint8Array) => void): Promise<TcpClient>;
}

/** Sends a message, waits for its echo, and begins again. */
export class HonestClient {
  /** The echoes so far. */
  count = 0;
  readonly #intervalMs: number;
  readonly #now: () => number;
  #waitsMs: number[] = [];
  #sentAt: number | undefined;
  readonly #reader: FrameReader;
  #client!: TcpClient;
  #running!: Promise<void>;
  #isStopping = false;
  #echo = "";
  #onEcho: PromiseWithResolvers<void> = Promise.withResolvers();

  /**
   * Connects, and begins.
   *
   * @param intervalMs How long it rests between an echo and the next message, in milliseconds.
   * @param now Tells the time by which it measures what it waits, in milliseconds.
   */
  static async open(
    server: Echoing,
    intervalMs = 2,
    now: () => number = () => performance.now(),
  ): Promise<HonestClient> {
    const honest = new HonestClient(intervalMs, now);
    honest.#client = await server.open((bytes) => honest.#reader.push(bytes));
    honest.#running = honest.#run();
    // close() tells.
    honest.#running.catch(() => {});
    return honest;
  }

  private constructor(intervalMs: number, now: () => number) {
    this.#intervalMs = intervalMs;
    this.#now = now;
    const { text } = REFERENCE_OPCODES;
    this.#reader = new FrameReader(
      (piece, opcode) => {
        if (opcode === text) this.#echo += new TextDecoder("latin1").decode(piece);
      },
      (opcode) => {
        if (opcode === text) this.#onEcho.resolve();
      },
    );
  }

  /** Gives the waits for echoes since this was called last, the one at hand included, in milliseconds. */
  takeWaits(): number[] {
    this.#noteWait();
    return this.#waitsMs.splice(0).sort((a, b) => a - b);
  }

  #noteWait(): void {
    if (this.#sentAt !== undefined) this.#waitsMs.push(this.#now() - this.#sentAt);
  }

  /** Ends after the next echo; throws where one did not come, or was wrong. */
  async close(): Promise<void> {
    this.#isStopping = true;
    await this.#running;
    this.#client.reset();
    await this.#client.closed;
  }

  async #run(): Promise<void> {
    const gone = this.#client.closed.then(() => {
      throw new Error("The honest client's connection was closed");
    });
    gone.catch(() => {});
    const opcode = REFERENCE_OPCODES.text;
    while (!this.#isStopping) {
      const message = `message ${this.count}`;
      const payload = new TextEncoder().encode(message);
      this.#sentAt = this.#now();
      await this.#client.write(encodeReferenceFrame({ opcode, payload, maskingKey: MASKING_KEY }));
      await Promise.race([this.#onEcho.promise, gone]);
      if (this.#echo !== message) {
        throw new Error(`The honest client got "${this.#echo}", not "${message}"`);
      }
      this.#noteWait();
      this.#sentAt = undefined;
      this.#echo = "";
      this.#onEcho = Promise.withResolvers();
      this.count++;
      await setTimeout(this.#intervalMs);
    }
  }
}
