// @engines: all of it happens in memory.

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { withMemoryServer } from "../support/transports.ts";
import { ResumingClient } from "./resuming_client.ts";

describe("a server that subscribes a client to 20,000 topics", () => {
  const topics = Array.from({ length: 20_000 }, (_, i) => `topic/${i}`);
  for (const compression of [false, true]) {
    it(`counts the bytes of what it tells, with compression: ${compression}`, async () => {
      const setup = {
        resume: true,
        compression,
        open: (conn: { subscribe(topic: string): void }) => {
          for (const topic of topics) conn.subscribe(topic);
        },
      };
      await withMemoryServer(setup as never, async (harness) => {
        const client = new ResumingClient(harness);
        await client.open();
        client.raw.socket.pause();
        client.sendHello();
        while (client.conn.bufferedAmount < 1_000_000) {
          assertEquals(client.conn.state, "open");
          await new Promise((resolve) => setTimeout(resolve, 1));
        }
        const { conn } = client;
        const { heldSize } = conn.stats();
        const ratio = heldSize / conn.bufferedAmount;
        assert(ratio > 1 / 1.5 && ratio < 1.5, `${heldSize} of ${conn.bufferedAmount}`);
        client.raw.socket.resume();
        await client.note();
        for (const topic of topics) {
          const note = await client.note();
          if (note.topic !== topic) assertEquals(note.topic, topic);
        }
        for (const topic of topics) conn.unsubscribe(topic);
        for (let i = 0; i < topics.length; i++) await client.note();
        assertEquals([conn.state, conn.stats().heldSize], ["open", 0]);
      });
    });
  }
});
