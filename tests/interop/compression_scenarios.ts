/**
 * What peers that can compress are put through, besides the scenarios of all.
 *
 * @module
 */

import { assert, assertEquals, assertGreater, assertLess, assertStringIncludes } from "@std/assert";
import { describe, it } from "node:test";
import type { ConnectionCallbacks, Handler, Message } from "../../mod.ts";
import type { DeflateOffer, Peer } from "./peer.ts";
import { assertMessage, bothOf, bytesOf, echo, echoHandlers, textOf } from "./scenarios.ts";
import { Stage } from "./stage.ts";

/** Only decides how soon a hang is seen. */
const TIMEOUT_MS = 60_000;
const KiB = 1024;
const MiB = 1024 * KiB;
const WINDOWS = [true, false];
const LARGEST_WINDOWS = { serverMaxWindowBits: 15, clientMaxWindowBits: 15 };

/** Registers a test for each scenario. */
export function runCompressionScenarios(peer: Peer, skip: false | string = false): void {
  describe(`${peer.name}, what compression changes`, () => {
    for (const contextTakeover of WINDOWS) {
      const test = (name: string, run: (stage: Stage) => Promise<void>) => {
        const kept = contextTakeover ? "kept" : "not kept";
        it(`${name}, the window ${kept}`, { skip, timeout: TIMEOUT_MS }, async () => {
          const stage = new Stage(peer, { contextTakeover, threshold: 0, ...LARGEST_WINDOWS });
          try {
            await run(stage);
          } finally {
            await stage.clear();
          }
        });
      };
      for (const [style, handler] of Object.entries({ callbacks: echo, ...echoHandlers })) {
        test(`less than a third is sent, by ${style}`, (stage) => shrink(stage, handler));
        test(`messages of all sizes go both ways at once, by ${style}`, (stage) =>
          flood(stage, handler));
      }
      test("messages that are not to be compressed are mixed in", mixIn);
      test("messages become smaller when they resemble each other", (stage) =>
        resemble(stage, contextTakeover));
      test("nothing is agreed upon where the server does not compress", declineAll);
      if (!peer.abilities.has("compression parameters")) continue;
      for (const offer of OFFERS) {
        test(`offered: ${describeOffer(offer)}`, (stage) =>
          negotiate(stage, offer, contextTakeover));
      }
    }
  });
}

const OFFERS: DeflateOffer[] = [];
for (const serverNoContextTakeover of [false, true]) {
  for (const clientNoContextTakeover of [false, true]) {
    for (
      const [serverMaxWindowBits, clientMaxWindowBits] of [
        [undefined, true],
        [9, false],
        [15, 9],
        [undefined, 15],
      ] as const
    ) {
      OFFERS.push({
        serverNoContextTakeover,
        clientNoContextTakeover,
        serverMaxWindowBits,
        clientMaxWindowBits,
      });
    }
  }
}

function describeOffer(offer: DeflateOffer): string {
  const { serverNoContextTakeover, clientNoContextTakeover } = offer;
  const side = (drops: boolean, bits: number | boolean | undefined) =>
    `${drops ? "no context takeover" : "context takeover"}, bits ${bits ?? "of no number"}`;
  return `server ${side(serverNoContextTakeover, offer.serverMaxWindowBits)}; ` +
    `client ${side(clientNoContextTakeover, offer.clientMaxWindowBits)}`;
}

/** Serves with callbacks or a handler. */
async function serve(
  stage: Stage,
  style: ConnectionCallbacks<undefined> | Handler<undefined>,
): Promise<void> {
  if (typeof style === "function") await stage.serve({}, style);
  else await stage.serve(style);
}

/** Bytes that don't compress, always the same. */
function noiseOf(size: number): Uint8Array<ArrayBuffer> {
  let state = 42;
  return Uint8Array.from({ length: size }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  });
}

async function shrink(
  stage: Stage,
  style: ConnectionCallbacks<undefined> | Handler<undefined>,
): Promise<void> {
  await serve(stage, style);
  const { socket, conn } = await stage.pair();
  let size = 0;
  for (const message of [5000, 200_000, MiB].map(textOf)) {
    socket.send(message);
    assertMessage(await socket.receive(), message);
    size += new TextEncoder().encode(message).length;
  }
  const { bytesReceived, bytesSent } = conn.stats();
  assertLess(bytesSent, size / 3);
  if (stage.can("deflate")) assertLess(bytesReceived, size / 3);
  else assertGreater(bytesReceived, size);
}

