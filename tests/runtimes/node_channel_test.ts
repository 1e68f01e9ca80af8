import { assert, assertEquals } from "@std/assert";
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import { describe, it } from "node:test";
import { NodeChannel } from "../../src/runtimes/node/channel.ts";
import { patternBytes } from "./pattern.ts";
import { Recorder } from "./recorder.ts";

// The tests of channels run it over sockets. This is what sockets rarely do.
describe("NodeChannel", () => {
  function open() {
    const taken: (() => void)[] = [];
    let atOnce = 0;
    const socket = new Duplex({
      read() {},
      write(_bytes, _encoding, onTaken) {
        if (atOnce-- > 0) onTaken();
        else taken.push(onTaken);
      },
    });
    const address = { transport: "unix", path: "" } as const;
    const channel = new Recorder(new NodeChannel(socket as Socket, false, address, address));
    return { channel, socket, taken, takeAtOnce: (writes: number) => void (atOnce = writes) };
  }

  it("is closed with an error where the socket closes without one, before its time", async () => {
    const { channel, socket } = open();
    socket.destroy();
    await channel.untilClosed();
    assert(channel.error instanceof Error);
    assertEquals(
      channel.error.message,
      "The connection was lost: it closed before both directions had ended",
    );
  });

  it("waits until the socket has taken the last chunk", async () => {
    const { channel, taken } = open();
    assertEquals(channel.write([patternBytes(0, 1), patternBytes(1, 1)]), false);
    taken.shift()!();
    assertEquals([channel.drains, taken.length], [0, 1]);
    taken.shift()!();
    await channel.untilDrained();
    assertEquals(channel.drains, 1);
    channel.assertKept();
  });

  it("does not take what earlier writes are called back with for the drain of a later one", async () => {
    const { channel, taken, takeAtOnce } = open();
    takeAtOnce(2);
    assertEquals(channel.write([patternBytes(0, 1)]), true);
    assertEquals(channel.write([patternBytes(1, 1), patternBytes(2, 1)]), false);
    await new Promise((resolve) => setImmediate(resolve));
    assertEquals([channel.drains, taken.length], [0, 1]);
    taken.shift()!();
    await channel.untilDrained();
    assertEquals(channel.drains, 1);
    channel.assertKept();
  });

  it("tells of no drain where the write failed", async () => {
    const { channel, socket } = open();
    channel.write([patternBytes(0, 1)]);
    const failure = new Error("the write failed");
    socket.destroy(failure);
    await channel.untilClosed();
    assertEquals([channel.drains, channel.error], [0, failure]);
    channel.assertKept();
  });

  it("leaves the socket alone once it has given it away", async () => {
    const { channel, socket } = open();
    (channel.channel as NodeChannel).release();
    socket.push(patternBytes(0, 1));
    channel.abort();
    await channel.untilClosed();
    assertEquals([socket.destroyed, channel.received], [false, 0]);
  });
});
