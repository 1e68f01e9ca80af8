/**
 * A byte channel over the socket that a server of `node:http` gives away.
 *
 * @module
 */

import { Socket } from "node:net";
import type { ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { Address } from "../../transport/byte_channel.ts";
import { NodeChannel } from "./channel.ts";
import { queueMicrotask } from "../../timers.ts";

/** What reads from the system. */
interface ReadHandle {
  readStart?(): void;
  readStop?(): void;
}

/** The socket of a request: mostly one of `node:net` or `node:tls`, but any duplex stream may do. */
type HttpSocket =
  & Duplex
  & Partial<
    Pick<
      Socket,
      | "localAddress"
      | "localPort"
      | "remoteAddress"
      | "remotePort"
      | "setNoDelay"
      | "setTimeout"
    >
  >
  & {
    /** Whether it is a socket of TLS. */
    encrypted?: boolean | undefined;
    /** The server that accepted it. */
    server?: { address?(): unknown } | null;
    /** The response that is being sent. */
    _httpMessage?: ServerResponse | null | undefined;
    /** The socket below TLS. */
    _parent?: { _handle?: ReadHandle | null } | null | undefined;
  };

/**
 * Calls `begin` once the requests before have been answered: a client may send one behind another,
 * and the socket is for their responses until then. Not at all where the socket is closed before.
 */
export function whenUnanswered(socket: HttpSocket, begin: () => void): void {
  if (socket.destroyed) return;
  const response = socket._httpMessage;
  if (!response) return begin();
  response.once("close", () => whenUnanswered(socket, begin));
}

/** The socket of an HTTP request as a byte channel. */
export class NodeHttpChannel extends NodeChannel {
  /** Whether it is a channel of TLS. */
  readonly isSecure: boolean;
  /** What is to be stopped besides the socket, if anything. */
  readonly #below: { _handle?: ReadHandle | null } | undefined;

  private constructor(socket: HttpSocket, remote: Address, local: Address) {
    const isSecure = socket.encrypted === true;
    super(
      socket as Socket,
      !isSecure && socket instanceof Socket && remote.transport === "tcp",
      remote,
      local,
    );
    this.isSecure = isSecure;
    // A paused TLS socket of Deno reads on, and holds what it reads without limit.
    if (isSecure && "Deno" in globalThis) this.#below = socket._parent ?? undefined;
  }

  /** Takes over a socket. */
  static takeOver(socket: HttpSocket): NodeHttpChannel {
    // What `server.timeout` and `keepAliveTimeout` have set.
    socket.setTimeout?.(0);
    socket.setNoDelay?.(true);
    // Sockets of TLS are not half-open: they would end with the peer, and what is being sent with them.
    socket.allowHalfOpen = true;
    const channel = new NodeHttpChannel(socket, ...addressesOf(socket));
    // The event may have come while a request before was answered, and it comes only once. Told of when
    // there is a handler, and behind what came with the request.
    if (socket.readableEnded) queueMicrotask(() => channel.receiveEnd());
    return channel;
  }

  override receiveData(bytes: Uint8Array): void {
    super.receiveData(bytes);
    if (!this.paused) return;
    this.#below?._handle?.readStop?.();
    super.stopReading();
  }

  protected override stopReading(): void {
    // Reading goes on until it brings something, which is held: it tells of a reset, and a paused
    // socket of Deno would not.
  }

  protected override startReading(): void {
    this.#below?._handle?.readStart?.();
    super.startReading();
  }
}

/** Gives both ends of a socket, as far as they are known. */
function addressesOf(socket: HttpSocket): [remote: Address, local: Address] {
  const { remoteAddress, remotePort = 0, localAddress = "", localPort = 0 } = socket;
  if (remoteAddress !== undefined) {
    return [
      { transport: "tcp", hostname: remoteAddress, port: remotePort },
      { transport: "tcp", hostname: localAddress, port: localPort },
    ];
  }
  const bound = socket.server?.address?.();
  if (typeof bound === "string") {
    return [{ transport: "unix", path: "" }, { transport: "unix", path: bound }];
  }
  // Neither has a TCP socket whose peer is gone: the first write tells.
  return [{ transport: "stream" }, { transport: "stream" }];
}
