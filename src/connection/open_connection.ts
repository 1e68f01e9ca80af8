import type { Role } from "../codec/frame.ts";
import type { ByteChannel } from "../transport/byte_channel.ts";
import type { Connection, ConnectionCallbacks } from "./connection.ts";
import { ConnectionCore, type ConnectionInfo, type ConnectionOwner } from "./core.ts";
import type { ConnectionSettings } from "./settings.ts";

export interface Opening<Conn extends Connection> {
  readonly role: Role;
  /** The channel: paused, or one that brings nothing until the connection has begun. */
  readonly channel: ByteChannel;
  readonly info: ConnectionInfo;
  readonly settings: ConnectionSettings;
  readonly callbacks: ConnectionCallbacks<never, never> | undefined;
  readonly owner: ConnectionOwner<Conn>;
  /** The rest of the opening handshake that is still to be sent. */
  readonly response?: Uint8Array;
  /** The bytes that have arrived behind the opening handshake. */
  readonly received: Uint8Array;
  /** Whether the peer's FIN has come behind them. */
  readonly hasEnded: boolean;
  /** Creates the face of the connection, which programs have. */
  readonly createConnection: (core: ConnectionCore) => Conn;
  /** Its handler, if it has one; `"later"` for a program that is given the connection by a promise. */
  readonly start: ((conn: never) => unknown) | "later" | undefined;
}

/** Opens a connection over a channel whose opening handshake is done, but for the answer. */
export function openConnection<Conn extends Connection>(opening: Opening<Conn>): Conn {
  const { owner, response } = opening;
  const core = new ConnectionCore(opening);
  const conn = opening.createConnection(core);
  core.conn = conn;
  owner.addConnection?.(core, conn);
  // Before the program's code, which may send and receive at once.
  if (response !== undefined) core.outbound.sendHandshake(response);
  core.inbound.prepend(opening.received, opening.hasEnded);
  owner.connectionOpened?.(conn);
  core.program.start(opening.start);
  return conn;
}
