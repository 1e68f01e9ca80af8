/**
 * What every peer is put through.
 *
 * @module
 */

import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { Buffer } from "node:buffer";
import { describe, it } from "node:test";
import type { CompressionOptions, ConnectionCallbacks, Handler, Message } from "../../mod.ts";
import { type Ability, type Peer, RefusedError } from "./peer.ts";
import { Stage } from "./stage.ts";
import { streamOf } from "../support/stream_of.ts";
import { certificate, tlsPath } from "../support/tls.ts";

/** Only decides how soon a hang is seen. */
const TIMEOUT_MS = 60_000;
const MiB = 1024 * 1024;

interface Scenario {
  name: string;
  /** What the peer must be able to do; others are spared the scenario. */
  needs?: Ability[];
  /** Moves many megabytes: once with compression is enough. */
  isHeavy?: true;
  /** Runs over TLS. */
  isSecure?: true;
  run(stage: Stage): Promise<void>;
}

/** Registers a test for each scenario. */
export function runScenarios(
  peer: Peer,
  skip: false | string = false,
  compression: CompressionOptions | false = false,
): void {
  describe(peer.name + describeCompression(compression), () => {
    for (const { name, needs = [], isHeavy, isSecure, run } of scenarios) {
      if (isSecure && peer.trustsNone) continue;
      if (!needs.every((ability) => peer.abilities.has(ability))) continue;
      if (isHeavy && compression !== false && !compression.contextTakeover) continue;
      it(name, { skip, timeout: TIMEOUT_MS }, async () => {
        const stage = new Stage(peer, compression);
        try {
          await run(stage);
        } finally {
          await stage.clear();
        }
      });
    }
  });
}

/** Registers them all with compression: where the window is kept, and where it is not. */
export function runCompressedScenarios(peer: Peer, skip: false | string = false): void {
  for (const contextTakeover of [true, false]) {
    runScenarios(peer, skip, { contextTakeover, threshold: 0 });
  }
}

function describeCompression(compression: CompressionOptions | false): string {
  if (compression === false) return "";
  return `, compressed with${compression.contextTakeover ? "" : "out"} a window that is kept`;
}

// ---- What is sent ----

const WORDS = ["text ", "Grüße ", "世界 ", "🦕🥟 "];
const WORDS_SIZE = sizeOf(WORDS.join(""));

function sizeOf(text: string): number {
  return new TextEncoder().encode(text).length;
}

/** A text whose UTF-8 has that many bytes, with characters of one to four bytes where they fit. */
export function textOf(size: number): string {
  let text = WORDS.join("").repeat(Math.floor(size / WORDS_SIZE));
  let rest = size % WORDS_SIZE;
  for (const word of WORDS) {
    if (sizeOf(word) > rest) break;
    text += word;
    rest -= sizeOf(word);
  }
  return text + "x".repeat(rest);
}

/** Bytes of all values. */
export function bytesOf(size: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(size);
  for (let i = 0; i < size; i++) bytes[i] = (i * 31) ^ (i >>> 8);
  return bytes;
}

export function bothOf(size: number): Message[] {
  return [textOf(size), bytesOf(size)];
}

/** Compares without printing megabytes. */
export function assertMessage(actual: Message, expected: Message): void {
  assertEquals(typeof actual, typeof expected);
  assertEquals(actual.length, expected.length);
  const isSame = typeof actual === "string" || typeof expected === "string"
    ? actual === expected
    : Buffer.compare(actual, expected) === 0;
  assertEquals(isSame, true, `the message of ${expected.length} came back changed`);
}

// ---- How the server echoes ----

export const echo: ConnectionCallbacks<undefined> = { message: (conn, data) => conn.send(data) };

export const echoHandlers: Record<string, Handler<undefined>> = {
  iteration: async (conn) => {
    for await (const message of conn) await conn.send(message);
  },
  streams: (conn) => conn.readable.pipeTo(conn.writable),
  messages: async (conn) => {
    for await (const { type, body } of conn.messages()) await conn.sendStream(type, body);
  },
};

async function echoSizes(stage: Stage, sizes: number[]): Promise<void> {
  const socket = await stage.connect();
  for (const message of sizes.flatMap(bothOf)) {
    socket.send(message);
    assertMessage(await socket.receive(), message);
  }
}

const SIZES = [0, 1, 125, 126, 127, 65_535, 65_536, MiB];

