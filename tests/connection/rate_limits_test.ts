import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { TokenBucket } from "../../src/connection/rate_limiter.ts";
import type { Message } from "../../src/server/mod.ts";
import { clientFrame, textFrame, utf8 } from "../support/raw_client.ts";
import { type MemoryEnds, type Setup, withConnection } from "../support/transports.ts";
import { settle } from "../support/turn.ts";

describe("a token bucket", () => {
  it("holds what may be taken in a second, and fills at its rate", () => {
    const bucket = new TokenBucket(10, 5000);
    bucket.take(10, 5000);
    assertEquals([bucket.waitMs(5000, 0), bucket.waitMs(5000, 1)], [0, 100]);
    bucket.take(1, 5000);
    assertEquals([bucket.waitMs(5000, 0), bucket.waitMs(5000, 1)], [100, 200]);
    assertEquals(bucket.waitMs(5099, 0), 1);
    assertEquals([bucket.waitMs(5100, 0), bucket.waitMs(5100, 1)], [0, 100]);
    // However long nobody took any: no more than for one second.
    assertEquals(bucket.waitMs(99_000, 10), 0);
    bucket.take(30, 99_000);
    assertEquals(bucket.waitMs(99_000, 0), 2000);
  });

  it("never runs out without a limit", () => {
    const bucket = new TokenBucket(Infinity, 0);
    bucket.take(Number.MAX_SAFE_INTEGER, 0);
    bucket.take(Number.MAX_SAFE_INTEGER, 1);
    assertEquals(bucket.waitMs(1, 1), 0);
  });
});

/** What the program was given until now. */
function collect(): { received: Message[]; message: (_: unknown, data: Message) => void } {
  const received: Message[] = [];
  return { received, message: (_, data) => void received.push(data) };
}

/** Sends texts one after another, each in a chunk of its own, and lets them arrive. */
async function sendTexts({ client }: MemoryEnds, ...texts: string[]): Promise<void> {
  for (const text of texts) client.sendText(text);
  await settle();
}

