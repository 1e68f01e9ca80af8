import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { constants, deflateRawSync, inflateRawSync } from "node:zlib";
import type { ConnectOptions } from "../../src/client/options.ts";
import { UnexpectedResponseError } from "../../src/errors.ts";
import { MemoryNetwork } from "../../src/testing/mod.ts";
import { decodeReferenceFrame, encodeReferenceFrame } from "../support/reference_frames.ts";
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
      const payload = deflateRawSync(far, {
        finishFlush: constants.Z_SYNC_FLUSH,
        windowBits: 15,
      }).subarray(0, -4);
      peer.send(encodeReferenceFrame({ opcode: 2, rsv: 4, payload }));
      assertEquals((await received.next()).value, far);
    }

    // The client keeps its window: of a message that comes again next to nothing is left.
    const text = Array.from({ length: 300 }, (_, i) => (i * 7919 % 1000).toString(36)).join();
    const sizes: number[] = [];
    const wire: Uint8Array[] = [];
    for (let i = 0; i < 2; i++) {
      await conn.send(text);
      const head = await peer.readBytes(4);
      assertEquals(head[0], 0xc1, "a text, compressed");
      const length = (head[1] & 0x7f) === 126 ? head[2] << 8 | head[3] : head[1] & 0x7f;
      const rest = await peer.readBytes((head[1] & 0x7f) === 126 ? length + 4 : length + 2);
      const { frame } = decodeReferenceFrame(Uint8Array.from([...head, ...rest]))!;
      wire.push(frame.payload, Uint8Array.of(0, 0, 0xff, 0xff));
      sizes.push(length);
    }
    const all = inflateRawSync(Uint8Array.from(wire.flatMap((bytes) => [...bytes])), {
      finishFlush: constants.Z_SYNC_FLUSH,
    });
    assertEquals(new TextDecoder().decode(all), text + text);
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
