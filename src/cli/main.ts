#!/usr/bin/env node
/**
 * A WebSocket client for the command line. At a terminal it sends each line that is typed, and shows messages,
 * Pings and the end of the connection. Otherwise it sends each line of the standard input as a message, and
 * writes each message to the standard output as a line. `--help` shows the options.
 *
 * Importing the module runs the program, and ends the process.
 *
 * @example With Deno, and from the npm package
 * ```sh
 * deno run -A jsr:@sluice/websocket/cli wss://example.com/chat
 * npx @sluice/websocket --header "Authorization: Bearer 1234" wss://example.com/chat
 * echo hello | npx @sluice/websocket --count 1 wss://example.com/echo
 * ```
 *
 * @example A program that always adds an option
 * ```ts no-run: it is the command line client, which ends the process
 * import process from "node:process";
 *
 * process.argv.splice(2, 0, "--subprotocol", "chat.v2");
 * await import("@sluice/websocket/cli");
 * ```
 *
 * @module
 */

import process from "node:process";
import { createNodeIo } from "./node_io.ts";
import { run } from "./run.ts";

const controller = new AbortController();
// A second signal has the default effect.
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => controller.abort());
}
// Explicitly, since the rest of the standard input may keep the process alive.
process.exit(await run(process.argv.slice(2), createNodeIo(controller.signal)));
