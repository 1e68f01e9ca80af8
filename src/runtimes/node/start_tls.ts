/**
 * Begins TLS as a client, by `node:tls` over a byte channel.
 *
 * @module
 */

import { X509Certificate } from "node:crypto";
import { isIP, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { checkServerIdentity, connect, type PeerCertificate, type TLSSocket } from "node:tls";
import type { ByteChannel, Dialer, TlsClientOptions } from "../../transport/byte_channel.ts";
import { OrderedChannel } from "../../transport/ordered_channel.ts";
import { ConnectError } from "../../errors.ts";
import { checkAuthorities, checkCertificate } from "../shared/certificate.ts";
import { toTlsError } from "../shared/connect_error.ts";
import { ignoringHandler } from "../shared/dial.ts";
import { NodeChannel } from "./channel.ts";
import { ChannelDuplex, TlsChannel } from "./channel_duplex.ts";
import { isTlsFailure } from "../shared/tls_failure.ts";
import { isErrorObject } from "../../values.ts";

/** What TLS stands on, and how what comes out of it becomes a channel. */
interface Ground {
  readonly stream: Duplex;
  toChannel(socket: TLSSocket): ByteChannel;
}

/** Begins TLS over a channel. */
export const startTls: Dialer["startTls"] = (channel, hostname, options, handler, signal) => {
  const { serverName = hostname } = options;
  const { promise, resolve, reject } = Promise.withResolvers<ByteChannel>();
  channel.handler = ignoringHandler;
  let ground: Ground;
  let socket: TLSSocket;
  try {
    signal.throwIfAborted();
    checkOptions(options);
    if (channel instanceof OrderedChannel && channel.over) throw toTlsError(serverName, undefined);
    ground = takeOver(channel);
    socket = beginTls(ground.stream, serverName, options);
  } catch (error) {
    channel.abort();
    reject(error);
    return promise;
  }
  const finish = () => {
    signal.removeEventListener("abort", onAbort);
    socket.off("secureConnect", onSecure);
    socket.off("close", onClose);
  };
  const fail = (error: unknown) => {
    finish();
    socket.destroy();
    ground.stream.destroy();
    reject(error);
  };
  const onAbort = () => fail(signal.reason);
  const onError = (error: Error) => fail(toTlsError(serverName, error));
  const onClose = () => fail(toTlsError(serverName, undefined));
  const onSecure = () => {
    finish();
    socket.off("error", onError);
    const secure = ground.toChannel(socket);
    secure.handler = {
      receive: (bytes, lent) => handler.receive(bytes, lent),
      receiveEnd: () => handler.receiveEnd(),
      drain: () => handler.drain(),
      // By TLS 1.3, a server refuses a client that has done its part of the handshake already.
      receiveClosed: (error) =>
        handler.receiveClosed(isTlsFailure(error) ? toTlsError(serverName, error) : error),
    };
    resolve(secure);
  };
  signal.addEventListener("abort", onAbort);
  socket.on("error", onError);
  socket.on("close", onClose);
  socket.on("secureConnect", onSecure);
  return promise;
};

function checkOptions(options: TlsClientOptions): void {
  const { serverName, ca, cert, key, rejectUnauthorized = true } = options;
  // Runtimes would take it for no name, or for localhost.
  if (serverName === "") throw new TypeError("Cannot begin TLS: serverName is empty");
  // Not to be turned off by what is merely no value.
  if (typeof rejectUnauthorized !== "boolean") {
    throw new TypeError("Cannot begin TLS: rejectUnauthorized is true or false");
  }
  if (ca !== undefined) checkAuthorities(ca, certificateError);
  if ((cert === undefined) !== (key === undefined)) {
    throw new TypeError("Cannot begin TLS: cert and key are needed together, or neither");
  }
  if (cert !== undefined && key !== undefined) checkCertificate({ cert, key }, certificateError);
}

function takeOver(channel: ByteChannel): Ground {
  if (!(channel instanceof NodeChannel) || channel instanceof TlsChannel) {
    const stream = new ChannelDuplex(channel);
    return { stream, toChannel: (socket) => new TlsChannel(socket, stream) };
  }
  // Over a socket of its own, `node:tls` moves less through JavaScript; and that of Bun is only there
  // fit: over other streams it takes no heed of who reads slowly, and has no half-closed connections.
  const stream = channel.release();
  // The TLS socket tells of it.
  stream.on("error", () => {});
  return { stream, toChannel: (socket) => new TlsSocketChannel(socket, stream, channel) };
}

/** A TLS socket over a socket of its own, as a byte channel. */
class TlsSocketChannel extends NodeChannel {
  readonly #below: Socket;

  constructor(socket: TLSSocket, below: Socket, { remoteAddress, localAddress }: ByteChannel) {
    super(socket, false, remoteAddress, localAddress);
    this.#below = below;
  }

  protected override destroy(): void {
    super.destroy();
    // Node does that by itself. Bun sometimes does not, where it waits for the peer to read.
    this.#below.destroy();
  }
}

function beginTls(stream: Duplex, serverName: string, options: TlsClientOptions): TLSSocket {
  const { ca, cert, key, rejectUnauthorized = true } = options;
  // A name may be written with a dot at its end, but is not asked for so (RFC 6066, section 3).
  const name = serverName.replace(/\.$/, "");
  try {
    return connect({
      socket: stream,
      host: name,
      servername: isIP(name) === 0 ? name : "",
      checkServerIdentity: isIP(name) === 6 ? checkIPv6 : checkServerIdentity,
      ALPNProtocols: ["http/1.1"],
      ca,
      cert,
      key,
      rejectUnauthorized,
    });
  } catch (error) {
    stream.destroy();
    throw certificateError(isErrorObject(error) ? error.message : String(error), error);
  }
}

/** Checks an IPv6 address, which Node 22.23 takes for a name, so that no certificate fits. */
function checkIPv6(address: string, { raw }: PeerCertificate): Error | undefined {
  if (new X509Certificate(raw).checkIP(address) !== undefined) return undefined;
  const error = new Error(`The certificate is not for ${address}`);
  return Object.assign(error, { code: "ERR_TLS_CERT_ALTNAME_INVALID" });
}

function certificateError(reason: string, cause?: unknown): ConnectError {
  return new ConnectError("EINVAL", `Cannot use the TLS certificate: ${reason}`, cause);
}
