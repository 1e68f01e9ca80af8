/** The `ws` package on Node; its native part is left out where WS_NO_BUFFER_UTIL is set. */

import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import process from "node:process";
import { WebSocketServer } from "ws";
import { LEVEL, MEMORY_LEVEL } from "../compression.ts";
import { announce, compression, kind, maxMessageSize } from "./arguments.ts";

/** Tells what masks: the native addon, or JavaScript. */
function nameMasking(): string {
  if (process.env.WS_NO_BUFFER_UTIL) return "masking in JavaScript";
  createRequire(import.meta.url)("bufferutil");
  const { sharedObjects } = process.report.getReport() as { sharedObjects: string[] };
  const isNative = sharedObjects.some((path) => path.endsWith(".node"));
  return isNative ? "masking by bufferutil, native" : "masking by bufferutil, without its addon";
}

const isOff = compression === "off";
const noTakeover = compression === "no-takeover";
const server = new WebSocketServer({
  host: "127.0.0.1",
  port: 0,
  // Windows are the largest unless it is told otherwise.
  perMessageDeflate: isOff ? false : {
    threshold: 0,
    serverNoContextTakeover: noTakeover,
    clientNoContextTakeover: noTakeover,
    zlibDeflateOptions: { level: LEVEL, memLevel: MEMORY_LEVEL },
  },
  ...(maxMessageSize === undefined ? {} : { maxPayload: maxMessageSize }),
});
server.on("connection", (socket) => {
  socket.on("message", (bytes, isBinary) => {
    // A text as a string, as all others have it.
    const data = isBinary ? bytes : bytes.toString();
    if (kind !== "fan-out") return socket.send(data, { binary: isBinary });
    for (const client of server.clients) client.send(data, { binary: isBinary });
  });
});
server.on("listening", () => announce((server.address() as AddressInfo).port, nameMasking()));
