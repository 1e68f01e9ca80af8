/**
 * A server whose connections, in memory and without a client, all hold something of one kind. Prints
 * what it counts for each of them, and by how much the process has grown for each, in bytes.
 *
 * @module
 */

import process from "node:process";
import { deflateRawSync } from "node:zlib";
import { setTimeout } from "node:timers/promises";
import type {
  Address,
  ByteChannel,
  ByteChannelHandler,
  Listen,
} from "../../src/transport/byte_channel.ts";
import type { DeflateStream, DeflateStreams } from "../../src/extensions/deflate_stream.ts";
import { deflaterSize, inflaterSize } from "../../src/extensions/stream_sizes.ts";
import { loadDeflateStreams } from "../../src/extensions/zlib.ts";
import type {
  ServeOptions,
  ServerCallbacks,
  ServerConnection,
  SubscribeOptions,
} from "../../src/server/mod.ts";
import { WebSocketServer } from "../../src/server/server.ts";
import { collect } from "../support/collect_garbage.ts";
import { clientFrame, utf8 } from "../support/raw_client.ts";
import { concatBytes, REFERENCE_OPCODES } from "../support/reference_frames.ts";
import { httpRequest, type RequestInit, upgradeRequest } from "../support/requests.ts";
import { streamOf } from "../support/stream_of.ts";

const { text, binary, continuation } = REFERENCE_OPCODES;

const NOBODY: ByteChannelHandler = {
  receive() {},
  receiveEnd() {},
  drain() {},
  receiveClosed() {},
};

/** A channel that keeps nothing: what it is given is gone, or never taken. */
class BareChannel implements ByteChannel {
  handler!: ByteChannelHandler;
  readonly remoteAddress: Address;
  readonly localAddress: Address = { transport: "tcp", hostname: "192.0.2.2", port: 2 };
  takes = true;
  /** What is under way, which a system would hold. */
  pending: readonly Uint8Array[] = [];

  /** @param port Tells it from others. */
  constructor(port: number) {
    this.remoteAddress = { transport: "tcp", hostname: "192.0.2.1", port };
  }

  write(chunks: readonly Uint8Array[]): boolean {
    if (!this.takes) this.pending = chunks;
    return this.takes;
  }

  pause(): void {}
  resume(): void {}
  end(): void {}
  abort(): void {
    this.handler.receiveClosed();
  }
}

interface Kind {
  options?: ServeOptions & ServerCallbacks;
  /** What is different about the request of each connection. */
  request?: (index: number) => RequestInit;
  /** Has a connection hold something. */
  hold?: (
    channel: BareChannel,
    conn: ServerConnection,
    index: number,
    server: WebSocketServer<unknown>,
  ) => void;
  /** Where there is no WebSocket: what is sent instead, for what is measured. */
  raw?: (channel: BareChannel, index: number) => void;
  count?: number;
}

/** Has each channel bring memory of its own, as a socket does. */
function bring(channel: BareChannel, ...parts: Uint8Array[]): void {
  channel.handler.receive(concatBytes(parts), false);
}

const callbacks = { message: () => {} };
const LETTERS = "abcdefghijklmnopqrstuvwxyz";
let letters = "";
/** Text that can be compressed little. */
function textOf(length: number, index: number): string {
  for (let state = 1; letters.length < 65_536;) {
    state = state * 48271 % 0x7fffffff;
    letters += LETTERS[state % 26];
  }
  return `${index} ${letters.slice(0, length)}`.slice(0, length);
}

function headers(fields: number, length: number) {
  return (index: number): RequestInit => {
    const entries = Array.from(
      { length: fields },
      (_, field) => [`X-${field}`, textOf(length, index * fields + field)],
    );
    return { headers: Object.fromEntries(entries) };
  };
}

/** What the program has in hand. */
const requests: Request[] = [];
const never = () => new Promise<never>(() => {});
const sent = new Uint8Array(20_000);
const TEXT = utf8(textOf(60_000, 1));
const SHORT = new Uint8Array(deflateRawSync(TEXT.subarray(0, 50), { finishFlush: 2 }));
const LONG = new Uint8Array(deflateRawSync(TEXT, { finishFlush: 2 }));

const compression = { headers: { "Sec-WebSocket-Extensions": "permessage-deflate" } };
const resuming = { headers: { "Sec-WebSocket-Protocol": "sluice.resume.v1" } };

