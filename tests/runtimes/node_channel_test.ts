import { assert, assertEquals } from "@std/assert";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { Duplex } from "node:stream";
import { describe, it } from "node:test";
import { skipUnless } from "../support/skip.ts";
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

  it("gets what arrives also if the socket can't share its input", async () => {
    const { channel, socket } = open();
    (channel.channel as NodeChannel).shareInput();
    socket.push(patternBytes(0, 100_000));
    await channel.untilReceived(100_000);
    assert(channel.intact);
  });

  const isNode = !("Bun" in globalThis || "Deno" in globalThis);
  const skip = skipUnless(isNode, "shares the input on Node only");
  it(
    "lends large reads of all sockets from one buffer, and gives small ones away",
    { skip },
    async () => {
      const reads: { size: number; borrowed: boolean; buffer: ArrayBufferLike }[] = [];
      const channels: NodeChannel[] = [];
      const address = { transport: "unix", path: "" } as const;
      let expected = 2 * 100_001;
      let resolveAll = () => {};
      const all = new Promise<void>((resolve) => resolveAll = resolve);
      const server = createServer((socket) => {
        const channel = new NodeChannel(socket, true, address, address);
        channels.push(channel);
        channel.shareInput();
        channel.handler = {
          receive({ length, buffer }, borrowed) {
            reads.push({ size: length, borrowed, buffer });
            if ((expected -= length) === 0) resolveAll();
          },
          receiveEnd() {},
          drain() {},
          receiveClosed() {},
        };
      });
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      const { port } = server.address() as AddressInfo;
      const clients = [connect(port, "127.0.0.1"), connect(port, "127.0.0.1")];
      for (const client of clients) client.write(new Uint8Array(1));
      await new Promise((resolve) => setTimeout(resolve, 50));
      for (const client of clients) client.write(new Uint8Array(100_000));
      await all;
      const buffers = new Set(reads.filter(({ borrowed }) => borrowed).map(({ buffer }) => buffer));
      assertEquals(buffers.size, 1);
      for (const { size, borrowed, buffer } of reads) {
        assertEquals(borrowed, size > 8192, `${size} bytes`);
        if (!borrowed) assertEquals(buffer.byteLength, size);
      }
      for (const client of clients) client.destroy();
      for (const channel of channels) channel.abort();
      server.close();
    },
  );

  it("leaves the socket alone once it has given it away", async () => {
    const { channel, socket } = open();
    (channel.channel as NodeChannel).release();
    socket.push(patternBytes(0, 1));
    channel.abort();
    await channel.untilClosed();
    assertEquals([socket.destroyed, channel.received], [false, 0]);
  });
});
