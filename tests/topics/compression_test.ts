import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import type { ServerConnection } from "../../src/server/mod.ts";
import { upgradeRequest } from "../support/requests.ts";
import { inflateAlone } from "../support/reference_deflate.ts";
import { decodeUtf8, type RawClient } from "../support/raw_client.ts";
import { type MemoryHarness, withMemoryServer } from "../support/transports.ts";
import { settle } from "../support/turn.ts";

const TEXT = "the same and the same again; ".repeat(100);

/** Opens a WebSocket that offers these extensions, subscribed to "x". */
async function open(harness: MemoryHarness<unknown>, extensions?: string): Promise<RawClient> {
  const before = new Set<ServerConnection>(harness.server.connections);
  const client = await harness.request(
    upgradeRequest({ headers: { "Sec-WebSocket-Extensions": extensions } }),
  );
  await client.readHead();
  client.allowsRsv1 = extensions !== undefined;
  for (const conn of harness.server.connections) if (!before.has(conn)) conn.subscribe("x");
  return client;
}

/** Reads a text; gives whether it was compressed, with the window of none before. */
async function read(
  client: RawClient,
): Promise<{ isCompressed: boolean; text: string; size: number }> {
  const { rsv, payload } = await client.readPayload();
  const isCompressed = rsv === 4;
  const text = decodeUtf8(isCompressed ? inflateAlone(payload) : payload);
  return { isCompressed, text, size: payload.length };
}

describe("what is published to connections with compression", () => {
  it("is compressed once for each window, and not for those without", async () => {
    await withMemoryServer({ compression: true }, async (harness) => {
      const plain = await open(harness);
      const wide = [
        await open(harness, "permessage-deflate"),
        await open(harness, "permessage-deflate"),
      ];
      const narrow = await open(harness, "permessage-deflate; server_max_window_bits=9");
      harness.server.publish("x", TEXT);
      assertEquals(await read(plain), { isCompressed: false, text: TEXT, size: TEXT.length });
      const frames = [await read(wide[0]), await read(wide[1]), await read(narrow)];
      for (const { isCompressed, text, size } of frames) {
        assertEquals([isCompressed, text], [true, TEXT]);
        assert(size < TEXT.length / 5, String(size));
      }
    });
  });

  it("is compressed where the program says so, or from the threshold on", async () => {
    await withMemoryServer({ compression: true }, async (harness) => {
      const client = await open(harness, "permessage-deflate");
      harness.server.publish("x", "short");
      harness.server.publish("x", "short", { compress: true });
      harness.server.publish("x", TEXT, { compress: false });
      harness.server.publish("x", TEXT);
      const seen = [];
      for (let i = 0; i < 4; i++) seen.push((await read(client)).isCompressed);
      assertEquals(seen, [false, true, false, true]);
    });
  });

  it("needs no window of a message that is being sent as a stream to one of them", async () => {
    await withMemoryServer({ compression: { threshold: 0 } }, async (harness) => {
      const sending = await open(harness, "permessage-deflate");
      const [conn] = harness.server.connections;
      const other = await open(harness, "permessage-deflate");
      const stream = new TransformStream<string, string>();
      const writer = stream.writable.getWriter();
      const sent = conn.sendStream("text", stream.readable);
      await writer.write(TEXT);
      await settle();
      harness.server.publish("x", `1 ${TEXT}`);
      await settle();
      await Promise.all([writer.write(TEXT), writer.close(), sent]);
      assertEquals((await read(other)).text, `1 ${TEXT}`);
      assertEquals((await read(sending)).text, TEXT + TEXT);
      assertEquals((await read(sending)).text, `1 ${TEXT}`);
    });
  });

  it("keeps the window of each connection that has one", async () => {
    const compression = { contextTakeover: true, threshold: 0 };
    await withMemoryServer({ compression }, async (harness) => {
      const clients = [
        await open(harness, "permessage-deflate"),
        await open(harness, "permessage-deflate; server_no_context_takeover"),
      ];
      harness.server.publish("x", TEXT);
      await settle();
      harness.server.publish("x", TEXT);
      const [kept, empty] = clients;
      assertEquals((await read(kept)).text, TEXT);
      // It refers to the message before, which only a window that was kept has.
      const { rsv, payload: { length: size } } = await kept.readPayload();
      assertEquals(rsv, 4);
      const [one, two] = [await read(empty), await read(empty)];
      assertEquals([one.text, two.text], [TEXT, TEXT]);
      assert(size < two.size, `${size} and ${two.size} bytes`);
    });
  });
});
