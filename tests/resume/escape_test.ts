import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import type { Connection, Message } from "../../src/server/mod.ts";
import { streamOf } from "../support/stream_of.ts";
import { withConnection, withMemoryServer } from "../support/transports.ts";
import { ResumingClient } from "./resuming_client.ts";

const RS = "\x1e";
const MESSAGES: Message[] = [
  RS,
  `${RS}\n`,
  `${RS}7 e.1\nx`,
  `${RS}{"session":"0123456789abcdef","protocol":""}`,
  `x${RS}`,
  "",
  "\n",
  `${RS}é\ud83d\ude00`,
  Uint8Array.of(0x1e),
  Uint8Array.of(0x1e, 0x0a),
  Uint8Array.of(0x1e, 255, 0x0a, 0),
  new Uint8Array(0),
  Uint8Array.of(0, 0x1e),
];

/** The ways to send a message. */
const WAYS: Record<string, (conn: Connection, data: Message) => unknown> = {
  "send()": (conn, data) => conn.send(data),
  "send(), compressed or not": (conn, data) => conn.send(data, { compress: true }),
  "trySend()": (conn, data) => conn.trySend(data),
  "sendStream()": (conn, data) =>
    conn.sendStream(typeof data === "string" ? "text" : "binary", streamOf([data])),
  "sendStream() in pieces": (conn, data) =>
    conn.sendStream(
      typeof data === "string" ? "text" : "binary",
      streamOf<Message>(
        typeof data === "string" ? data.split("") : Array.from(data, (byte) => Uint8Array.of(byte)),
      ),
    ),
  "sendStream() of nothing before it": (conn, data) =>
    conn.sendStream(
      typeof data === "string" ? "text" : "binary",
      streamOf<Message>(["", new Uint8Array(0), data, ""]),
    ),
  "writable": async (conn, data) => {
    const writer = conn.writable.getWriter();
    await writer.write(data);
    writer.releaseLock();
  },
  "asWebSocket()": (conn, data) =>
    conn.asWebSocket().send(typeof data === "string" ? data : new Uint8Array(data)),
};

describe("messages that begin as those with a header do", () => {
  for (const [name, send] of Object.entries(WAYS)) {
    it(`arrive as they were sent by ${name}`, async () => {
      await withMemoryServer({ resume: true }, async (harness) => {
        const client = await new ResumingClient(harness).begin();
        for (const data of MESSAGES) {
          await send(client.conn, data);
          assertEquals(await client.take(), { data });
        }
      });
    });

    it(`are as they are for other clients, by ${name}`, async () => {
      await withConnection({ resume: true }, async ({ client, conn }) => {
        for (const data of MESSAGES) {
          await send(conn, data);
          assertEquals(await client.readMessage(), data);
        }
      });
    });
  }

  it("arrive as they were published, kept or not", async () => {
    const resume = { topics: (topic: string) => topic === "kept" };
    await withMemoryServer({ resume }, async (harness) => {
      const resuming = await new ResumingClient(harness).begin();
      const other = await harness.openPair();
      for (const conn of [resuming.conn, other.conn]) {
        conn.subscribe("kept");
        conn.subscribe("other");
      }
      await resuming.note();
      for (const topic of ["kept", "other"]) {
        for (const data of MESSAGES) {
          harness.server.publish(topic, data);
          assertEquals(await resuming.data(), data);
          assertEquals(await other.client.readMessage(), data);
        }
      }
      for (const topic of ["kept", "other"]) {
        for (const data of MESSAGES) harness.server.publish(topic, data);
      }
      for (const data of [...MESSAGES, ...MESSAGES]) {
        assertEquals(await resuming.data(), data);
        assertEquals(await other.client.readMessage(), data);
      }
    });
  });

  it("reach the server as they are", async () => {
    const received: Message[] = [];
    const message = (_: Connection, data: Message) => void received.push(data);
    await withMemoryServer({ resume: true, message }, async (harness) => {
      const client = await new ResumingClient(harness).begin();
      for (const data of MESSAGES) {
        if (typeof data === "string") client.raw.sendText(data);
        else client.raw.sendBinary(data);
      }
      client.raw.sendPing();
      await client.raw.readPong();
      assertEquals(received, MESSAGES);
    });
  });
});
