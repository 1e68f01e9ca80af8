import { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import type { ByteChannel, ByteChannelHandler } from "../../transport/byte_channel.ts";
import { NodeChannel } from "./channel.ts";

type WriteCallback = (error?: Error | null) => void;

/** A byte channel over a TLS socket that uses another byte channel. */
export class TlsChannel extends NodeChannel {
  readonly #duplex: ChannelDuplex;

  /** @param socket Without listeners, and with its handshake complete. */
  constructor(socket: TLSSocket, duplex: ChannelDuplex) {
    super(socket, false, duplex.channel.remoteAddress, duplex.channel.localAddress);
    duplex.isSecure = true;
    this.#duplex = duplex;
  }

  protected override stopReading(): void {
    // On Deno, a paused TLS socket goes on reading into an unbounded buffer.
    this.#duplex.stopReading();
    super.stopReading();
  }

  protected override startReading(): void {
    this.#duplex.startReading();
    super.startReading();
  }
}

/** A stream of Node over a byte channel, whose handler it becomes. */
export class ChannelDuplex extends Duplex implements ByteChannelHandler {
  readonly channel: ByteChannel;
  /** Whether the TLS handshake is complete. */
  isSecure = false;
  readonly #onClosed: () => void;
  /** Whether the TLS channel is paused. */
  #stopped = false;
  /** Whether the stream's read buffer is full. */
  #full = false;
  #onTaken: WriteCallback | undefined;

  /** @param onClosed Called when the channel has closed. */
  constructor(channel: ByteChannel, onClosed: () => void = () => {}) {
    super({ allowHalfOpen: true });
    this.channel = channel;
    this.#onClosed = onClosed;
    // The TLS socket reports the error.
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

  receive(bytes: Uint8Array, borrowed: boolean): void {
    if (this.destroyed || this.push(borrowed ? bytes.slice() : bytes)) return;
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
    // A TLS socket of Deno writes once after the end. The error of that would cost a stack trace.
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
    // If TLS has ended in order, the system has taken its last bytes.
    this.channel.abort();
    onDestroyed(error);
  }

  #send(chunks: Uint8Array[], onTaken: WriteCallback): void {
    if (this.channel.write(chunks)) onTaken();
    else this.#onTaken = onTaken;
  }
}