async function flood(
  stage: Stage,
  style: ConnectionCallbacks<undefined> | Handler<undefined>,
): Promise<void> {
  await serve(stage, style);
  const { socket } = await stage.pair();
  const sizes = [0, 1, 125, 126, 1023, 1024, 4095, 40_000, 0, 65_535, 65_536, 300_000, 7];
  const messages = [1, 2, 3].flatMap(() =>
    sizes.flatMap((size) => [...bothOf(size), noiseOf(size)])
  );
  for (const message of messages) socket.send(message);
  for (const message of messages) assertMessage(await socket.receive(), message);
}

async function mixIn(stage: Stage): Promise<void> {
  await stage.serve({}, async (conn) => {
    let count = 0;
    for await (const message of conn) await conn.send(message, { compress: count++ % 3 !== 0 });
  });
  const { socket } = await stage.pair();
  for (let i = 0; i < 30; i++) {
    const message: Message = i % 2 ? textOf(100 * i) : bytesOf(100 * i);
    socket.send(message);
    assertMessage(await socket.receive(), message);
  }
}

async function resemble(stage: Stage, keepsWindow: boolean): Promise<void> {
  await stage.serve(echo);
  const { socket, conn } = await stage.pair();
  // It has nothing in it that repeats.
  const message = noiseOf(3000);
  for (let i = 0; i < 10; i++) {
    socket.send(message);
    assertMessage(await socket.receive(), message);
  }
  const { bytesReceived, bytesSent } = conn.stats();
  for (const bytes of stage.can("deflate") ? [bytesReceived, bytesSent] : [bytesSent]) {
    assertEquals(bytes < 2 * message.length, keepsWindow, `${bytes} bytes`);
  }
}

async function declineAll(stage: Stage): Promise<void> {
  await stage.serve({ ...echo, compression: false });
  const { socket, conn } = await stage.pair();
  assertEquals([socket.extensions, conn.extensions], ["", ""]);
  const text = textOf(50_000);
  socket.send(text);
  assertMessage(await socket.receive(), text);
  assert(conn.stats().bytesReceived > 50_000);
}

async function negotiate(
  stage: Stage,
  offer: DeflateOffer,
  contextTakeover: boolean,
): Promise<void> {
  await stage.serve(echo);
  const { socket, conn } = await stage.pair({ deflate: offer });
  const { extensions } = conn;
  assertStringIncludes(socket.extensions, "permessage-deflate");
  const { serverNoContextTakeover, clientNoContextTakeover } = offer;
  const { serverMaxWindowBits, clientMaxWindowBits } = offer;
  assertEquals(
    [/server_no_context/, /client_no_context/].map((pattern) => pattern.test(extensions)),
    [!contextTakeover || serverNoContextTakeover, !contextTakeover || clientNoContextTakeover],
  );
  assertEquals(
    [/server_max_window_bits=(\d+)/, /client_max_window_bits=(\d+)/]
      .map((pattern) => pattern.exec(extensions)?.[1] ?? "15"),
    [
      `${serverMaxWindowBits ?? 15}`,
      `${Number(clientMaxWindowBits) > 1 ? clientMaxWindowBits : 15}`,
    ],
  );

  // Repetitions that are within the windows, and that are not.
  const noise = noiseOf(20_000);
  for (const size of [100, 700, 5000, 20_000]) {
    const part = noise.subarray(0, size);
    const twice = Uint8Array.from([...part, ...part]);
    for (const message of [part, twice, textOf(size), "", textOf(size)]) {
      socket.send(message);
      assertMessage(await socket.receive(), message);
    }
  }
  const text = textOf(70_000);
  socket.sendFragments([text.slice(0, 100), "", text.slice(100, 40_000), text.slice(40_000)]);
  const pong = socket.ping(Uint8Array.of(1, 2, 3));
  assertMessage(await socket.receive(), text);
  assertEquals(await pong, Uint8Array.of(1, 2, 3));
  socket.close(3000, "enough");
  assertEquals(await conn.closed, {
    closeCode: 3000,
    reason: "enough",
    wasClean: true,
    initiator: "remote",
  });
}
