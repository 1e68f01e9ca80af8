/**
 * Drives the runtime's own WebSocket client: `globalThis.WebSocket` of Deno, Bun or Node.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import tls from "node:tls";
import type { Message } from "../../mod.ts";
import {
  type Ability,
  type ConnectOptions,
  Inbox,
  type Peer,
  type PeerClose,
  type PeerSocket,
  RefusedError,
  unable,
} from "./peer.ts";

const { Bun, Deno } = globalThis as {
  Bun?: unknown;
  Deno?: { createHttpClient(options: { caCerts: string[] }): unknown };
};
const runtime = Bun !== undefined ? "Bun" : Deno !== undefined ? "Deno" : "Node";

/** Deno and Bun take options as the second argument; the standard has subprotocols there. */
const NativeWebSocket = globalThis.WebSocket as unknown as {
  new (url: string, options: object): WebSocket;
};

const abilities: Ability[] = ["bare close", "origin"];
// Deno's client may keep the end of what it sends to itself when the server answers meanwhile, until
// more arrives (Deno 2.9).
if (runtime !== "Deno") abilities.push("full duplex over TLS");

// Deno's client does not offer it (Deno 2.9).
if (runtime !== "Deno") abilities.push("compression");
// Node's offers it, and sends everything as it is.
if (runtime === "Bun") abilities.push("deflate");

// Node's has no option for it; the whole process can be told from Node 22.19 on.
const trustsNone = runtime === "Node" && tls.setDefaultCACertificates === undefined;

export const nativePeer: Peer = {
  name: `${runtime}'s own WebSocket`,
  abilities: new Set(abilities),
  ...(trustsNone ? { trustsNone } : {}),
  connect(url, options) {
    const { promise, resolve, reject } = Promise.withResolvers<PeerSocket>();
    const socket = new NativeWebSocket(url, nativeOptions(options));
    socket.binaryType = "arraybuffer";
    const nativeSocket = new NativeSocket(socket);
    socket.onopen = () => resolve(nativeSocket);
    const refuse = () => reject(new RefusedError("refused", undefined));
    // Node 22 tells of a refusal by "error" alone.
    socket.onerror = refuse;
    socket.addEventListener("close", refuse);
    return promise;
  },
};

function nativeOptions({ protocols = [], origin, certificateFile }: ConnectOptions): object {
  const headers = origin === undefined ? {} : { Origin: origin };
  if (certificateFile === undefined) return { protocols, headers };
  const ca = readFileSync(certificateFile, "utf8");
  if (Deno !== undefined) {
    return { protocols, headers, client: Deno.createHttpClient({ caCerts: [ca] }) };
  }
  // The certificate is trusted by the whole process.
  if (Bun === undefined) {
    tls.setDefaultCACertificates([...tls.getCACertificates("default"), ca]);
  }
  return { protocols, headers, tls: { ca } };
}

class NativeSocket implements PeerSocket {
  readonly closed: Promise<PeerClose>;
  readonly #socket: WebSocket;
  readonly #messages: Inbox<Message> = new Inbox();

  constructor(socket: WebSocket) {
    this.#socket = socket;
    const { promise, resolve } = Promise.withResolvers<PeerClose>();
    this.closed = promise;
    socket.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => {
      this.#messages.push(typeof data === "string" ? data : new Uint8Array(data));
    };
    socket.onclose = ({ code, reason }) => {
      // Deno says 0 where the standard has 1006.
      const closeCode = code === 0 ? 1006 : code;
      this.#messages.fail(new Error(`closed with ${closeCode}`));
      resolve({ closeCode, reason });
    };
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
    this.#socket.send(message as string | Uint8Array<ArrayBuffer>);
  }

  sendFragments(): never {
    unable();
  }

  ping(): never {
    unable();
  }

  close(closeCode?: number, reason?: string): void {
    this.#socket.close(closeCode, reason);
  }

  terminate(): never {
    unable();
  }
}