describe("rateLimits", () => {
  for (const split of [true, false]) {
    it(`pause reading past the messages a second, ${split ? "each alone" : "all at once"}`, () => {
      const { received, message } = collect();
      return withConnection({ rateLimits: { messagesPerSecond: 3 }, message }, async (ends) => {
        const { client, channel, conn, clock } = ends;
        const texts = ["1", "2", "3", "4", "5", "6"];
        if (split) await sendTexts(ends, ...texts);
        else client.send(...texts.map(textFrame));
        await settle();
        assertEquals(received, texts.slice(0, 3));
        assert(channel.isPaused);
        await clock.advance(333);
        assertEquals(received.length, 3);
        await clock.advance(1);
        await settle();
        assertEquals(received.length, 4);
        await clock.advance(1000);
        await settle();
        assertEquals(received, texts);
        await clock.advance(1000);
        assertEquals([conn.state, channel.isPaused], ["open", false]);
      });
    });
  }

  /** Ways to receive, and how each gives texts to `take`. */
  const WAYS: Record<string, (take: (text: string) => unknown) => Setup<unknown>> = {
    callbacks: (take) => ({ message: (_, data) => void take(String(data)) }),
    "callbacks that wait": (take) => ({
      async message(_, data) {
        await null;
        take(String(data));
      },
    }),
    iteration: (take) => ({
      async handler(conn) {
        for await (const data of conn) await take(String(data));
      },
    }),
    readable: (take) => ({
      async handler(conn) {
        const reader = conn.readable.getReader();
        for (let next = await reader.read(); !next.done; next = await reader.read()) {
          await take(String(next.value));
        }
      },
    }),
    "streamed messages": (take) => ({
      async handler(conn) {
        for await (const message of conn.messages()) await take(await message.text());
      },
    }),
    "streamed messages, not read": (take) => ({
      async handler(conn) {
        let count = 0;
        for await (const _ of conn.messages()) await take(`${++count}`);
      },
    }),
    asWebSocket: (take) => ({
      async handler(conn) {
        conn.asWebSocket().onmessage = ({ data }) => void take(String(data));
        await conn.closed;
      },
    }),
  };
  for (const [name, toSetup] of Object.entries(WAYS)) {
    for (const size of [1, 3]) {
      it(`let exactly as many messages through: ${name}, in ${size} fragments`, () => {
        const received: string[] = [];
        const setup = toSetup((text) => received.push(text));
        return withConnection({ rateLimits: { messagesPerSecond: 5 }, ...setup }, async (ends) => {
          const { client, clock } = ends;
          const texts = Array.from({ length: 20 }, (_, i) => `${i + 1}`);
          for (const text of texts) {
            const rest = size === 1 ? [] : [clientFrame({ opcode: 0, fin: false })];
            if (size === 1) client.send(textFrame(text));
            else {
              const first = clientFrame({ opcode: 1, fin: false, payload: utf8(text) });
              client.send(first, ...rest, clientFrame({ opcode: 0 }));
            }
          }
          // Twice as long as 20 messages may take, in steps within the fifth of a second.
          for (let ms = 0; ms < 3_000; ms += 100) {
            await settle(4);
            assertEquals(received, texts.slice(0, 5 + Math.floor(ms / 200)), `after ${ms} ms`);
            await clock.advance(100);
          }
          assertEquals(received, texts);
        });
      });
    }
  }

  it("go on if the wait is over at any later look at the clock", async () => {
    // As in a busy process: the peer has to wait, and need not any more when the timer is to be set.
    for (let jumpAt = 1; jumpAt <= 100; jumpAt++) {
      const { received, message } = collect();
      await withConnection({ rateLimits: { messagesPerSecond: 10 }, message }, async (ends) => {
        const { client, clock } = ends;
        const readClock = clock.now.bind(clock);
        let looks = 0;
        clock.now = () => readClock() + (++looks >= jumpAt ? 150 : 0);
        const texts = Array.from({ length: 12 }, (_, i) => `${i}`);
        client.send(...texts.map(textFrame));
        await settle();
        await clock.advance(1000);
        assertEquals(received, texts, `a jump at look ${jumpAt}`);
      });
    }
  });

  it("do not concern who keeps to them", () => {
    const { received, message } = collect();
    const rateLimits = { messagesPerSecond: 10, bytesPerSecond: 80, onExceeded: "close" } as const;
    return withConnection({ rateLimits, message }, async (ends) => {
      for (let i = 0; i < 50; i++) {
        await sendTexts(ends, "x");
        await ends.clock.advance(100);
      }
      assertEquals([received.length, ends.conn.state], [50, "open"]);
    });
  });

  it("pause reading past the bytes a second", () => {
    const { received, message } = collect();
    return withConnection({ rateLimits: { bytesPerSecond: 100 }, message }, async (ends) => {
      const { channel, clock } = ends;
      // A client's frame of 194 bytes takes 202 on the wire: 102 more than there may be.
      await sendTexts(ends, "x".repeat(194), "next");
      assertEquals([received.length, channel.isPaused], [0, true]);
      await clock.advance(1019);
      await settle();
      assertEquals(received.length, 0);
      await clock.advance(1);
      await settle();
      assertEquals(received.length, 1);
      await clock.advance(1000);
      await settle();
      assertEquals(received.length, 2);
    });
  });

  it("pause reading past the control frames a second", () =>
    withConnection({ rateLimits: { controlFramesPerSecond: 2 }, message() {} }, async (ends) => {
      const { client, channel, clock } = ends;
      for (const payload of ["a", "b", "c", "d"]) client.sendPing(payload);
      await settle();
      assertEquals([await client.readPong(), await client.readPong()], ["a", "b"]);
      assertEquals(client.unreadSize, 0);
      assert(channel.isPaused);
      for (const payload of ["c", "d"]) {
        await clock.advance(499);
        assertEquals(client.unreadSize, 0);
        await clock.advance(1);
        assertEquals(await client.readPong(), payload);
      }
    }));

  const TOO_MUCH = {
    messagesPerSecond: (ends: MemoryEnds) => sendTexts(ends, "1", "2", "3"),
    controlFramesPerSecond: async ({ client }: MemoryEnds) => {
      for (let i = 0; i < 3; i++) client.sendPong();
      await settle();
    },
    bytesPerSecond: (ends: MemoryEnds) => sendTexts(ends, "x".repeat(100)),
  };
  for (const [name, send] of Object.entries(TOO_MUCH)) {
    it(`close with 1008 past ${name}, where they are told to`, () => {
      const { received, message } = collect();
      const rateLimits = { [name]: 2, onExceeded: "close" } as const;
      return withConnection({ rateLimits, message }, async (ends) => {
        await send(ends);
        const [code, reason] = await ends.client.readClose();
        const unit = name.replace("PerSecond", "").replace("F", " f");
        assertEquals([code, reason], [1008, `Cannot receive more than 2 ${unit} a second`]);
        assertEquals(received.length, name === "messagesPerSecond" ? 2 : 0);
      });
    });
  }

  it("decode nothing behind the bytes that were too many", async () => {
    const { received, message } = collect();
    const { promise, resolve } = Promise.withResolvers<void>();
    const rateLimits = { bytesPerSecond: 50, onExceeded: "close" } as const;
    const callback = (conn: unknown, data: Message) => (message(conn, data), promise);
    await withConnection({ rateLimits, message: callback }, async (ends) => {
      await sendTexts(ends, "first", "x".repeat(100));
      await ends.clock.advance(3000);
      await sendTexts(ends, "behind the gap");
      resolve();
      assertEquals((await ends.client.readClose())[0], 1008);
      assertEquals(received, ["first"]);
    });
  });

  it("close if the message passes them that had begun before streams were asked for", () => {
    const rateLimits = { messagesPerSecond: 1, onExceeded: "close" } as const;
    const errors: unknown[] = [];
    let thrown: unknown;
    const { promise, resolve } = Promise.withResolvers<void>();
    return withConnection({
      rateLimits,
      onError: (error) => errors.push(error),
      async handler(conn) {
        await promise;
        try {
          conn.messages();
        } catch (error) {
          thrown = error;
        }
      },
    }, async ({ client }) => {
      client.sendText("a");
      client.sendFrame({ opcode: 1, fin: false, payload: utf8("b") });
      await settle();
      resolve();
      assertEquals((await client.readClose())[0], 1008);
      assertEquals([thrown, errors], [undefined, []]);
    });
  });

  it("leave no timer behind", () =>
    withConnection({
      rateLimits: { messagesPerSecond: 1 },
      keepAlive: false,
      message() {},
    }, async (ends) => {
      await sendTexts(ends, "1", "2", "3");
      assertEquals(ends.clock.pending.length, 1);
      ends.client.socket.reset();
      await settle();
      assertEquals(ends.clock.pending.length, 0);
    }));
});
