import { assert, assertEquals } from "@std/assert";
import { after, before, describe, it } from "node:test";
import { compressedFrames, openCompressed, repeat, zeros } from "./compressed_client.ts";
import { FrameReader } from "../rig/frame_reader.ts";
import { MiB, mib, progress, scaled, skip, TIMEOUT_MS } from "../rig/scale.ts";
import { ServerProcess } from "../rig/server_process.ts";
import { testServer } from "../rig/test_server.ts";

/** What a message may have by default. */
const LIMIT = MiB;
/** What a bomb may take besides. */
const EXTRA = MiB;
/** What the runtime does meanwhile, and what became garbage as the message grew. */
const NOISE = 6 * MiB;
/** What the runtimes let come together of the pieces that a message is streamed in. */
const MAX_GARBAGE = 160 * MiB;
const ROUNDS = scaled(5, 50);
/** The processor's time for a megabyte of anything, on a machine that has other things to do. */
const MAX_CPU_MS = 250;

/** Messages that are small on the wire, and the code they must end with; none for those that pass. */
const BOMBS: [name: string, frames: () => Uint8Array, code: number | undefined][] = [
  ["64 MiB of zeros in one frame", () => compressedFrames(zeros(64)), 1009],
  ["1 GiB of zeros in one frame", () => compressedFrames(zeros(1024)), 1009],
  ["1 GiB of zeros in 1,000 fragments", () => compressedFrames(zeros(1024), 1000), 1009],
  ["1 MiB of zeros in fragments of one byte", () => compressedFrames(zeros(1), 4000), undefined],
  ["2 MiB of zeros in fragments of one byte", () => compressedFrames(zeros(2), 4000), 1009],
  ["10 MiB in 1,000 fragments of 10 bytes", () => compressedFrames(zeros(10), 1000), 1009],
  ["500,000 empty blocks with BFINAL", () => final(500_000), 1008],
  ["500,000 empty blocks with BFINAL in 1,000 fragments", () => final(500_000, 1000), 1008],
  ["200,000 empty stored blocks", () => stored(200_000), undefined],
  ["200,000 empty stored blocks in 1,000 fragments", () => stored(200_000, 1000), undefined],
  ["300,000 empty stored blocks", () => stored(300_000), 1009],
];

const final = (count: number, fragments = 1) =>
  compressedFrames(repeat(Uint8Array.of(3, 0), count), fragments);
const stored = (count: number, fragments = 1) =>
  compressedFrames(repeat(Uint8Array.of(0, 0, 0, 255, 255), count), fragments);

describe("bombs take no memory, and no time", () => {
  let server: ServerProcess;
  before(async () => {
    if (skip) return;
    server = await ServerProcess.start("echo_server.ts", [
      "--port",
      "0",
      "--compression",
      "no-takeover",
    ]);
    // A whole message of that size, and a bomb: code is compiled, and memory taken.
    for (let i = 0; i < 20; i++) {
      await explode(server, compressedFrames(zeros(1)), undefined);
      await explode(server, compressedFrames(zeros(2)), 1009);
    }
  });
  after(() => server?.kill());

  for (const [name, make, code] of BOMBS) {
    it(`${name}`, { skip, timeout: TIMEOUT_MS }, async () => {
      const frames = make();
      await explode(server, frames, code);
      let growth = 0;
      const cpu = server.cpuMs;
      let collectingMs = 0;
      for (let i = 0; i < ROUNDS; i++) {
        const before = server.cpuMs;
        await server.usedMemory();
        collectingMs += server.cpuMs - before;
        server.resetPeak();
        const resident = server.residentSize;
        await explode(server, frames, code);
        growth = Math.max(growth, server.peakSize - resident);
      }
      const cpuMs = (server.cpuMs - cpu - collectingMs) / ROUNDS;
      progress(`${name}: ${mib(growth)} grown, ${cpuMs.toFixed(0)} ms each`);
      assert(growth < LIMIT + EXTRA + NOISE, `the server grew by ${mib(growth)}`);
      assert(cpuMs < MAX_CPU_MS, `${cpuMs} ms of the processor`);
    });
  }

  it("ends in order", { skip, timeout: TIMEOUT_MS }, () => server.stop());
});

describe("a bomb that is wanted is echoed as a stream in constant memory", () => {
  const SIZE = scaled(256, 1024);
  const args = [
    ...["--port", "0", "--compression", "no-takeover"],
    ...["--style", "messages", "--max-message-size", "Infinity"],
  ];
  testServer(`${SIZE} MiB in one frame of ${SIZE} KiB`, "echo_server.ts", args, async (server) => {
    await explode(server, compressedFrames(zeros(4)), undefined);
    server.resetPeak();
    const resident = server.residentSize;
    await explode(server, compressedFrames(zeros(SIZE)), undefined);
    const growth = server.peakSize - resident;
    progress(`${SIZE} MiB: ${mib(growth)} grown`);
    assert(growth < MAX_GARBAGE, `the server grew by ${mib(growth)}`);
  });
});

/** Sends a message, and checks what it ends with. */
async function explode(
  server: ServerProcess,
  frames: Uint8Array,
  code: number | undefined,
): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<number | undefined>();
  const close: number[] = [];
  const reader = new FrameReader(
    (piece, opcode) => {
      if (opcode === 8) close.push(...piece);
    },
    (opcode) => resolve(opcode === 8 ? close[0] * 256 + close[1] : undefined),
    0x40,
  );
  const client = await openCompressed(server, (bytes) => reader.push(bytes));
  // What is sent behind the end is not taken any more.
  client.write(frames).catch(() => {});
  assertEquals(await promise, code);
  client.reset();
  await client.closed;
}
