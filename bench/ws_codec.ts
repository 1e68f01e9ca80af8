/**
 * The codec of the `ws` package, as far as the benchmarks use it.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import process from "node:process";

type MessageListener = (data: Buffer, isBinary: boolean) => void;

interface WsReceiver {
  write(chunk: Buffer): boolean;
  on(event: "message", listener: MessageListener): void;
}

interface WsReceiverOptions {
  isServer: boolean;
  maxPayload: number;
}

interface WsSender {
  send(data: string | Uint8Array, options: WsSendOptions): void;
}

interface WsSendOptions {
  binary: boolean;
  fin: boolean;
  compress: boolean;
  mask: boolean;
}

/** Where a sender writes to. */
interface WsSocket {
  cork(): void;
  uncork(): void;
  write(chunk: string | Uint8Array): boolean;
}

/** What the benchmarks use of ws. */
export interface WsCodec {
  /** Unmasks in place. */
  unmask(buffer: Uint8Array, mask: Uint8Array): void;
  /** Tells whether bytes are UTF-8. */
  isValidUTF8(buffer: Uint8Array): boolean;
  Receiver: new (options: WsReceiverOptions) => WsReceiver;
  Sender: new (socket: WsSocket) => WsSender;
}

const require = createRequire(import.meta.url);

function load(hasAddon: boolean): WsCodec {
  // Read when it is loaded: so it is loaded once for each.
  process.env.WS_NO_BUFFER_UTIL = hasAddon ? "" : "1";
  const folder = dirname(require.resolve("ws"));
  for (const path of Object.keys(require.cache)) {
    if (path.startsWith(folder)) delete require.cache[path];
  }
  return {
    unmask: require(`${folder}/lib/buffer-util.js`).unmask,
    isValidUTF8: require(`${folder}/lib/validation.js`).isValidUTF8,
    Receiver: require(`${folder}/lib/receiver.js`),
    Sender: require(`${folder}/lib/sender.js`),
  };
}

/** ws as it is installed by itself. */
export const ws: WsCodec = load(false);
/** ws with the addon `bufferutil`, in C, which masks and unmasks. */
export const wsWithAddon: WsCodec = load(true);

/** Creates the receiving half of a server's connection. */
export function createReceiver({ Receiver }: WsCodec, onMessage: MessageListener): WsReceiver {
  const receiver = new Receiver({ isServer: true, maxPayload: 2 ** 31 });
  receiver.on("message", onMessage);
  return receiver;
}

/**
 * Creates the sending half of a server's connection. A text reaches the socket as a string, and is
 * encoded there: so it is here.
 */
export function createSender(onWrite: (chunk: Uint8Array) => void): WsSender {
  return new ws.Sender({
    cork() {},
    uncork() {},
    write(chunk) {
      onWrite(typeof chunk === "string" ? Buffer.from(chunk) : chunk);
      return true;
    },
  });
}

/** Computes `Sec-WebSocket-Accept` as ws does, which does not export how. */
export function computeAcceptAsWs(key: string): string {
  return createHash("sha1").update(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest("base64");
}
