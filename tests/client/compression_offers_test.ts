import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import type { ConnectOptions } from "../../src/client/options.ts";
import { UnexpectedResponseError } from "../../src/errors.ts";
import { MemoryNetwork } from "../../src/testing/mod.ts";
import { decodeUtf8 } from "../support/raw_client.ts";
import { deflateAlone, ReferenceInflater } from "../support/reference_deflate.ts";
import { watch } from "../support/watch.ts";
import { ScriptedServer } from "./scripted_server.ts";

const URL = "ws://example.com/";
const DEFLATE = "permessage-deflate";
const PLAIN = `${DEFLATE}; server_no_context_takeover; client_max_window_bits`;

type Compression = ConnectOptions["compression"];

/** Connects, and answers with some extensions. */
async function negotiate(compression: Compression, answer: string | undefined) {
  const server = new ScriptedServer();
  const connecting = watch(server.connect(URL, { compression, keepAlive: false }));
  const peer = await server.next();
  const { headers } = await peer.accept({ "Sec-WebSocket-Extensions": answer });
  await connecting.untilSettled();
  return { offer: headers.get("sec-websocket-extensions"), peer, connecting };
}

describe("the offers of compression", () => {
  const OFFERS: [what: string, compression: Compression, offer: string][] = [
    [
      "which limit the windows that are kept",
      { contextTakeover: true },
      `${DEFLATE}; server_max_window_bits=13; client_max_window_bits=13, ${PLAIN}`,
    ],
    [
      "which limit the server's window",
      { contextTakeover: true, serverMaxWindowBits: 10, clientMaxWindowBits: 15 },
      `${DEFLATE}; server_max_window_bits=10; client_max_window_bits, ${PLAIN}`,
    ],
    [
      "which limit windows that are not kept",
      { serverMaxWindowBits: 10 },
      `${DEFLATE}; server_no_context_takeover; client_no_context_takeover; ` +
      "server_max_window_bits=10; client_max_window_bits, " +
      `${DEFLATE}; server_no_context_takeover; client_no_context_takeover; client_max_window_bits`,
    ],
  ];
  for (const [what, compression, offer] of OFFERS) {
    it(`are followed by a plainer one: those ${what}`, async () => {
      const { offer: offered, connecting } = await negotiate(compression, undefined);
      assertEquals(offered, offer);
      assertEquals(connecting.value!.extensions, "");
      connecting.value!.abort();
    });
  }

  it("are one where no window is limited", async () => {
    for (const options of [{ contextTakeover: true }, {}]) {
      const windows = { serverMaxWindowBits: 15, clientMaxWindowBits: 15 };
      const { offer, connecting } = await negotiate({ ...options, ...windows }, undefined);
      assert(!offer!.includes(","), offer);
      connecting.value!.abort();
    }
  });

  it("leave a server that can't set a window with compression", async () => {
    const compression = { contextTakeover: true, threshold: 0 };
    const { peer, connecting } = await negotiate(
      compression,
      `${DEFLATE}; server_no_context_takeover`,
    );
    const conn = connecting.value!;
    assertEquals(conn.extensions, `${DEFLATE}; server_no_context_takeover`);

    // It uses the largest window, and none of the message before.
    let state = 1;
    const noise = Uint8Array.from({ length: 30_000 }, () => {
      state = (state * 48_271) % 2_147_483_647;
      return state >> 8;
    });
    const far = Uint8Array.from([...noise, ...noise]);
    const received = conn[Symbol.asyncIterator]();
    for (let i = 0; i < 2; i++) {
      peer.sendFrame({ opcode: 2, rsv: 4, payload: deflateAlone(far) });
      assertEquals((await received.next()).value, far);
    }

    // The client keeps its window: of a message that comes again next to nothing is left.
    const text = Array.from({ length: 300 }, (_, i) => (i * 7919 % 1000).toString(36)).join();
    const inflater = new ReferenceInflater(15, true);
    peer.allowsRsv1 = true;
    const sizes: number[] = [];
    for (let i = 0; i < 2; i++) {
      await conn.send(text);
      const { opcode, rsv, payload } = await peer.readPayload();
      assertEquals([opcode, rsv], [1, 4], "a text, compressed");
      assertEquals(decodeUtf8(inflater.inflate(payload)), text);
      sizes.push(payload.length);
    }
    assert(sizes[1] < sizes[0] / 10, String(sizes));
    conn.abort();
  });

  const REFUSED: [what: string, answer: string][] = [
    ["keeps the largest window", DEFLATE],
    ["takes a larger window than the first says", `${DEFLATE}; server_max_window_bits=14`],
    ["answers to both", `${DEFLATE}; server_max_window_bits=13, ${DEFLATE}`],
    ["answers what is unknown", `${DEFLATE}; server_no_context_takeover; x=1`],
  ];
  for (const [what, answer] of REFUSED) {
    it(`are not answered by a server that ${what}`, async () => {
      const { connecting } = await negotiate({ contextTakeover: true }, answer);
      assert(connecting.reason instanceof UnexpectedResponseError, String(connecting.reason));
    });
  }

  it("are answered by the first where both can be", async () => {
    const network = new MemoryNetwork();
    const server = await network.serve({
      port: 80,
      compression: { contextTakeover: true },
      message: (conn, data) => conn.send(data),
    });
    const conn = await network.connect(URL, { compression: { contextTakeover: true } });
    assertEquals(
      conn.extensions,
      `${DEFLATE}; server_max_window_bits=13; client_max_window_bits=13`,
    );
    await conn.close();
    await server.shutdown();
  });
});
