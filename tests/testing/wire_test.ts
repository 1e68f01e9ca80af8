// @engines: all of it happens in memory.

import { describe, it } from "node:test";
import { assert, assertEquals, assertThrows } from "@std/assert";
import type { ByteChannelHandler } from "../../src/transport/byte_channel.ts";
import { FakeClock } from "../../src/testing/fake_clock.ts";
import { randomSizes } from "../../src/testing/link.ts";
import { type MemoryEnd, MemoryLink } from "../../src/testing/memory_link.ts";
import { settle } from "../support/turn.ts";

const ADDRESS = { transport: "stream" } as const;

/** Notes what happens at one end. */
class Recorder implements ByteChannelHandler {
  readonly events: string[] = [];
  readonly sizes: number[] = [];
  readonly bytes: number[] = [];

  constructor(end: MemoryEnd) {
    end.handler = this;
  }

  receive(bytes: Uint8Array): void {
    this.sizes.push(bytes.length);
    this.bytes.push(...bytes);
  }

  receiveEnd(): void {
    this.events.push("end");
  }

  drain(): void {
    this.events.push("drain");
  }

  receiveClosed(error?: unknown): void {
    this.events.push(error instanceof Error ? `closed: ${error.message}` : "closed");
  }
}

const RESET = "closed: The connection was reset";

function createLink() {
  const clock = new FakeClock();
  const link = new MemoryLink(clock, ADDRESS, ADDRESS);
  const [client, server] = [new Recorder(link.client), new Recorder(link.server)];
  return { clock, link, wire: link.toServer, client, server };
}

function sequence(size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, index) => index % 251);
}

