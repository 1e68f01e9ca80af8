import { describe, it } from "node:test";
import { assertEquals, assertLessOrEqual } from "@std/assert";
import { ByteCollector } from "../../src/codec/byte_collector.ts";
import { clientFrame } from "../support/raw_client.ts";
import { withConnection } from "../support/transports.ts";
import { settle } from "../support/turn.ts";

const MiB = 1_048_576;
const HEADER_LENGTH = 14;

describe("memory for a message that is arriving", () => {
  const frame = clientFrame({ opcode: 2, payload: new Uint8Array(MiB) });

  it("is not allocated for a header, and allocated whole for its first large piece", async () => {
    await withConnection({ message: () => {} }, async ({ client, server }) => {
      const held = () => server.server.stats().heldSize;
      const before = held();
      client.send(frame.slice(0, HEADER_LENGTH + 1));
      await settle();
      assertLessOrEqual(held() - before, 1024);
      client.send(frame.slice(HEADER_LENGTH + 1, 20_000));
      await settle();
      assertEquals(held() - before, MiB);
    });
  });

  it("may be allocated for others when a connection is lost before the message is whole", async () => {
    for (let i = 0; i < 8; i++) {
      await withConnection({ message: () => {} }, async ({ client, conn }) => {
        client.send(frame.slice(0, 20_000));
        await settle();
        client.socket.reset();
        await conn.closed;
      });
    }
    const collector = new ByteCollector(true);
    collector.append(new Uint8Array(16_384), 0, 16_384, 4 * MiB);
    assertEquals(collector.capacity, 4 * MiB);
    collector.borrow();
  });
});
