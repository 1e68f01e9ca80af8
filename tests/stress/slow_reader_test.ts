import { assertEquals } from "@std/assert";
import { describe, it } from "node:test";
import { setTimeout } from "node:timers/promises";
import { REFERENCE_OPCODES } from "../support/reference_frames.ts";
import {
  type Flood,
  kernelBufferSize,
  MESSAGE_SIZE,
  startFlood,
  waitForStandstill,
} from "./flood.ts";
import { FrameReader } from "./frame_reader.ts";
import { PatternChecker } from "./pattern.ts";
import { MiB, mib, progress, scaled, skip, TIMEOUT_MS } from "./scale.ts";
import { ServerProcess } from "./server_process.ts";
import { TcpClient } from "./tcp_client.ts";

const READERS = scaled(4, 32);
/** How long the program of a server is given to send too much. Too short only makes the test weaker. */
const PUSH_MS = scaled(2_000, 10_000);

/** The default limits: what the server may hold of one connection, received and to be sent. */
const RECEIVE_QUEUE_SIZE = MiB;
const SEND_QUEUE_SIZE = MiB;
/** The garbage that a runtime lets come together before it collects it. */
const GARBAGE_SIZE = 64 * MiB;

/** A client that does not read, or does so at last. */
class SlowReader {
  client!: TcpClient;
  readonly #checker = new PatternChecker();
  readonly #reader: FrameReader;
  #error: unknown;

  static async open(port: number): Promise<SlowReader> {
    const slow = new SlowReader();
    slow.client = await TcpClient.open(port, (bytes) => slow.#receive(bytes));
    slow.client.pause();
    return slow;
  }

  private constructor() {
    this.#reader = new FrameReader(
      (piece, opcode) => {
        if (opcode === REFERENCE_OPCODES.binary) this.#checker.check(piece);
      },
      () => {},
    );
  }

  /** Reads, until at least that many bytes of payload have arrived, which must be the pattern. */
  async readUntil(size: number): Promise<void> {
    let isClosed = false;
    this.client.closed.then(() => isClosed = true);
    this.client.resume();
    while (this.#reader.totalSize < size) {
      if (this.#error !== undefined) throw this.#error;
      if (isClosed) throw new Error("The connection was closed");
      await setTimeout(10);
    }
  }

  #receive(bytes: Uint8Array): void {
    try {
      this.#reader.push(bytes);
    } catch (error) {
      this.#error = error;
    }
  }
}

function openReaders(server: ServerProcess): Promise<SlowReader[]> {
  return Promise.all(Array.from({ length: READERS }, () => SlowReader.open(server.port)));
}

/** Tells by how much the server's memory grows at most while something goes on. */
async function growthDuring(server: ServerProcess, action: () => Promise<void>): Promise<number> {
  server.resetPeak();
  const before = server.residentSize;
  await action();
  return server.peakSize - before;
}

function assertGrowth(growth: number, queues: number): void {
  const most = GARBAGE_SIZE + READERS * queues;
  assertEquals(growth < most, true, `the server grew by ${mib(growth)}: ${mib(most)} are the most`);
}

describe("a client that does not read its echoes is read no more", () => {
  for (const style of ["callback", "iterate", "streams", "messages"]) {
    it(style, { skip, timeout: TIMEOUT_MS }, async () => {
      const server = await ServerProcess.start("echo_server.ts", ["--port", "0", "--style", style]);
      try {
        // What waits in the system, on the way there and on the way back, and in the server.
        const most = 2 * kernelBufferSize() + RECEIVE_QUEUE_SIZE + SEND_QUEUE_SIZE + MESSAGE_SIZE;
        const readers = await openReaders(server);
        const floods: Flood[] = [];
        let accepted: number[] = [];
        const growth = await growthDuring(server, async () => {
          for (const { client } of readers) floods.push(startFlood(client));
          accepted = await Promise.all(
            readers.map(({ client }) => waitForStandstill(client, most)),
          );
        });
        progress(
          `${style}: ${READERS} clients sent ${mib(Math.min(...accepted))} to ` +
            `${mib(Math.max(...accepted))} each; the server grew by ${mib(growth)}`,
        );
        assertGrowth(growth, RECEIVE_QUEUE_SIZE + SEND_QUEUE_SIZE);
        // Nothing is lost, and no connection was closed.
        await Promise.all(readers.map(async (reader, i) => {
          const stopped = floods[i].stop();
          reader.client.resume();
          await stopped;
          await reader.readUntil(floods[i].count * MESSAGE_SIZE);
          reader.client.reset();
        }));
        await server.stop();
      } finally {
        server.kill();
      }
    });
  }
});

describe("a program that sends is stopped by a client that does not read", () => {
  for (const program of ["push-send", "push-writable", "push-stream"]) {
    it(program, { skip, timeout: TIMEOUT_MS }, async () => {
      const server = await ServerProcess.start("program_server.ts", [program]);
      try {
        let readers: SlowReader[] = [];
        const growth = await growthDuring(server, async () => {
          readers = await openReaders(server);
          await setTimeout(PUSH_MS);
        });
        progress(`${program}: the server grew by ${mib(growth)}`);
        assertGrowth(growth, SEND_QUEUE_SIZE);
        await Promise.all(readers.map(async (reader) => {
          await reader.readUntil(4 * kernelBufferSize() / READERS);
          reader.client.reset();
        }));
        await server.stop();
      } finally {
        server.kill();
      }
    });
  }
});
