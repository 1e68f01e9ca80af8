/**
 * Drives the client of the `ws` package.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import type { Message } from "../../mod.ts";
import { WebSocket, type WsWebSocket } from "../support/ws.ts";
import { Inbox, type Peer, type PeerClose, type PeerSocket, RefusedError } from "./peer.ts";

export const wsPeer: Peer = {
  name: "ws",
  connect(url, { protocols = [], origin, certificateFile, deflate }) {
    const { promise, resolve, reject } = Promise.withResolvers<PeerSocket>();
    const ca = certificateFile === undefined ? undefined : readFileSync(certificateFile);
    const socket = new WebSocket(url, protocols, {
      origin,
      ca,
      maxPayload: 0,
      // To ws, a `false` says that it would not accept what it did not ask for.
      perMessageDeflate: deflate === undefined ? true : {
        serverNoContextTakeover: deflate.serverNoContextTakeover || undefined,
        clientNoContextTakeover: deflate.clientNoContextTakeover || undefined,
        serverMaxWindowBits: deflate.serverMaxWindowBits,
        // Its types leave out the booleans that it takes here.
        clientMaxWindowBits: deflate.clientMaxWindowBits as number,
      },
    });
    const wsSocket = new WsSocket(socket);
    socket.on("open", () => resolve(wsSocket));
    socket.on("unexpected-response", (_request, response) => {
      response.resume();
      reject(new RefusedError(`refused with ${response.statusCode}`, response.statusCode));
      socket.terminate();
    });
    socket.on("error", (error) => reject(new RefusedError(error.message, undefined)));
    return promise;
  },
};

class WsSocket implements PeerSocket {
  readonly closed: Promise<PeerClose>;
  readonly #socket: WsWebSocket;
  readonly #messages: Inbox<Message> = new Inbox();
  readonly #pongs: Inbox<Uint8Array> = new Inbox();

  constructor(socket: WsWebSocket) {
    this.#socket = socket;
    const { promise, resolve } = Promise.withResolvers<PeerClose>();
    this.closed = promise;
    socket.on("message", (data: Uint8Array, isBinary: boolean) => {
      this.#messages.push(isBinary ? Uint8Array.from(data) : new TextDecoder().decode(data));
    });
    socket.on("pong", (payload: Uint8Array) => this.#pongs.push(Uint8Array.from(payload)));
    socket.on("close", (closeCode: number, reason: Uint8Array) => {
      const error = new Error(`closed with ${closeCode}`);
      this.#messages.fail(error);
      this.#pongs.fail(error);
      resolve({ closeCode, reason: new TextDecoder().decode(reason) });
    });
  }

  get protocol(): string {
    return this.#socket.protocol;
  }

  get extensions(): string {
    return this.#socket.extensions;
  }

  receive(): Promise<Message> {
    return this.#messages.take();
  }

  send(message: Message): void {
    this.#socket.send(message);
  }

  sendFragments(parts: string[] | Uint8Array[]): void {
    parts.forEach((part, i) => this.#socket.send(part, { fin: i === parts.length - 1 }));
  }

  ping(payload: Uint8Array): Promise<Uint8Array> {
    this.#socket.ping(payload);
    return this.#pongs.take();
  }

  close(closeCode?: number, reason?: string): void {
    this.#socket.close(closeCode, reason);
  }

  terminate(): void {
    this.#socket.terminate();
  }
}
