import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import type { Connection } from "../../src/server/mod.ts";
import { settle } from "../support/turn.ts";
import { watch } from "../support/watch.ts";
import { withConnection } from "../support/transports.ts";
import { Source } from "./source.ts";
import { textOfFrameSize, withStalledClient } from "./with_connection.ts";

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
