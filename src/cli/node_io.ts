import { write } from "node:fs";
import { readFile } from "node:fs/promises";
import process from "node:process";
import { isatty } from "node:tty";
import type { Io } from "./io.ts";
import { NodeTerminal } from "./node_terminal.ts";
import { setTimeout } from "../timers.ts";

const [STDIN, STDOUT, STDERR] = [0, 1, 2];
/** The delay before another write to a non-blocking pipe that is full, in milliseconds. */
const RETRY_MS = 10;

const encoder = new TextEncoder();

/** @param signal Aborts when the program gets a signal to exit. */
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

// Not `process.stdout`, which on Node blocks the process while a pipe is full: it could then neither send nor
// handle signals. If the output is a socket, as in a child process of Bun, a reader that closes early resets it,
// which is a broken pipe, too.
async function writeAll(fd: number, bytes: Uint8Array): Promise<void> {
  for (let start = 0; start < bytes.length;) {
    try {
      start += await writeSome(fd, bytes, start);
    } catch (error) {
      const { code } = error as { code?: unknown };
      if (code === "ECONNRESET") throw Object.assign(new Error("broken pipe"), { code: "EPIPE" });
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
