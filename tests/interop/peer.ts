/**
 * What tests ask of a peer: a WebSocket client that somebody else wrote, behind a small driver.
 *
 * @module
 */

import type { Message } from "../../mod.ts";

/** The parameters a client can offer permessage-deflate with. */
export interface DeflateOffer {
  serverNoContextTakeover: boolean;
  clientNoContextTakeover: boolean;
  serverMaxWindowBits: number | undefined;
  /** `true` where the client can be told, and says no more. */
  clientMaxWindowBits: number | boolean;
}

/** How a client is to connect. */
export interface ConnectOptions {
  /** The subprotocols to offer. */
  protocols?: string[];
  /** The origin to name. */
  origin?: string;
  /** The file of a certificate to trust, PEM encoded. */
  certificateFile?: string;
  /** How to offer permessage-deflate. @default as the client does by itself */
  deflate?: DeflateOffer;
}

/** A client that can be driven. */
export interface Peer {
  name: string;
  /**
   * Connects.
   *
   * @throws {RefusedError} Where the opening handshake fails.
   */
  connect(url: string, options: ConnectOptions): Promise<PeerSocket>;
}

/** How the client saw the connection end. */
export interface PeerClose {
  closeCode: number;
  reason: string;
}

/** An open WebSocket of a client. Messages that arrived wait for `receive`. */
export interface PeerSocket {
  readonly protocol: string;
  /** The extensions the client believes to be in use, or `""`. */
  readonly extensions: string;
  readonly closed: Promise<PeerClose>;
  /** Resolves with the next message; rejects where the connection ends before. */
  receive(): Promise<Message>;
  send(message: Message): void;
  /** Sends a fragment for each part: a text where they are strings. */
  sendFragments(parts: string[] | Uint8Array[]): void;
  /** Sends a Ping, and resolves with what the next Pong carries. */
  ping(payload: Uint8Array): Promise<Uint8Array>;
  /** Sends a Close frame: a bare one without a code. */
  close(closeCode?: number, reason?: string): void;
  terminate(): void;
}

/** The client could not connect. */
export class RefusedError extends Error {
  override name = "RefusedError";
  /** The status of the server's answer, where the client tells. */
  readonly status: number | undefined;

  constructor(message: string, status: number | undefined) {
    super(message);
    this.status = status;
  }
}

/** Values that arrive whenever they do, taken one at a time. */
export class Inbox<T> {
  readonly #values: T[] = [];
  readonly #takers: PromiseWithResolvers<T>[] = [];
  #error: unknown;

  push(value: T): void {
    const taker = this.#takers.shift();
    if (taker === undefined) this.#values.push(value);
    else taker.resolve(value);
  }

  /** Ends it: what is in it can still be taken. */
  fail(error: unknown): void {
    this.#error = error;
    for (const taker of this.#takers.splice(0)) taker.reject(error);
  }

  take(): Promise<T> {
    if (this.#values.length > 0) return Promise.resolve(this.#values.shift()!);
    if (this.#error !== undefined) return Promise.reject(this.#error);
    const taker = Promise.withResolvers<T>();
    this.#takers.push(taker);
    return taker.promise;
  }
}