describe("a wire in memory", () => {
  it("carries bytes in order, on a later turn", async () => {
    const { link, wire, server } = createLink();
    const bytes = Uint8Array.of(1, 2);
    assertEquals(link.client.write([bytes, Uint8Array.of(3)]), true);
    // The writer uses its memory again.
    bytes.fill(9);
    assertEquals([server.bytes, wire.underWay, wire.arrived], [[], 3, 0]);
    await settle();
    assertEquals([server.bytes, wire.underWay, wire.arrived], [[1, 2, 3], 0, 3]);
  });

  it("carries both directions", async () => {
    const { link, client, server } = createLink();
    link.server.write([Uint8Array.of(1)]);
    link.client.write([Uint8Array.of(2)]);
    await settle();
    assertEquals([client.bytes, server.bytes], [[1], [2]]);
  });

  for (const size of [1, 2, 7, 1000]) {
    it(`cuts into pieces of ${size} bytes`, async () => {
      const { link, wire, server } = createLink();
      wire.pieceSize = size;
      link.client.write([sequence(300), sequence(5)]);
      await settle();
      assertEquals(server.bytes, [...sequence(300), ...sequence(5)]);
      const pieces = (length: number) => Math.ceil(length / size);
      assertEquals(server.sizes.length, pieces(300) + pieces(5));
    });
  }

  it("cuts by a function", async () => {
    const { link, wire, server } = createLink();
    wire.pieceSize = randomSizes(7, 64);
    link.client.write([sequence(5000)]);
    await settle();
    assertEquals(server.bytes, [...sequence(5000)]);
    assert(new Set(server.sizes).size > 10);
  });

  it("lets the writer wait past its capacity, until there is room", async () => {
    const { link, wire, client, server } = createLink();
    wire.capacity = 4;
    link.server.pause();
    assertEquals(link.client.write([sequence(4)]), true);
    assertEquals(link.client.write([sequence(1)]), false);
    await settle();
    assertEquals([client.events, wire.underWay], [[], 5]);
    link.server.resume();
    assertEquals(server.sizes, []);
    await settle();
    assertEquals([client.events, server.sizes], [["drain"], [4, 1]]);
  });

  it("delivers nothing to a reader that paused within a delivery", async () => {
    const { link, wire, server } = createLink();
    wire.pieceSize = 1;
    server.receive = (bytes) => {
      server.bytes.push(...bytes);
      link.server.pause();
    };
    link.client.write([sequence(3)]);
    link.client.end();
    for (const count of [1, 2, 3]) {
      await settle();
      assertEquals([server.bytes.length, server.events], [count, []]);
      link.server.resume();
    }
    await settle();
    assertEquals(server.events, ["end"]);
  });

  it("takes its time, by the clock, and keeps the order", async () => {
    const { clock, link, wire, server } = createLink();
    wire.delayMs = 50;
    link.client.write([Uint8Array.of(1)]);
    await clock.advance(20);
    wire.delayMs = 0;
    link.client.write([Uint8Array.of(2)]);
    link.client.end();
    await clock.advance(29);
    assertEquals([server.bytes, server.events], [[], []]);
    await clock.advance(1);
    assertEquals([server.bytes, server.events], [[1, 2], ["end"]]);
    assertEquals(clock.pending, []);
  });

  it("lets nothing through while it stalls", async () => {
    const { link, wire, client, server } = createLink();
    wire.stall();
    link.client.write([Uint8Array.of(1)]);
    await settle();
    assertEquals(server.bytes, []);
    link.client.abort();
    await settle();
    assertEquals([client.events, server.events], [["closed"], []]);
    wire.flow();
    await settle();
    assertEquals([server.bytes, server.events], [[], [RESET]]);
  });

  it("closes both ends when both directions have ended", async () => {
    const { link, client, server } = createLink();
    link.client.write([sequence(3)]);
    link.client.end();
    await settle();
    assertEquals([client.events, server.events], [[], ["end"]]);
    link.server.write([sequence(2)]);
    link.server.end();
    await settle();
    assertEquals([client.events, server.events], [["end", "closed"], ["end", "closed"]]);
    assertEquals([client.bytes.length, server.bytes.length], [2, 3]);
  });

  it("closes an end only when there is room for all it wrote", async () => {
    const { link, wire, client } = createLink();
    wire.capacity = 4;
    wire.stall();
    link.client.write([sequence(5)]);
    link.client.end();
    link.server.end();
    await settle();
    assertEquals(client.events, ["end"]);
    wire.flow();
    await settle();
    assertEquals(client.events, ["end", "drain", "closed"]);
  });

  it("tells the other end of one that is dropped, also behind its end", async () => {
    for (const ends of [false, true]) {
      const { clock, link, client, server } = createLink();
      link.client.write([sequence(3)]);
      if (ends) link.client.end();
      await settle();
      link.toClient.delayMs = 10;
      link.server.write([sequence(3)]);
      link.client.abort();
      await settle();
      assertEquals(client.events, ["closed"]);
      assertEquals(server.events, ends ? ["end", RESET] : [RESET]);
      assertEquals([client.bytes, clock.pending], [[], []]);
    }
  });

  it("tells a paused reader of a reset, and of an end only when it reads", async () => {
    const { link, wire, server } = createLink();
    link.server.pause();
    wire.endAfter();
    await settle();
    assertEquals(server.events, []);
    link.reset();
    await settle();
    assertEquals(server.events, [RESET]);
  });

  it("ends behind any byte, and loses what follows", async () => {
    for (let size = 0; size <= 6; size++) {
      const { link, wire, client, server } = createLink();
      wire.endAfter(size);
      wire.pieceSize = 4;
      wire.capacity = 0;
      assertEquals(link.client.write([sequence(3)]), false);
      await settle();
      assertEquals(link.client.write([sequence(3)]), size <= 3);
      await settle();
      assertEquals([server.bytes.length, server.events], [size, ["end"]]);
      assertEquals(client.events.filter((event) => event !== "drain"), []);
      link.server.end();
      link.client.end();
      await settle();
      assertEquals([server.events, client.events.slice(-2)], [["end", "closed"], [
        "end",
        "closed",
      ]]);
    }
  });

  it("loses the connection behind any byte", async () => {
    for (let size = 0; size <= 6; size++) {
      const { clock, link, wire, client, server } = createLink();
      wire.resetAfter(size);
      link.toClient.delayMs = 5;
      link.client.write([sequence(3), sequence(3)]);
      link.server.write([sequence(1)]);
      await settle();
      assertEquals([server.bytes.length, server.events, client.events], [size, [RESET], [RESET]]);
      assertEquals([client.bytes, clock.pending], [[], []]);
      // What is done to a channel that is gone does nothing.
      link.client.write([sequence(1)]);
      link.client.end();
      link.server.abort();
      await settle();
      assertEquals([server.events, client.events], [[RESET], [RESET]]);
    }
  });

  it("refuses what makes no sense", () => {
    const { wire } = createLink();
    for (const size of [0, -1, 1.5, NaN]) {
      assertThrows(() => wire.pieceSize = size, RangeError, "pieceSize");
    }
    for (const ms of [-1, NaN, 2 ** 31]) {
      assertThrows(() => wire.delayMs = ms, RangeError, "delayMs");
    }
    assertThrows(() => wire.delayMs = Infinity, RangeError, "stall()");
    assertThrows(() => wire.capacity = -1, RangeError, "capacity");
    assertThrows(() => wire.endAfter(-1), RangeError, "size");
    assertThrows(() => wire.resetAfter(NaN), RangeError, "size");
    wire.pieceSize = wire.capacity = Infinity;
    wire.delayMs = 0;
  });
});

describe("randomSizes()", () => {
  const take = (next: () => number, count: number) => Array.from({ length: count }, next);

  it("gives the same for the same seed, and else another", () => {
    assertEquals(take(randomSizes(1), 50), take(randomSizes(1), 50));
    assert(take(randomSizes(1), 50).join() !== take(randomSizes(2), 50).join());
  });

  it("gives every size up to the largest, and as many small ones as large ones", () => {
    assertEquals([...new Set(take(randomSizes(3, 4), 200))].sort(), [1, 2, 3, 4]);
    assertEquals(new Set(take(randomSizes(3, 1), 20)), new Set([1]));
    const sizes = take(randomSizes(4, 10_000), 1000);
    assert(sizes.every((size) => Number.isInteger(size) && size >= 1 && size <= 10_000));
    const small = sizes.filter((size) => size < 100).length;
    assert(small > 400 && small < 600, `${small} of 1000 are small`);
  });
});
