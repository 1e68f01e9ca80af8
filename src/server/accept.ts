import type { Connection, ConnectionCallbacks } from "../connection/connection.ts";
import type { ByteStreamPair } from "../transport/stream_channel.ts";
import { isPlainObject } from "../basic_values.ts";
import type { AcceptedData, AcceptOptions, AnyAcceptance, UpgradeAcceptance } from "./options.ts";

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
  const { acceptStreams } = await import("./stream_acceptor.ts");
  return await acceptStreams(
    streams,
    given as AcceptStreamOptions<AcceptedData<Data, Acceptance>>,
    options,
  );
}