/** Has a connection that reads nothing subscribe to a topic of its own, and messages be published to it. */
function publishAlone(
  size: number,
  messages: number,
  subscribeOptions: SubscribeOptions = {},
  options: Partial<NonNullable<Kind["options"]>> = {},
): Kind {
  return {
    options: { ...callbacks, ...options },
    hold: (channel, conn, index, server) => {
      channel.takes = false;
      const topic = `topic ${index}`;
      conn.subscribe(topic, subscribeOptions);
      for (let i = 0; i < messages; i++) {
        const text = textOf(size, index * messages + i);
        server.publish(topic, i % 2 === 0 ? text : utf8(text), { key: `${i}` });
      }
    },
  };
}

/** Has all connections read nothing of one topic, and messages be published to it. */
function publishToAll(size: number, messages: number, options: Kind["options"] = {}): Kind {
  let subscribed = 0;
  return {
    options: { ...callbacks, ...options },
    count: 100,
    hold: (channel, conn, _index, server) => {
      channel.takes = false;
      conn.subscribe(`topic ${subscribed < 100 ? 1 : 2}`);
      if (++subscribed % 100 > 0) return;
      for (let i = 0; i < messages; i++) {
        const topic = `topic ${subscribed / 100}`;
        setImmediate(() => server.publish(topic, utf8(textOf(size, i))));
      }
    },
  };
}

/** Keeps messages of a topic for each connection. */
function keep(size: number, messages: number, request?: RequestInit): Kind {
  const options = { ...callbacks, resume: { totalSize: 1e9 }, compression: true } as const;
  return {
    options,
    request: request && (() => request),
    hold: (channel, conn, index, server) => {
      if (request === resuming) {
        bring(channel, clientFrame({ opcode: text, payload: utf8("{}") }));
      }
      const topic = `topic ${index}`;
      conn.subscribe(topic);
      for (let i = 0; i < messages; i++) server.publish(topic, textOf(size, index * messages + i));
    },
  };
}

