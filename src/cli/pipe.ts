import type { CloseInfo, Connection } from "../connection/connection.ts";
import { ConnectionClosedError, WebSocketError } from "../errors.ts";
import { systemClock, within } from "../transport/clock.ts";
import type { CommandLine } from "./command_line.ts";
import type { Io } from "./io.ts";
import { splitLines } from "./line_splitter.ts";
import { writeMessage } from "./message_writer.ts";
import { Silence } from "./silence.ts";

/** How long to wait for the Pong after all data has been sent, in milliseconds. */
const PONG_TIMEOUT_MS = 5_000;

/** How long to wait for the server's Close frame after an error, in milliseconds. */
const CLOSE_TIMEOUT_MS = 1_000;

/**
 * Sends the standard input, and writes messages to the standard output, until the server closes the connection,
 * `--count` messages have arrived, or the input has ended and the server is silent.
 *
 * @returns How the connection ended; `undefined` if the reader of the output has closed its end.
 * @throws If the input can't be read, or the output can't be written.
 */
export async function pipe(
  conn: Connection,
  commandLine: CommandLine,
  io: Io,
): Promise<CloseInfo | undefined> {
  const silence = new Silence(commandLine.waitMs);
  const receiving = receive(conn, commandLine, silence, io);
  const sending = send(conn, commandLine, io)
    .then(() => untilReceived(conn))
    .then(() => silence.wait())
    // `receive` sees the end of the connection too, after the last message.
    .catch((error) => error instanceof ConnectionClosedError ? receiving : Promise.reject(error));
  try {
    await Promise.race([receiving, sending]);
    const info = await conn.close();
    await receiving;
    return info;
  } catch (error) {
    // A reader such as `head` closes its end when it has read enough.
    const isEnough = (error as { code?: unknown }).code === "EPIPE";
    const closed = conn.close({ closeCode: isEnough ? 1000 : 1011 });
    if (!await resolvesWithin(closed, CLOSE_TIMEOUT_MS)) conn.abort();
    if (!isEnough) throw error;
    return undefined;
  } finally {
    silence.stop();
    for (const pending of [receiving, sending]) pending.catch(() => {});
  }
}

async function send(conn: Connection, { isBinary }: CommandLine, io: Io): Promise<void> {
  if (!isBinary) {
    for await (const line of splitLines(io.stdin)) await conn.send(line);
    return;
  }
  const chunks = io.stdin[Symbol.asyncIterator]();
  const first = await chunks.next();
  if (!first.done) await conn.sendStream("binary", toStream(first.value, chunks));
}

async function receive(
  conn: Connection,
  { count, isBinary }: CommandLine,
  silence: Silence,
  io: Io,
): Promise<void> {
  let received = 0;
  try {
    for await (const message of conn.messages()) {
      silence.break();
      await writeMessage(message, isBinary, io);
      if (++received === count) return;
      silence.resume();
    }
  } catch (error) {
    // The connection ended within a message, which is reported as its end.
    if (!(error instanceof WebSocketError)) throw error;
  }
}

/** Waits until the server has received all data: until its Pong arrives, or should have. */
async function untilReceived(conn: Connection): Promise<void> {
  const pong = conn.ping();
  for (let before = -1;;) {
    const { bytesSent, bufferedAmount } = conn.stats();
    if (bytesSent === before && bufferedAmount === 0) return;
    before = bytesSent;
    if (await resolvesWithin(pong, PONG_TIMEOUT_MS)) return;
  }
}

function resolvesWithin(promise: Promise<unknown>, timeoutMs: number): Promise<boolean> {
  return within(promise.then(() => true), timeoutMs, systemClock, false);
}

function toStream(first: Uint8Array, rest: AsyncIterator<Uint8Array>): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(first);
    },
    async pull(controller) {
      const { done, value } = await rest.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
  }, { highWaterMark: 0 });
}
