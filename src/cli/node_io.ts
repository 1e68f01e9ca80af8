import { write } from "node:fs";
import { readFile } from "node:fs/promises";
import process from "node:process";
import { isatty } from "node:tty";
import type { Io } from "./io.ts";
import { NodeTerminal } from "./node_terminal.ts";
import { setTimeout } from "../timers.ts";

const [STDIN, STDOUT, STDERR] = [0, 1, 2];
/** How soon is tried again, where a pipe that does not block is full. */
const RETRY_MS = 10;

const encoder = new TextEncoder();

/**
 * Gives the standard streams of the process.
 *
 * @param signal Aborts when the program is asked to end.
 */
export function createNodeIo(signal: AbortSignal): Io {
  const isOutputShown = isatty(STDOUT);
  const { NO_COLOR, TERM } = process.env;
  return {
    stdin: { [Symbol.asyncIterator]: () => process.stdin[Symbol.asyncIterator]() },
    isOutputShown,
    hasColors: isOutputShown && !NO_COLOR && TERM !== "dumb",
    signal,
    writeOutput: (data) => writeAll(STDOUT, typeof data === "string" ? encoder.encode(data) : data),
    writeError: (text) => writeAll(STDERR, encoder.encode(text)),
    readFile: (path) => readFile(path, "utf8"),
    openTerminal: isatty(STDIN) && isOutputShown ? () => new NodeTerminal() : undefined,
  };
}

// Not `process.stdout`, which blocks the whole process on Node while a pipe is full: nothing would be
// sent meanwhile, and no signal be heeded. Where a socket is the output, as in a child process of Bun's,
// who stops reading before the end resets it: that is a broken pipe too.
async function writeAll(fd: number, bytes: Uint8Array): Promise<void> {
  for (let start = 0; start < bytes.length;) {
    try {
      start += await writeSome(fd, bytes, start);
    } catch (error) {
      const { code } = error as { code?: unknown };
      if (code === "ECONNRESET") throw Object.assign(new Error("nobody reads"), { code: "EPIPE" });
      if (code !== "EAGAIN") throw error;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

function writeSome(fd: number, bytes: Uint8Array, start: number): Promise<number> {
  return new Promise((resolve, reject) => {
    write(fd, bytes, start, bytes.length - start, null, (error, count) => {
      if (error) reject(error);
      else resolve(count);
    });
  });
}
