/**
 * A chat with live figures of its server. It runs unchanged on Deno, Bun and Node:
 *
 *     deno run -A examples/chat/server.ts
 *     bun run examples/chat/server.ts
 *     node examples/chat/server.ts
 *
 * `room.ts` is where people meet, `messages.ts` is what they and the server say to each other,
 * `public/` is the page.
 */

import process from "node:process";
import { ListenError, serve } from "../../mod.ts";
import { parseFlags, USAGE, UsageError } from "./flags.ts";
import { servePublicFile } from "./public_files.ts";
import { Room } from "./room.ts";

async function main(args: string[]): Promise<void> {
  const flags = parseFlags(args);
  if (flags.help) {
    process.stdout.write(USAGE);
    return;
  }
  const room = new Room(describeRuntime());
  const server = await serve({
    hostname: flags.hostname,
    port: flags.port,
    // Plain HTTP on the same port: the page.
    fetch: servePublicFile,
    // Decides about each WebSocket before it opens: a Response refuses it.
    upgrade(request) {
      if (new URL(request.url).pathname === "/chat") return;
      return new Response("WebSockets are at /chat\n", { status: 404 });
    },
    limits: {
      // The longest text, were each of its characters escaped, and some room around it.
      maxMessageSize: 4 * 1024,
      // Whoever is further behind than this is not reading any more.
      sendQueueSize: 256 * 1024,
    },
    // A phone that went out of reach leaves the room within twenty seconds.
    keepAlive: { intervalMs: 10_000, timeoutMs: 10_000 },
    maxConnections: 500,
  }, (conn) => room.host(conn));

  const figures = setInterval(() => room.sendFigures(), 1000);
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => void server.shutdown({ reason: "The server is shutting down" }));
  }
  if (server.addr.transport === "tcp") {
    const { hostname, port } = server.addr;
    console.log(
      `listening on http://${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}/`,
    );
  }
  await server.finished;
  clearInterval(figures);
}

function describeRuntime(): string {
  const { deno, bun, node } = process.versions;
  if (deno !== undefined) return `Deno ${deno}`;
  return bun !== undefined ? `Bun ${bun}` : `Node ${node}`;
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  // One line, whatever is wrong.
  const hint = error instanceof ListenError && error.code === "EADDRINUSE"
    ? " (--port 0 picks a free port)"
    : "";
  console.error(`server.ts: ${(error as Error).message.split("\n")[0]}${hint}`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
