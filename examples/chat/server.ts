/**
 * A chat with rooms, and with live figures of its server. It runs unchanged on Deno, Bun and Node:
 *
 *     deno run -A examples/chat/server.ts
 *     bun run examples/chat/server.ts
 *     node examples/chat/server.ts
 *
 * With `--redis` or `--nats`, several may run at the same time, each with its own `--port`, and people on
 * one server meet those on the others.
 *
 * `chat.ts` is the server, `messages.ts` the protocol between server and page, `public/` the page.
 */

import process from "node:process";
import { ListenError, serve, type Server } from "../../mod.ts";
import { createBroker, describeEvent } from "./brokers.ts";
import { Chat } from "./chat.ts";
import { type Flags, parseFlags, USAGE, UsageError } from "./flags.ts";
import { History } from "./history.ts";
import { servePublicFile } from "./public_files.ts";
import { parseRoom } from "./rooms.ts";
import type { VisitorData } from "./visitor.ts";

async function main(args: string[]): Promise<void> {
  const flags = parseFlags(args);
  if (flags.help) {
    process.stdout.write(USAGE);
    return;
  }
  const servers: Server<VisitorData>[] = [];
  try {
    for (const port of flags.ports) servers.push(await startServer(flags, port));
  } catch (error) {
    await Promise.all(servers.map((server) => server.shutdown()));
    throw error;
  }
  if (servers.length > 1 && flags.broker === undefined) {
    console.log("The servers know nothing of each other: --redis or --nats connects them.");
  }
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => {
      for (const server of servers) void server.shutdown({ reason: "The server is shutting down" });
    });
  }
  await Promise.all(servers.map((server) => server.finished));
}

/** Starts one server of the chat. */
async function startServer(
  { hostname, broker }: Flags,
  port: number,
): Promise<Server<VisitorData>> {
  const history = new History(broker && createBroker(broker));
  await history.start();
  const listening = Promise.withResolvers<number>();
  const server = await serve<VisitorData>({
    hostname,
    port,
    // Plain HTTP on the same port: the page.
    fetch: servePublicFile,
    // Decides about each WebSocket before it opens: a Response refuses it.
    upgrade(request) {
      const { pathname, searchParams } = new URL(request.url);
      if (pathname === "/chat") return { data: { room: parseRoom(searchParams.get("room")) } };
      return new Response("WebSockets are at /chat\n", { status: 404 });
    },
    limits: {
      // The longest text with each of its characters escaped, and some room around it.
      maxMessageSize: 4 * 1024,
      // A client that is further behind than this does not read any more.
      sendQueueSize: 256 * 1024,
    },
    // A phone that lost its network leaves the room within twenty seconds.
    keepAlive: { intervalMs: 10_000, timeoutMs: 10_000 },
    maxConnections: 500,
    // Shares published messages and presence with the other servers.
    broker: broker && createBroker(broker),
    presence: {
      notice: (change) => chat.notice(change),
      // The time after which people on a crashed server leave.
      ttlMs: 10_000,
    },
    async onEvent(event) {
      if (broker === undefined || event.type !== "broker") return;
      console.log(`port ${await listening.promise}: ${describeEvent(broker, event)}`);
    },
  }, (conn) => chat.host(conn)).catch(async (error) => {
    await history.close();
    throw error;
  });

  const chat: Chat = new Chat(server, `${describeRuntime()}, port ${server.port}`, history);
  console.log(`listening on ${server.url.replace("ws:", "http:")}`);
  listening.resolve(server.port);
  const timer = setInterval(() => {
    chat.sendFigures();
    void chat.sendRooms();
  }, 1000);
  server.finished.then(() => {
    clearInterval(timer);
    return history.close();
  });
  return server;
}

function describeRuntime(): string {
  const { deno, bun, node } = process.versions;
  if (deno !== undefined) return `Deno ${deno}`;
  return bun !== undefined ? `Bun ${bun}` : `Node ${node}`;
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  // One line for every error.
  const hint = error instanceof ListenError && error.code === "EADDRINUSE"
    ? " (--port 0 picks a free port)"
    : "";
  console.error(`server.ts: ${(error as Error).message.split("\n")[0]}${hint}`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
