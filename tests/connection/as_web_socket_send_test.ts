import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { TRANSPORTS, withConnection } from "../support/transports.ts";
import { settle } from "../support/turn.ts";
import { eventually } from "../support/waiter.ts";
import { WebSocketLog } from "./web_socket_log.ts";
import { withStalledClient } from "./with_connection.ts";

const BYTES = Uint8Array.from({ length: 200 }, (_, i) => i);

/** What is sent, and what is received for it. */
const SENT: [name: string, data: unknown, received: string | Uint8Array][] = [
  ["a text", "é€😀", "é€😀"],
  ["a text with a lone surrogate", "a\ud800b", "a\ufffdb"],
  ["an empty text", "", ""],
  ["bytes", BYTES, BYTES],
  ["a part of an ArrayBuffer", BYTES.subarray(10, 20), BYTES.slice(10, 20)],
  ["a DataView", new DataView(BYTES.buffer, 3, 5), BYTES.slice(3, 8)],
  ["another typed array", Uint16Array.of(0x0101, 0x0202), Uint8Array.of(1, 1, 2, 2)],
  ["an ArrayBuffer", BYTES.buffer, BYTES],
  ["a Blob", new Blob([BYTES, "text"]), Uint8Array.of(...BYTES, 0x74, 0x65, 0x78, 0x74)],
  ["an empty Blob", new Blob([]), new Uint8Array(0)],
  ["a number", 12, "12"],
  ["null", null, "null"],
  ["undefined", undefined, "undefined"],
  ["an object", { toString: () => "an object" }, "an object"],
];

/** A Blob whose bytes come when the test says so. */
class SlowBlob extends Blob {
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #isReady = Promise.withResolvers<void>();

  constructor(bytes: Uint8Array<ArrayBuffer>) {
    super([bytes]);
    this.#bytes = bytes;
  }

  release(): void {
    this.#isReady.resolve();
  }

  fail(error: Error): void {
    this.#isReady.reject(error);
  }

