import type { Connection, Message } from "../connection/connection.ts";
import { ConnectionClosedError } from "../errors.ts";

/**
 * Receives the next message of a connection that is received from by iteration. What comes behind it
 * waits for the next call.
 *
 * @throws {ConnectionClosedError} Where the connection ends before there is one; it tells how.
 */
export async function receiveMessage(conn: Connection<unknown>): Promise<Message> {
  for await (const message of conn) return message;
  const { closeCode, reason } = await conn.closed;
  throw new ConnectionClosedError(
    `Cannot receive a message: the connection ended with ${closeCode}`,
    closeCode,
    reason,
  );
}
