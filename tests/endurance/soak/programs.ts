/**
 * The programs of the server: every way to receive and to send, a slow one, and one that sends each
 * message to everybody.
 *
 * @module
 */

import { setTimeout } from "node:timers/promises";
import type {
  Connection,
  ConnectionCallbacks,
  Handler,
  Message,
  UpgradeAcceptance,
} from "../../../mod.ts";
import type { Mistakes } from "./faults.ts";

/** How long the slow program takes for a message. */
const SLOW_MS = 20;

/** Programs of callbacks; `data` is the path. */
interface PathCallbacks extends ConnectionCallbacks<string> {
  upgrade(request: Request): UpgradeAcceptance<string>;
}

/** The connections that are to be answered slowly. */
const slow = new WeakSet<Connection>();

/** Echoes, and does what the attacks ask of a server: see `../rig/arena_server.ts`. */
function answer(conn: Connection, message: Message): void | Promise<void> {
  if (message === "be slow") slow.add(conn);
  if (message === "be closed") void conn.close();
  else return slow.has(conn) ? answerSlowly(conn, message) : conn.send(message);
}

async function answerSlowly(conn: Connection, message: Message): Promise<void> {
  await setTimeout(SLOW_MS);
  await conn.send(message);
}

/** Closes as a client asks for: `close CODE REASON`. */
async function closeAsAsked(conn: Connection, message: Message): Promise<void> {
  const [, closeCode, reason] = /^close (\d{4}) (.*)$/.exec(String(message)) ?? [];
  await conn.close({ closeCode: Number(closeCode), reason });
}

/** The programs that take callbacks. */
export function createCallbacks(mistakes: Mistakes): PathCallbacks {
  const subscribers = new Set<Connection<string>>();
  return {
    upgrade: ({ url }) => ({ data: new URL(url).pathname }),
    open(conn) {
      mistakes.open();
      if (conn.data === "/subscribe") subscribers.add(conn);
      if (conn.data === "/slow") slow.add(conn);
    },
    message(conn, message) {
      switch (conn.data) {
        case "/close":
          return closeAsAsked(conn, message);
        case "/publish":
          if (mistakes.loses()) return;
          for (const subscriber of subscribers) void subscriber.send(message);
          return;
        case "/subscribe":
          return;
        default:
          return answer(conn, mistakes.echo(message));
      }
    },
    close: (conn) => void subscribers.delete(conn),
  };
}

/** The programs that are handlers. */
export function createHandler(mistakes: Mistakes): Handler {
  return (conn) => {
    mistakes.open();
    switch (new URL(conn.request.url).pathname) {
      case "/streams":
        return conn.readable.pipeTo(conn.writable);
      case "/messages":
        return echoMessages(conn);
      default:
        return iterate(conn, mistakes);
    }
  };
}

async function iterate(conn: Connection, mistakes: Mistakes): Promise<void> {
  for await (const message of conn) await answer(conn, mistakes.echo(message));
}

async function echoMessages(conn: Connection): Promise<void> {
  for await (const { type, body } of conn.messages()) await conn.sendStream(type, body);
}
