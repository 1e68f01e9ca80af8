/**
 * Reading from all sockets into one buffer. Otherwise Node allocates 64 KiB for each read, and V8 answers so much
 * memory outside of its heap with collections of all of the heap.
 *
 * @module
 */

import type { Socket } from "node:net";

const input = new Uint8Array(128 * 1024);

/** A socket with what its option `onread` sets, which servers of Node do not pass to the sockets they accept. */
interface SocketParts {
  readonly _handle?: { useUserBuffer?(buffer: Uint8Array): void } | null;
  [name: symbol]: unknown;
}

/** The names of the buffer and of the callback in each socket; found in the first one. */
let names: (symbol | undefined)[] | undefined;

/**
 * Has a socket that was not read from yet read into the shared buffer. If this version of Node works otherwise,
 * it emits `data`, as without this call.
 *
 * @param receive Takes the number of bytes that a read has put into the buffer. They are valid during the call.
 */
export function shareInput(
  socket: Socket,
  receive: (size: number, input: Uint8Array) => void,
): void {
  const parts = socket as unknown as SocketParts;
  const handle = parts._handle;
  if (!handle?.useUserBuffer) return;
  if (names === undefined) {
    const symbols = Object.getOwnPropertySymbols(socket);
    names = ["kBuffer", "kBufferCb"]
      .map((name) => symbols.find(({ description }) => description === name));
  }
  const [buffer, callback] = names;
  if (buffer === undefined || callback === undefined) return;
  handle.useUserBuffer(input);
  parts[buffer] = input;
  parts[callback] = receive;
}
