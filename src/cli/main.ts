#!/usr/bin/env node
/**
 * A WebSocket client for the command line. At a terminal each line that is typed is sent, and messages,
 * Pings and the end of the connection are shown. Otherwise lines of the standard input become messages,
 * and messages become lines of the standard output. `--help` shows the options.
 *
 * It is a program: importing the module runs it, and ends the process.
 *
 * @example With Deno, and from the npm package
 * ```sh
 * deno run -A jsr:@sluice/websocket/cli wss://example.com/chat
 * npx @sluice/websocket --header "Authorization: Bearer 1234" wss://example.com/chat
 * echo hello | npx @sluice/websocket --count 1 wss://example.com/echo
 * ```
 *
 * @example With an option that is always given, in a program of your own
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
// The second time the signal does what it does by default.
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => controller.abort());
}
// What may be left, such as the rest of the input, is of no use any more.
process.exit(await run(process.argv.slice(2), createNodeIo(controller.signal)));
