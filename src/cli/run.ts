import { connect } from "../runtimes/shared/client.ts";
import type { ConnectOptions } from "../client/options.ts";
import type { CloseInfo, Connection, ConnectionCallbacks } from "../connection/connection.ts";
import { type CommandLine, parseCommandLine, USAGE, UsageError } from "./command_line.ts";
import { Conversation } from "./conversation.ts";
import { describeClose, describeError, isGoodEnd } from "./describe.ts";
import type { Io, Terminal } from "./io.ts";
import { pipe } from "./pipe.ts";
import { pingEvery } from "./pings.ts";
import { VERSION } from "./version.ts";

/** The largest message that is shown at a terminal, in bytes. */
const MAX_SHOWN_SIZE = 64 * 1024 * 1024;

/** Returns the exit status: 0 if the connection ended normally, 1 if not, 2 for wrong usage. */
export async function run(args: string[], io: Io): Promise<number> {
  const say = (text: string) => io.writeError(`sluice: ${text}\n`);
  try {
    const commandLine = parseCommandLine(args);
    if (commandLine === "help" || commandLine === "version") {
      await io.writeOutput(commandLine === "help" ? USAGE : `sluice ${VERSION}\n`);
      return 0;
    }
    const options = { ...commandLine.options, ...await readTls(commandLine, io) };
    const terminal = io.openTerminal?.();
    const info = terminal === undefined
      ? await runPipe(commandLine, options, io, say)
      : await runTerminal(commandLine, options, io, terminal);
    return info === undefined || isGoodEnd(info) ? 0 : 1;
  } catch (error) {
    if (error instanceof UsageError) {
      await say(`${error.message}; --help shows how to use it`);
      return 2;
    }
    if (!io.signal.aborted) await say(describeError(error));
    return 1;
  }
}

async function runPipe(
  commandLine: CommandLine,
  options: ConnectOptions,
  io: Io,
  say: (text: string) => Promise<void>,
): Promise<CloseInfo | undefined> {
  // Messages are copied chunk by chunk, so their size needs no limit.
  const limits = { maxMessageSize: Infinity, maxFragments: Infinity };
  const conn = await open(commandLine, { ...options, limits }, io);
  pingEvery(conn, commandLine.pingMs, say);
  const info = await pipe(conn, commandLine, io);
  if (info !== undefined && !isGoodEnd(info)) await say(describeClose(info));
  return info;
}

async function runTerminal(
  commandLine: CommandLine,
  options: ConnectOptions,
  io: Io,
  terminal: Terminal,
): Promise<CloseInfo> {
  try {
    const conversation = new Conversation(terminal, commandLine, io.hasColors);
    const limits = { maxMessageSize: MAX_SHOWN_SIZE, maxFragments: Infinity };
    const conn = await open(commandLine, {
      ...options,
      limits,
      message: (conn, data) => conversation.message(conn, data),
      ping: (conn, payload) => conversation.ping(conn, payload),
    }, io);
    pingEvery(conn, commandLine.pingMs, (text) => conversation.showStatus(text));
    return await conversation.run(conn);
  } finally {
    terminal.close();
  }
}

async function open(
  { url }: CommandLine,
  options: CommandLine["options"] & ConnectionCallbacks<undefined>,
  { signal }: Io,
): Promise<Connection> {
  let conn: Connection<undefined>;
  try {
    // --ca and --insecure apply to the TLS of the proxy, too.
    const proxy = options.proxy && { url: options.proxy as string, tls: options.tls };
    conn = await connect(url, { ...options, proxy, signal });
  } catch (error) {
    // Errors of the arguments are errors of the command line.
    const isUsage = error instanceof TypeError || error instanceof RangeError;
    throw isUsage ? new UsageError(error.message) : error;
  }
  const leave = () => void conn.close({ closeCode: 1001 });
  signal.addEventListener("abort", leave, { once: true });
  void conn.closed.then(() => signal.removeEventListener("abort", leave));
  return conn;
}

async function readTls({ caFile }: CommandLine, io: Io): Promise<Pick<ConnectOptions, "tls">> {
  if (caFile === undefined) return {};
  try {
    return { tls: { ca: await io.readFile(caFile) } };
  } catch (error) {
    throw new UsageError(`cannot read the file of --ca: ${(error as Error).message}`);
  }
}
