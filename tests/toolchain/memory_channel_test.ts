// @engines: all of it happens in memory.

import { describe, it } from "node:test";
import { assertEquals, assertThrows } from "@std/assert";
import type { ByteChannelHandler } from "../../src/transport/byte_channel.ts";
import { MemoryChannel } from "../support/memory_channel.ts";
import type { RawSocketHandler } from "../support/raw_socket.ts";
import { settle } from "../support/turn.ts";

/** A channel whose events, on both ends, are noted in their order. */
function createChannel(): { channel: MemoryChannel; events: string[] } {
  const channel = new MemoryChannel();
  const events: string[] = [];
  const note = (end: string): ByteChannelHandler & RawSocketHandler => ({
    receive: (bytes: Uint8Array) => void events.push(`${end} receives ${bytes.join()}`),
    receiveEnd: () => void events.push(`${end} receives the end`),
    drain: () => void events.push(`${end} drains`),
    receiveClosed: (error) => void events.push(`${end} is closed${error ? " by an error" : ""}`),
  });
  channel.handler = note("server");
  channel.socket.handler = note("client");
  return { channel, events };
}

const bytes = (...values: number[]) => Uint8Array.from(values);

describe("a channel in memory", () => {
  it("carries bytes both ways, and ends in order", async () => {
    const { channel, events } = createChannel();
    channel.socket.send(bytes(1, 2));
    assertEquals(channel.write([bytes(3), bytes(4)]), true);
    channel.end();
    channel.socket.end();
    await settle();
    assertEquals(events, [
      "server receives 1,2",
      "client receives 3",
      "client receives 4",
      "client receives the end",
      "server receives the end",
      "server is closed",
      "client is closed",
    ]);
    assertEquals(channel.violations, []);
  });

  it("holds what comes while it is paused, and delivers after resume()", async () => {
    const { channel, events } = createChannel();
    channel.pause();
    channel.socket.send(bytes(1, 2));
    channel.socket.end();
    assertEquals([events, channel.incomingSize], [[], 2]);
    channel.resume();
    assertEquals(events, []);
    await settle();
    assertEquals(events, ["server receives 1,2", "server receives the end"]);
  });

  it("delivers no more once it is paused within receive()", async () => {
    const { channel, events } = createChannel();
    channel.pause();
    channel.socket.send(bytes(1));
    channel.socket.send(bytes(2));
    const { handler } = channel;
    channel.handler = {
      ...handler,
      receive: (each, lent) => (handler.receive(each, lent), channel.pause()),
    };
    channel.resume();
    await settle();
    assertEquals([events, channel.incomingSize], [["server receives 1"], 1]);
  });

  it("lends bytes that are overwritten afterwards, and gives others away, by turns", () => {
    const { channel } = createChannel();
    const kept: [Uint8Array, boolean][] = [];
    const sent = bytes(1, 2);
    const receive = (given: Uint8Array, lent: boolean) => void kept.push([given, lent]);
    channel.handler = { ...channel.handler, receive };
    channel.socket.send(sent);
    channel.socket.send(sent);
    assertEquals(sent, bytes(1, 2));
    assertEquals(kept, [[bytes(0xa5, 0xa5), true], [bytes(1, 2), false]]);
  });

  it("has the writer wait for a client that does not read, and takes what it is told", () => {
    const { channel, events } = createChannel();
    channel.socket.pause();
    const chunk = bytes(1, 2, 3);
    assertEquals(channel.write([chunk]), false);
    channel.socket.take(1);
    assertEquals([channel.outgoingSize, channel.isBlocked], [2, true]);
    // It is the writer's own until it is taken.
    chunk[2] = 9;
    channel.end();
    channel.socket.take(2);
    assertEquals(events, [
      "client receives 1",
      "client receives 2,9",
      "server drains",
      "client receives the end",
    ]);
    assertEquals([channel.outgoingSize, channel.writes], [0, [3]]);
  });

  it("takes slowly: short writes", async () => {
    const { channel, events } = createChannel();
    channel.socket.takeSlowly(2);
    assertEquals(channel.write([bytes(1, 2, 3)]), false);
    assertEquals(events, ["client receives 1,2"]);
    await settle();
    assertEquals(events.slice(1), ["client receives 3", "server drains"]);
    assertEquals(channel.write([bytes(4, 5)]), true);
  });

  it("can be reset by the client, also while it is paused", () => {
    const { channel, events } = createChannel();
    channel.socket.pause();
    channel.write([bytes(1)]);
    channel.pause();
    channel.socket.send(bytes(2));
    channel.socket.reset();
    assertEquals(events, ["server is closed by an error"]);
    assertEquals([channel.outgoingSize, channel.incomingSize], [0, 0]);
  });

  it("can be aborted by the server, and bears calls afterwards", async () => {
    const { channel, events } = createChannel();
    channel.socket.pause();
    channel.write([bytes(1)]);
    channel.abort();
    assertEquals(events, ["client is closed by an error"]);
    channel.write([bytes(2)]);
    channel.end();
    channel.resume();
    channel.abort();
    channel.socket.send(bytes(3));
    await settle();
    assertEquals(events, ["client is closed by an error", "server is closed"]);
    assertEquals(channel.violations, []);
  });

  const MISUSES: [what: string, misuse: (channel: MemoryChannel) => void][] = [
    ["write() between false and drain()", (channel) => {
      channel.socket.pause();
      channel.write([bytes(1)]);
      channel.write([bytes(2)]);
    }],
    ["write() after end()", (channel) => {
      channel.end();
      channel.write([bytes(1)]);
    }],
    ["write() of no chunks", (channel) => void channel.write([])],
    ["write() of no bytes", (channel) => void channel.write(["text" as never])],
    ["end() twice", (channel) => {
      channel.end();
      channel.end();
    }],
  ];
  for (const [what, misuse] of MISUSES) {
    it(`notes, and throws for, ${what}`, () => {
      const { channel } = createChannel();
      assertThrows(() => misuse(channel), Error, what);
      assertEquals(channel.violations, [what]);
    });
  }
});
