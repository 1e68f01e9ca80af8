/**
 * Connects to a TLS server of this machine, many times, and leaves it: `PORT KIND COUNT`. To be run by Node.
 *
 * @module
 */

import { connect, type Socket } from "node:net";
import process from "node:process";
import { setTimeout } from "node:timers/promises";
import { connect as connectTls, createSecureContext } from "node:tls";
import { certificate } from "../../support/tls.ts";

/** How a client comes and goes. It is over when the connection is closed. */
export type ClientKind =
  | "FIN at once"
  | "RST at once"
  | "FIN behind a part of a hello"
  | "RST behind a part of a hello"
  | "plain HTTP"
  | "bytes that are no hello"
  | "silence"
  | "a part of a hello, and silence"
  | "a certificate it does not trust"
  | "a handshake, and an end"
  | "a handshake, and RST"
  | "a handshake, and silence";

const [port, kind, count] = process.argv.slice(2);
const secureContext = createSecureContext({ ca: certificate.cert });
/** The record of a hello of 248 bytes, which does not come. */
const PART_OF_HELLO = new Uint8Array([22, 3, 1, 0, 248, 1, 0, 0, 244, 3, 3]);
const AT_ONCE = kind.includes("silence") ? 100 : 20;

async function dial(): Promise<Socket> {
  const socket = connect(Number(port), "127.0.0.1");
  socket.on("error", () => {});
  socket.resume();
  await new Promise((resolve) => socket.once("connect", resolve).once("close", resolve));
  return socket;
}

/** Makes a handshake over a socket, and calls `onSecure` behind it. */
async function handshake(onSecure: (end: () => void, socket: Socket) => void): Promise<Socket> {
  const socket = await dial();
  const tls = connectTls({ socket, secureContext, checkServerIdentity: () => undefined });
  tls.on("error", () => {});
  tls.on("secureConnect", () => onSecure(() => void tls.end(), socket));
  tls.resume();
  return socket;
}

async function behind(bytes: Uint8Array | string, last: (socket: Socket) => void): Promise<Socket> {
  const socket = await dial();
  await new Promise<void>((resolve) => socket.write(bytes, () => resolve()));
  await setTimeout(2);
  last(socket);
  return socket;
}

const KINDS: Record<ClientKind, () => Promise<Socket>> = {
  "FIN at once": async () => (await dial()).end(),
  "RST at once": async () => (await dial()).resetAndDestroy(),
  "FIN behind a part of a hello": () => behind(PART_OF_HELLO, (socket) => socket.end()),
  "RST behind a part of a hello": () => behind(PART_OF_HELLO, (socket) => socket.resetAndDestroy()),
  "plain HTTP": () => behind("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", () => {}),
  "bytes that are no hello": () => behind("\x16\x03\x01\x00\x04abcd", () => {}),
  "silence": dial,
  "a part of a hello, and silence": () => behind(PART_OF_HELLO, () => {}),
  "a certificate it does not trust": async () => {
    const socket = await dial();
    connectTls({ socket }).on("error", () => {});
    return socket;
  },
  "a handshake, and an end": () => handshake((end) => end()),
  "a handshake, and RST": () => handshake((_, socket) => void socket.resetAndDestroy()),
  "a handshake, and silence": () => handshake(() => {}),
};

const run = KINDS[kind as ClientKind];
let left = Number(count);
await Promise.all(Array.from({ length: AT_ONCE }, async () => {
  while (left-- > 0) {
    const socket = await run();
    if (!socket.closed) await new Promise((resolve) => socket.once("close", resolve));
  }
}));
