/**
 * A byte channel over a socket of `Deno.listen` or `Deno.connect`.
 *
 * @module
 */

import { systemTurns } from "../../connection/turns.ts";
import type { Address } from "../../transport/byte_channel.ts";
import { OrderedChannel } from "../../transport/ordered_channel.ts";
import {
  borrowBuffer,
  type BufferSize,
  bufferSizeFor,
  MAX_BUFFER_SIZE,
  nextBufferSize,
  returnBuffer,
} from "../shared/buffer_pool.ts";
import type { DenoAddr, DenoConn } from "./api.ts";
import "./malloc.ts";
import "./utf8.ts";
import { enterGate, isGateFull, leaveGate, whenGateOpens } from "./write_gate.ts";

// Up to this size, one copy that the receiver owns costs less than borrowed bytes, of which each message would
// be copied.
const MAX_COPIED = 8192;

/** Translates an address of Deno. */
export function toAddress(addr: DenoAddr): Address {
  if (addr.transport === "unix") return { transport: "unix", path: addr.path ?? "" };
  return { transport: "tcp", hostname: addr.hostname, port: addr.port };
}

/** Creates the channel of a connected socket. */
export function openChannel(conn: DenoConn): DenoChannel {
  const { remoteAddr, localAddr } = conn;
  try {
    conn.setNoDelay?.(true);
  } catch {
    // The peer has closed the socket, which the first read reports.
  }
  return new DenoChannel(conn, toAddress(remoteAddr), toAddress(localAddr));
}

/** A byte channel over a socket of Deno. */
export class DenoChannel extends OrderedChannel {
  readonly #conn: DenoConn;
  #bufferSize: BufferSize = 0;
  #reading = false;
  #writing = false;
  #ending = false;
  /** The peer's FIN has arrived. */
  #endSeen = false;
  /** Our FIN was sent. */
  #endSent = false;

  /**
   * Takes over a socket. Reads from it at once, and delivers on a later turn.
   *
   * @param conn The socket.
   * @param remoteAddress The peer's address.
   * @param localAddress The local address.
   */
  constructor(conn: DenoConn, remoteAddress: Address, localAddress: Address) {
    super(remoteAddress, localAddress);
    this.#conn = conn;
    this.#read();
  }

  /** Writes the chunks. Always returns `false`, since Deno reports only later that it took them. */
  write(chunks: readonly Uint8Array[]): boolean {
    this.#writing = true;
    if (isGateFull()) whenGateOpens(() => void (this.over || this.#send(chunks)));
    else this.#send(chunks);
    return false;
  }

  /** Ends the outgoing direction after the write in flight. */
  end(): void {
    this.#ending = true;
    if (!this.#writing) this.#sendEnd();
  }

  protected override stopReading(): void {
    // The read in flight is the last one, and its bytes are held. It is not cancelled, to detect a reset.
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
    while (!this.over && !(this.paused && this.holds)) {
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
      this.#receive(buffer, size, bufferSize);
      // A read may complete without a turn of the event loop, as a write in #send().
      if (systemTurns.spend(size)) await systemTurns.next();
    }
    this.#reading = false;
  }

  #receive(buffer: Uint8Array, size: number, bufferSize: BufferSize): void {
    if (size <= MAX_COPIED) {
      this.arrive(buffer.slice(0, size), false);
      returnBuffer(buffer, bufferSize);
      return;
    }
    const held = this.paused;
    this.arrive(size < buffer.length ? buffer.subarray(0, size) : buffer, !held);
    if (!held) returnBuffer(buffer, bufferSize);
  }

  async #send(chunks: readonly Uint8Array[]): Promise<void> {
    const batch = enterGate();
    try {
      for (let start = 0, end = 0; start < chunks.length; start = end) {
        let run = chunks[end++]!;
        // Deno has no gather write, and copying costs less than another write.
        let size = run.length;
        while (end < chunks.length && size + chunks[end]!.length <= MAX_BUFFER_SIZE) {
          size += chunks[end++]!.length;
        }
        let buffer: Uint8Array | undefined;
        if (end - start > 1) {
          buffer = borrowBuffer(bufferSizeFor(size));
          for (let i = start, offset = 0; i < end; offset += chunks[i++]!.length) {
            buffer.set(chunks[i]!, offset);
          }
          run = buffer.subarray(0, size);
        }
        // If the kernel takes the bytes at once, Deno resolves the promise without a turn of the event loop.
        if (systemTurns.isOver) await systemTurns.next();
        let taken = await this.#conn.write(run);
        while (taken < size) taken += await this.#conn.write(run.subarray(taken));
        if (buffer !== undefined) returnBuffer(buffer, bufferSizeFor(size));
        systemTurns.spend(size);
      }
    } catch (error) {
      this.#fail(error);
      return;
    } finally {
      leaveGate(batch);
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
    if (this.over) return; // abort() has interrupted a read.
    close(this.#conn);
    this.arriveClosed(error);
  }
}

function close(conn: DenoConn): void {
  try {
    conn.close();
  } catch {
    // It is closed already.
  }
}