const scenarios: Scenario[] = [
  {
    name: "messages of every length form are echoed by callbacks",
    async run(stage) {
      await stage.serve(echo);
      await echoSizes(stage, SIZES);
    },
  },
  ...Object.entries(echoHandlers).map(([style, handler]): Scenario => ({
    name: `messages of every length form are echoed by ${style}`,
    async run(stage) {
      await stage.serve({}, handler);
      await echoSizes(stage, SIZES);
    },
  })),
  {
    name: "messages of 16 MiB are echoed by callbacks",
    isHeavy: true,
    async run(stage) {
      await stage.serve({ ...echo, limits: { maxMessageSize: 16 * MiB } });
      await echoSizes(stage, [16 * MiB]);
    },
  },
  {
    name: "messages of 16 MiB are echoed by messages",
    isHeavy: true,
    async run(stage) {
      await stage.serve({ limits: { maxMessageSize: 16 * MiB } }, echoHandlers.messages);
      await echoSizes(stage, [16 * MiB]);
    },
  },
  {
    name: "messages sent at once are echoed in order",
    async run(stage) {
      await stage.serve(echo);
      const socket = await stage.connect();
      const messages = Array.from({ length: 2000 }, (_, i) => `${i} ${"x".repeat(i % 300)}`);
      for (const message of messages) socket.send(message);
      for (const message of messages) assertEquals(await socket.receive(), message);
    },
  },
  {
    name: "several peers are served at once, each its own messages",
    async run(stage) {
      await stage.serve({}, echoHandlers.iteration);
      const sockets = await Promise.all(Array.from({ length: 8 }, () => stage.connect()));
      for (let round = 0; round < 20; round++) {
        sockets.forEach((socket, i) => socket.send(`${round} to ${i}`));
        for (const [i, socket] of sockets.entries()) {
          assertEquals(await socket.receive(), `${round} to ${i}`);
        }
      }
      assertEquals(stage.server.connections.size, 8);
    },
  },

  // ---- Fragments ----
  {
    name: "a text the server sends as a stream arrives as one message",
    async run(stage) {
      const text = textOf(200_000);
      const bytes = new TextEncoder().encode(text);
      // Cut within code points, and once into nothing.
      const cuts = [0, 1, 8, 8, 9, 127, 70_001, 199_999, bytes.length];
      const chunks = cuts.slice(1).map((end, i) => bytes.subarray(cuts[i], end));
      await stage.serve({}, async (conn) => {
        await conn.sendStream("text", streamOf(chunks));
        await conn.send("after it");
        await conn.closed;
      });
      const socket = await stage.connect();
      assertMessage(await socket.receive(), text);
      assertEquals(await socket.receive(), "after it");
    },
  },
  {
    name: "bytes the server sends as a stream arrive as one message",
    async run(stage) {
      const bytes = bytesOf(2 * MiB);
      const chunks: Uint8Array[] = [];
      for (let i = 0; i < bytes.length; i += 9999) chunks.push(bytes.subarray(i, i + 9999));
      await stage.serve({}, async (conn) => {
        await conn.sendStream("binary", streamOf(chunks));
        await conn.sendStream("binary", streamOf<Uint8Array>([]));
        await conn.closed;
      });
      const socket = await stage.connect();
      assertMessage(await socket.receive(), bytes);
      assertMessage(await socket.receive(), new Uint8Array(0));
    },
  },
  ...Object.keys(echoHandlers).map((style): Scenario => ({
    name: `the peer's fragments are received as one message by ${style}`,
    needs: ["fragments"],
    async run(stage) {
      await stage.serve({}, echoHandlers[style]);
      const socket = await stage.connect();
      const texts = ["", "Grü", "", "ße ", textOf(70_000), "🦕"];
      socket.sendFragments(texts);
      assertMessage(await socket.receive(), texts.join(""));
      const parts = [1, 125, 126, 65_536, 1].map(bytesOf);
      socket.sendFragments(parts);
      assertMessage(await socket.receive(), Uint8Array.from(parts.flatMap((part) => [...part])));
    },
  })),

  // ---- Pings ----
  {
    name: "the peer's Pings are answered with what they carry",
    needs: ["ping"],
    async run(stage) {
      await stage.serve(echo);
      const socket = await stage.connect();
      for (const size of [0, 1, 4, 125]) {
        assertEquals(await socket.ping(bytesOf(size)), bytesOf(size));
      }
      // Also between messages, without disturbing them.
      socket.send("before");
      const pong = socket.ping(bytesOf(2));
      socket.send("after");
      assertEquals(await socket.receive(), "before");
      assertEquals(await pong, bytesOf(2));
      assertEquals(await socket.receive(), "after");
    },
  },
  {
    name: "the server's Pings are answered",
    async run(stage) {
      await stage.serve(echo);
      const { conn } = await stage.pair();
      const times = await Promise.all([conn.ping(), conn.ping(), conn.ping()]);
      for (const ms of times) assertEquals(ms >= 0 && ms < TIMEOUT_MS, true);
    },
  },

  // ---- The end ----
  {
    name: "the peer closes with codes and reasons of its own",
    async run(stage) {
      await stage.serve(echo);
      for (
        const [closeCode, reason] of [
          [1000, ""],
          [1000, "Grüße, 世界 🦕"],
          [3000, "x".repeat(123)],
          [4999, "🥟".repeat(30)],
        ] as const
      ) {
        const { socket, conn } = await stage.pair();
        socket.close(closeCode, reason);
        assertEquals(await conn.closed, { closeCode, reason, wasClean: true, initiator: "remote" });
        assertEquals((await socket.closed).closeCode, closeCode);
      }
    },
  },
  {
    name: "the peer closes with the codes of the protocol",
    needs: ["all close codes"],
    async run(stage) {
      await stage.serve(echo);
      for (const closeCode of [1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011]) {
        const { socket, conn } = await stage.pair();
        socket.close(closeCode, "why");
        const expected = { closeCode, reason: "why", wasClean: true, initiator: "remote" };
        assertEquals(await conn.closed, expected);
        assertEquals((await socket.closed).closeCode, closeCode);
      }
    },
  },
  {
    name: "the peer closes without a code",
    needs: ["bare close"],
    async run(stage) {
      await stage.serve({}, echoHandlers.iteration);
      const { socket, conn } = await stage.pair();
      socket.close();
      const expected = { closeCode: 1005, reason: "", wasClean: true, initiator: "remote" };
      assertEquals(await conn.closed, expected);
      assertEquals(await socket.closed, { closeCode: 1005, reason: "" });
    },
  },
  {
    name: "the server closes with codes and reasons",
    async run(stage) {
      await stage.serve(echo);
      const codes = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 4999];
      for (const [i, closeCode] of codes.entries()) {
        const reason = ["", "Grüße, 世界 🦕", "x".repeat(123)][i % 3];
        const { socket, conn } = await stage.pair();
        const info = await conn.close({ closeCode, reason });
        assertEquals(info, { closeCode, reason, wasClean: true, initiator: "local" });
        assertEquals(await socket.closed, { closeCode, reason });
      }
    },
  },
  {
    name: "what was sent before a close arrives before it",
    async run(stage) {
      const bytes = bytesOf(MiB / 2);
      await stage.serve({}, (conn) => {
        conn.send(bytes);
        conn.send("the last");
        conn.close({ closeCode: 4000 });
      });
      const socket = await stage.connect();
      assertMessage(await socket.receive(), bytes);
      assertEquals(await socket.receive(), "the last");
      assertEquals(await socket.closed, { closeCode: 4000, reason: "" });
    },
  },
  {
    name: "a handler that returns closes with 1000, one that throws with 1011",
    async run(stage) {
      const errors: unknown[] = [];
      await stage.serve({ onError: (error) => errors.push(error) }, async (conn) => {
        for await (const message of conn) {
          if (message === "return") return;
          throw new Error("on purpose");
        }
      });
      const first = await stage.connect();
      first.send("return");
      assertEquals(await first.closed, { closeCode: 1000, reason: "" });
      const second = await stage.connect();
      second.send("throw");
      assertEquals(await second.closed, { closeCode: 1011, reason: "" });
      assertEquals(errors.map((error) => (error as Error).message), ["on purpose"]);
    },
  },
  {
    name: "a server that shuts down closes with 1001",
    async run(stage) {
      await stage.serve({}, echoHandlers.streams);
      const { socket, conn } = await stage.pair();
      await stage.server.shutdown({ reason: "maintenance" });
      assertEquals(await socket.closed, { closeCode: 1001, reason: "maintenance" });
      assertEquals((await conn.closed).wasClean, true);
    },
  },
  {
    name: "a message past the limit closes with 1009",
    async run(stage) {
      await stage.serve({ ...echo, limits: { maxMessageSize: 1000 } });
      const { socket, conn } = await stage.pair();
      socket.send(bytesOf(1000));
      assertMessage(await socket.receive(), bytesOf(1000));
      socket.send(bytesOf(1001));
      assertEquals((await socket.closed).closeCode, 1009);
      const { closeCode, initiator } = await conn.closed;
      assertEquals({ closeCode, initiator }, { closeCode: 1009, initiator: "local" });
    },
  },
  {
    name: "a server that aborts is seen as 1006",
    async run(stage) {
      await stage.serve(echo);
      const { socket, conn } = await stage.pair();
      conn.abort();
      assertEquals((await conn.closed).wasClean, false);
      assertEquals((await socket.closed).closeCode, 1006);
    },
  },
  {
    name: "a peer that drops the connection is seen as 1006",
    needs: ["terminate"],
    async run(stage) {
      await stage.serve({}, echoHandlers.messages);
      const { socket, conn } = await stage.pair();
      socket.send("one");
      assertEquals(await socket.receive(), "one");
      socket.terminate();
      const { closeCode, wasClean, initiator } = await conn.closed;
      assertEquals(
        { closeCode, wasClean, initiator },
        { closeCode: 1006, wasClean: false, initiator: "remote" },
      );
    },
  },

  // ---- The opening handshake ----
  {
    name: "the subprotocol the server selects is agreed upon",
    async run(stage) {
      const offers: (readonly string[])[] = [];
      await stage.serve({
        ...echo,
        upgrade(_request, { subprotocols }) {
          offers.push(subprotocols);
          return subprotocols.includes("v2.chat") ? { protocol: "v2.chat" } : {};
        },
      });
      const { socket, conn } = await stage.pair({ protocols: ["v1.chat", "v2.chat"] });
      assertEquals([socket.protocol, conn.protocol], ["v2.chat", "v2.chat"]);
      socket.send("Hello");
      assertEquals(await socket.receive(), "Hello");
      const without = await stage.pair();
      assertEquals([without.socket.protocol, without.conn.protocol], ["", ""]);
      assertEquals(offers, [["v1.chat", "v2.chat"], []]);
    },
  },
  {
    name: "both sides know of the same extensions",
    async run(stage) {
      await stage.serve(echo);
      const { socket, conn } = await stage.pair();
      const isCompressed = stage.compression !== false && stage.can("compression");
      for (const extensions of [socket.extensions, conn.extensions]) {
        assertEquals(/^permessage-deflate\b/.test(extensions), isCompressed);
      }
    },
  },
  {
    name: "a handshake the upgrade hook refuses fails, the next one does not",
    async run(stage) {
      let isOpen = false;
      await stage.serve({
        ...echo,
        upgrade: () => isOpen ? {} : new Response("Forbidden", { status: 403 }),
      });
      await assertRejects(() => stage.connect(), RefusedError);
      isOpen = true;
      const socket = await stage.connect();
      socket.send("Hello");
      assertEquals(await socket.receive(), "Hello");
    },
  },
  {
    name: "the status of a refused handshake is seen",
    needs: ["refusal status"],
    async run(stage) {
      await stage.serve({
        ...echo,
        maxConnections: 1,
        upgrade: (request) =>
          request.headers.has("Sec-WebSocket-Protocol")
            ? new Response("who are you?", { status: 401 })
            : {},
      });
      const unauthorized = await assertRejects(
        () => stage.connect({ protocols: ["other"] }),
        RefusedError,
      );
      assertEquals(unauthorized.status, 401);
      await stage.connect();
      const full = await assertRejects(() => stage.connect(), RefusedError);
      assertEquals(full.status, 503);
    },
  },
  {
    name: "a foreign origin is refused, the server's own is not",
    needs: ["origin"],
    async run(stage) {
      await stage.serve(echo);
      await assertRejects(() => stage.connect({ origin: "http://example.com" }), RefusedError);
      const socket = await stage.connect({ origin: stage.url.slice(0, -1).replace("ws", "http") });
      socket.send("Hello");
      assertEquals(await socket.receive(), "Hello");
    },
  },

  // ---- TLS ----
  {
    name: "messages are echoed over TLS",
    isSecure: true,
    async run(stage) {
      await stage.serve({ ...echo, tls: certificate });
      const { socket, conn } = await stage.pair({ certificateFile: tlsPath("cert.pem") });
      assertStringIncludes(conn.request.url, "https://127.0.0.1:");
      for (const message of SIZES.flatMap(bothOf)) {
        socket.send(message);
        assertMessage(await socket.receive(), message);
      }
      socket.close(3000, "enough");
      assertEquals(
        await conn.closed,
        { closeCode: 3000, reason: "enough", wasClean: true, initiator: "remote" },
      );
      assertEquals((await socket.closed).closeCode, 3000);
    },
  },
  {
    name: "large messages are echoed over TLS by messages",
    isSecure: true,
    isHeavy: true,
    needs: ["full duplex over TLS"],
    async run(stage) {
      const limits = { maxMessageSize: 8 * MiB };
      await stage.serve({ limits, tls: certificate }, echoHandlers.messages);
      const { socket, conn } = await stage.pair({ certificateFile: tlsPath("cert.pem") });
      for (const message of bothOf(8 * MiB)) {
        socket.send(message);
        assertMessage(await socket.receive(), message);
      }
      await conn.close({ closeCode: 4000, reason: "enough" });
      assertEquals(await socket.closed, { closeCode: 4000, reason: "enough" });
    },
  },
];
