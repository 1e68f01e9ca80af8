/**
 * A byte channel over a connection of `Deno.listen`.
 *
 * @module
 */

import type { Address } from "../connection/byte_channel.ts";
import { OrderedChannel } from "../connection/ordered_channel.ts";
import type { DenoConn } from "./deno_api.ts";
import { borrowBuffer, type BufferSize, nextBufferSize, returnBuffer } from "./read_buffers.ts";

/** Up to this size chunks are put together: Deno has no gather write. */
const joinedSize = 65_536;

/** A connection of Deno as a byte channel. */
export class DenoChannel extends OrderedChannel {
  readonly #conn: DenoConn;
  #bufferSize: BufferSize = 0;
  #reading = false;
  #writing = false;
  #ending = false;
  /** The peer's FIN was read. */
  #endSeen = false;
  /** Our FIN was sent. */
  #endSent = false;

  /**
   * Takes over a connection. Reads from it at once, and delivers on a later turn.
   *
   * @param conn The connection.
   * @param remoteAddress The peer's address.
   * @param localAddress The local address.
   */
  constructor(conn: DenoConn, remoteAddress: Address, localAddress: Address) {
    super(remoteAddress, localAddress);
    this.#conn = conn;
    this.#read();
  }

  /** Writes the chunks; always `false`, as Deno tells only later that it took them. */
  write(chunks: Uint8Array[]): boolean {
    this.#writing = true;
    this.#send(chunks);
    return false;
  }

  /** Ends the outgoing direction, after the write that is under way. */
  end(): void {
    this.#ending = true;
    if (!this.#writing) this.#sendEnd();
  }

  protected override stopReading(): void {
    // The read that is under way is the last one; what it brings is held.
  }

  protected override startReading(): void {
    this.#read();
  }

  protected override destroy(): void {
    close(this.#conn);
  }

  async #read(): Promise<void> {
    if (this.#reading || this.#endSeen) return;
    this.#reading = true;
    while (!this.paused && !this.over) {
      const bufferSize = this.#bufferSize;
      const buffer = borrowBuffer(bufferSize);
      let size: number | null;
      try {
        size = await this.#conn.read(buffer);
      } catch (error) {
        this.#fail(error);
        break;
      }
      if (size === null) {
        this.#endSeen = true;
        this.arriveEnd();
        this.#closeOnceEnded();
        break;
      }
      this.#bufferSize = nextBufferSize(size, bufferSize);
      const held = this.paused;
      this.arrive(size < buffer.length ? buffer.subarray(0, size) : buffer);
      if (!held) returnBuffer(buffer, bufferSize);
    }
    this.#reading = false;
  }

  async #send(chunks: Uint8Array[]): Promise<void> {
    try {
      let i = 0;
      while (i < chunks.length) {
        const first = i;
        let size = 0;
        do size += chunks[i++].length; while (
          i < chunks.length && size + chunks[i].length <= joinedSize
        );
        const run = i - first === 1 ? chunks[first] : join(chunks, first, i, size);
        let taken = 0;
        while (taken < size) {
          taken += await this.#conn.write(taken === 0 ? run : run.subarray(taken));
        }
      }
    } catch (error) {
      this.#fail(error);
      return;
    }
    this.#writing = false;
    this.arriveDrain();
    if (this.#ending && !this.#endSent && !this.over) this.#sendEnd();
  }

  async #sendEnd(): Promise<void> {
    try {
      await this.#conn.closeWrite();
    } catch (error) {
      this.#fail(error);
      return;
    }
    this.#endSent = true;
    this.#closeOnceEnded();
  }

  #closeOnceEnded(): void {
    if (!this.#endSeen || !this.#endSent || this.over) return;
    close(this.#conn);
    this.arriveClosed();
  }

  #fail(error: unknown): void {
    if (this.over) return; // Such as the read that abort() interrupted.
    close(this.#conn);
    this.arriveClosed(error);
  }
}

function join(chunks: Uint8Array[], start: number, end: number, size: number): Uint8Array {
  const joined = new Uint8Array(size);
  for (let i = start, offset = 0; i < end; i++) {
    joined.set(chunks[i], offset);
    offset += chunks[i].length;
  }
  return joined;
}

/** Closes a connection, which throws where it is closed already. */
function close(conn: DenoConn): void {
  try {
    conn.close();
  } catch {
    // Nothing is left to close.
  }
}
