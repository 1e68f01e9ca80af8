import { parseArgs } from "node:util";
import type { ConnectOptions } from "../client/options.ts";

/** What `--help` shows. */
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
      --wait MS               how long the server must have been silent, after the end of the
                              input, for the connection to be closed; or Infinity (default: 1000)
      --count N               close after N messages; how long that takes does not matter, unless
                              --wait is given too
  -h, --help                  show this text
  -V, --version               show the version

At a terminal, each line is sent as a message; with --binary lines are hexadecimal. /help lists what
else can be typed. Ctrl-D closes the connection.

Otherwise each line of the standard input is sent as a message, and each message that arrives is
written to the standard output as a line. With --binary the standard input is sent as one binary
message of any size, and what arrives is written as it is, with nothing added. All else goes to the
standard error.

The exit status is 0 where the connection was closed with 1000, 1001 or without a code, 1 where it
ended in another way or could not be opened, and 2 where the command line is wrong.
`;

/** Something on the command line is wrong. */
export class UsageError extends Error {
  override name = "UsageError";
}

/** What the command line asks for. */
export interface CommandLine {
  readonly url: string;
  readonly options: ConnectOptions;
  /** The file with the certificates to trust. */
  readonly caFile: string | undefined;
  readonly isBinary: boolean;
  /** How often to send a Ping; `undefined` for never. */
  readonly pingMs: number | undefined;
  /** How long the server must be silent at the end. */
  readonly waitMs: number;
  /** How many messages to receive. */
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

/**
 * Parses the command line.
 *
 * @returns `"help"` or `"version"`, where that is asked for.
 * @throws {UsageError} Where something is wrong.
 */
export function parseCommandLine(args: string[]): CommandLine | "help" | "version" {
  const { values, positionals } = parseFlags(args);
  if (values.help) return "help";
  if (values.version) return "version";
  const [url] = positionals;
  if (url === undefined || positionals.length !== 1) {
    const given = positionals.length === 0 ? "none is" : `${positionals.length} are`;
    throw new UsageError(`one URL is needed, and ${given} given`);
  }
  const { insecure, timeout, ping, wait, count } = values;
  if (insecure && values.ca !== undefined) {
    throw new UsageError("--insecure trusts any certificate: --ca has no use beside it");
  }
  const noWaitMs = count === undefined ? DEFAULT_WAIT_MS : Infinity;
  return {
    url,
    options: {
      headers: values.header?.map(parseHeader),
      subprotocols: values.subprotocol,
      compression: values.compression,
      connectTimeoutMs: timeout === undefined ? undefined : parseMs("timeout", timeout, 1),
      proxy: values.proxy,
      tls: insecure ? { rejectUnauthorized: false } : undefined,
    },
    caFile: values.ca,
    isBinary: values.binary ?? false,
    pingMs: ping === undefined ? undefined : parseMs("ping", ping, 1),
    waitMs: wait === undefined ? noWaitMs : wait === "Infinity" ? Infinity : parseMs("wait", wait),
    count: count === undefined ? Infinity : parseInteger("count", count, 1),
  };
}

// deno-lint-ignore explicit-function-return-type -- that of parseArgs, which depends on the flags
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
    throw new UsageError(`--header takes "NAME: VALUE", not ${JSON.stringify(text)}`);
  }
  return [text.slice(0, colon).trim(), text.slice(colon + 1).trim()];
}

function parseMs(flag: string, text: string, min = 0): number {
  return parseInteger(flag, text, min, MAX_MS);
}

function parseInteger(
  flag: string,
  text: string,
  min: number,
  max = Number.MAX_SAFE_INTEGER,
): number {
  const value = /^\d+$/.test(text) ? Number(text) : NaN;
  if (value >= min && value <= max) return value;
  throw new UsageError(
    `--${flag} takes an integer from ${min} to ${max}, not ${JSON.stringify(text)}`,
  );
}
