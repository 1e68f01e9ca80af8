import { parseArgs } from "node:util";
import type { ConnectOptions } from "../client/options.ts";

export const USAGE = `usage: sluice [options] URL

Connects to a WebSocket: ws://, wss://, http:// or https://.

  -H, --header "NAME: VALUE"  send a header field; may be repeated
  -s, --subprotocol NAME      offer a subprotocol; may be repeated
  -c, --compression           offer to compress messages (permessage-deflate)
  -b, --binary                send bytes, not text: see below
      --timeout MS            how long connecting may take (default: 10000)
      --proxy URL             connect through an HTTP proxy (CONNECT)
  -k, --insecure              trust any certificate of the server
      --ca FILE               trust the certificates in this file (PEM) only
      --ping MS               send a Ping every MS milliseconds, and show the round-trip time
      --wait MS               after the end of the input, close when no message has arrived for
                              MS milliseconds, or Infinity for never (default: 1000)
      --count N               close after N messages; without --wait, wait for them for any time
  -h, --help                  show this text
  -V, --version               show the version

At a terminal, each line is sent as a message; with --binary lines are hexadecimal. /help lists the
commands. Ctrl-D closes the connection.

Otherwise each line of the standard input is sent as a message, and each message that arrives is
written to the standard output as a line. With --binary the standard input is sent as one binary
message of any size, and messages are written unchanged, without line ends. Errors and the output of
--ping are written to the standard error.

The exit status is 0 if the connection was closed with 1000, 1001 or without a code, 1 if it ended
otherwise or could not be opened, and 2 if the command line is wrong.
`;

export class UsageError extends Error {
  override name = "UsageError";
}

export interface CommandLine {
  readonly url: string;
  readonly options: ConnectOptions;
  /** The file with the certificates to trust, if any. */
  readonly caFile: string | undefined;
  readonly isBinary: boolean;
  /** The interval of Pings in milliseconds; `undefined` for none. */
  readonly pingMs: number | undefined;
  /** How long the server must be silent before the connection is closed, in milliseconds, or `Infinity`. */
  readonly waitMs: number;
  /** How many messages to receive, or `Infinity`. */
  readonly count: number;
}

const FLAGS = {
  header: { type: "string", short: "H", multiple: true },
  subprotocol: { type: "string", short: "s", multiple: true },
  compression: { type: "boolean", short: "c" },
  binary: { type: "boolean", short: "b" },
  timeout: { type: "string" },
  proxy: { type: "string" },
  insecure: { type: "boolean", short: "k" },
  ca: { type: "string" },
  ping: { type: "string" },
  wait: { type: "string" },
  count: { type: "string" },
  help: { type: "boolean", short: "h" },
  version: { type: "boolean", short: "V" },
} as const;

const DEFAULT_WAIT_MS = 1_000;
const MAX_MS = 2 ** 31 - 1;

/** @throws {UsageError} If the command line is wrong. */
export function parseCommandLine(args: string[]): CommandLine | "help" | "version" {
  const { values, positionals } = parseFlags(args);
  if (values.help) return "help";
  if (values.version) return "version";
  const [url] = positionals;
  if (url === undefined || positionals.length !== 1) {
    throw new UsageError(`one URL must be given, got ${positionals.length}`);
  }
  const { insecure, timeout, ping, wait, count } = values;
  if (insecure && values.ca !== undefined) {
    throw new UsageError("--insecure and --ca must not be given together");
  }
  const noWaitMs = count === undefined ? DEFAULT_WAIT_MS : Infinity;
  return {
    url,
    options: {
      headers: values.header?.map(parseHeader),
      subprotocols: values.subprotocol,
      compression: values.compression,
      connectTimeoutMs: parseInteger("timeout", timeout, 1),
      proxy: values.proxy,
      tls: insecure ? { rejectUnauthorized: false } : undefined,
    },
    caFile: values.ca,
    isBinary: values.binary ?? false,
    pingMs: parseInteger("ping", ping, 1),
    waitMs: wait === "Infinity" ? Infinity : parseInteger("wait", wait, 0) ?? noWaitMs,
    count: parseInteger("count", count, 1, Number.MAX_SAFE_INTEGER) ?? Infinity,
  };
}

// deno-lint-ignore explicit-function-return-type -- the return type of parseArgs depends on FLAGS
function parseFlags(args: string[]) {
  try {
    return parseArgs({ args, options: FLAGS, allowPositionals: true });
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new UsageError(error.message.replaceAll("\n", " "));
  }
}

function parseHeader(text: string): [name: string, value: string] {
  const colon = text.indexOf(":");
  if (colon < 1) {
    throw new UsageError(`--header must be "NAME: VALUE", got ${JSON.stringify(text)}`);
  }
  return [text.slice(0, colon).trim(), text.slice(colon + 1).trim()];
}

/** Parses a number of milliseconds, if it is given. */
function parseInteger(flag: string, text: string | undefined, min: number, max = MAX_MS) {
  if (text === undefined) return undefined;
  const value = /^\d+$/.test(text) ? Number(text) : NaN;
  if (value >= min && value <= max) return value;
  throw new UsageError(
    `--${flag} must be an integer from ${min} to ${max}, got ${JSON.stringify(text)}`,
  );
}
