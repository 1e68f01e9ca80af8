/**
 * Every limit of a server that is a number: what it may be, what it is by default, and how to find out
 * whether it holds.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import type { PresenceOptions } from "../../src/server/mod.ts";
import { envelope, FakeBroker } from "../brokers/fake_broker.ts";
import { ResumingClient } from "../resume/resuming_client.ts";
import { clientFrame, type RawClient, textFrame } from "../support/raw_client.ts";
import { deflateAlone } from "../support/reference_deflate.ts";
import type { FakeClock } from "../../src/testing/fake_clock.ts";
import { concatBytes } from "../support/reference_frames.ts";
import { httpRequest, upgradeRequest } from "../support/requests.ts";
import {
  type MemoryHarness,
  type Setup,
  withConnection,
  withMemoryServer,
} from "../support/transports.ts";
import { settle } from "../support/turn.ts";
import { watch } from "../support/watch.ts";
import { textOfFrameSize, withStalledClient } from "../connection/with_connection.ts";

/** A limit. */
export interface LimitRow {
  /** The option, such as `limits.maxFragments`. */
  name: string;
  default: number;
  /** What it counts; a duration is from 1 to what a timer can wait. */
  unit: "bytes" | "ms" | "things";
  /** The least it may be; by default 0, and 1 for a duration. */
  min?: number;
  /** Whether it is no option of `accept()`. */
  isServers?: boolean;
  /** A value that is not the default. */
  other: number;
  /** Whether the limit itself is past it, as the end of a duration is. */
  isExclusive?: boolean;
  /** Does so much on a server of this setup; gives whether that was within its limit. */
  isWithin(setup: Setup<unknown>, amount: number): Promise<boolean>;
}

/** Gives the status of a request to a server that answers all with 200. */
async function statusOf(setup: Setup<unknown>, request: string): Promise<number> {
  let status = 0;
  await withMemoryServer({ ...setup, fetch: () => new Response() }, async (server) => {
    ({ status } = await server.fetch(request));
  });
  return status;
}

/** Whether a request is served, or refused with the status. */
async function isServed(setup: Setup<unknown>, request: string, refusal: number): Promise<boolean> {
  const status = await statusOf(setup, request);
  assert([200, refusal].includes(status), `${status}`);
  return status === 200;
}

/** A head of so many bytes, in lines of up to 4,000. */
function headOfSize(size: number): string {
  let head = "GET / HTTP/1.1\r\nHost: a\r\n";
  for (let left = size - head.length - 2; left > 0; left = size - head.length - 2) {
    // Of the next line, too, there must be 4 bytes.
    const length = left <= 4000 ? left : Math.min(4000, left - 4);
    head += `a:${"x".repeat(length - 4)}\r\n`;
  }
  return `${head}\r\n`;
}

/** Whether the server answers what the client sent, rather than to close with the code. */
async function isAnswered(setup: Setup<unknown>, bytes: Uint8Array, code: number) {
  let isAnswered = false;
  const message: Setup<unknown>["message"] = (conn) => conn.send("here");
  await withConnection({ ...setup, message }, async ({ client }) => {
    client.send(bytes);
    const frame = await client.readFrame();
    isAnswered = frame.opcode === 1;
    if (!isAnswered) assertEquals(frame.payload[0] * 256 + frame.payload[1], code);
  });
  return isAnswered;
}

/** A binary message in fragments of these sizes. */
function messageOf(...sizes: number[]): Uint8Array {
  return concatBytes(sizes.map((size, i) =>
    clientFrame({
      opcode: i === 0 ? 2 : 0,
      fin: i === sizes.length - 1,
      payload: new Uint8Array(size),
    })
  ));
}

/** Whether the server goes on to read, when messages have arrived. */
async function isReadOn(setup: Setup<unknown>, ...messages: Uint8Array[]): Promise<boolean> {
  let isReadOn = false;
  await withConnection(setup, async ({ client, channel }) => {
    for (const message of messages) {
      assertEquals(channel.isPaused, false, "it is read no longer already");
      client.send(message);
    }
    await settle();
    isReadOn = !channel.isPaused;
  });
  return isReadOn;
}

/** Whether all that is sent, piece by piece, is taken from the socket. */
async function areTaken(setup: Setup<unknown>, ...pieces: Uint8Array[]): Promise<boolean> {
  let areTaken = false;
  await withConnection(setup, async ({ client, channel }) => {
    for (const piece of pieces) client.send(piece);
    await settle();
    areTaken = channel.incomingSize === 0;
  });
  return areTaken;
}

/** Whether so many messages are taken from the socket, that nobody receives. */
function isTaken(setup: Setup<unknown>, count: number): Promise<boolean> {
  return areTaken(setup, ...Array(count).fill(textFrame("x")));
}

