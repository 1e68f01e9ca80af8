import { patternChunk } from "../rig/pattern.ts";

/** Gives bytes of the pattern, in messages of many sizes: `size` bytes in all. */
export function* messagesOf(size: number): Generator<Uint8Array> {
  for (let sent = 0, i = 0; sent < size; i++) {
    const start = sent % patternChunk.length;
    const most = Math.min([100, 5_000, 60_000][i % 3], patternChunk.length - start, size - sent);
    yield patternChunk.slice(start, start + most);
    sent += most;
  }
}

/** How much a client asks for, and how it reads: what the system's buffers hold, and more. */
export const AMOUNTS: readonly { size: number; readSize: number; restMs: number }[] = [
  { size: 800 * 1024, readSize: 4 * 1024, restMs: 4 },
  { size: 12 * 1024 * 1024, readSize: 64 * 1024, restMs: 1 },
];
