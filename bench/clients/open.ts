/**
 * Each client in its fastest form: messages by callback.
 *
 * @module
 */

import type { ClientTask } from "./task.ts";

/** A connection of any client. */
export interface Socket {
  send(data: string | Uint8Array<ArrayBuffer>): void;
  /** Closes it, with a whole closing handshake. */
  close(): Promise<void>;
}

/** Connects; `receive` is called with each message. */
export type Open = (url: string, receive: (socket: Socket) => void) => Promise<Socket>;

/** Loads a client, and nothing of the others. */
export const CLIENTS: Record<ClientTask["client"], () => Promise<Open>> = {
  async sluice() {
    const { connect } = await import("../../src/runtimes/shared/client.ts");
    return async (url, receive) => {
      const conn = await connect(url, { message: () => receive(socket) });
      const socket: Socket = {
        send: (data) => void conn.send(data),
        close: async () => void await conn.close(),
      };
      return socket;
    };
  },

  async ws() {
    const { WebSocket } = await import("ws");
    return (url, receive) => {
      const { promise, resolve, reject } = Promise.withResolvers<Socket>();
      const ws = new WebSocket(url, { perMessageDeflate: false });
      const closed = new Promise<void>((done) => ws.on("close", () => done()));
      const socket: Socket = {
        send: (data) => ws.send(data),
        close() {
          ws.close();
          return closed;
        },
      };
      // `ws` hands out bytes: programs make a string of those that were one.
      ws.on("message", (data, isBinary) => {
        if (!isBinary) String(data);
        receive(socket);
      });
      ws.on("open", () => resolve(socket));
      ws.on("error", reject);
      return promise;
    };
  },

  native: () =>
    Promise.resolve((url, receive) => {
      const { promise, resolve, reject } = Promise.withResolvers<Socket>();
      const ws = new WebSocket(url);
      ws.binaryType = "arraybuffer";
      const closed = new Promise<void>((done) => ws.onclose = () => done());
      const socket: Socket = {
        send: (data) => ws.send(data),
        close() {
          ws.close();
          return closed;
        },
      };
      ws.onmessage = () => receive(socket);
      ws.onopen = () => resolve(socket);
      ws.onerror = () => reject(new Error("the built-in client cannot connect"));
      return promise;
    }),
};
