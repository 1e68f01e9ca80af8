/**
 * An echo server that runs unchanged on Deno, Bun and Node:
 *
 *     deno run -A examples/echo.ts
 *     bun run examples/echo.ts
 *     node examples/echo.ts
 */

import { readFile } from "node:fs/promises";
import process from "node:process";
import { parseArgs } from "node:util";
import {
  type ConnectionCallbacks,
  type Handler,
  ListenError,
  serve,
  type ServeOptions,
} from "../mod.ts";

const USAGE = `usage: echo.ts [options]

  --hostname NAME           the address to listen on (default: 127.0.0.1)
  --port PORT               the port to listen on; 0 picks one (default: 8080)
  --unix PATH               listen on a Unix domain socket instead
  --tls-cert FILE           a certificate, PEM encoded: speak TLS
  --tls-key FILE            its key, PEM encoded
  --origin same|any         the origins that may connect (default: same)
  --max-message-size BYTES  the largest message, or Infinity (default: 1048576)
  --max-fragments N         the most fragments of a message, or Infinity (default: 1024)
  --compression WINDOW      compress messages if the client offers it: no-takeover compresses
                            them independently, takeover keeps the window (default: off)
  --style STYLE             how the messages are echoed: callback, iterate, streams or messages
                            (default: callback)
  --help                    show this text
`;

/** The four ways to receive and send. */
const styles: Record<string, Handler | ConnectionCallbacks> = {
  // Returning what send returns makes the next message wait while the peer is slow to read.
  callback: { message: (conn, data) => conn.send(data) },
  iterate: async (conn) => {
    for await (const message of conn) await conn.send(message);
  },
  streams: (conn) => conn.readable.pipeTo(conn.writable),
  // Each message as a stream: of any size, in constant memory.
  messages: async (conn) => {
    for await (const { type, body } of conn.messages()) await conn.sendStream(type, body);
  },
};

class UsageError extends Error {}

async function main(args: string[]): Promise<void> {
  const flags = parseFlags(args);
  if (flags.help) {
    process.stdout.write(USAGE);
    return;
  }
  const options: ServeOptions = {
    ...(flags.unix === undefined
      ? { hostname: flags.hostname, port: parseNumber("port", flags.port, 0, 65535) }
      : { path: flags.unix }),
    origin: parseChoice("origin", flags.origin, ["same", "any"]) as "same" | "any",
    compression: parseCompression(flags.compression),
    limits: {
      maxMessageSize: parseLimit("max-message-size", flags["max-message-size"], 0),
      maxFragments: parseLimit("max-fragments", flags["max-fragments"], 1),
    },
  };
  const style = styles[parseChoice("style", flags.style, Object.keys(styles))];
  const cert = flags["tls-cert"], key = flags["tls-key"];
  if ((cert === undefined) !== (key === undefined)) {
    throw new UsageError("--tls-cert and --tls-key belong together");
  }
  if (cert !== undefined && key !== undefined) {
    options.tls = { cert: await readText(cert), key: await readText(key) };
  }

  const server = typeof style === "function"
    ? await serve(options, style)
    : await serve({ ...options, ...style });

  console.log(`listening on ${flags.unix === undefined ? server.url : `ws+unix:${flags.unix}`}`);
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => void server.shutdown());
  }
  await server.finished;
}

function parseFlags(args: string[]) {
  try {
    return parseArgs({
      args,
      options: {
        hostname: { type: "string", default: "127.0.0.1" },
        port: { type: "string", default: "8080" },
        unix: { type: "string" },
        "tls-cert": { type: "string" },
        "tls-key": { type: "string" },
        origin: { type: "string", default: "same" },
        "max-message-size": { type: "string", default: "1048576" },
        "max-fragments": { type: "string", default: "1024" },
        compression: { type: "string", default: "off" },
        style: { type: "string", default: "callback" },
        help: { type: "boolean", default: false },
      },
    }).values;
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

function parseCompression(value: string): ServeOptions["compression"] {
  const choice = parseChoice("compression", value, ["off", "takeover", "no-takeover"]);
  // Also compress small messages: an echo server is for experiments.
  return choice === "off" ? false : { contextTakeover: choice === "takeover", threshold: 0 };
}

function parseNumber(name: string, value: string, min: number, max: number): number {
  const number = /^\d+$/.test(value) ? Number(value) : NaN;
  if (number >= min && number <= max && Number.isSafeInteger(number)) return number;
  throw new UsageError(
    `--${name} must be an integer from ${min} to ${max}, got ${JSON.stringify(value)}`,
  );
}

function parseLimit(name: string, value: string, min: number): number {
  if (value === "Infinity") return Infinity;
  return parseNumber(name, value, min, Number.MAX_SAFE_INTEGER);
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw new UsageError(`cannot read ${file}: ${(error as Error).message}`);
  }
}

/** Whether a flag is wrong: by the checks above, or by those of `serve`. */
function isUsageError(error: unknown): boolean {
  if (error instanceof ListenError) return error.code === "EINVAL";
  return error instanceof UsageError || error instanceof TypeError || error instanceof RangeError;
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  // One line for every error: of a flag, a file, or a port in use.
  console.error(`echo.ts: ${(error as Error).message.split("\n")[0]}`);
  process.exitCode = isUsageError(error) ? 2 : 1;
}
