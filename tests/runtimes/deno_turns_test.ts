import { assert } from "@std/assert";
import { describe, it } from "node:test";
import type { DenoConn } from "../../src/runtimes/deno/api.ts";
import { DenoChannel } from "../../src/runtimes/deno/channel.ts";
import type { ByteChannelHandler } from "../../src/transport/byte_channel.ts";

const address = { transport: "tcp", hostname: "127.0.0.1", port: 1 } as const;
/** How long a read or a write takes, in milliseconds. */
const STEP_MS = 0.5;
/** How many there may be before a timer has its turn, and how many there are in all. */
const SHARE = 200;
const ALL = 2_000;
const chunk = new Uint8Array(32 * 1024);

/** A connection that is always ready, as Deno's is where the peer is fast. */
class ReadyConn implements DenoConn {
  readonly remoteAddr = address;
  readonly localAddr = address;
  readonly #isReadable: boolean;
  /** How often it was read and written. */
  steps = 0;

  constructor(isReadable: boolean) {
    this.#isReadable = isReadable;
  }

  read(buffer: Uint8Array): Promise<number | null> {
    return this.#isReadable ? this.#move(buffer) : new Promise(() => {});
  }

  write(bytes: Uint8Array): Promise<number> {
    return this.#move(bytes);
  }

  closeWrite(): Promise<void> {
    return Promise.resolve();
  }

  close(): void {}

  /** Waits for ever at the end, so that a test fails instead of hanging. */
  #move({ length }: Uint8Array): Promise<number> {
    if (this.steps >= ALL) return new Promise(() => {});
    this.steps++;
    const endsAt = performance.now() + STEP_MS;
    while (performance.now() < endsAt);
    return Promise.resolve(length);
  }
}

function handlerOf(on: Partial<ByteChannelHandler>): ByteChannelHandler {
  return { receive() {}, receiveEnd() {}, drain() {}, receiveClosed() {}, ...on };
}

async function assertOthersHaveTurns(conn: ReadyConn): Promise<void> {
  for (let i = 0; i < 10; i++) {
    const before = conn.steps;
    await new Promise((resolve) => setTimeout(resolve, 0));
    const steps = conn.steps - before;
    assert(steps <= SHARE, `${steps} reads or writes before a timer had its turn`);
  }
  assert(conn.steps > 10, "little was moved");
}

describe("a connection of Deno that is always ready leaves others their turn", () => {
  it("while it is read", async () => {
    const conn = new ReadyConn(true);
    const channel = new DenoChannel(conn, address, address);
    channel.handler = handlerOf({});
    await assertOthersHaveTurns(conn);
    channel.abort();
  });

  it("while it is written to", async () => {
    const conn = new ReadyConn(false);
    const channel = new DenoChannel(conn, address, address);
    channel.handler = handlerOf({ drain: () => void channel.write([chunk]) });
    channel.write([chunk]);
    await assertOthersHaveTurns(conn);
    channel.abort();
  });
});
