import type { Server, Socket } from "node:net";
import { createServer } from "node:tls";
import type { TlsCertificate } from "../../transport/byte_channel.ts";

/** What becomes of the sockets of a secure server. */
interface SecureSockets {
  /** Takes a TCP socket whose TLS handshake begins. */
  start(raw: Socket): void;
  /** Takes one whose handshake is over; returns whether it is to be accepted. */
  finish(raw: Socket): boolean;
  /** Takes a TLS socket whose handshake is complete. */
  accept(socket: Socket): void;
  /** Closes a socket that is not accepted. */
  discard(socket: Socket): void;
}

/** Creates a server that accepts a socket once its TLS handshake is complete. */
export function createSecureServer(
  { cert, key }: TlsCertificate,
  sockets: SecureSockets,
): Server {
  /** The TCP sockets below TLS, by their addresses: Node does not tell which one a TLS socket uses. */
  const raws = new Map<string, Socket>();
  // Half-open only after the handshake: a peer that ends during it is to be closed at once.
  const server = createServer({ cert, key, noDelay: true }, (socket) => {
    const raw = raws.get(nameOf(socket));
    if (raw === undefined || !sockets.finish(raw)) return sockets.discard(socket);
    socket.allowHalfOpen = raw.allowHalfOpen = true;
    sockets.accept(socket);
  });
  return server.on("connection", (raw: Socket) => {
    const name = nameOf(raw);
    raws.set(name, raw);
    raw.once("close", () => {
      sockets.finish(raw);
      if (raws.get(name) === raw) raws.delete(name);
    });
    sockets.start(raw);
  });
}

/** Identifies a connection by its two addresses. */
function nameOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}
