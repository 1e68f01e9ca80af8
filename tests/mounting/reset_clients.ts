/**
 * Asks a server of this machine for upgrades, and resets the connections: `PORT http|https ROUNDS`. To be run
 * by Node. At the end it asks in order, and fails where that is not answered.
 *
 * @module
 */

import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import process from "node:process";
import { setTimeout } from "node:timers/promises";
import { connect as connectTls } from "node:tls";
import { httpRequest, upgradeRequest } from "../support/requests.ts";
import { textFrame } from "../support/raw_client.ts";

const [port, scheme, rounds] = process.argv.slice(2);

interface Line {
  raw: Socket;
  /** The same, or TLS over it. */
  socket: Socket;
}

async function dial(): Promise<Line> {
  const raw = connect({
    host: "127.0.0.1",
    port: Number(port),
    noDelay: true,
    // What is ending could not be reset.
    allowHalfOpen: true,
  });
  raw.on("error", () => {});
  await new Promise((resolve) => raw.once("connect", resolve));
  if (scheme === "http") return { raw, socket: raw };
  const socket = connectTls({ socket: raw, rejectUnauthorized: false });
  socket.on("error", () => {});
  await new Promise((resolve) => socket.once("secureConnect", resolve).once("close", resolve));
  return { raw, socket };
}

/** When a connection is reset. */
const MOMENTS: ((line: Line) => Promise<unknown>)[] = [
  () => Promise.resolve(),
  () => setTimeout(0),
  () => setTimeout(1),
  () => setTimeout(3),
  () => setTimeout(8),
  ({ socket }) => new Promise((resolve) => socket.once("data", resolve).once("close", resolve)),
  ({ socket }) =>
    new Promise((resolve) => socket.resume().once("end", resolve).once("close", resolve)),
];
const BEFORE = ["", httpRequest({ target: "/plain" })];
const TARGETS = ["/chat", "/other"];
const BEHIND = [new Uint8Array(0), textFrame("hello")];

async function ask(target: string): Promise<string> {
  const { raw, socket } = await dial();
  socket.write(upgradeRequest({ target }));
  const head = await new Promise<string>((resolve) => {
    socket.once("data", (bytes) => resolve(String(bytes))).once("close", () => resolve("nothing"));
  });
  raw.destroy();
  return head.slice(9, 12);
}

const runs = MOMENTS.flatMap((moment) =>
  BEFORE.flatMap((before) =>
    TARGETS.flatMap((target) =>
      BEHIND.map((behind) => async () => {
        const line = await dial();
        line.socket.write(before + upgradeRequest({ target }));
        if (behind.length > 0) line.socket.write(behind);
        // An open WebSocket does not end by itself.
        await Promise.race([moment(line), setTimeout(100)]);
        line.raw.resetAndDestroy();
        if (!line.raw.closed) await new Promise((resolve) => line.raw.once("close", resolve));
      })
    )
  )
);
for (let i = 0; i < Number(rounds); i++) await Promise.all(runs.map((run) => run()));
assert.deepEqual([await ask("/chat"), await ask("/other")], ["101", "404"]);
