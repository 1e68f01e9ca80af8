import { Socket } from "node:net";
import type { ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { queueMicrotask } from "../../timers.ts";
import type { Address } from "../../transport/byte_channel.ts";
import { localAddressOf, remoteAddressOf } from "../shared/socket_address.ts";
import { NodeChannel } from "./channel.ts";

/** The object of Node and Deno that reads from the system. */
interface ReadHandle {
  readStart?(): void;
  readStop?(): void;
}

/** The socket of a request: usually one of `node:net` or `node:tls`, but it may be any duplex stream. */
type HttpSocket =
  & Duplex
  & Partial<
    Pick<
      Socket,
      "localAddress" | "localPort" | "remoteAddress" | "remotePort" | "setNoDelay" | "setTimeout"
    >
  >
  & {
    encrypted?: boolean | undefined;
    server?: { address?(): unknown } | null;
    /** The response that is using the socket. */
    _httpMessage?: ServerResponse | null | undefined;
    /** The socket below TLS. */
    _parent?: { _handle?: ReadHandle | null } | null | undefined;
  };

/**
 * Calls `begin` when earlier requests on the socket have been answered: a client may pipeline requests, and
 * their responses use the socket until then. Does not call it if the socket is closed first.
 */
export function afterResponses(socket: HttpSocket, begin: () => void): void {
  if (socket.destroyed) return;
  const response = socket._httpMessage;
  if (!response) return begin();
  response.once("close", () => afterResponses(socket, begin));
}

/** A byte channel over the socket that a server of `node:http` hands to the program with an upgrade. */
export class NodeHttpChannel extends NodeChannel {
  readonly isSecure: boolean;
  /** The socket below TLS, if it must be stopped explicitly. */
  readonly #below: { _handle?: ReadHandle | null } | undefined;

  constructor(socket: HttpSocket) {
    const isSecure = socket.encrypted === true;
    const addresses = addressesOf(socket);
    const isTcp = socket instanceof Socket && addresses[0].transport === "tcp";
    super(socket as Socket, isTcp && !isSecure, ...addresses);
    this.isSecure = isSecure;
    // On Deno, a paused TLS socket goes on reading into an unbounded buffer.
    if (isSecure && "Deno" in globalThis) this.#below = socket._parent ?? undefined;
    // `server.timeout` and `keepAliveTimeout` have set it.
    socket.setTimeout?.(0);
    socket.setNoDelay?.(true);
    // TLS sockets are not half-open by default: they would end with the peer, and discard unsent data.
    socket.allowHalfOpen = true;
    // The "end" event may have been emitted already, while an earlier request was answered. It is delivered
    // later, when the handler is set, and after the bytes that came with the request.
    if (socket.readableEnded) queueMicrotask(() => this.receiveEnd());
    // While a client does not read the responses before, Node stops the socket within a read, which nothing goes on
    // with. An empty chunk ends that read.
    if (socket instanceof Socket) socket.push("");
  }

  override receiveData(bytes: Uint8Array): void {
    super.receiveData(bytes);
    if (!this.paused) return;
    this.#below?._handle?.readStop?.();
    super.stopReading();
  }

  protected override stopReading(): void {
    // Reading stops at the next bytes, which are held: a paused socket of Deno would not report a reset.
  }

  protected override startReading(): void {
    this.#below?._handle?.readStart?.();
    super.startReading();
  }
}

/** Gives both addresses of a socket, as far as they are known. */
function addressesOf(socket: HttpSocket): [remote: Address, local: Address] {
  if (socket.remoteAddress !== undefined) return [remoteAddressOf(socket), localAddressOf(socket)];
  const bound = socket.server?.address?.();
  if (typeof bound === "string") {
    return [{ transport: "unix", path: "" }, { transport: "unix", path: bound }];
  }
  // Another stream, or a closed TCP socket, on which the first write will fail.
  return [{ transport: "stream" }, { transport: "stream" }];
}