/** Whether as many clients become connections. */
async function areOpened(setup: Setup<unknown>, count: number): Promise<boolean> {
  let last = 0;
  await withMemoryServer(setup, async (server) => {
    for (let i = 1; i < count; i++) await server.open();
    ({ status: last } = await (await server.request(upgradeRequest())).readHead());
  });
  assert([101, 503].includes(last), `${last}`);
  return last === 101;
}

/** Whether the one connection there is may hold so many bytes. */
async function mayHold(setup: Setup<unknown>, size: number): Promise<boolean> {
  let mayHold = false;
  const limits = { sendQueueSize: Infinity };
  await withConnection({ ...setup, limits }, async ({ server, client, conn }) => {
    client.socket.pause();
    while (size - conn.bufferedAmount > 2_000_000) conn.trySend("x".repeat(1_000_000));
    conn.trySend(textOfFrameSize(size - conn.bufferedAmount));
    assertEquals(server.server.stats().heldSize, size);
    await settle();
    mayHold = conn.state === "open";
  });
  return mayHold;
}

/** Whether something has not happened when so much time has passed. */
async function isBefore(
  setup: Setup<unknown>,
  ms: number,
  begin: (server: MemoryHarness<unknown>, client: RawClient) => Promise<() => boolean>,
): Promise<boolean> {
  let isBefore = false;
  await withMemoryServer(setup, async (server) => {
    const client = await server.connect();
    const hasHappened = await begin(server, client);
    assertEquals(hasHappened(), false);
    await server.clock.advance(ms);
    isBefore = !hasHappened();
  });
  return isBefore;
}

/** Opens a WebSocket on a client that has connected. */
async function open(client: RawClient): Promise<void> {
  client.send(upgradeRequest());
  await client.readHead();
}

/** Whether a client that comes back gets all that was published meanwhile. */
async function isResumed(
  setup: Setup<unknown>,
  texts: string[],
  wait: (clock: FakeClock) => Promise<void> = () => Promise.resolve(),
): Promise<boolean> {
  let isResumed = false;
  const limits = { sendQueueSize: Infinity };
  await withMemoryServer({ resume: true, ...setup, limits }, async (harness) => {
    const client = await new ResumingClient(harness).begin();
    client.conn.subscribe("x");
    await client.note();
    client.reset();
    await settle();
    for (const text of texts) harness.server.publish("x", text);
    await wait(harness.clock);
    await client.begin();
    client.conn.subscribe("x");
    isResumed = (await client.note()).isLost === undefined;
  });
  return isResumed;
}

const HALVES = (size: number): [number, number] => [Math.floor(size / 2), Math.ceil(size / 2)];
/** Receives messages, and does nothing with them. */
const RECEIVE: Setup<unknown> = { message() {} };

