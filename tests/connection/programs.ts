import type { Connection } from "../../src/server/mod.ts";
import type { Setup } from "../support/transports.ts";

/** The programs: each receives in another way, and echoes. */
export function createPrograms(track: (promise: Promise<unknown>) => void): Record<
  string,
  Setup<unknown>
> {
  const handle = (handler: (conn: Connection) => Promise<void>): Setup<unknown> => ({
    handler: (conn) => {
      const done = handler(conn);
      track(done);
      return done;
    },
  });
  return {
    callbacks: {
      message: (conn, data) => {
        const sent = conn.send(data);
        track(sent);
        return sent;
      },
    },
    iteration: handle(async (conn) => {
      for await (const message of conn) await conn.send(message);
    }),
    streams: handle((conn) => conn.readable.pipeTo(conn.writable)),
    "streamed messages": handle(async (conn) => {
      for await (const { type, body } of conn.messages()) await conn.sendStream(type, body);
    }),
  };
}
