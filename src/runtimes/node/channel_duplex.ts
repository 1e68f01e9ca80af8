/**
 * What `node:tls` needs to stand on a byte channel: the channel as a stream of Node, and what comes
 * out of it as a channel again.
 *
 * @module
 */

import { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import type { ByteChannel, ByteChannelHandler } from "../../transport/byte_channel.ts";
import { NodeChannel } from "./channel.ts";

type WriteCallback = (error?: Error | null) => void;

/** A TLS socket over a channel, as a byte channel. */
export class TlsChannel extends NodeChannel {
  readonly #duplex: ChannelDuplex;

  /**
   * Takes over a TLS socket whose handshake is done.
   *
   * @param socket The TLS socket, with no listeners yet.
   * @param duplex What it stands on.
   */
  constructor(socket: TLSSocket, duplex: ChannelDuplex) {
    super(socket, false, duplex.channel.remoteAddress, duplex.channel.localAddress);
    duplex.isSecure = true;
    this.#duplex = duplex;
  }

  protected override stopReading(): void {
    // A paused TLS socket of Deno reads on, and holds what it reads without limit.
    this.#duplex.stopReading();
    super.stopReading();
  }

  protected override startReading(): void {
    this.#duplex.startReading();
    super.startReading();
  }
}

/** A byte channel as a stream of Node. */
export class ChannelDuplex extends Duplex implements ByteChannelHandler {
  /** The channel below. */
  readonly channel: ByteChannel;
  /** The TLS handshake is done. */
  isSecure = false;
  readonly #onClosed: () => void;
  /** The TLS channel is paused. */
  #stopped = false;
  /** The stream has enough. */
  #full = false;
  #onTaken: WriteCallback | undefined;

  /**
   * Takes over a channel.
   *
   * @param channel The channel, as whose handler this is set.
   * @param onClosed Called when the channel has closed.
   */
  constructor(channel: ByteChannel, onClosed: () => void = () => {}) {
    super({ allowHalfOpen: true });
    this.channel = channel;
    this.#onClosed = onClosed;
    // The TLS socket tells of it.
    this.on("error", () => {});
    channel.handler = this;
  }

  stopReading(): void {
    this.#stopped = true;
    this.channel.pause();
  }

  startReading(): void {
    this.#stopped = false;
    if (!this.#full) this.channel.resume();
  }

  receive(bytes: Uint8Array, lent: boolean): void {
    if (this.destroyed || this.push(lent ? bytes.slice() : bytes)) return;
    this.#full = true;
    this.channel.pause();
  }

  receiveEnd(): void {
    if (this.isSecure) this.push(null);
    else this.channel.abort();
  }

  drain(): void {
    const onTaken = this.#onTaken;
    this.#onTaken = undefined;
    onTaken?.();
  }

  receiveClosed(error?: unknown): void {
    this.#onClosed();
    this.destroy(error as Error | undefined);
  }

  override write(chunk: unknown, encoding?: unknown, onTaken?: unknown): boolean {
    // A TLS socket of Deno writes once more after the end, and the error of that costs a stack trace.
    if (this.destroyed) return false;
    return super.write(chunk, encoding as BufferEncoding, onTaken as WriteCallback);
  }

  override _read(): void {
    if (!this.#full) return;
    this.#full = false;
    if (!this.#stopped) this.channel.resume();
  }

  override _write(chunk: Uint8Array, _encoding: string, onTaken: WriteCallback): void {
    this.#send([chunk], onTaken);
  }

  override _writev(chunks: { chunk: Uint8Array }[], onTaken: WriteCallback): void {
    this.#send(chunks.map(({ chunk }) => chunk), onTaken);
  }

  override _final(onTaken: WriteCallback): void {
    this.channel.end();
    onTaken();
  }

  override _destroy(error: Error | null, onDestroyed: WriteCallback): void {
    // Where TLS has ended in order, the system has taken its last bytes.
    this.channel.abort();
    onDestroyed(error);
  }

  #send(chunks: Uint8Array[], onTaken: WriteCallback): void {
    if (this.channel.write(chunks)) onTaken();
    else this.#onTaken = onTaken;
  }
}
