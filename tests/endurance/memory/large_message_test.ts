import { assertEquals } from "@std/assert";
import { describe } from "node:test";
import { encodeReferenceFrame, maskReference } from "../../support/reference_frames.ts";
import { FrameReader } from "../rig/frame_reader.ts";
import { PatternChecker, patternChunk } from "../rig/pattern.ts";
import { MiB, mib, progress, scaled } from "../rig/scale.ts";
import type { ServerProcess } from "../rig/server_process.ts";
import { testServer } from "../rig/test_server.ts";

const SIZE = scaled(256 * MiB, 1024 * MiB);
const MASKING_KEY = Uint8Array.of(0x37, 0xfa, 0x21, 0x3d);
const BINARY = 2;
/**
 * How much more memory the message may take than a small one. The server itself holds about 2 MiB of it
 * at a time; the rest is garbage, of which the runtimes let some 100 MiB come together. It is the same
 * for messages of 4 GiB, and less than the smallest of these.
 */
const MAX_GROWTH = 160 * MiB;

describe("a message of any size is echoed as a stream in constant memory", () => {
  const args = ["--port", "0", "--style", "messages", "--max-message-size", `${SIZE}`];
  testServer(`${SIZE / MiB} MiB in one frame`, "echo_server.ts", args, async (server) => {
    await echo(server, MiB);
    server.resetPeak();
    const before = server.residentSize;
    await echo(server, SIZE);
    const growth = server.peakSize - before;
    progress(`${mib(before)} before, at most ${mib(growth)} more meanwhile`);
    assertEquals(growth < MAX_GROWTH, true, `the server grew by ${mib(growth)}`);
  });
});

async function echo(server: ServerProcess, size: number): Promise<void> {
  const checker = new PatternChecker();
  const { promise: echoed, resolve, reject } = Promise.withResolvers<number>();
  const reader = new FrameReader(
    (piece, opcode) => {
      if (opcode === BINARY) checker.check(piece);
    },
    (opcode, size) => {
      if (opcode === BINARY) resolve(size);
    },
  );
  const client = await server.open((bytes) => {
    try {
      reader.push(bytes);
    } catch (error) {
      reject(error);
    }
  });
  client.closed.then(() => reject(new Error("The connection was closed")));

  const header = encodeReferenceFrame({
    opcode: BINARY,
    maskingKey: MASKING_KEY,
    declaredLength: BigInt(size),
  });
  const chunk = maskReference(patternChunk, MASKING_KEY);
  await client.write(header);
  let nextReport = size / 4;
  for (let sent = 0; sent < size; sent += chunk.length) {
    await client.write(chunk.subarray(0, Math.min(chunk.length, size - sent)));
    if (sent < nextReport) continue;
    nextReport += size / 4;
    progress(`${mib(sent)} sent, ${mib(reader.totalSize)} back`);
  }
  assertEquals(await echoed, size);
  client.reset();
}
