import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import type { IncomingMessage, Message } from "../../src/server/mod.ts";
import { clientFrame, textFrame } from "../support/raw_client.ts";
import { REFERENCE_OPCODES } from "../support/reference_frames.ts";
import { type MemoryEnds, type Setup, TRANSPORTS, withConnection } from "../support/transports.ts";
import { settle } from "../support/turn.ts";
import { eventually } from "../support/waiter.ts";
import { watch } from "../support/watch.ts";

const { binary } = REFERENCE_OPCODES;

/** Sends messages one a turn until the server pauses; gives how many. */
async function sendUntilPaused(
  { client, channel }: MemoryEnds,
  message: Uint8Array,
  most: number,
): Promise<number> {
  for (let sent = 0; sent <= most; sent++) {
    if (channel.isPaused) return sent;
    client.send(message);
    await settle(1);
  }
  throw new Error(`${most} messages, and the server reads on`);
}

describe("the receive queue", () => {
  for (const receiveQueueMessages of [1, 2, 16]) {
    it(`holds ${receiveQueueMessages} messages, and no more are read`, () =>
      withConnection({ limits: { receiveQueueMessages } }, async (ends) => {
        const { client, channel, conn } = ends;
        assertEquals(await sendUntilPaused(ends, textFrame("x"), 100), receiveQueueMessages);
        client.sendText("held by TCP");
        await settle();
        assert(channel.incomingSize > 0);
        // Reads on when the program has come to the end of the queue.
        const messages = conn[Symbol.asyncIterator]();
        for (let i = 0; i < receiveQueueMessages; i++) {
          assertEquals((await messages.next()).value, "x");
          assertEquals(channel.isPaused, true);
        }
        assertEquals((await messages.next()).value, "held by TCP");
        assertEquals(channel.isPaused, false);
      }));
  }

  for (const [size, count] of [[249, 5], [250, 4], [251, 4], [999, 2], [1000, 1], [5000, 1]]) {
    it(`holds 1000 bytes: ${count} messages of ${size}`, () =>
      withConnection({ limits: { receiveQueueSize: 1000 } }, async (ends) => {
        const message = clientFrame({ opcode: binary, payload: new Uint8Array(size) });
        assertEquals(await sendUntilPaused(ends, message, 100), count);
      }));
  }

  it("holds no more of one read than of many", () =>
    withConnection({ limits: { receiveQueueMessages: 2 } }, async ({ client, channel, conn }) => {
      const received: Message[] = [];
      client.send(...Array.from({ length: 10 }, (_, i) => textFrame(String(i))));
      assertEquals(channel.isPaused, true);
      for await (const message of conn) {
        received.push(message);
        assertEquals(channel.isPaused, true);
        if (received.length === 10) break;
      }
      assertEquals(received, [..."0123456789"]);
      void conn[Symbol.asyncIterator]().next();
      assertEquals(channel.isPaused, false);
    }));

  it("does not let a message grow beyond it before anybody receives", () =>
    withConnection({ limits: { receiveQueueSize: 1000 } }, async (ends) => {
      const { client, channel, conn } = ends;
      const message = clientFrame({ opcode: binary, payload: new Uint8Array(10_000) });
      client.send(message.subarray(0, 900));
      await settle();
      assertEquals(channel.isPaused, false);
      client.send(message.subarray(900, 1100));
      await settle();
      assertEquals(channel.isPaused, true);
      client.send(message.subarray(1100));
      // It is wanted whole: then it may be as large as `maxMessageSize`.
      assertEquals((await conn[Symbol.asyncIterator]().next()).value, new Uint8Array(10_000));
    }));

  it("is read on by close(), which drops what arrives", () =>
    withConnection({ limits: { receiveQueueMessages: 1 } }, async ({ client, channel, conn }) => {
      for (let i = 0; i < 10; i++) client.sendText("x");
      client.sendClose(4000);
      assertEquals(channel.isPaused, true);
      void conn.close();
      assertEquals(await client.readClose(), [1000, ""]);
      await client.finish();
      assertEquals((await conn.closed).wasClean, true);
    }));
});

describe("an async message callback", () => {
  it("has as many messages wait as the queue holds, and no more are read", () => {
    const gates: (() => void)[] = [];
    const setup: Setup<unknown> = {
      message: () => new Promise<void>((resolve) => void gates.push(resolve)),
      limits: { receiveQueueMessages: 3 },
    };
    return withConnection(setup, async ({ client, channel, conn }) => {
      for (let i = 0; i < 10; i++) {
        client.sendText("x");
        assertEquals(channel.isPaused, i >= 3);
      }
      assertEquals([gates.length, conn.stats().receiveQueueLength], [1, 3]);
      for (let i = 0; i < 10; i++) {
        assertEquals(gates.length, i + 1);
        gates[i]();
        await settle();
        assertEquals(conn.stats().receiveQueueLength, Math.max(0, Math.min(3, 8 - i)));
      }
      assertEquals(channel.isPaused, false);
    });
  });

  it("has as many bytes wait as the queue holds", () => {
    const setup: Setup<unknown> = {
      message: () => new Promise(() => {}),
      limits: { receiveQueueSize: 1000 },
    };
    return withConnection(setup, async (ends) => {
      const message = clientFrame({ opcode: binary, payload: new Uint8Array(300) });
      // One is in hand, and four wait.
      assertEquals(await sendUntilPaused(ends, message, 100), 5);
      assert(ends.conn.stats().heldSize >= 1200);
    });
  });

  it("that returns what send() returns, pauses only while the client does not read", () => {
    const setup: Setup<unknown> = {
      message: (conn, data) => conn.send(data),
      limits: { sendHighWaterMark: 1000, sendQueueOverflow: "wait" },
    };
    return withConnection(setup, async ({ client, channel, conn }) => {
      for (let i = 0; i < 50; i++) client.sendText("x".repeat(500));
      await settle();
      assertEquals(channel.isPaused, false);
      client.socket.pause();
      for (let i = 0; i < 50; i++) client.sendText("y".repeat(500));
      await settle();
      assertEquals(channel.isPaused, true);
      assert(conn.bufferedAmount < 2500, `${conn.bufferedAmount} bytes wait`);
      client.socket.resume();
      for (let i = 0; i < 100; i++) await client.readMessage();
      assertEquals(channel.isPaused, false);
    });
  });
});

