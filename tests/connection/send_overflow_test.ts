import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import type { SendQueueOverflow } from "../../src/connection/options.ts";
import { assertEnd } from "../support/end.ts";
import { settle } from "../support/turn.ts";
import { watch } from "../support/watch.ts";
import { type MemoryEnds, withConnection } from "../support/transports.ts";
import {
  assertRejectedAsClosed,
  assertRejectsAsClosed,
  textOfFrameSize,
  withStalledClient,
} from "./with_connection.ts";
import type { Connection } from "../../src/server/mod.ts";
import { Source } from "./source.ts";

const REASON = "The send queue is full: the peer reads too slowly";

/** A queue of 100 bytes, 10 of which are taken. */
function withPolicy(
  sendQueueOverflow: SendQueueOverflow,
  body: (ends: MemoryEnds) => Promise<void>,
): Promise<void> {
  const limits = { sendHighWaterMark: 9, sendQueueSize: 100, sendQueueOverflow };
  return withStalledClient({ limits }, body);
}

// The frame header is not counted for the message that is to fit, but for those in the queue.
const FITTING: [name: string, message: string | Uint8Array][] = [
  ["89 letters", "x".repeat(89)],
  ["90 letters", "x".repeat(90)],
  ["90 bytes", new Uint8Array(90)],
  ["45 characters of 2 bytes", "é".repeat(45)],
  ["30 characters of 3 bytes", "€".repeat(30)],
  ["22 characters of 4 bytes and 2 of 1", "😀".repeat(22) + "ab"],
  ["30 lone surrogates, sent as U+FFFD", "\ud800".repeat(30)],
  ["nothing", ""],
];
const TOO_LARGE: [name: string, message: string | Uint8Array][] = [
  ["91 letters", "x".repeat(91)],
  ["91 bytes", new Uint8Array(91)],
  ["45 characters of 2 bytes and 1 of 1", "é".repeat(45) + "a"],
  ["30 characters of 3 bytes and 1 of 1", "€".repeat(30) + "a"],
  ["23 characters of 4 bytes", "😀".repeat(23)],
  ["31 lone surrogates", "\ud800".repeat(31)],
  ["a megabyte", new Uint8Array(1_000_000)],
];

describe("a send queue of 100 bytes that holds 10", () => {
  for (const [name, message] of FITTING) {
    it(`has room for ${name}`, async () => {
      await withPolicy("close", async ({ conn, client }) => {
        void conn.send(message);
        await settle();
        assertEquals(conn.state, "open");
        client.socket.resume();
        await client.readMessage();
        const sent = typeof message === "string" ? message.toWellFormed() : message;
        assertEquals(await client.readMessage(), sent);
      });
      await withPolicy("drop", async ({ conn }) => {
        assert(["sent", "queued"].includes(conn.trySend(message)));
        await settle(1);
      });
    });
  }

  for (const [name, message] of TOO_LARGE) {
    it(`has no room for ${name}`, async () => {
      await withPolicy("close", async ({ conn }) => {
        const sent = watch(conn.send(message));
        await assertRejectsAsClosed(sent, 1013, REASON);
      });
      await withPolicy("drop", async ({ conn }) => {
        assertEquals([conn.trySend(message), conn.bufferedAmount], ["dropped", 10]);
        await settle(1);
      });
    });
  }
});

describe("one message", () => {
  for (const sendQueueOverflow of ["close", "drop", "wait"] as const) {
    it(`fits an empty queue, whatever its size (${sendQueueOverflow})`, () => {
      const limits = { sendQueueSize: 0, sendHighWaterMark: 0, sendQueueOverflow };
      return withConnection({ limits }, async ({ conn, client }) => {
        const text = "x".repeat(1_000_000);
        for (let i = 0; i < 3; i++) {
          await conn.send(text);
          assert(await client.readMessage() === text);
          assert(conn.trySend(text) !== "dropped");
          await settle();
          assert(await client.readMessage() === text);
        }
        assertEquals(conn.trySend("a"), "queued");
        assertEquals(conn.trySend("b"), "dropped");
      });
    });
  }
});

describe("one message of any size", () => {
  for (const [sendHighWaterMark, sendQueueSize] of [[9, 100], [10, 100], [100, 9], [100, 10]]) {
    const fits = Math.min(sendHighWaterMark, sendQueueSize) === 10;
    const verb = fits ? "fits" : "does not fit";
    it(`${verb} a queue of ${sendQueueSize} that holds 10, with a mark of ${sendHighWaterMark}`, () =>
      withStalledClient({ limits: { sendHighWaterMark, sendQueueSize } }, async ({ conn }) => {
        assertEquals(conn.bufferedAmount, 10);
        assertEquals(conn.trySend(new Uint8Array(1000)), fits ? "queued" : "dropped");
        await settle(1);
      }));
  }

  it("is sent to whoever reads slowly, where each send is awaited", () =>
    withStalledClient({ limits: { sendQueueSize: 100, sendHighWaterMark: 20 } }, async (ends) => {
      const { conn, client } = ends;
      const texts = Array.from({ length: 4 }, (_, i) => `${i}`.repeat(1000));
      const sending = (async () => {
        for (const text of texts) await conn.send(text);
      })();
      client.socket.resume();
      await client.readMessage();
      for (const text of texts) assertEquals(await client.readMessage(), text);
      await sending;
    }));
});

