/**
 * TLS by `node:tls` over byte channels without it, for a runtime whose own TLS sockets are not fit.
 *
 * @module
 */

import { nextTick } from "node:process";
import { createSecureContext, type SecureContext, TLSSocket } from "node:tls";
import type {
  ByteChannel,
  ByteListener,
  OnTlsHandshake,
  TlsCertificate,
} from "../../transport/byte_channel.ts";
import { ChannelDuplex, TlsChannel } from "./channel_duplex.ts";
import { TlsHandshakes } from "../shared/tls_handshakes.ts";

/** The type of the record that a TLS connection begins with (RFC 8446, section 5.1). */
const HANDSHAKE = 22;

type OnChannel = (channel: ByteChannel) => void;

/**
 * Puts TLS on what a listener accepts.
 *
 * @param tls The certificate and its key, which have been checked.
 * @param listen Listens without TLS.
 * @param onChannel Takes a channel once its TLS handshake is done.
 * @param onTlsHandshake As in `Listen`.
 */
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
      handshakes.dropAll();
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
  // A TLS socket costs more than all else of a connection, since Deno reads the certificate and the key
  // anew for each: none for a peer that says nothing.
  channel.handler = {
    receive(bytes, lent) {
      if (bytes[0] !== HANDSHAKE) return channel.abort();
      const first = lent ? bytes.slice() : bytes;
      const duplex = new ChannelDuplex(channel, () => handshakes.finish(channel));
      duplex.stopReading();
      beginTls(duplex, secureContext, (socket) => {
        if (handshakes.finish(channel)) onChannel(new TlsChannel(socket, duplex));
      });
      // The TLS socket begins on the next tick. Bytes that it finds there and can't read end the process.
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

/**
 * Begins TLS as a server. Not by a server of `node:tls`: one server for each connection keeps what it
 * holds of a handshake that fails, for minutes, and one server for all connections does not tell which of
 * them a TLS socket was put on.
 */
function beginTls(
  duplex: ChannelDuplex,
  secureContext: SecureContext,
  onSecure: (socket: TLSSocket) => void,
): void {
  const socket = new TLSSocket(duplex, { isServer: true, secureContext });
  // Only a server of `node:tls` would make the event "error" of it.
  socket.on("_tlsError", (error: Error) => void socket.destroy(error));
  socket.once("secure", () => onSecure(socket));
}
