/**
 * TLS by `node:tls` over byte channels without it, for a runtime whose own TLS sockets are not fit.
 *
 * @module
 */

import { Duplex } from "node:stream";
import { createServer, type TLSSocket } from "node:tls";
import type {
  ByteChannel,
  ByteChannelHandler,
  ByteListener,
  TlsCertificate,
} from "../connection/byte_channel.ts";
import { NodeChannel } from "./node_channel.ts";
import { TlsHandshakes } from "./tls_handshakes.ts";

type OnChannel = (channel: ByteChannel) => void;
type WriteCallback = (error?: Error | null) => void;

/**
 * Puts TLS on what a listener accepts.
 *
 * @param tls The certificate and its key, which have been checked.
 * @param listen Listens without TLS.
 * @param onChannel Takes a channel once its TLS handshake is done.
 */
export function listenTlsOver(
  tls: TlsCertificate,
  listen: (onPlain: OnChannel) => ByteListener,
  onChannel: OnChannel,
): ByteListener {
  const handshakes = new TlsHandshakes<ByteChannel>((channel) => channel.abort());
  const listener = listen((channel) => startHandshake(channel, tls, handshakes, onChannel));
  return {
    addr: listener.addr,
    ref: () => listener.ref(),
    unref: () => listener.unref(),
    close() {
      handshakes.dropAll();
      return listener.close();
    },
  };
}

function startHandshake(
  channel: ByteChannel,
  { cert, key }: TlsCertificate,
  handshakes: TlsHandshakes<ByteChannel>,
  onChannel: OnChannel,
): void {
  const duplex = new ChannelDuplex(channel, () => handshakes.finish(channel));
  handshakes.start(channel);
  // One server for each connection: it does not tell which of them a TLS socket was put on.
  const server = createServer({ cert, key, allowHalfOpen: true });
  server.on("secureConnection", (socket) => {
    if (!handshakes.finish(channel)) return;
    duplex.isSecure = true;
    onChannel(new TlsChannel(socket, duplex));
  });
  server.emit("connection", duplex);
}

/** A TLS socket over a channel, as a byte channel. */
class TlsChannel extends NodeChannel {
  readonly #duplex: ChannelDuplex;

  constructor(socket: TLSSocket, duplex: ChannelDuplex) {
    super(socket, false, duplex.channel.remoteAddress, duplex.channel.localAddress);
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
class ChannelDuplex extends Duplex implements ByteChannelHandler {
  readonly channel: ByteChannel;
  /** The TLS handshake is done. */
  isSecure = false;
  readonly #onClosed: () => void;
  /** The TLS channel is paused. */
  #stopped = false;
  /** The stream has enough. */
  #full = false;
  #onTaken: WriteCallback | undefined;

  constructor(channel: ByteChannel, onClosed: () => void) {
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
