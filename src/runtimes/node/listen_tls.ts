import { nextTick } from "node:process";
import { createSecureContext, type SecureContext, TLSSocket } from "node:tls";
import type {
  ByteChannel,
  ByteListener,
  OnChannel,
  OnTlsHandshake,
  TlsCertificate,
} from "../../transport/byte_channel.ts";
import { TlsHandshakes } from "../shared/tls_handshakes.ts";
import { ChannelDuplex, TlsChannel } from "./tls_channel.ts";

/** The record type "handshake", the first byte of a TLS connection (RFC 8446, section 5.1). */
const HANDSHAKE = 22;

/** Listens with TLS by `node:tls` over a listener without, for a runtime whose own TLS sockets lack features. */
export function listenTlsOver(
  tls: TlsCertificate,
  listen: (onPlain: OnChannel) => ByteListener,
  onChannel: OnChannel,
  onTlsHandshake?: OnTlsHandshake,
): ByteListener {
  const context = createSecureContext({ cert: tls.cert, key: tls.key });
  const handshakes = new TlsHandshakes<ByteChannel>((channel) => channel.abort(), onTlsHandshake);
  const listener = listen((channel) => startHandshake(channel, context, handshakes, onChannel));
  return {
    addr: listener.addr,
    ref: () => listener.ref(),
    unref: () => listener.unref(),
    close() {
      handshakes.closeAll();
      return listener.close();
    },
  };
}

function startHandshake(
  channel: ByteChannel,
  secureContext: SecureContext,
  handshakes: TlsHandshakes<ByteChannel>,
  onChannel: OnChannel,
): void {
  handshakes.start(channel, channel.remoteAddress);
  // The TLS socket is created when the first bytes arrive. Most of a connection's cost is the TLS socket, for
  // which Deno parses the certificate and the key again: a peer that sends nothing should not cause it.
  channel.handler = {
    receive(bytes, borrowed) {
      if (bytes[0] !== HANDSHAKE) return channel.abort();
      const first = borrowed ? bytes.slice() : bytes;
      const duplex = new ChannelDuplex(channel, () => handshakes.finish(channel));
      duplex.stopReading();
      // Without a server of `node:tls`: with one per connection, the memory of a failed handshake is retained for
      // minutes, and one for all connections does not tell which connection a TLS socket uses.
      const socket = new TLSSocket(duplex, { isServer: true, secureContext });
      // A server of `node:tls` would turn this event into "error".
      socket.on("_tlsError", (error: Error) => void socket.destroy(error));
      socket.once("secure", () => {
        if (handshakes.finish(channel)) onChannel(new TlsChannel(socket, duplex));
      });
      // The TLS socket starts on the next tick. If it found malformed bytes then, it would end the process.
      nextTick(() => {
        duplex.receive(first, false);
        duplex.startReading();
      });
    },
    receiveEnd: () => channel.abort(),
    drain() {},
    receiveClosed: () => void handshakes.finish(channel),
  };
}
