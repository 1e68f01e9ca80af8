/**
 * The codec of the `ws` package, as far as the benchmarks use it.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { requireWs } from "../tests/support/ws.ts";

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

const bufferUtil = requireWs("lib/buffer-util.js") as {
  unmask(buffer: Uint8Array, mask: Uint8Array): void;
};
const validation = requireWs("lib/validation.js") as {
  isValidUTF8(buffer: Uint8Array): boolean;
};
const Receiver = requireWs("lib/receiver.js") as new (options: WsReceiverOptions) => WsReceiver;
const Sender = requireWs("lib/sender.js") as new (socket: WsSocket) => WsSender;

/** Unmasks in place. */
export const unmask: (buffer: Uint8Array, mask: Uint8Array) => void = bufferUtil.unmask;

/** Tells whether bytes are UTF-8. */
export const isValidUTF8: (buffer: Uint8Array) => boolean = validation.isValidUTF8;

/** Creates the receiving half of a server's connection. */
export function createReceiver(onMessage: MessageListener): WsReceiver {
  const receiver = new Receiver({ isServer: true, maxPayload: 2 ** 31 });
  receiver.on("message", onMessage);
  return receiver;
}

/**
 * Creates the sending half of a server's connection. A text reaches the socket as a string, and is
 * encoded there: so it is here.
 */
export function createSender(onWrite: (chunk: Uint8Array) => void): WsSender {
  return new Sender({
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
