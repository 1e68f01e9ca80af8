/**
 * The codec of the `ws` package, as far as the benchmarks use it.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { requireWs } from "../tests/support/ws.ts";

interface WsReceiver {
  write(chunk: Uint8Array): boolean;
  on(event: "message", listener: (data: Uint8Array, isBinary: boolean) => void): void;
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
export function createReceiver(onMessage: (data: Uint8Array) => void): WsReceiver {
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
