/**
 * What every channel promises, whoever connected: the tests of the adapters run it over sockets.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import process from "node:process";
import { it } from "node:test";
import { setTimeout } from "node:timers/promises";
import { patternBytes } from "./pattern.ts";
import type { Peer } from "./peer.ts";
import type { Recorder } from "./recorder.ts";
import type { Transport } from "./server.ts";

const MiB = 1_048_576;
/** More than the system's buffers on both sides of a socket hold. */
const muchSize = 64 * MiB;
/** What may be under way where one side does not read: the system's buffers, and some. */
const underwaySize = 24 * MiB;

/** Where the tests get channels from. */
export interface ChannelSource {
  /**
   * Connects a channel and its peer.
   *
   * @param options `paused`: the peer reads nothing before it is resumed.
   */
  connect(options?: { paused?: boolean }): Promise<{ channel: Recorder; peer: Peer }>;
}

/** Lets the event loop turn some times, in which whatever is ready happens. */
async function turn(times = 3): Promise<void> {
  for (let i = 0; i < times; i++) await new Promise((resolve) => setImmediate(resolve));
}

/**
 * Declares the tests of `write()` and `drain()`.
 *
 * @param withSource Calls `run`, and checks afterwards that all channels kept their promises.
 */
export function testWrites(
  withSource: (run: (source: ChannelSource) => Promise<void>) => Promise<void>,
): void {
  const test = (name: string, run: (source: ChannelSource) => Promise<void>) =>
    it(name, () => withSource(run));

  for (const sizes of [[], [1], [100, 70_000, 1]]) {
    const before = sizes.length === 0 ? "nothing" : `writes of ${sizes.join(", ")} bytes`;
    test(`drains only when everything is taken, after ${before} in the same turn`, async (source) => {
      const { channel, peer } = await source.connect({ paused: true });
      const other = await source.connect();
      for (const size of [...sizes, muchSize]) {
        // A channel that takes no write at once says so: then the next one has to wait.
        if (!channel.write([patternBytes(channel.written, size)]) && size < muchSize) {
          await channel.untilDrained();
        }
      }
      assertEquals([channel.waitsForDrain, channel.drains <= sizes.length], [true, true]);
      const { drains } = channel;
      for (let i = 1; i <= 20; i++) {
        await other.peer.write(1000);
        await other.channel.untilReceived(i * 1000);
        await turn();
      }
      assertEquals(channel.drains, drains);
      await peer.resume();
      const state = await peer.untilReceived(channel.written);
      assertEquals([state.received, state.intact], [channel.written, true]);
      await channel.untilDrained();
    });
  }

  test("leaves memory alone once it is taken, for a peer that rests", async (source) => {
    const { channel, peer } = await source.connect();
    await peer.rest();
    // As a connection writes: the header and the payload of a message, now and then a Pong besides.
    for (let i = 0; i < 200; i++) {
      const sizes = i % 7 === 0 ? [6] : i % 3 === 0 ? [10, 262_144, 6] : [10, 262_144];
      let offset = channel.written;
      const chunks = sizes.map((size) => patternBytes((offset += size) - size, size));
      if (!channel.write(chunks)) await channel.untilDrained();
    }
    const state = await peer.untilReceived(channel.written);
    assertEquals([state.received, state.intact], [channel.written, true]);
    assert(channel.drains > 0);
  });
}

/**
 * Declares the tests.
 *
 * @param transport What the channels run over.
 * @param withSource Calls `run`, and checks afterwards that all channels kept their promises.
 */
