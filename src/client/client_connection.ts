import type { Connection, ConnectionCallbacks } from "../connection/connection.ts";
import type { ConnectionCore } from "../connection/core.ts";
import { WebSocketConnection } from "../connection/web_socket_connection.ts";
import type { ClientLayer } from "../resume/client_layer.ts";

/**
 * A connection of a client.
 *
 * @typeParam Data What the connection carries as `conn.data`.
 */
export interface ClientConnection<Data = unknown> extends Connection<Data> {
  /**
   * Whether this connection of {@linkcode Reconnecting} goes on from an earlier one: both sides resume, and
   * the server got the session of the client, or its positions in topics. Then the messages that it missed
   * of each topic come first, or `onLost` is told of the topic. It is `false` if the client comes for the
   * first time or begins afresh: what depends on earlier messages has to be asked for. It stays the same for
   * the whole connection.
   */
  readonly isResumed: boolean;
}

/**
 * Takes the events of the connections of a client.
 *
 * @typeParam Data What the connection carries as `conn.data`.
 */
export interface ClientCallbacks<Data = unknown>
  extends ConnectionCallbacks<Data, ClientConnection<Data>> {}

export class ClientWebSocketConnection<Data> extends WebSocketConnection<Data>
  implements ClientConnection<Data> {
  readonly #resume: ClientLayer | undefined;

  /** @param resume The layer of the connection, if it resumes. */
  constructor(core: ConnectionCore, resume: ClientLayer | undefined) {
    super(core);
    this.#resume = resume;
  }

  get isResumed(): boolean {
    return this.#resume?.isReturning ?? false;
  }
}
