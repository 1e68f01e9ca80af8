/**
 * A server whose process must end, or go on, by itself: `exit_test.ts` runs it. Prints the port.
 *
 * - `closed`: closes its listener when the first channel is gone.
 * - `channel`: closes its listener when the first channel is there.
 * - `unref`: lets the process end.
 * - `ref`: the same, and takes it back.
 *
 * @module
 */

import process from "node:process";
import { loadListen } from "../../src/runtimes/shared/runtime.ts";
import { loopback } from "./server.ts";
import { certificate } from "../support/tls.ts";

const [mode, tls] = process.argv.slice(2);
const listen = await loadListen();
const listener = await listen(loopback, tls === "tls" ? certificate : undefined, (channel) => {
  if (mode === "channel") listener.close();
  channel.handler = {
    receive: (bytes) => void channel.write([bytes.slice()]),
    receiveEnd: () => channel.end(),
    drain: () => {},
    receiveClosed: () => {
      if (mode === "closed") listener.close();
    },
  };
});
if (mode === "unref" || mode === "ref") listener.unref();
if (mode === "ref") listener.ref();
// Deno begins to listen to signals half a second after its start, and panics where no descriptor
// is left for it. So it does so now.
if (mode === "ref") process.on("SIGUSR2", () => {});
if (listener.addr.transport === "tcp") console.log(listener.addr.port);