describe("the body of a streamed message", () => {
  const limits = { receiveQueueSize: 1000, maxMessageSize: Infinity };

  it("is held up to the queue's size while it is not read", () =>
    withConnection({ limits }, async (ends) => {
      const { client, channel, conn } = ends;
      const size = 1_000_000;
      const frame = clientFrame({ opcode: binary, payload: new Uint8Array(size).fill(7) });
      const messages = conn.messages();
      client.send(frame.subarray(0, 500));
      const reader = (await messages.next()).value!.body.getReader();
      client.send(frame.subarray(500, 900));
      await settle();
      assertEquals(channel.isPaused, false);
      client.send(frame.subarray(900, 1100));
      await settle();
      assertEquals(channel.isPaused, true);
      client.send(frame.subarray(1100));
      let received = 0, largest = 0;
      for (let done = false; !done;) {
        const result = await reader.read();
        done = result.done;
        received += result.value?.length ?? 0;
        if (received > 1100) largest = Math.max(largest, result.value?.length ?? 0);
      }
      assertEquals(received, size);
    }));

  it("that arrives in small pieces is handed on in constant memory", () =>
    withConnection({ limits }, async (ends) => {
      const { client, channel, conn } = ends;
      const size = 200_000;
      const frame = clientFrame({ opcode: binary, payload: new Uint8Array(size) });
      let received = 0;
      const reading = (async () => {
        for await (const { body } of conn.messages()) {
          for await (const chunk of body) {
            assert(chunk.length <= 1000 + 400, `a chunk of ${chunk.length}`);
            received += chunk.length;
          }
          break;
        }
      })();
      for (let position = 0; position < frame.length; position += 400) {
        client.send(frame.subarray(position, position + 400));
        if (channel.isPaused) await settle(1);
      }
      await reading;
      assertEquals(received, size);
    }));

  for (const receiveQueueMessages of [16, Infinity]) {
    it(`counts to the queue's size also when it is whole, with ${receiveQueueMessages} messages`, () => {
      const setup = { limits: { ...limits, receiveQueueMessages } };
      return withConnection(setup, async (ends) => {
        const { channel, conn, client } = ends;
        const messages = conn.messages();
        const message = clientFrame({ opcode: binary, payload: new Uint8Array(300) });
        const first = messages.next();
        // The first is in hand, and not read either.
        assertEquals(await sendUntilPaused(ends, message, 100), 4);
        client.send(message, message);
        assertEquals((await (await first).value?.bytes())?.length, 300);
        for (let i = 0; i < 5; i++) {
          assertEquals((await (await messages.next()).value?.bytes())?.length, 300);
        }
        assertEquals(channel.isPaused, false);
      });
    });
  }

  it("is read on when it is waited for, though its beginning had filled the queue", () =>
    withConnection({ limits: { receiveQueueMessages: 1 } }, async (ends) => {
      const { client, channel, conn } = ends;
      void conn.messages();
      client.send(clientFrame({ opcode: binary, fin: false, payload: new Uint8Array() }));
      client.send(clientFrame({ opcode: 0, payload: new Uint8Array(300) }));
      assertEquals(channel.isPaused, true);
      const message: IncomingMessage = (await conn.messages().next()).value!;
      assertEquals((await watch(message.bytes()).untilSettled()).value?.length, 300);
    }));

  it("is read on when it is cancelled, or dropped for the next message", () =>
    withConnection({ limits }, async ({ client, channel, conn }) => {
      const messages = conn.messages();
      const frame = clientFrame({ opcode: binary, payload: new Uint8Array(5000) });
      for (const how of ["cancelled", "dropped"]) {
        client.send(frame);
        const { body } = (await messages.next()).value!;
        await settle();
        if (how === "cancelled") await body.cancel();
        const next = messages.next();
        client.sendText(how);
        assertEquals(await (await next).value?.text(), how);
        assertEquals(channel.isPaused, false);
      }
    }));
});

for (const { name, withConnection } of TRANSPORTS) {
  describe(`a program that does not receive over ${name}`, () => {
    it("stops the client, which sends on when it does", () =>
      withConnection({}, async ({ server, client, conn }) => {
        const message = clientFrame({ opcode: binary, payload: new Uint8Array(500_000).fill(1) });
        const count = 80;
        for (let i = 0; i < count; i++) client.send(message);
        const other = await server.open();
        for (let i = 0; i < 20; i++) {
          other.sendPing(String(i));
          await other.readPong();
        }
        assert(client.socket.unsentSize > 0, "all 40 MB were taken");
        let received = 0;
        for await (const data of conn) {
          assertEquals(data.length, 500_000);
          if (++received === count) break;
        }
        await eventually("the client to have sent all", () => client.socket.unsentSize === 0);
      }));
  });
}