/** The limits, in the order of the README. */
export const LIMITS: readonly LimitRow[] = [
  {
    name: "handshakeTimeoutMs",
    default: 10_000,
    unit: "ms",
    other: 50,
    isExclusive: true,
    isWithin: (setup, ms) =>
      isBefore(setup, ms, (_, client) => {
        client.send("G");
        return Promise.resolve(() => client.receivedSize > 0);
      }),
  },
  {
    name: "responseTimeoutMs",
    default: 60_000,
    unit: "ms",
    other: 50,
    isExclusive: true,
    isWithin: (setup, ms) =>
      isBefore({ ...setup, fetch: () => new Response("x") }, ms, async (_, client) => {
        client.socket.pause();
        client.send(httpRequest());
        await settle();
        return () => client.isClosed;
      }),
  },
  {
    name: "maxHeadSize",
    default: 16_384,
    unit: "bytes",
    other: 1_000,
    isWithin: (setup, size) => isServed(setup, headOfSize(size), 431),
  },
  {
    name: "maxHeadLineSize",
    default: 8_192,
    unit: "bytes",
    other: 100,
    async isWithin(setup, size) {
      const host = "Host: a\r\n";
      const target = `/${"a".repeat(size - "GET / HTTP/1.1".length)}`;
      const first = await isServed(setup, `GET ${target} HTTP/1.1\r\n${host}\r\n`, 414);
      const field = `X: ${"y".repeat(size - 3)}\r\n`;
      const second = await isServed(setup, `GET / HTTP/1.1\r\n${host}${field}\r\n`, 431);
      assertEquals(first, second);
      return first;
    },
  },
  {
    name: "maxHeadFields",
    default: 100,
    unit: "things",
    other: 7,
    isWithin: (setup, count) =>
      isServed(setup, `GET / HTTP/1.1\r\nHost: a\r\n${"X: y\r\n".repeat(count - 1)}\r\n`, 431),
  },
  {
    name: "maxRequestBodySize",
    default: 1_048_576,
    unit: "bytes",
    other: 100,
    isWithin(setup, size) {
      const head = `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${size}\r\n\r\n`;
      return isServed(setup, head + "x".repeat(size), 413);
    },
  },
  {
    name: "maxConnections",
    default: Infinity,
    unit: "things",
    isServers: true,
    other: 3,
    isWithin: areOpened,
  },
  {
    name: "maxConnectionsPerAddress",
    default: Infinity,
    unit: "things",
    isServers: true,
    other: 3,
    isWithin: areOpened,
  },
  {
    name: "maxHandshakes",
    default: 10_000,
    unit: "things",
    isServers: true,
    other: 3,
    async isWithin(setup, count) {
      let dropped = 0;
      await withMemoryServer(setup, async ({ listener, server }) => {
        for (let i = 0; i < count; i++) listener.connect();
        await settle();
        ({ dropped } = server.stats());
        assertEquals(server.stats().handshakes, count - dropped);
        for (const channel of listener.channels) channel.socket.reset();
      });
      return dropped === 0;
    },
  },
  {
    name: "memoryBudget.size",
    default: 16_777_216,
    unit: "bytes",
    min: 1,
    isServers: true,
    other: 100_000,
    isWithin: (setup, size) => mayHold(setup, size + 32_768),
  },
  {
    name: "memoryBudget.sizePerConnection",
    default: 32_768,
    unit: "bytes",
    isServers: true,
    other: 1_000,
    isWithin: (setup, size) => mayHold(setup, size + 16_777_216),
  },
  {
    name: "resume.windowMs",
    default: 120_000,
    unit: "ms",
    isServers: true,
    other: 1_500,
    isExclusive: true,
    isWithin: (setup, ms) => isResumed(setup, ["x"], (clock) => clock.advance(ms)),
  },
  {
    name: "resume.windowSize",
    default: 1_048_576,
    unit: "bytes",
    isServers: true,
    other: 1_000,
    isWithin: (setup, size) => isResumed(setup, ["x".repeat(size - 512), ""]),
  },
  {
    name: "resume.totalSize",
    default: 67_108_864,
    unit: "bytes",
    isServers: true,
    other: 1_000,
    isWithin(setup, size) {
      const { resume } = setup;
      const others = typeof resume === "object" ? resume : {};
      const replaySizePerMinute = Infinity;
      const wide = { ...setup, resume: { ...others, windowSize: Infinity, replaySizePerMinute } };
      return isResumed(wide, ["x".repeat(size - 512), ""]);
    },
  },
  {
    name: "resume.replaySizePerMinute",
    default: 67_108_864,
    unit: "bytes",
    isServers: true,
    other: 1_000,
    isWithin(setup, size) {
      const { resume } = setup;
      const others = typeof resume === "object" ? resume : {};
      const wide = { ...setup, resume: { ...others, windowSize: Infinity, totalSize: Infinity } };
      return isResumed(wide, ["x".repeat(size - 512), ""]);
    },
  },
  {
    name: "limits.maxMessageSize",
    default: 1_048_576,
    unit: "bytes",
    other: 100,
    async isWithin(setup, size) {
      const whole = await isAnswered(setup, messageOf(size), 1009);
      assertEquals(await isAnswered(setup, messageOf(...HALVES(size)), 1009), whole);
      return whole;
    },
  },
  {
    name: "limits.maxFragments",
    default: 1_024,
    unit: "things",
    min: 1,
    other: 3,
    isWithin: (setup, count) => isAnswered(setup, messageOf(...Array(count).fill(0)), 1008),
  },
  {
    name: "limits.receiveQueueMessages",
    default: 16,
    unit: "things",
    min: 1,
    other: 3,
    isWithin: isTaken,
  },
  {
    name: "limits.receiveQueueSize",
    default: 1_048_576,
    unit: "bytes",
    min: 1,
    other: 1_000,
    isExclusive: true,
    isWithin: (setup, size) => isReadOn(setup, ...HALVES(size).map((half) => messageOf(half))),
  },
  {
    name: "limits.sendHighWaterMark",
    default: 65_536,
    unit: "bytes",
    other: 200,
    async isWithin(setup, size) {
      let isWithin = false;
      await withStalledClient(setup, async ({ conn }) => {
        while (size - conn.bufferedAmount > 16_000) void conn.send(textOfFrameSize(8_000));
        const sent = watch(conn.send(textOfFrameSize(size - conn.bufferedAmount)));
        await settle();
        assertEquals(conn.bufferedAmount, size);
        isWithin = sent.state === "resolved";
      });
      return isWithin;
    },
  },
  {
    name: "limits.sendQueueSize",
    default: 1_048_576,
    unit: "bytes",
    other: 100,
    async isWithin(setup, size) {
      let isWithin = false;
      // Below the mark, one message of any size fits.
      const limits = { sendHighWaterMark: 0, ...setup.limits };
      await withStalledClient({ ...setup, limits }, async ({ conn }) => {
        while (size - conn.bufferedAmount > 300_000) void conn.send(textOfFrameSize(200_000));
        // Its header is not counted for the message that is to fit.
        isWithin = conn.trySend("x".repeat(size - conn.bufferedAmount)) !== "dropped";
        await settle();
        assertEquals(conn.state, "open");
      });
      return isWithin;
    },
  },
  {
    name: "rateLimits.bytesPerSecond",
    default: Infinity,
    unit: "bytes",
    min: 1,
    other: 1_000,
    isWithin: (setup, size) => isReadOn({ ...setup, ...RECEIVE }, messageOf(size - 8)),
  },
  {
    name: "rateLimits.inflatedBytesPerSecond",
    default: Infinity,
    unit: "bytes",
    min: 1,
    other: 1_000,
    async isWithin(setup, size) {
      let isWithin = false;
      await withMemoryServer({ ...setup, ...RECEIVE, compression: true }, async (server) => {
        const client = await server.open({
          headers: { "Sec-WebSocket-Extensions": "permessage-deflate" },
        });
        client.sendFrame({ opcode: 2, rsv: 4, payload: deflateAlone(new Uint8Array(size)) });
        await settle();
        isWithin = !server.channelOf(client).isPaused;
      });
      return isWithin;
    },
  },
  {
    name: "rateLimits.messagesPerSecond",
    default: Infinity,
    unit: "things",
    min: 1,
    other: 3,
    isWithin: (setup, count) =>
      areTaken({ ...setup, ...RECEIVE }, ...Array(count).fill(textFrame("x"))),
  },
  {
    name: "rateLimits.controlFramesPerSecond",
    default: Infinity,
    unit: "things",
    min: 1,
    other: 3,
    async isWithin(setup, count) {
      const pongs = Array(count).fill(clientFrame({ opcode: 10 }));
      const isWithin = await areTaken({ ...setup, ...RECEIVE }, ...pongs);
      const pings = Array(count).fill(clientFrame({ opcode: 9 }));
      assertEquals(await areTaken({ ...setup, ...RECEIVE }, ...pings), isWithin);
      return isWithin;
    },
  },
  {
    name: "keepAlive.intervalMs",
    default: 20_000,
    unit: "ms",
    other: 300,
    isExclusive: true,
    isWithin: (setup, ms) =>
      isBefore(setup, ms, async (_, client) => {
        await open(client);
        return () => client.unreadSize > 0;
      }),
  },
  {
    name: "keepAlive.timeoutMs",
    default: 20_000,
    unit: "ms",
    other: 300,
    isExclusive: true,
    isWithin: (setup, ms) =>
      isBefore(setup, ms, async ({ clock }, client) => {
        await open(client);
        await clock.advance(20_000);
        await client.readPing();
        return () => client.isClosed;
      }),
  },
  {
    name: "closeTimeoutMs",
    default: 5_000,
    unit: "ms",
    other: 50,
    isExclusive: true,
    isWithin: (setup, ms) =>
      isBefore(setup, ms, async ({ server }, client) => {
        await open(client);
        for (const conn of server.connections) void conn.close();
        await client.readClose();
        return () => client.isClosed;
      }),
  },
  {
    name: "presence.ttlMs",
    default: 30_000,
    unit: "ms",
    isServers: true,
    other: 300,
    isExclusive: true,
    isWithin(setup, ms) {
      const broker = new FakeBroker();
      let hasLeft = false;
      const notice: PresenceOptions["notice"] = ({ type }) => {
        hasLeft = type === "leave";
        return undefined;
      };
      const presence = { ...setup.presence, notice };
      const all = { ...setup, presence, broker, keepAlive: false as const };
      return isBefore(all, ms, async ({ server }, client) => {
        await open(client);
        for (const conn of server.connections) conn.subscribe("x", { presence: true });
        const from = "0".repeat(32);
        const update = { type: "update", from, after: 0, version: 1, set: [["a", 1, 1]], gone: [] };
        broker.handler.receiveMessage("$presence/topic/x", envelope(JSON.stringify(update)));
        return () => hasLeft;
      });
    },
  },
];

/** Options with one value, at a path such as `limits.maxFragments`. */
export function optionsWith(path: string, value: unknown): Setup<unknown> {
  const [name, inner] = path.split(".");
  return { [name]: inner === undefined ? value : { [inner]: value } };
}
