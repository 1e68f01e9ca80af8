/**
 * A client that echoes what a server sends, until the server closes. It runs unchanged on Deno, Bun
 * and Node:
 *
 *     deno run -A examples/echo_client.ts ws://127.0.0.1:9001/
 *     bun run examples/echo_client.ts ws://127.0.0.1:9001/
 *     node examples/echo_client.ts ws://127.0.0.1:9001/
 */

import { readFile } from "node:fs/promises";
import process from "node:process";
import { parseArgs } from "node:util";
import {
  connect,
  type Connection,
  type ConnectionCallbacks,
  type ConnectOptions,
} from "../src/runtimes/shared/client.ts";

const USAGE = `usage: echo_client.ts [options] URL

  --max-message-size BYTES  the largest message, or Infinity (default: 1048576)
  --max-fragments N         the most fragments of a message, or Infinity (default: 1024)
  --compression WINDOW      compress messages if the server agrees: no-takeover compresses
                            them independently, takeover keeps the window (default: off)
  --style STYLE             how the messages are echoed: callback, iterate, streams or messages
                            (default: callback)
  --subprotocol NAME        a subprotocol to offer; may be given several times
  --tls-ca FILE             the authority that issued the server's certificate, PEM encoded
  --help                    show this text
`;

/** The three ways to receive and send without a callback. */
const loops: Record<string, (conn: Connection) => Promise<void>> = {
  iterate: async (conn) => {
    for await (const message of conn) await conn.send(message);
  },
  streams: (conn) => conn.readable.pipeTo(conn.writable),
  // Each message as a stream: of any size, in constant memory.
  messages: async (conn) => {
    for await (const { type, body } of conn.messages()) await conn.sendStream(type, body);
  },
};

/** Returning what send returns makes the next message wait while the server is slow to read. */
const callbacks: ConnectionCallbacks = { message: (conn, data) => conn.send(data) };

class UsageError extends Error {}

async function main(args: string[]): Promise<void> {
  const { values: flags, positionals: [url, ...others] } = parseFlags(args);
  if (flags.help) {
    process.stdout.write(USAGE);
    return;
  }
  if (url === undefined || others.length > 0) throw new UsageError("give one URL");
  const options: ConnectOptions = {
    subprotocols: flags.subprotocol,
    compression: parseCompression(flags.compression),
    tls: { ca: flags["tls-ca"] === undefined ? undefined : await readText(flags["tls-ca"]) },
    limits: {
      maxMessageSize: parseLimit("max-message-size", flags["max-message-size"], 0),
      maxFragments: parseLimit("max-fragments", flags["max-fragments"], 1),
    },
  };
  const loop = loops[parseChoice("style", flags.style, ["callback", ...Object.keys(loops)])];

  const conn = await connect(url, loop === undefined ? { ...options, ...callbacks } : options);

  // If the connection fails, so does the loop; `closed` has the reason.
  await loop?.(conn).catch(() => {});
  const { closeCode, reason, wasClean } = await conn.closed;
  const { messagesReceived, bytesReceived } = conn.stats();
  console.log(
    `${messagesReceived} messages, ${bytesReceived} bytes; closed with ${closeCode} ` +
      `${JSON.stringify(reason)}, ${wasClean ? "clean" : "not clean"}`,
  );
}

function parseFlags(args: string[]) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        "max-message-size": { type: "string", default: "1048576" },
        "max-fragments": { type: "string", default: "1024" },
        compression: { type: "string", default: "off" },
        style: { type: "string", default: "callback" },
        subprotocol: { type: "string", multiple: true, default: [] },
        "tls-ca": { type: "string" },
        help: { type: "boolean", default: false },
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function parseChoice(name: string, value: string, choices: string[]): string {
  if (choices.includes(value)) return value;
  throw new UsageError(
    `--${name} must be one of ${choices.join(", ")}, got ${JSON.stringify(value)}`,
  );
}

function parseCompression(value: string): ConnectOptions["compression"] {
  const choice = parseChoice("compression", value, ["off", "takeover", "no-takeover"]);
  // Also compress small messages: an echo client is for experiments.
  return choice === "off" ? false : { contextTakeover: choice === "takeover", threshold: 0 };
}

function parseLimit(name: string, value: string, min: number): number {
  if (value === "Infinity") return Infinity;
  const number = /^\d+$/.test(value) ? Number(value) : NaN;
  if (number >= min && Number.isSafeInteger(number)) return number;
  throw new UsageError(
    `--${name} must be an integer of at least ${min}, got ${JSON.stringify(value)}`,
  );
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw new UsageError(`cannot read ${file}: ${(error as Error).message}`);
  }
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  // One line for every error: of a flag, a file, or a server that does not answer.
  console.error(`echo_client.ts: ${(error as Error).message.split("\n")[0]}`);
  // Options that `connect` refuses come from the command line, too.
  const isUsage = error instanceof UsageError || error instanceof TypeError ||
    error instanceof RangeError;
  process.exitCode = isUsage ? 2 : 1;
}
