import { assert, assertEquals } from "@std/assert";
import { describe, it } from "node:test";
import type { DenoConn } from "../../src/runtimes/deno/api.ts";
import { DenoChannel } from "../../src/runtimes/deno/channel.ts";
import { settle } from "../support/turn.ts";
import type { ByteChannelHandler } from "../../src/transport/byte_channel.ts";

const address = { transport: "tcp", hostname: "127.0.0.1", port: 1 } as const;
const chunk = new Uint8Array(10);
/** How many writes may be under way. */
const MOST = 256;

/** What was done to all connections, in order: the number of the connection, and what. */
type Deeds = string[];

/** A connection that takes what is written when the test says so. */
class SlowConn implements DenoConn {
  readonly remoteAddr = address;
  readonly localAddr = address;
  readonly #deeds: Deeds;
  readonly #number: number;
  #taken: (() => void) | undefined;
  #failed: ((error: unknown) => void) | undefined;

  constructor(deeds: Deeds, number: number) {
    this.#deeds = deeds;
    this.#number = number;
  }

  read(): Promise<null> {
    return new Promise(() => {});
  }

  write(bytes: Uint8Array): Promise<number> {
    this.#deeds.push(`${this.#number} writes`);
    return new Promise((resolve, reject) => {
      this.#taken = () => resolve(bytes.length);
      this.#failed = reject;
    });
  }

  closeWrite(): Promise<void> {
    this.#deeds.push(`${this.#number} ends`);
    return Promise.resolve();
  }

  close(): void {}

  /** Takes what was written. */
  take(): void {
    this.#taken!();
  }

  /** Fails what was written. */
  fail(): void {
    this.#failed!(new Error("reset"));
  }
}

interface End {
  conn: SlowConn;
  channel: DenoChannel;
  /** How often the channel told that its write was taken. */
  drained: number;
}

/** Opens connections to each of which something is written at once. */
function writeToMany(count: number): { ends: End[]; deeds: Deeds } {
  const deeds: Deeds = [];
  const ends = Array.from({ length: count }, (_, number) => {
    const conn = new SlowConn(deeds, number);
    const channel = new DenoChannel(conn, address, address);
    const end: End = { conn, channel, drained: 0 };
    channel.handler = {
      receive() {},
      receiveEnd() {},
      drain: () => void end.drained++,
      receiveClosed() {},
    };
    return end;
  });
  for (const { channel } of ends) assert(!channel.write([chunk]));
  return { ends, deeds };
}

const microtasks = () => new Promise<void>((resolve) => resolve()).then(() => {}).then(() => {});

/** Takes all that is written, also later on. */
async function finish(ends: readonly End[]): Promise<void> {
  await settle();
  for (const { conn, channel } of ends) {
    if (!channel.over) conn.take();
    channel.abort();
  }
  await settle();
}

describe("writes to very many connections of Deno", () => {
  it("begin in the order in which they came, so many at once", async () => {
    const { ends, deeds } = writeToMany(1000);
    const order = ends.map((_, number) => `${number} writes`);
    assertEquals(deeds, order.slice(0, MOST));
    // One begins for each that is taken, or fails.
    ends[0].conn.take();
    ends[1].conn.fail();
    ends[2].conn.take();
    await microtasks();
    assertEquals(deeds, order.slice(0, MOST + 3));
    assertEquals(ends.slice(0, 4).map(({ drained }) => drained), [1, 0, 1, 0]);
    for (let i = 3; i < 1000; i++) {
      ends[i].conn.take();
      await microtasks();
    }
    assertEquals(deeds, order);
    await microtasks();
    assertEquals(ends.filter(({ drained }) => drained === 1).length, 999);
    for (const { channel } of ends) channel.abort();
    await settle();
  });

  it("don't wait for peers that don't read for more than a turn", async () => {
    const { ends, deeds } = writeToMany(MOST + 100);
    assertEquals(deeds.length, MOST);
    await settle();
    assertEquals(deeds.length, MOST + 100);
    // Those that have waited long enough don't count among others when they are taken at last.
    const others = writeToMany(MOST + 100);
    for (const { conn } of ends.slice(0, MOST)) conn.take();
    await microtasks();
    assert(others.deeds.length <= MOST, `${others.deeds.length} writes are under way`);
    await finish([...ends.slice(MOST), ...others.ends]);
    for (const { channel } of ends) channel.abort();
  });

  it("come before the end of their connection, and not after it was dropped", async () => {
    const { ends, deeds } = writeToMany(MOST + 3);
    const [first, second, third] = ends.slice(MOST);
    first.channel.end();
    second.channel.abort();
    await settle();
    assertEquals(deeds.slice(MOST), [`${MOST} writes`, `${MOST + 2} writes`]);
    first.conn.take();
    await settle();
    assertEquals(deeds.slice(MOST + 2), [`${MOST} ends`]);
    assertEquals(third.drained, 0);
    await finish([...ends.slice(0, MOST), third]);
  });
});

/** How long a read or a write takes, in milliseconds. */
const STEP_MS = 0.5;
/** How many there may be before a timer has its turn, and how many there are in all. */
const SHARE = 200;
const ALL = 2_000;
const piece = new Uint8Array(32 * 1024);

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
    channel.handler = handlerOf({ drain: () => void channel.write([piece]) });
    channel.write([piece]);
    await assertOthersHaveTurns(conn);
    channel.abort();
  });
});