const KINDS: Record<string, Kind> = {
  "a long head": { options: callbacks, request: headers(2, 7_500) },
  "a long head and its request": {
    options: { ...callbacks, upgrade: () => ({}) },
    request: headers(2, 7_500),
  },
  "a head of many fields and its request": {
    options: { ...callbacks, upgrade: () => ({}) },
    request: headers(90, 100),
  },
  "an unfinished head": {
    raw: (channel, index) => bring(channel, utf8(`GET / HTTP/1.1\r\nX: ${textOf(6_000, index)}`)),
  },
  "an unfinished message": {
    options: callbacks,
    hold: (channel) => {
      const payload = new Uint8Array(3_000);
      for (let i = 0; i < 3; i++) {
        bring(
          channel,
          clientFrame({ fin: false, opcode: i === 0 ? binary : continuation, payload }),
        );
      }
    },
  },
  "texts that wait": {
    hold: (channel, _conn, index) => {
      for (let i = 0; i < 16; i++) {
        bring(channel, clientFrame({ opcode: text, payload: utf8(textOf(400, index * 16 + i)) }));
      }
    },
  },
  "texts beyond Latin-1 that wait": {
    hold: (channel, _conn, index) => {
      for (let i = 0; i < 16; i++) {
        const payload = utf8("\u{416}" + textOf(400, index * 16 + i));
        bring(channel, clientFrame({ opcode: text, payload }));
      }
    },
  },
  "tiny messages that wait, each read alone": {
    hold: (channel) => {
      for (let i = 0; i < 16; i++) {
        bring(channel, clientFrame({ opcode: binary, payload: Uint8Array.of(i) }));
      }
    },
  },
  "messages that wait, read together": {
    hold: (channel) => {
      const frame = clientFrame({ opcode: binary, payload: new Uint8Array(250) });
      bring(channel, ...Array(16).fill(frame));
    },
  },
  "messages of which each keeps what was read with it": {
    hold: (channel) => {
      const frame = clientFrame({ opcode: binary, payload: new Uint8Array(100) });
      const ping = clientFrame({ opcode: REFERENCE_OPCODES.ping, payload: new Uint8Array(100) });
      for (let i = 0; i < 4; i++) bring(channel, frame, ...Array(40).fill(ping));
    },
  },
  "messages and what is not decoded behind them": {
    hold: (channel) => {
      const frame = clientFrame({ opcode: binary, payload: new Uint8Array(1_000) });
      bring(channel, ...Array(30).fill(frame));
    },
  },
  "streamed messages that wait": {
    options: {},
    hold: (channel, conn) => {
      conn.messages();
      for (let i = 0; i < 16; i++) {
        bring(channel, clientFrame({ opcode: binary, payload: new Uint8Array(100) }));
      }
    },
  },
  "a body that the program was given": {
    options: {
      ...callbacks,
      fetch: (request) => {
        requests.push(request);
        return never();
      },
    },
    raw: (channel) => {
      const head = httpRequest({ method: "POST", headers: { "Content-Length": "30000" } });
      bring(channel, utf8(head), new Uint8Array(30_000));
    },
  },
  "a response that is not read": {
    options: {
      ...callbacks,
      fetch: () => new Response(streamOf([new Uint8Array(100_000)])),
    },
    raw: (channel) => {
      channel.takes = false;
      bring(channel, utf8(httpRequest()));
      // The head is taken, and nothing else.
      void setTimeout(5).then(() => channel.handler.drain());
    },
    count: 200,
  },
  "messages that are not read": {
    options: callbacks,
    hold: (channel, conn) => {
      channel.takes = false;
      for (let i = 0; i < 10; i++) conn.trySend(`${i} ${textOf(2_000, i)}`);
    },
  },
  "short messages that were published, and are not read": publishAlone(100, 100),
  "messages that were published, and are not read": publishAlone(2_000, 10),
  "large messages that were published, and are not read": publishAlone(30_000, 2),
  "compressed messages that were published, and are not read": {
    ...publishAlone(30_000, 2, {}, { compression: true }),
    request: () => compression,
  },
  "messages that wait for a slow subscriber": publishAlone(300, 100, { lag: "drop-oldest" }, {
    limits: { sendHighWaterMark: 1_000 },
  }),
  "large messages that wait for a slow subscriber": publishAlone(20_000, 4, {
    lag: "drop-newest",
  }, { limits: { sendHighWaterMark: 1_000 } }),
  "the latest messages for a slow subscriber": publishAlone(300, 100, { lag: "latest" }, {
    limits: { sendHighWaterMark: 1_000 },
  }),
  "a message to many that is not read": publishToAll(60_000, 15),
  "members of a topic": {
    options: callbacks,
    hold: (_channel, conn, index) => {
      for (let i = 0; i < 4; i++) {
        const info = { is: textOf(900, index * 4 + i) };
        conn.subscribe(`topic ${i}`, { presence: { key: textOf(200, index * 4 + i), info } });
      }
    },
  },
  "notices of presence that are not read": {
    options: { ...callbacks, presence: { notice: ({ key }) => textOf(1_000, key.length) } },
    hold: (channel, conn, index) => {
      channel.takes = false;
      const topic = `topic ${Math.floor(index / 10)}`;
      conn.subscribe(topic, { presence: { key: `${index}` } });
    },
  },
  "messages that are kept": keep(300, 50),
  "large messages that are kept": keep(20_000, 4),
  "compressed messages that are kept": keep(3_000, 20, compression),
  "messages that are kept for clients that come back": keep(300, 50, resuming),
  "pings without a pong": {
    options: callbacks,
    hold: (_channel, conn) => {
      for (let i = 0; i < 30; i++) conn.ping().catch(() => {});
    },
  },
  "messages behind a stream": {
    options: callbacks,
    hold: (_channel, conn) => {
      conn.sendStream("text", new ReadableStream()).catch(() => {});
      for (let i = 0; i < 30; i++) conn.trySend(sent.subarray(0, 10));
    },
  },
};

async function measure(): Promise<{ heap: number; rss: number }> {
  for (let i = 0; i < 5; i++) {
    collect();
    await setTimeout(10);
  }
  const { heapUsed, external, rss } = process.memoryUsage();
  // On Bun the heap is what is in use in all.
  return { heap: "Bun" in globalThis ? heapUsed : heapUsed + external, rss };
}

