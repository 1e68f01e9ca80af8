/**
 * TLS by `node:tls` over byte channels without it, for a runtime whose own TLS sockets are not fit.
 *
 * @module
 */

import { createServer } from "node:tls";
import type { ByteChannel, ByteListener, TlsCertificate } from "../connection/byte_channel.ts";
import { ChannelDuplex, TlsChannel } from "./node_channel_duplex.ts";
import { TlsHandshakes } from "./tls_handshakes.ts";

type OnChannel = (channel: ByteChannel) => void;

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
    onChannel(new TlsChannel(socket, duplex));
  });
  server.emit("connection", duplex);
}
