// @engines: all of it happens in memory.

import { it } from "node:test";
import process from "node:process";
import { assert, assertEquals } from "@std/assert";
import type {
  Address,
  ByteChannel,
  ByteChannelHandler,
  ByteListener,
} from "../../src/transport/byte_channel.ts";
import { WebSocketServer } from "../../src/server/server.ts";
import { FakeClock } from "../../src/testing/fake_clock.ts";
import { collect } from "../support/collect_garbage.ts";
import { upgradeRequest } from "../support/requests.ts";
import { settle } from "../support/turn.ts";

const COUNT = 10_000;
const SIZE = 60_000;
const ADDRESS: Address = { transport: "tcp", hostname: "192.0.2.2", port: 80 };
const request = new TextEncoder().encode(upgradeRequest());

/** A channel that takes the opening handshake, and keeps what is written after it. */
class StalledChannel implements ByteChannel {
  handler!: ByteChannelHandler;
  readonly remoteAddress = ADDRESS;
  readonly localAddress = ADDRESS;
  isStalled = false;
  kept: readonly Uint8Array[] = [];

  write(chunks: readonly Uint8Array[]): boolean {
    if (this.isStalled) this.kept = chunks;
    return !this.isStalled;
  }

  pause(): void {}

  resume(): void {}

  end(): void {}

  abort(): void {
    queueMicrotask(() => this.handler.receiveClosed());
  }
}

/** The bytes in use, whatever the runtime counts them as. */
function usedMemory(): number {
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

it(`what is published to ${COUNT} peers that read nothing is in memory once`, async () => {
  let onChannel!: (channel: ByteChannel) => void;
  const listener: ByteListener = {
    addr: ADDRESS,
    ref() {},
    unref() {},
    close: () => Promise.resolve(),
  };
  const server = await WebSocketServer.listen(
    (_target, _tls, accept) => {
      onChannel = accept;
      return Promise.resolve(listener);
    },
    { open: (conn) => void conn.subscribe("x") },
    undefined,
    new FakeClock(),
  );
  const channels = Array.from({ length: COUNT }, () => new StalledChannel());
  for (const channel of channels) {
    onChannel(channel);
    channel.handler.receive(request.slice(), false);
  }
  while (server.subscriberCount("x") < COUNT) await settle();
  for (const channel of channels) channel.isStalled = true;
  const before = usedMemory();
  server.publish("x", new Uint8Array(SIZE).fill(7));
  await settle();
  const grown = usedMemory() - before;

  const [{ kept: [...chunks] }] = channels;
  assertEquals(chunks.reduce((sum, { length }) => sum + length, 0), 4 + SIZE);
  for (const { kept } of channels) {
    assert(kept.length === chunks.length && kept.every((chunk, i) => chunk === chunks[i]));
  }
  // One frame, and less than 500 bytes for each that waits for it; a copy each would be 600 MB.
  assert(grown < SIZE + COUNT * 500, `${grown} bytes`);
  for (const conn of server.connections) conn.abort();
  await server.shutdown();
});