async function run({ options = {}, request, hold, raw, count = 200 }: Kind): Promise<void> {
  let accept!: (channel: ByteChannel) => void;
  const listen: Listen = (_target, _tls, onChannel) => {
    accept = onChannel;
    const addr: Address = { transport: "tcp", hostname: "192.0.2.2", port: 2 };
    return Promise.resolve({ addr, ref() {}, unref() {}, close: () => Promise.resolve() });
  };
  const conns: ServerConnection[] = [];
  let openCount = 0;
  const channels: BareChannel[] = [];
  const given = {
    memoryBudget: { size: Infinity },
    keepAlive: false,
    handshakeTimeoutMs: Infinity,
    ...options,
    onEvent: (event: { type: string; conn?: ServerConnection }) => {
      if (event.type !== "open") return;
      const { remoteAddress } = event.conn!;
      if (remoteAddress.transport === "tcp") conns[remoteAddress.port] = event.conn!;
      openCount++;
    },
  } as ServeOptions & ServerCallbacks;
  const handler = options.message === undefined ? never : undefined;
  const server = await WebSocketServer.listen(listen, given, handler);
  const connect = (sent: string | undefined) => {
    const channel = new BareChannel(channels.length);
    accept(channel);
    channels.push(channel);
    if (sent !== undefined) bring(channel, utf8(sent));
  };
  const open = async (number: number, init?: (index: number) => RequestInit) => {
    for (let i = 0; i < number; i++) {
      connect(raw === undefined ? upgradeRequest(init?.(i)) : undefined);
    }
    while (raw === undefined && openCount < channels.length) await setTimeout(1);
  };
  const holdFrom = async (start: number) => {
    for (let i = start; i < channels.length; i++) {
      raw?.(channels[i], i);
      hold?.(channels[i], conns[i], i, server);
      if (i % 20 === 0) await setTimeout(0);
    }
    await setTimeout(20);
  };
  // What is done first is compiled, and fills what is shared.
  await open(count, request);
  await holdFrom(0);
  await measure();
  const isHead = hold === undefined && raw === undefined;
  // An idle connection with an ordinary head is what all of them cost in any case.
  const idleBefore = await measure();
  if (isHead) await open(count);
  const idle = await measure();
  const counted = () => server.stats().heldSize + (server.stats().keptSize ?? 0);
  const startCount = counted();
  const start = channels.length;
  if (!isHead) await open(count, request);
  const before = isHead ? idle : await measure();
  if (isHead) await open(count, request);
  else await holdFrom(start);
  const after = await measure();
  const idleSize = isHead ? idle.heap - idleBefore.heap : 0;
  print(
    (counted() - startCount) / count,
    (after.heap - before.heap - idleSize) / count,
  );
  for (const channel of channels) channel.handler = NOBODY;
}

/** Streams of zlib, whose memory only the system knows of. */
const STREAMS: Record<string, { counted: number; create: (streams: DeflateStreams) => unknown }> = {
  "an inflater": {
    counted: inflaterSize(15, 50),
    create: (streams) => inflating(streams, SHORT),
  },
  "an inflater whose window is full": {
    counted: inflaterSize(15, LONG.length),
    create: (streams) => inflating(streams, LONG),
  },
  "a deflater": {
    counted: deflaterSize(15, 8),
    create: (streams) => deflating(streams.deflater(15, 6, 8)),
  },
  "a deflater with a small window": {
    counted: deflaterSize(13, 6),
    create: (streams) => deflating(streams.deflater(13, 6, 6)),
  },
};

function inflating(streams: DeflateStreams, input: Uint8Array): DeflateStream {
  const stream = streams.inflater(15);
  // The output of a step has room for all of it.
  stream.step(input, 0, input.length);
  return stream;
}

function deflating(stream: DeflateStream): DeflateStream {
  for (let i = 0; i < 3; i++) stream.step(TEXT, 0, TEXT.length);
  return stream;
}

async function runStreams(name: string): Promise<void> {
  const { counted, create } = STREAMS[name];
  const streams = await loadDeflateStreams();
  const kept = [create(streams)];
  const before = await measure();
  for (let i = 0; i < 150; i++) kept.push(create(streams));
  const { rss } = await measure();
  print(counted, (rss - before.rss) / 150);
  if (kept.length === 0) process.exit(1);
}

function print(counted: number, grown: number): void {
  console.log(`counted ${Math.round(counted)} grown ${Math.round(grown)}`);
}

// One kind alone, if it is named. Those of streams only so: what the system knows is not exact enough for a
// test.
const only = process.argv[2];
if (only !== undefined && only in STREAMS) {
  await runStreams(only);
} else {
  for (const [name, kind] of Object.entries(KINDS)) {
    if (only !== undefined && name !== only) continue;
    console.log(name);
    await run(kind);
  }
}
process.exit(0);
