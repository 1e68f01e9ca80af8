/** What TCP alone costs on Bun: what arrives goes back. */

import { announce } from "./arguments.ts";

interface BunSocket {
  data: Uint8Array[];
  write(bytes: Uint8Array): number;
  setNoDelay(on: boolean): void;
}

interface BunApi {
  listen(options: {
    hostname: string;
    port: number;
    socket: {
      binaryType: "uint8array";
      open(socket: BunSocket): void;
      data(socket: BunSocket, bytes: Uint8Array): void;
      drain(socket: BunSocket): void;
    };
  }): { port: number };
}

const { Bun } = globalThis as unknown as { Bun: BunApi };

/** Sends what the kernel takes; Bun keeps none of the rest. */
function flush(socket: BunSocket): void {
  const unsent = socket.data;
  while (unsent.length > 0) {
    const bytes = unsent[0];
    const written = Math.max(socket.write(bytes), 0);
    if (written < bytes.length) {
      unsent[0] = bytes.subarray(written);
      return;
    }
    unsent.shift();
  }
}

const { port } = Bun.listen({
  hostname: "127.0.0.1",
  port: 0,
  socket: {
    binaryType: "uint8array",
    open(socket) {
      socket.data = [];
      socket.setNoDelay(true);
    },
    data(socket, bytes) {
      socket.data.push(bytes);
      if (socket.data.length === 1) flush(socket);
    },
    drain: flush,
  },
});
announce(port);