describe('the policy "close"', () => {
  it("closes with 1013 behind what was queued", () =>
    withPolicy("close", async ({ conn, client }) => {
      const before = watch(conn.send(textOfFrameSize(90)));
      const sent = watch(conn.send("y"));
      const after = watch(conn.send("z"));
      assertEquals([conn.state, conn.trySend("z")], ["closing", "closed"]);
      await settle();
      assertRejectedAsClosed(sent, 1013, REASON);
      assertRejectedAsClosed(after, 1013, REASON);
      assertEquals(before.state, "pending");
      client.socket.resume();
      assertEquals((await before.untilSettled()).state, "resolved");
      assertEquals((await client.readMessage()).length, 8);
      assertEquals(await client.readMessage(), textOfFrameSize(90));
      await client.answerClose(1013, REASON);
      await assertEnd(conn, {
        closeCode: 1013,
        reason: REASON,
        wasClean: true,
        initiator: "local",
      });
    }));

  it("leaves the connection alone where trySend() is refused", () =>
    withPolicy("close", async ({ conn, client }) => {
      assertEquals(conn.trySend("x".repeat(91)), "dropped");
      await settle();
      assertEquals(conn.state, "open");
      client.socket.resume();
      await client.readMessage();
      await conn.send("after");
      assertEquals(await client.readMessage(), "after");
    }));
});

describe('the policy "drop"', () => {
  it("drops what does not fit, and resolves", () =>
    withPolicy("drop", async ({ conn, client }) => {
      void conn.send("fits");
      await conn.send("x".repeat(91));
      assertEquals(conn.bufferedAmount, 16);
      void conn.send("fits too");
      client.socket.resume();
      await client.readMessage();
      assertEquals(await client.readMessage(), "fits");
      assertEquals(await client.readMessage(), "fits too");
      await conn.send("x".repeat(91));
      assertEquals(await client.readMessage(), "x".repeat(91));
    }));
});

describe('the policy "wait"', () => {
  it("queues what does not fit, and has send() wait", () =>
    withPolicy("wait", async ({ conn, client }) => {
      const texts = Array.from({ length: 5 }, (_, i) => `${i}`.repeat(98));
      const sent = texts.map((text) => watch(conn.send(text)));
      await settle();
      assertEquals(conn.bufferedAmount, 10 + 5 * 100);
      assertEquals(sent.map(({ state }) => state), Array(5).fill("pending"));
      client.socket.resume();
      await client.readMessage();
      for (const text of texts) assertEquals(await client.readMessage(), text);
      for (const { state } of sent) assertEquals(state, "resolved");
    }));

  it("does not hold for trySend(), which waits for nobody", () =>
    withPolicy("wait", async ({ conn }) => {
      assertEquals(conn.trySend("x".repeat(91)), "dropped");
      await settle(1);
      assertEquals(conn.bufferedAmount, 10);
    }));
});

describe("bufferedAmount", () => {
  it("is 0 at first, counts what was sent in this turn, and is 0 when that is taken", () =>
    withConnection({}, async ({ conn }) => {
      assertEquals(conn.bufferedAmount, 0);
      void conn.send("x".repeat(98));
      assertEquals(conn.bufferedAmount, 100);
      void conn.send(new Uint8Array(20_000));
      assertEquals(conn.bufferedAmount, 100 + 20_004);
      await settle();
      assertEquals(conn.bufferedAmount, 0);
    }));

  it("counts what is in flight until the channel has taken the whole write", () =>
    withStalledClient({}, async ({ conn, client }) => {
      assertEquals(conn.bufferedAmount, 10);
      void conn.send(textOfFrameSize(50));
      void conn.ping();
      // The Ping's payload is "1".
      assertEquals(conn.bufferedAmount, 10 + 50 + 3);
      client.socket.take(9);
      assertEquals(conn.bufferedAmount, 63);
      client.socket.take(1);
      assertEquals(conn.bufferedAmount, 53);
      client.socket.take(53);
      assertEquals(conn.bufferedAmount, 0);
      await settle();
    }));

  it("counts what is held back behind a message sent as a stream", () =>
    withConnection({}, async ({ conn, client }) => {
      const source = new Source();
      void conn.sendStream("text", source.stream);
      void conn.send("€".repeat(10));
      void conn.send(new Uint8Array(12));
      await settle();
      assertEquals(conn.bufferedAmount, 42);
      source.end();
      await client.readMessage();
      await client.readMessage();
      assertEquals((await client.readMessage()).length, 12);
      assertEquals(conn.bufferedAmount, 0);
    }));

  it("is 0 after the end, whatever was not sent", async () => {
    for (const end of ["reset", "abort", "timeout"] as const) {
      await withStalledClient({ closeTimeoutMs: 100 }, async ({ conn, client, clock }) => {
        void conn.send("x".repeat(1000));
        void conn.sendStream("text", new ReadableStream());
        void conn.send("held back");
        assert(conn.bufferedAmount > 1000);
        if (end === "reset") client.socket.reset();
        else if (end === "abort") conn.abort();
        else void conn.close();
        await clock.advance(100);
        assertEquals([conn.state, conn.bufferedAmount], ["closed", 0]);
      });
    }
  });
});

