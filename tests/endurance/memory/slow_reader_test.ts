// @waits

import { assertEquals } from "@std/assert";
import { describe } from "node:test";
import { setTimeout } from "node:timers/promises";
import { REFERENCE_OPCODES } from "../../support/reference_frames.ts";
import { kernelBufferSize, MESSAGE_SIZE, startFlood, waitForStandstill } from "./flood.ts";
import { FrameReader } from "../rig/frame_reader.ts";
import { PatternChecker } from "../rig/pattern.ts";
import { MiB, mib, progress, scaled } from "../rig/scale.ts";
import type { ServerProcess } from "../rig/server_process.ts";
import type { TcpClient } from "../rig/tcp_client.ts";
import { ECHO_SERVERS, testServer, testServers } from "../rig/test_server.ts";

const READERS = scaled(4, 32);
/** How long the program of a server is given to send too much. Too short only makes the test weaker. */
const PUSH_MS = scaled(2_000, 10_000);

/**
 * What the server may hold of one connection by its default limits: 1 MiB to be sent, and 1 MiB
 * received, in an array that may have room for as much again.
 */
const QUEUES_SIZE = 3 * MiB;
/** What was read of a socket and not looked at yet: two reads, of which Bun's are the largest. */
const READ_SIZE = MiB;
/** The same for all clients, and 4 MiB for what the runtime adds to compiled code and the like. */
const MAX_USED = READERS * (QUEUES_SIZE + READ_SIZE) + 4 * MiB;
/** In RAM there is garbage besides: as much again, or 64 MiB where that is little. */
const MAX_RESIDENT_GROWTH = 2 * MAX_USED + 64 * MiB;

/** A client that does not read, or does so at last. */
class SlowReader {
  client!: TcpClient;
  readonly #checker = new PatternChecker();
  readonly #reader: FrameReader;
  #error: unknown;

  static async open(server: ServerProcess): Promise<SlowReader> {
    const slow = new SlowReader();
    slow.client = await server.open((bytes) => slow.#receive(bytes));
    slow.client.socket.pause();
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
    this.client.socket.resume();
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
  return Promise.all(Array.from({ length: READERS }, () => SlowReader.open(server)));
}

/** Checks what the server needs more of memory since `start` was noted, while its clients stand still. */
class Memory {
  readonly #server: ServerProcess;
  readonly #used: number;
  readonly #resident: number;

  static async note(server: ServerProcess): Promise<Memory> {
    const memory = new Memory(server, await server.usedMemory());
    server.resetPeak();
    return memory;
  }

  private constructor(server: ServerProcess, used: number) {
    this.#server = server;
    this.#used = used;
    this.#resident = server.residentSize;
  }

  /** Checks, and describes. */
  async check(): Promise<string> {
    const growth = this.#server.peakSize - this.#resident;
    const used = await this.#server.usedMemory() - this.#used;
    const text = `${mib(used / READERS)} in use for each, ${mib(growth)} more resident in all`;
    assertEquals(used < MAX_USED && growth < MAX_RESIDENT_GROWTH, true, text);
    return text;
  }
}

describe("a client that does not read its echoes is read no more", () => {
  testServers(ECHO_SERVERS, async (server, style) => {
    // What waits in the system, on the way there and on the way back, and in the server.
    const most = 2 * kernelBufferSize() + QUEUES_SIZE + READ_SIZE;
    const memory = await Memory.note(server);
    const readers = await openReaders(server);
    const floods = readers.map(({ client }) => startFlood(client));
    const accepted = await Promise.all(
      readers.map(({ client }) => waitForStandstill(client, most)),
    );
    progress(
      `${style}: ${READERS} clients sent ${mib(Math.min(...accepted))} to ` +
        `${mib(Math.max(...accepted))} each; ${await memory.check()}`,
    );
    // Nothing is lost, and no connection was closed.
    await Promise.all(readers.map(async (reader, i) => {
      const stopped = floods[i].stop();
      reader.client.socket.resume();
      await stopped;
      await reader.readUntil(floods[i].count * MESSAGE_SIZE);
      reader.client.reset();
    }));
  });
});

describe("a program that sends is stopped by a client that does not read", () => {
  for (const program of ["push-send", "push-writable", "push-stream"]) {
    testServer(program, "program_server.ts", [program], async (server) => {
      const memory = await Memory.note(server);
      const readers = await openReaders(server);
      await setTimeout(PUSH_MS);
      progress(`${program}: ${await memory.check()}`);
      await Promise.all(readers.map(async (reader) => {
        await reader.readUntil(4 * kernelBufferSize() / READERS);
        reader.client.reset();
      }));
    });
  }
});
