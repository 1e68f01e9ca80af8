/**
 * Drives the client of `websockets`, a Python package, by the script beside this file.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Message } from "../../mod.ts";
import { Inbox, type Peer, type PeerClose, type PeerSocket, RefusedError } from "./peer.ts";

const PYTHON = "/usr/bin/python3";
const SCRIPT = fileURLToPath(new URL("websockets_peer.py", import.meta.url));

/** Tells whether this machine has Python and the package. */
export function hasWebsockets(): boolean {
  return spawnSync(PYTHON, ["-c", "import websockets"], { stdio: "ignore" }).status === 0;
}

export const websocketsPeer: Peer = {
  name: "Python's websockets",
  isSlow: true,
  abilities: new Set([
    "fragments",
    "ping",
    "all close codes",
    "terminate",
    "origin",
    "refusal status",
    "full duplex over TLS",
    "compression",
    "deflate",
    "compression parameters",
  ]),
  connect(url, options) {
    const { promise, resolve, reject } = Promise.withResolvers<PeerSocket>();
    const child = spawn(PYTHON, [SCRIPT, JSON.stringify({ url, ...options })], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    const socket = new WebsocketsSocket(child);
    const lines = createInterface({ input: child.stdout! });
    lines.on("line", (line) => {
      const event: Event = JSON.parse(line);
      if (event.event === "open") {
        socket.open(event.protocol, event.extensions);
        resolve(socket);
      } else if (event.event === "refused") {
        reject(new RefusedError(event.message, event.status));
      } else {
        socket.take(event);
      }
    });
    child.on("exit", (status) => reject(new Error(`${SCRIPT} ended with ${status}`)));
    return promise;
  },
};

type Payload = { text: string } | { bytes: string };
type SocketEvent =
  | ({ event: "message" } & Payload)
  | ({ event: "pong" } & Payload)
  | { event: "close"; closeCode: number; reason: string };
type Event =
  | { event: "open"; protocol: string; extensions: string }
  | { event: "refused"; message: string; status?: number }
  | SocketEvent;

class WebsocketsSocket implements PeerSocket {
  protocol = "";
  extensions = "";
  readonly #child: ChildProcess;
  readonly #messages: Inbox<Message> = new Inbox();
  readonly #pongs: Inbox<Uint8Array> = new Inbox();
  readonly #closed: PromiseWithResolvers<PeerClose> = Promise.withResolvers();

  constructor(child: ChildProcess) {
    this.#child = child;
    // The script may end before it has read everything.
    child.stdin!.on("error", () => {});
  }

  get closed(): Promise<PeerClose> {
    return this.#closed.promise;
  }

  open(protocol: string, extensions: string): void {
    this.protocol = protocol;
    this.extensions = extensions;
  }

  take(event: SocketEvent): void {
    if (event.event === "message") this.#messages.push(decode(event));
    else if (event.event === "pong") this.#pongs.push(decode(event) as Uint8Array);
    else {
      const error = new Error(`closed with ${event.closeCode}`);
      this.#messages.fail(error);
      this.#pongs.fail(error);
      this.#closed.resolve({ closeCode: event.closeCode, reason: event.reason });
      this.#child.stdin!.end();
    }
  }

  receive(): Promise<Message> {
    return this.#messages.take();
  }

  send(message: Message): void {
    this.#command({ command: "send", ...encode(message) });
  }

  sendFragments(parts: string[] | Uint8Array[]): void {
    this.#command({ command: "fragments", parts: parts.map(encode) });
  }

  ping(payload: Uint8Array): Promise<Uint8Array> {
    this.#command({ command: "ping", ...encode(payload) });
    return this.#pongs.take();
  }

  close(closeCode: number = 1000, reason: string = ""): void {
    this.#command({ command: "close", closeCode, reason });
  }

  terminate(): void {
    this.#command({ command: "terminate" });
  }

  #command(command: object): void {
    this.#child.stdin!.write(`${JSON.stringify(command)}\n`);
  }
}

function encode(message: Message): Payload {
  if (typeof message === "string") return { text: message };
  return { bytes: Buffer.from(message).toString("base64") };
}

function decode(payload: Payload): Message {
  if ("text" in payload) return payload.text;
  return Uint8Array.from(Buffer.from(payload.bytes, "base64"));
}