  override stream(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return new ReadableStream({
      pull: async (controller) => {
        await this.#isReady.promise;
        controller.enqueue(this.#bytes);
        controller.close();
      },
    });
  }
}

for (const { name, withConnection } of TRANSPORTS) {
  describe(`asWebSocket().send() over ${name}`, () => {
    for (const [what, data, received] of SENT) {
      it(`sends ${what}`, () =>
        withConnection({}, async ({ client, conn }) => {
          conn.asWebSocket().send(data as string);
          assertEquals(await client.readMessage(), received);
        }));
    }

    it("sends in the order of the calls, Blobs among others", () =>
      withConnection({}, async ({ client, conn }) => {
        const socket = conn.asWebSocket();
        const messages = SENT.filter((_, i) => i < 10);
        for (const [, data] of [...messages, ...messages]) socket.send(data as string);
        socket.close(4000, "all sent");
        for (const [, , received] of [...messages, ...messages]) {
          assertEquals(await client.readMessage(), received);
        }
        assertEquals(await client.readClose(), [4000, "all sent"]);
      }));

    it("sends what the bytes are at the call, whatever becomes of them", () =>
      withConnection({ limits: { sendQueueSize: Infinity } }, async ({ client, conn }) => {
        const socket = conn.asWebSocket();
        const sizes = [10, 20_000, 300_000];
        client.socket.pause();
        for (const size of sizes) {
          const bytes = new Uint8Array(size).fill(1);
          socket.send(bytes);
          bytes.fill(2);
          const { buffer } = bytes.fill(1);
          socket.send(buffer);
          bytes.fill(2);
        }
        await settle();
        client.socket.resume();
        for (const size of sizes.flatMap((size) => [size, size])) {
          const message = await client.readMessage() as Uint8Array;
          assert(message.length === size && message.every((byte) => byte === 1), `${size}`);
        }
      }));
  });
}

describe("asWebSocket().send()", () => {
  it("keeps the order behind a Blob that is still being read", () =>
    withConnection({}, async ({ conn, client }) => {
      const socket = conn.asWebSocket();
      const blob = new SlowBlob(Uint8Array.of(1, 2));
      socket.send("before");
      socket.send(blob);
      socket.send("behind");
      assertEquals(await client.readMessage(), "before");
      await settle();
      assertEquals(client.unreadSize, 0);
      assertEquals(socket.bufferedAmount, blob.size + "behind".length);
      blob.release();
      assertEquals(await client.readMessage(), Uint8Array.of(1, 2));
      assertEquals(await client.readMessage(), "behind");
      await eventually("an empty buffer", () => socket.bufferedAmount === 0);
    }));

  it("has close() wait for a Blob, and nothing is received meanwhile", () =>
    withConnection({}, async ({ conn, client }) => {
      const socket = conn.asWebSocket();
      const log = new WebSocketLog(socket);
      await log.until(1);
      const blob = new SlowBlob(Uint8Array.of(1, 2));
      socket.send(blob);
      socket.close(4000, "behind it");
      assertEquals(socket.readyState, WebSocket.CLOSING);
      socket.send("dropped");
      client.sendText("dropped too");
      await settle();
      assertEquals([conn.state, client.unreadSize], ["closing", 0]);
      blob.release();
      assertEquals(await client.readMessage(), Uint8Array.of(1, 2));
      await client.answerClose(4000, "behind it");
      assertEquals(await log.untilClosed(), [["open"], ["close", 4000, "", true]]);
    }));

  it("reports a Blob that can't be read, and closes with 1011", () =>
    withConnection({}, async ({ server, client, conn }) => {
      const blob = new SlowBlob(Uint8Array.of(1));
      conn.asWebSocket().send(blob);
      const error = new Error("the file is gone");
      blob.fail(error);
      assertEquals(await client.readClose(), [1011, ""]);
      assertEquals(server.takeErrors(), [error]);
    }));

  it("drops a Blob that is being read when the connection ends", () =>
    withConnection({}, async ({ conn, client }) => {
      const socket = conn.asWebSocket();
      const log = new WebSocketLog(socket);
      const blob = new SlowBlob(Uint8Array.of(1));
      socket.send(blob);
      socket.send("behind");
      socket.close();
      client.socket.reset();
      await log.untilClosed();
      blob.release();
      await settle();
      assertEquals(socket.readyState, WebSocket.CLOSED);
    }));

  it("does nothing but count once the connection is closed", () =>
    withConnection({}, async ({ conn, client }) => {
      const socket = conn.asWebSocket();
      const log = new WebSocketLog(socket);
      client.socket.reset();
      await log.untilClosed();
      const before = socket.bufferedAmount;
      socket.send("é");
      socket.send(new Blob(["blob"]));
      assertEquals([socket.readyState, socket.bufferedAmount - before], [WebSocket.CLOSED, 6]);
    }));

  it("shows what waits in bufferedAmount", () =>
    withStalledClient({}, async ({ conn, client }) => {
      const socket = conn.asWebSocket();
      const before = socket.bufferedAmount;
      assertEquals(before, conn.bufferedAmount);
      socket.send(new Uint8Array(1000));
      assert(socket.bufferedAmount >= before + 1000);
      client.socket.resume();
      await eventually("an empty buffer", () => socket.bufferedAmount === 0);
    }));

  for (const end of ["a reset", "FIN", "abort()", "close()", "a broken frame"] as const) {
    it(`keeps what was not sent in bufferedAmount after ${end}, and what comes behind`, () =>
      withStalledClient({ closeTimeoutMs: 1_000 }, async ({ conn, client, clock }) => {
        const socket = conn.asWebSocket();
        const log = new WebSocketLog(socket);
        await log.until(1);
        const blob = new SlowBlob(new Uint8Array(200));
        socket.send("x".repeat(1000));
        socket.send(blob);
        socket.send("behind");
        await settle();
        const before = socket.bufferedAmount;
        assertEquals(before, 10 + 1004 + 200 + 6);
        if (end === "a reset") client.socket.reset();
        else if (end === "FIN") client.socket.end();
        else if (end === "abort()") conn.abort();
        else if (end === "close()") socket.close();
        else client.send(Uint8Array.of(0x81, 0x00));
        await settle();
        assert(socket.bufferedAmount >= before, `${socket.bufferedAmount}`);
        await clock.advance(2_000);
        await log.untilClosed();
        await settle();
        const after = socket.bufferedAmount;
        assert(after >= before, `${after}`);
        // A Close frame may have waited, too.
        assert(after <= before + 100, `${after}`);
        socket.send("é");
        assertEquals(socket.bufferedAmount, after + 2);
        assertEquals([conn.bufferedAmount, conn.stats().heldSize], [0, 0]);
      }));
  }

  for (const policy of ["close", "drop", "wait"] as const) {
    it(`past sendQueueSize follows "${policy}", and does not throw`, () => {
      const limits = { sendHighWaterMark: 9, sendQueueSize: 100, sendQueueOverflow: policy };
      return withStalledClient({ limits }, async ({ conn, client }) => {
        const socket = conn.asWebSocket();
        const log = new WebSocketLog(socket);
        socket.send("x".repeat(50));
        const before = socket.bufferedAmount;
        socket.send("y".repeat(50));
        // The standard counts what has closed the connection.
        if (policy !== "drop") assert(socket.bufferedAmount >= before + 50);
        assertEquals(socket.readyState, policy === "close" ? WebSocket.CLOSING : WebSocket.OPEN);
        client.socket.resume();
        assertEquals(await client.readMessage(), "x".repeat(8));
        assertEquals(await client.readMessage(), "x".repeat(50));
        if (policy === "wait") assertEquals(await client.readMessage(), "y".repeat(50));
        if (policy === "close") {
          await client.answerClose(1013, /.*/);
          assertEquals((await log.untilClosed()).at(-1), ["close", 1013, "", true]);
        } else {
          socket.send("z");
          assertEquals(await client.readMessage(), "z");
        }
      });
    });
  }
});