export function testChannels(
  transport: Transport,
  withSource: (run: (source: ChannelSource) => Promise<void>) => Promise<void>,
): void {
  const test = (name: string, run: (source: ChannelSource) => Promise<void>) =>
    it(name, () => withSource(run));

  testWrites(withSource);

  test("carries bytes both ways", async (source) => {
    const { channel, peer } = await source.connect();
    await peer.write(300_000);
    await channel.untilReceived(300_000);
    await channel.send(500_000);
    assertEquals((await peer.untilReceived(500_000)).intact, true);
    assertEquals(channel.received, 300_000);
  });

  test("writes chunks in their order", async (source) => {
    const { channel, peer } = await source.connect();
    const sizes = [[1], [10, 0, 1], [0], [14, 70_000], [65_535, 1, 1], [65_536, 65_537, 3], [
      200_000,
      5,
      200_000,
    ]];
    sizes.push(Array.from({ length: 1000 }, (_, i) => i % 300));
    sizes.push(Array.from({ length: 50 }, (_, i) => i * 1000));
    for (const write of sizes) {
      let offset = channel.written;
      const chunks = write.map((size) => {
        offset += size;
        return patternBytes(offset - size, size);
      });
      if (!channel.write(chunks)) await channel.untilDrained();
    }
    const state = await peer.untilReceived(channel.written);
    assertEquals([state.received, state.intact], [channel.written, true]);
  });

  test("keeps apart what several channels could not yet write", async (source) => {
    const pairs = [];
    for (let i = 0; i < 3; i++) {
      const { channel, peer } = await source.connect({ paused: true });
      // So that no two are at the same place of the pattern.
      await channel.send(1 + i * 1000);
      for (let ready = true; ready;) {
        ready = channel.write(Array.from({ length: 10 }, (_, k) => {
          return patternBytes(channel.written + k * 6000, 6000);
        }));
      }
      pairs.push({ channel, peer });
    }
    for (const { channel, peer } of pairs) {
      await peer.resume();
      const state = await peer.untilReceived(channel.written);
      assertEquals([state.received, state.intact], [channel.written, true]);
    }
  });

  test("tells the writer to wait for a peer that reads slowly", async (source) => {
    const { channel, peer } = await source.connect({ paused: true });
    await peer.readSlowly();
    let most = 0;
    for (let sent = 0; sent < muchSize; sent += MiB) {
      await channel.send(MiB, 256 * 1024);
      if (sent % (4 * MiB) !== 0) continue;
      most = Math.max(most, channel.written - (await peer.now()).received);
    }
    const state = await peer.untilReceived(muchSize);
    assertEquals([state.received, state.intact], [muchSize, true]);
    assert(most < underwaySize, `${most} bytes were under way`);
    assert(channel.drains > 0);
  });

  test("stops a peer while paused, and does not hold what it sends", async (source) => {
    const { channel, peer } = await source.connect();
    const other = await source.connect();
    await peer.write(1000);
    await channel.untilReceived(1000);
    channel.pause();
    const before = process.memoryUsage().rss;
    const written = peer.write(muchSize);
    // As long as this takes the peer has to send.
    for (let i = 1; i <= 200; i++) {
      await other.peer.write(1000);
      await other.channel.untilReceived(i * 1000);
    }
    const { sent } = await peer.now();
    const grown = process.memoryUsage().rss - before;
    assert(sent < underwaySize, `${sent} bytes were sent`);
    assert(grown < underwaySize, `the process grew by ${grown} bytes`);
    channel.resume();
    await channel.untilReceived(1000 + muchSize);
    await written;
    assertEquals([channel.received, channel.intact], [1000 + muchSize, true]);
  });

  test("stops a peer that sends more than is read", async (source) => {
    const { channel, peer } = await source.connect();
    // Reads, rests for some turns of the loop, and reads on.
    channel.onEvent = (event) => {
      if (event !== "receive") return;
      channel.pause();
      turn().then(() => channel.closed || channel.resume());
    };
    const written = peer.write(muchSize);
    let most = 0;
    for (let size = 0; size < muchSize; size += 2 * MiB) {
      await channel.untilReceived(size);
      most = Math.max(most, (await peer.now()).sent - channel.received);
    }
    await channel.untilReceived(muchSize);
    await written;
    assertEquals(channel.intact, true);
    assert(most < underwaySize, `${most} bytes were under way`);
  });

  test("delivers nothing while paused, and all of it afterwards", async (source) => {
    const { channel, peer } = await source.connect();
    const other = await source.connect();
    channel.pause();
    channel.pause();
    await peer.write(100_000);
    await peer.end();
    // Another connection's round trip later, it would have been here.
    await other.peer.write(1000);
    await other.channel.untilReceived(1000);
    await turn();
    // New ones must not be given what is held to read into.
    for (let i = 0; i < 3; i++) {
      const late = await source.connect();
      await late.peer.write(10_000);
      await late.channel.untilReceived(10_000);
    }
    assertEquals([channel.received, channel.ended], [0, false]);
    channel.resume();
    channel.resume();
    await channel.untilEnded();
    assertEquals([channel.received, channel.ended], [100_000, true]);
  });

  test("holds the end while paused", async (source) => {
    const { channel, peer } = await source.connect();
    const other = await source.connect();
    channel.pause();
    await peer.end();
    await other.peer.write(1000);
    await other.channel.untilReceived(1000);
    channel.resume();
    channel.pause();
    await turn();
    assertEquals(channel.ended, false);
    channel.resume();
    await channel.untilEnded();
    channel.end();
    await channel.untilClosed();
    channel.assertClosedInOrder();
  });

  test("can be paused and resumed within an event", async (source) => {
    const { channel, peer } = await source.connect();
    channel.onEvent = () => {
      channel.pause();
      channel.resume();
    };
    await peer.write(MiB);
    await peer.end();
    await channel.untilEnded();
    assertEquals(channel.received, MiB);
  });

  test("is closed in order where the peer ends first", async (source) => {
    const { channel, peer } = await source.connect();
    await peer.write(1000);
    await peer.end();
    await channel.untilEnded();
    assertEquals(channel.received, 1000);
    await channel.send(200_000);
    const state = await peer.untilReceived(200_000);
    assertEquals([state.intact, state.ended, channel.closed], [true, false, false]);
    channel.end();
    await channel.untilClosed();
    channel.assertClosedInOrder();
    const { error, ended } = await peer.untilClosed();
    assertEquals([error, ended], [undefined, true]);
  });

  test("is closed in order where it ends first", async (source) => {
    const { channel, peer } = await source.connect();
    await channel.send(1000);
    channel.end();
    const state = await peer.untilEnded();
    assertEquals([state.received, state.closed], [1000, false]);
    await peer.write(200_000);
    await channel.untilReceived(200_000);
    assertEquals([channel.ended, channel.closed], [false, false]);
    await peer.end();
    await channel.untilClosed();
    assertEquals(channel.ended, true);
    channel.assertClosedInOrder();
    assertEquals((await peer.untilClosed()).error, undefined);
  });

  test("is closed in order where both end at once", async (source) => {
    for (let i = 0; i < 20; i++) {
      const { channel, peer } = await source.connect();
      const ended = peer.end();
      channel.end();
      await ended;
      await channel.untilClosed();
      assertEquals(channel.ended, true);
      channel.assertClosedInOrder();
      assertEquals((await peer.untilClosed()).error, undefined);
    }
  });

  test("ends only after what was written", async (source) => {
    const { channel, peer } = await source.connect({ paused: true });
    channel.write([patternBytes(0, 8 * MiB)]);
    channel.end();
    await turn();
    await peer.resume();
    const state = await peer.untilEnded();
    assertEquals([state.received, state.intact, state.error], [8 * MiB, true, undefined]);
    await peer.end();
    await channel.untilClosed();
    channel.assertClosedInOrder();
  });

  test("ends only after what was written, within its events", async (source) => {
    const { channel, peer } = await source.connect({ paused: true });
    channel.onEvent = (event) => {
      if (event === "receiveEnd") channel.write([patternBytes(0, 8 * MiB)]);
      if (event === "receiveEnd" || event === "drain") channel.end();
      channel.onEvent = () => {};
    };
    await peer.end();
    await peer.resume();
    const state = await peer.untilClosed();
    assertEquals([state.received, state.intact, state.error], [8 * MiB, true, undefined]);
    await channel.untilClosed();
    channel.assertClosedInOrder();
  });

  test("drops everything when it is aborted", async (source) => {
    const { channel, peer } = await source.connect({ paused: true });
    channel.write([patternBytes(0, 16 * MiB)]);
    channel.abort();
    channel.abort();
    assertEquals(channel.closed, false);
    await channel.untilClosed();
    channel.assertClosedInOrder();
    await peer.resume();
    const state = await peer.untilEnded();
    assert(state.received < 16 * MiB);
  });

  for (const event of ["receive", "receiveEnd", "drain"] as const) {
    test(`can be aborted within ${event}`, async (source) => {
      const { channel, peer } = await source.connect();
      channel.onEvent = (now) => {
        if (now === event) channel.abort();
      };
      if (event === "drain") await channel.send(32 * MiB, 4 * MiB);
      await peer.write(200_000);
      await peer.end();
      await channel.untilClosed();
      channel.assertClosedInOrder();
      await peer.untilEnded();
    });
  }

  test("can be aborted while paused, with bytes and the end to come", async (source) => {
    const { channel, peer } = await source.connect();
    channel.pause();
    await peer.write(1000);
    await peer.end();
    await turn();
    channel.resume();
    channel.abort();
    await channel.untilClosed();
    assertEquals([channel.received, channel.ended], [0, false]);
  });

  test("bears calls after it was aborted", async (source) => {
    const { channel } = await source.connect();
    channel.abort();
    channel.pause();
    channel.resume();
    channel.write([patternBytes(0, 100), patternBytes(100, 100)]);
    channel.end();
    await channel.untilClosed();
    channel.resume();
    channel.pause();
    channel.abort();
    channel.end();
    channel.write([patternBytes(200, 100)]);
    await turn();
    channel.assertClosedInOrder();
  });

  test("ends for a peer that closes while much is to be written", async (source) => {
    const { channel, peer } = await source.connect({ paused: true });
    assertEquals(channel.write([patternBytes(0, 16 * MiB)]), false);
    await peer.destroy();
    await channel.untilClosed();
    assert(channel.error instanceof Error);
  });

  if (transport === "unix") return;

  test("tells of a reset", async (source) => {
    const { channel, peer } = await source.connect();
    await peer.write(1000);
    await channel.untilReceived(1000);
    await peer.reset();
    await channel.untilGone();
  });

  test("tells of a reset while it writes", async (source) => {
    const { channel, peer } = await source.connect({ paused: true });
    assertEquals(channel.write([patternBytes(0, 16 * MiB), patternBytes(0, 1)]), false);
    channel.end();
    await peer.reset();
    await channel.untilClosed();
    assert(channel.error instanceof Error);
  });

  test("tells of a reset that a write is the first to notice", async (source) => {
    const { channel, peer } = await source.connect();
    let isPaused = false;
    channel.onEvent = (event) => {
      if (event !== "receive") return;
      isPaused = true;
      // Meanwhile the reset comes.
      const endsAt = performance.now() + 100;
      while (performance.now() < endsAt);
      channel.pause();
      channel.write([patternBytes(0, 1000)]);
    };
    await Promise.all([peer.write(10), peer.reset()]);
    await channel.until(() => isPaused || channel.closed);
    // Where it comes later, nothing is read that would tell: it is a later write that notices. Over
    // TLS, Node 22 sometimes tells only when it is read again.
    if (transport === "tls") channel.resume();
    while (!channel.closed) {
      await Promise.race([channel.untilDrained(), channel.untilEnded()]);
      if (transport === "tls" && channel.ended && !channel.closed) {
        // Node 26 sometimes shows the reset as an end, and then never says what became of the write: a
        // server drops such a connection when its time to close is over.
        channel.abort();
        return;
      }
      await setTimeout(20);
      if (!channel.closed) await channel.send(10);
    }
    assert(channel.error instanceof Error);
  });

  test("tells of a reset after it ended", async (source) => {
    const { channel, peer } = await source.connect();
    channel.end();
    await peer.untilEnded();
    await peer.reset();
    await channel.untilClosed();
    assert(channel.error instanceof Error);
  });

  test("tells of a reset after the peer ended", async (source) => {
    const { channel, peer } = await source.connect({ paused: true });
    await peer.end();
    await channel.untilEnded();
    assertEquals(channel.write([patternBytes(0, 16 * MiB)]), false);
    await peer.reset();
    await channel.untilClosed();
    assert(channel.error instanceof Error);
  });

  test("can be aborted after a reset while paused", async (source) => {
    const { channel, peer } = await source.connect();
    const other = await source.connect();
    channel.pause();
    await peer.write(1000);
    await peer.reset();
    await other.peer.write(1000);
    await other.channel.untilReceived(1000);
    if (!channel.closed) channel.abort();
    await channel.untilClosed();
  });
}
