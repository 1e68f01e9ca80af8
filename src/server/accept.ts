import type { Connection, ConnectionCallbacks } from "../connection/connection.ts";
import { isPlainObject } from "../values.ts";
import { reportError } from "../hooks.ts";
import { IGNORE_EVENTS } from "../transport/ignore_events.ts";
import { type ByteStreamPair, StreamChannel } from "../transport/stream_channel.ts";
import type { ConnectionOwner } from "../connection/core.ts";
import { openConnection } from "../connection/open_connection.ts";
import { WebSocketConnection } from "../connection/web_socket_connection.ts";
import { type HandshakeError, WebSocketError } from "../errors.ts";
import type { AcceptedUpgrade, HandshakeOwner } from "./handshake_owner.ts";
import { loadParts } from "./load_parts.ts";
import type { DeflateNegotiator } from "../extensions/deflate_negotiator.ts";
import { OpeningHandshake } from "./opening_handshake.ts";
import type { AcceptedData, AcceptOptions, AnyAcceptance, UpgradeAcceptance } from "./options.ts";
import type { AcceptSettings } from "./settings.ts";

/** Options of {@linkcode accept}. */
export interface AcceptStreamOptions<Data = unknown, Acceptance = UpgradeAcceptance<Data>>
  extends AcceptOptions<Data, Acceptance>, ConnectionCallbacks<Data> {
  /**
   * Whether the streams are those of a secured connection: same-origin then means `https`, and so are
   * the URLs of requests.
   *
   * @default {false}
   */
  secure?: boolean | undefined;
}

/**
 * Accepts a WebSocket over any duplex pair of byte streams: performs the opening handshake as a server
 * (RFC 6455, section 4.2), and gives the connection.
 *
 * @example
 * ```ts
 * import { accept } from "@sluice/websocket";
 *
 * const fromClient = new TransformStream<Uint8Array, Uint8Array>();
 * const toClient = new TransformStream<Uint8Array, Uint8Array>();
 * const accepted = accept({ readable: fromClient.readable, writable: toClient.writable });
 *
 * const client = fromClient.writable.getWriter();
 * client.write(new TextEncoder().encode(
 *   "GET / HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
 *     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
 * ));
 * const { value } = await toClient.readable.getReader().read();
 * console.log(new TextDecoder().decode(value)); // "HTTP/1.1 101 Switching Protocols" ...
 *
 * const conn = await accepted;
 * conn.abort();
 * ```
 *
 * @typeParam Data What the `upgrade` hook attaches.
 * @typeParam Acceptance What the hook accepts with; by it TypeScript finds `Data`.
 * @param streams The streams. They are locked, and ended with the connection.
 * @param options See {@linkcode AcceptStreamOptions}. Without callbacks, the connection is received
 * from by iteration or streams. Callbacks begin, with `open`, a turn of the event loop after the promise
 * has resolved.
 * @throws {HandshakeError} If the request was refused; the client has its answer then.
 * @throws {WebSocketError} If the streams ended before there was a WebSocket.
 * @throws {RangeError} If a number among the options is out of its range.
 * @throws {TypeError} If an option is unknown or of another type, or a stream is locked.
 */
export async function accept<
  Data = undefined,
  Acceptance extends AnyAcceptance<Acceptance> = UpgradeAcceptance<Data>,
>(
  streams: ByteStreamPair,
  options: AcceptStreamOptions<AcceptedData<Data, Acceptance>, Acceptance> = {},
): Promise<Connection<AcceptedData<Data, Acceptance>>> {
  const given = isPlainObject(options) ? { ...options } : options;
  const { resolveStreamOptions } = await import("./resolve_options.ts");
  const { settings, secure } = resolveStreamOptions(
    given as AcceptStreamOptions<AcceptedData<Data, Acceptance>>,
    options,
  );
  const channel = new StreamChannel(streams);
  channel.handler = IGNORE_EVENTS;
  channel.pause();
  const { compression } = await loadParts(settings, false);
  if (channel.over) throw streamsEnded();
  const acceptor = new Acceptor(settings, compression);
  new OpeningHandshake(channel, secure, settings, acceptor);
  channel.resume();
  return await acceptor.accepted;
}

function streamsEnded(): WebSocketError {
  return new WebSocketError("Cannot accept a WebSocket: the streams ended before there was one");
}

class Acceptor<Data> implements HandshakeOwner<Data>, ConnectionOwner {
  readonly #settings: AcceptSettings<Data>;
  readonly compression: DeflateNegotiator | undefined;
  readonly #accepted = Promise.withResolvers<Connection<Data>>();

  constructor(settings: AcceptSettings<Data>, compression: DeflateNegotiator | undefined) {
    this.#settings = settings;
    this.compression = compression;
  }

  get accepted(): Promise<Connection<Data>> {
    return this.#accepted.promise;
  }

  refusal(): undefined {}

  acceptUpgrade(
    _handshake: OpeningHandshake<Data>,
    accepted: AcceptedUpgrade<Data>,
  ): void {
    const { connection, callbacks } = this.#settings;
    const conn = openConnection({
      ...accepted,
      role: "server",
      settings: connection,
      callbacks,
      owner: this,
      createConnection: (core) => new WebSocketConnection<Data>(core),
      start: "later",
    });
    this.#accepted.resolve(conn);
  }

  endHandshake(_handshake: OpeningHandshake<Data>, error: HandshakeError | undefined): void {
    this.#accepted.reject(error ?? streamsEnded());
  }

  reportError(error: unknown, conn: Connection): void {
    reportError(this.#settings.onError, error, conn as Connection<Data>);
  }

  removeConnection(): void {}
}
