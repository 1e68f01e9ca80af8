import "../connection/common.ts";
import type { Connection } from "../connection/connection.ts";
import type { ConnectionOwner } from "../connection/core.ts";
import { openConnection } from "../connection/open_connection.ts";
import { WebSocketConnection } from "../connection/web_socket_connection.ts";
import { type HandshakeError, WebSocketError } from "../errors.ts";
import type { DeflateNegotiator } from "../extensions/deflate_negotiator.ts";
import { reportError } from "../hooks.ts";
import { type ByteStreamPair, StreamChannel } from "../transport/stream_channel.ts";
import type { AcceptStreamOptions } from "./accept.ts";
import type { AcceptedUpgrade, HandshakeOwner } from "./handshake_owner.ts";
import { loadParts } from "./load_parts.ts";
import { OpeningHandshake } from "./opening_handshake.ts";
import { resolveStreamOptions } from "./resolve_options.ts";
import { type AcceptSettings, defaultAcceptSettings } from "./settings.ts";

/** Accepts a WebSocket over streams: see `accept`. Hooks and callbacks will be called on `self`. */
export async function acceptStreams<Data>(
  streams: ByteStreamPair,
  options: AcceptStreamOptions<Data>,
  self: object,
): Promise<Connection<Data>> {
  const { settings, secure } = resolveStreamOptions(
    options,
    defaultAcceptSettings<Data, Connection<Data>>(),
    self,
  );
  const { compression } = await loadParts(settings, false);
  const acceptor = new Acceptor(settings, compression);
  new OpeningHandshake(new StreamChannel(streams), secure, settings, acceptor);
  return await acceptor.accepted.promise;
}

function streamsEnded(): WebSocketError {
  return new WebSocketError("Cannot accept a WebSocket: the streams ended before there was one");
}

class Acceptor<Data> implements HandshakeOwner<Data>, ConnectionOwner {
  readonly #settings: AcceptSettings<Data>;
  readonly compression: DeflateNegotiator | undefined;
  readonly accepted = Promise.withResolvers<Connection<Data>>();

  constructor(settings: AcceptSettings<Data>, compression: DeflateNegotiator | undefined) {
    this.#settings = settings;
    this.compression = compression;
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
    this.accepted.resolve(conn);
  }

  endHandshake(_handshake: OpeningHandshake<Data>, error: HandshakeError | undefined): void {
    this.accepted.reject(error ?? streamsEnded());
  }

  reportError(error: unknown, conn: Connection): void {
    reportError(this.#settings.onError, error, conn as Connection<Data>);
  }

  removeConnection(): void {}
}