describe("the drain callback", () => {
  const limits = { sendHighWaterMark: 100 };

  it("is called once when the queue is at the mark again, and not before", () => {
    let calls = 0;
    const drain = () => void calls++;
    return withStalledClient({ limits, drain }, async ({ conn, client }) => {
      for (let i = 0; i < 10; i++) void conn.send(textOfFrameSize(11));
      assertEquals(conn.trySend(""), "queued");
      await settle();
      client.socket.take(10);
      await settle();
      assertEquals([conn.bufferedAmount, calls], [112, 0]);
      client.socket.take(112);
      await settle();
      assertEquals(calls, 1);
      void conn.send(textOfFrameSize(100));
      client.socket.resume();
      await settle();
      assertEquals([conn.bufferedAmount, calls], [0, 1]);
    });
  });

  it("is called again each time the queue was above", () => {
    let calls = 0;
    const drain = () => void calls++;
    return withStalledClient({ limits, drain }, async ({ conn, client }) => {
      for (let i = 1; i <= 3; i++) {
        void conn.send(textOfFrameSize(101));
        client.socket.take(1000);
        client.socket.take(1000);
        await settle();
        assertEquals([conn.bufferedAmount, calls], [0, i]);
        client.socket.pause();
        void conn.send("x".repeat(8));
        await settle();
      }
    });
  });

  it("is not called where the queue was at the mark at most", () => {
    let calls = 0;
    const drain = () => void calls++;
    return withStalledClient({ drain }, async ({ conn, client }) => {
      // By reference, so that send() waits; but that is not what the callback tells.
      const sent = watch(conn.send(new Uint8Array(20_000)));
      await settle();
      assertEquals(sent.state, "pending");
      client.socket.resume();
      await sent.untilSettled();
      void conn.send(textOfFrameSize(65_535));
      await settle();
      assertEquals([conn.bufferedAmount, calls], [0, 0]);
    });
  });

  it("is called when there is room for what held a sender back", () => {
    // The usual producer: as much as is taken, then wait for drain.
    let next = 0;
    const drain = (conn: Connection) => {
      while (next < 1000 && conn.trySend(`${next} ${"x".repeat(50)}`) === "sent") next++;
      if (next < 1000) next++;
    };
    return withStalledClient({ limits, drain }, async ({ conn, client }) => {
      drain(conn);
      client.socket.resume();
      await client.readMessage();
      for (let i = 0; i < 1000; i++) {
        const message = await client.readMessage();
        assertEquals(`${message}`.split(" ")[0], `${i}`);
      }
    });
  });

  it("is called where what was held back behind a stream was above", () => {
    let calls = 0;
    const drain = () => void calls++;
    return withConnection({ drain }, async ({ conn }) => {
      const source = new Source();
      const sent = conn.sendStream("text", source.stream);
      assertEquals(conn.trySend("x".repeat(65_537)), "queued");
      await settle();
      assertEquals(calls, 0);
      source.end();
      await sent;
      await settle();
      assertEquals([conn.bufferedAmount, calls], [0, 1]);
    });
  });

  it("is called so also where the stream failed before its first fragment", () => {
    let calls = 0;
    const drain = () => void calls++;
    return withConnection({ drain }, async ({ conn }) => {
      const source = new Source();
      void conn.sendStream("text", source.stream);
      assertEquals(conn.trySend("x".repeat(65_537)), "queued");
      source.fail(new Error("source broke"));
      await settle();
      assertEquals([conn.bufferedAmount, calls], [0, 1]);
    });
  });

  it("is not called at the end of the connection", () => {
    let calls = 0;
    const drain = () => void calls++;
    return withStalledClient({ limits, drain }, async ({ conn, client }) => {
      void conn.send(textOfFrameSize(200));
      await settle();
      client.socket.reset();
      await settle();
      assertEquals([conn.state, calls], ["closed", 0]);
    });
  });
});
