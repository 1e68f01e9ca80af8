/** What TCP alone costs on Deno: what arrives goes back. */

import { announce, kind } from "./arguments.ts";

/** Each read needs a buffer, also while nothing comes: so idle connections get a small one. */
const BUFFER_SIZE = kind === "idle" ? 512 : 65_536;

async function echo(conn: Deno.TcpConn): Promise<void> {
  conn.setNoDelay(true);
  const buffer = new Uint8Array(BUFFER_SIZE);
  try {
    for (;;) {
      const size = await conn.read(buffer);
      if (size === null) break;
      for (let sent = 0; sent < size;) sent += await conn.write(buffer.subarray(sent, size));
    }
    conn.close();
  } catch {
    conn.close();
  }
}

const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
announce(listener.addr.port);
for await (const conn of listener) void echo(conn);
