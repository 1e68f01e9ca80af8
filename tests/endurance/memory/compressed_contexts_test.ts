import { assert } from "@std/assert";
import { after, before, describe, it } from "node:test";
import { setTimeout } from "node:timers/promises";
import { compressedFrames, maskedFrame, openCompressed, zeros } from "./compressed_client.ts";
import { FrameReader } from "../rig/frame_reader.ts";
import { KiB, MiB, mib, progress, scaled, skip, TIMEOUT_MS } from "../rig/scale.ts";
import { ServerProcess } from "../rig/server_process.ts";
import type { TcpClient } from "../rig/tcp_client.ts";

/** So many that what the runtime's heap grows by of itself does not count: 6 MiB on Deno. */
const CONNECTIONS = 1_000;
const VISITORS = scaled(2_000, 10_000);
/** How many do something at once. */
const CONCURRENCY = 20;
/** 2 ** 17 and 2 ** 17 bytes to compress, 2 ** 15 and about 10 KiB to decompress, and the rest. */
const TAKEOVER_SIZE = 330 * KiB;
/** An unfinished message of 40,000 bytes, and what inflates it. */
const UNFINISHED_SIZE = 100 * KiB;
/** A connection, with what the runtime has for it. */
const IDLE_SIZE = 48 * KiB;
/** What may come and go in a process of any size. */
const NOISE = 24 * MiB;

/** What the runtimes let come together of connections that have gone. */
const MAX_GARBAGE = 96 * MiB;

/** What fills a window, and is no more than the budget has for each. */
const MESSAGE = compressedFrames(zeros(1).subarray(0, 60));

const serve = (compression: string) =>
  ServerProcess.start("echo_server.ts", ["--port", "0", "--compression", compression]);

/** A client that waits for echoes. */
class Echo {
  readonly client: TcpClient;
  #onMessage: () => void;

  static async open(server: ServerProcess): Promise<Echo> {
    let echo: Echo | undefined;
    const reader = new FrameReader(() => {}, () => echo!.#onMessage(), 0x40);
    return echo = new Echo(await openCompressed(server, (bytes) => reader.push(bytes)));
  }

  private constructor(client: TcpClient) {
    this.client = client;
    this.#onMessage = () => {};
  }

  /** Sends a message and waits until it is back. */
  async echo(frames: Uint8Array): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onMessage = resolve;
    await this.client.write(frames);
    await promise;
  }

  async leave(): Promise<void> {
    this.client.reset();
    await this.client.closed;
  }
}

/** Does something so often, some at once. */
async function repeated<T>(count: number, body: () => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  let left = count;
  await Promise.all(Array.from({ length: CONCURRENCY }, async () => {
    while (left-- > 0) results.push(await body());
  }));
  return results;
}

/** The memory in RAM, without garbage. */
async function residentSize(server: ServerProcess): Promise<number> {
  await setTimeout(100);
  await server.usedMemory();
  return server.residentSize;
}

/** How much a server grows by connections that do something, each of them. */
async function growthOf(
  server: ServerProcess,
  body: (echo: Echo) => Promise<void>,
): Promise<{ each: number; leave: () => Promise<void> }> {
  const before = await residentSize(server);
  const echoes = await repeated(CONNECTIONS, async () => {
    const echo = await Echo.open(server);
    await body(echo);
    return echo;
  });
  const each = (await residentSize(server) - before) / CONNECTIONS;
  const leave = async () => {
    for (const echo of echoes) await echo.leave();
    await setTimeout(200);
  };
  return { each, leave };
}

const kib = (bytes: number) => `${(bytes / KiB).toFixed(1)} KiB`;

for (const compression of ["takeover", "no-takeover"]) {
  describe(`what a connection holds: ${compression}`, () => {
    let server: ServerProcess;
    before(async () => {
      if (skip) return;
      server = await serve(compression);
      for (const echo of await repeated(60, () => Echo.open(server))) {
        await echo.echo(MESSAGE);
        await echo.leave();
      }
    });
    after(() => server?.kill());
    const test = (name: string, body: () => Promise<void>) =>
      it(name, { skip, timeout: TIMEOUT_MS }, body);

    test("nothing more before the first compressed message", async () => {
      const plain = maskedFrame({ opcode: 2, payload: new Uint8Array(0) });
      const { each, leave } = await growthOf(server, async ({ client }) => {
        await client.write(plain.subarray(0, 3));
      });
      progress(`${compression}, before the first message: ${kib(each)} each`);
      await leave();
      assert(each < IDLE_SIZE, `${kib(each)} each`);
    });

    test("windows behind it, or nothing", async () => {
      const { each, leave } = await growthOf(server, (echo) => echo.echo(MESSAGE));
      progress(`${compression}, after one message: ${kib(each)} each`);
      const most = compression === "takeover" ? TAKEOVER_SIZE + IDLE_SIZE : IDLE_SIZE;
      await leave();
      assert(each < most, `${kib(each)} each`);
    });

    test("a window within a message", async () => {
      const part = MESSAGE.subarray(0, MESSAGE.length - 5);
      const { each, leave } = await growthOf(server, ({ client }) => client.write(part));
      progress(`${compression}, within a message: ${kib(each)} each`);
      await leave();
      assert(each < UNFINISHED_SIZE + IDLE_SIZE, `${kib(each)} each`);
    });

    test("nothing when it has gone", async () => {
      const visit = async () => {
        const echo = await Echo.open(server);
        await echo.echo(MESSAGE);
        await echo.leave();
      };
      // Some break off within a message.
      const breakOff = async () => {
        const echo = await Echo.open(server);
        await echo.client.write(MESSAGE.subarray(0, MESSAGE.length - 5));
        await echo.leave();
      };
      await repeated(VISITORS / 2, visit);
      const half = await residentSize(server);
      server.resetPeak();
      await repeated(VISITORS / 2, visit);
      await repeated(VISITORS / 4, breakOff);
      const peak = server.peakSize - half;
      const growth = await residentSize(server) - half;
      progress(
        `${compression}, ${VISITORS} visitors: ${mib(half)}, ${mib(peak)} more meanwhile, ${
          mib(growth)
        } left`,
      );
      assert(growth < NOISE, `${mib(growth)} are left`);
      // Contexts are freed when a connection ends, not when its garbage is collected.
      assert(peak < MAX_GARBAGE, `${mib(peak)} were used meanwhile`);
    });

    test("nothing that keeps the server", () => server.stop());
  });
}
