import { assert, assertEquals } from "@std/assert";
import { describe, it } from "node:test";
import { tlsHandshakeTimeoutMs } from "../../src/runtimes/shared/tls_handshakes.ts";
import { skipUnless } from "../support/skip.ts";
import { canCount, countSettledSockets, untilSockets } from "./descriptors.ts";
import { HeldTimers } from "./held_timers.ts";
import { usePeers } from "./peer.ts";
import { type Server, withServer } from "./server.ts";

describe("a TLS handshake", () => {
  const peers = usePeers();

  const test = (name: string, run: (server: Server, timers: HeldTimers) => Promise<void>) =>
    it(name, () =>
      withServer("tls", peers, async (server) => {
        const timers = new HeldTimers(tlsHandshakeTimeoutMs);
        try {
          await run(server, timers);
          // Whatever happened, the next peer is served, and it alone.
          const { channel, peer } = await server.connect();
          await peer.write(10);
          await channel.untilReceived(10);
          assertEquals(server.accepted.length, 1);
          assertEquals(timers.count, 0);
        } finally {
          timers.restore();
        }
      }));

  for (
    const [name, text] of [
      ["a plain HTTP request", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"],
      ["bytes that are no record", "x".repeat(1000)],
      ["a record that is no hello", "\x16\x03\x01\x00\x04abcd"],
    ]
  ) {
    test(`fails with ${name}, and the connection is closed`, async (server) => {
      const peer = await server.connectPeer();
      await peer.writeText(text);
      await peer.untilEnded();
      await peer.end();
      await peer.untilClosed();
    });
  }

  test("that is not done in time closes the connection", async (server, timers) => {
    const silent = await server.connectPeer();
    const slow = await server.connectPeer();
    await slow.writeText("\x16\x03\x01\x00");
    await timers.untilSet(2);
    await slow.writeText("\x05");
    assertEquals([(await silent.now()).ended, (await slow.now()).ended], [false, false]);
    timers.expire();
    await silent.untilEnded();
    await slow.untilEnded();
  });

  test("that the peer ends is forgotten", async (server, timers) => {
    for (const text of ["", "\x16\x03\x01\x00"]) {
      const peer = await server.connectPeer();
      if (text !== "") await peer.writeText(text);
      await timers.untilSet(1);
      await peer.end();
      await timers.untilCleared();
      await peer.untilClosed();
    }
  });

  test("that the peer resets is forgotten", async (server, timers) => {
    for (const text of ["", "\x16\x03\x01\x00"]) {
      const peer = await server.connectPeer();
      if (text !== "") await peer.writeText(text);
      await timers.untilSet(1);
      await peer.reset();
      await timers.untilCleared();
    }
  });

  it(
    "that is not done keeps no descriptor past its time",
    { skip: skipUnless(canCount, "needs /proc to count descriptors: Linux") },
    () =>
      withServer("tls", peers, async (server) => {
        const timers = new HeldTimers(tlsHandshakeTimeoutMs);
        try {
          const { channel } = await server.connect();
          channel.abort();
          await channel.untilClosed();
          const before = await countSettledSockets();
          for (let i = 0; i < 20; i++) await server.connectPeer();
          await timers.untilSet(20);
          timers.expire();
          // The peers have not closed theirs.
          await untilSockets(before);
        } finally {
          timers.restore();
        }
      }),
  );

  it("under way when the listener is closed is dropped", () =>
    withServer("tls", peers, async (server) => {
      const timers = new HeldTimers(tlsHandshakeTimeoutMs);
      try {
        const peer = await server.connectPeer();
        await timers.untilSet(1);
        await server.listener.close();
        await peer.untilEnded();
        assertEquals(timers.count, 0);
        assertEquals(server.accepted.length, 0);
      } finally {
        timers.restore();
      }
    }));

  it("that took place does not make up for bytes that are no record", () =>
    withServer("tls", peers, async (server) => {
      const { channel, peer } = await server.connect();
      await peer.write(1000);
      await channel.untilReceived(1000);
      await peer.writeRawText("x".repeat(100));
      await channel.untilClosed();
      assert(channel.error instanceof Error);
      assertEquals([channel.received, channel.ended], [1000, false]);
    }));

  it("that took place is ended also without the peer's close_notify", () =>
    withServer("tls", peers, async (server) => {
      const { channel, peer } = await server.connect();
      await peer.write(1000);
      await channel.untilReceived(1000);
      await peer.endRaw();
      await channel.untilEnded();
      assertEquals([channel.ended, channel.closed], [true, false]);
      channel.end();
      await channel.untilClosed();
    }));
});
