import { X509Certificate } from "node:crypto";
import { isIP, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { checkServerIdentity, connect, type PeerCertificate, type TLSSocket } from "node:tls";
import type { ByteChannel, Dialer, TlsClientOptions } from "../../transport/byte_channel.ts";
import { IGNORE_EVENTS, OrderedChannel } from "../../transport/ordered_channel.ts";
import { ConnectError } from "../../errors.ts";
import { checkAuthorities, checkCertificate } from "../shared/certificate.ts";
import { toTlsError } from "../shared/connect_error.ts";
import { NodeChannel } from "./channel.ts";
import { ChannelDuplex, TlsChannel } from "./tls_channel.ts";
import { isTlsFailure } from "../shared/tls_failure.ts";
import { checkBoolean } from "../../checks.ts";
import { isErrorObject } from "../../values.ts";

/** The stream below TLS, and a factory for the channel over it. */
interface Transport {
  readonly stream: Duplex;
  toChannel(socket: TLSSocket): ByteChannel;
}

/** Begins TLS as a client, by `node:tls` over a byte channel. */
export const startTls: Dialer["startTls"] = (channel, hostname, options, handler, signal) => {
  const { serverName = hostname } = options;
  const { promise, resolve, reject } = Promise.withResolvers<ByteChannel>();
  channel.handler = IGNORE_EVENTS;
  let transport: Transport;
  let socket: TLSSocket;
  try {
    signal.throwIfAborted();
    checkOptions(options);
    if (channel instanceof OrderedChannel && channel.over) throw toTlsError(serverName, undefined);
    transport = takeOver(channel);
    socket = beginTls(transport.stream, serverName, options);
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
    transport.stream.destroy();
    reject(error);
  };
  const onAbort = () => fail(signal.reason);
  const onError = (error: Error) => fail(toTlsError(serverName, error));
  const onClose = () => fail(toTlsError(serverName, undefined));
  const onSecure = () => {
    finish();
    socket.off("error", onError);
    const secure = transport.toChannel(socket);
    secure.handler = {
      receive: (bytes, borrowed) => handler.receive(bytes, borrowed),
      receiveEnd: () => handler.receiveEnd(),
      drain: () => handler.drain(),
      // In TLS 1.3, a server may refuse the client after the handshake is complete on the client's side.
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
  const { serverName, ca, cert, key, rejectUnauthorized } = options;
  // Runtimes would ignore it, or use localhost.
  if (serverName === "") throw new TypeError("serverName must not be empty");
  // A falsy value that is not `false` must not disable the check.
  checkBoolean("rejectUnauthorized", rejectUnauthorized);
  if (ca !== undefined) checkAuthorities(ca, certificateError);
  if ((cert === undefined) !== (key === undefined)) {
    throw new TypeError("cert and key must be given together, or neither");
  }
  if (cert !== undefined && key !== undefined) checkCertificate({ cert, key }, certificateError);
}

function takeOver(channel: ByteChannel): Transport {
  if (!(channel instanceof NodeChannel) || channel instanceof TlsChannel) {
    const stream = new ChannelDuplex(channel);
    return { stream, toChannel: (socket) => new TlsChannel(socket, stream) };
  }
  // Directly over a socket, `node:tls` copies less through JavaScript. On Bun it is also the only way that
  // works: over other streams, its TLS has no backpressure and no half-closed connections.
  const stream = channel.release();
  // The TLS socket reports the error.
  stream.on("error", () => {});
  return { stream, toChannel: (socket) => new TlsSocketChannel(socket, stream, channel) };
}

/** A byte channel over a TLS socket that uses a socket directly. */
class TlsSocketChannel extends NodeChannel {
  readonly #below: Socket;

  constructor(socket: TLSSocket, below: Socket, { remoteAddress, localAddress }: ByteChannel) {
    super(socket, false, remoteAddress, localAddress);
    this.#below = below;
  }

  protected override destroy(): void {
    super.destroy();
    // Node destroys it too. Bun sometimes does not, if it waits for the peer to read.
    this.#below.destroy();
  }
}

function beginTls(stream: Duplex, serverName: string, options: TlsClientOptions): TLSSocket {
  const { ca, cert, key, rejectUnauthorized = true } = options;
  // A name may be given with a trailing dot, but SNI has none (RFC 6066, section 3).
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

/** Checks an IPv6 address. Node 22.23 compares it as a name, which no certificate matches. */
function checkIPv6(address: string, { raw }: PeerCertificate): Error | undefined {
  if (new X509Certificate(raw).checkIP(address) !== undefined) return undefined;
  const error = new Error(`The certificate is not for ${address}`);
  return Object.assign(error, { code: "ERR_TLS_CERT_ALTNAME_INVALID" });
}

function certificateError(reason: string, cause?: unknown): ConnectError {
  return new ConnectError("EINVAL", `Cannot use the TLS certificate: ${reason}`, cause);
}
