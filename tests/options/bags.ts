/**
 * Every object of options that the library takes: how it is given, and where.
 *
 * @module
 */

import { createServer } from "node:http";
import { serve } from "../../mod.ts";
import { connect, reconnecting } from "../../src/runtimes/shared/client.ts";
import { mount } from "../../src/runtimes/node/mount.ts";
import { natsBroker } from "../../src/brokers/nats.ts";
import { redisBroker } from "../../src/brokers/redis.ts";
import {
  FrameDecoder,
  FrameDecoderStream,
  FrameEncoder,
  FrameEncoderStream,
} from "../../src/codec/mod.ts";
import {
  createUpgradeRequest,
  encodeRefusal,
  encodeResponseHead,
  encodeSwitchingProtocols,
  HandshakeError,
  RequestHead,
  RequestHeadParser,
  ResponseHead,
  ResponseHeadParser,
  toRequest,
  validateUpgrade,
  validateUpgradeResponse,
} from "../../src/handshake/mod.ts";
import { Protocol } from "../../src/protocol/mod.ts";
import {
  accept,
  type Connection,
  type Server,
  type ServerConnection,
} from "../../src/server/mod.ts";
import {
  connectedPair,
  expectSilence,
  MemoryNetwork,
  receiveMessage,
} from "../../src/testing/mod.ts";
import { streamOf } from "../support/stream_of.ts";

/** What the calls of an open connection are tried on. */
export interface Running {
  readonly conn: ServerConnection;
  readonly server: Server;
}

// deno-lint-ignore no-explicit-any
type Given = any;

/** An object of options. */
export interface Bag {
  /** What messages name it. */
  readonly name: string;
  /** The interface that documents it. */
  readonly type: string;
  /** Uses it; cleans up where that succeeds. */
  readonly use: (given: Given, running: Running) => unknown;
  /** What has to be there. */
  readonly required?: object;
  /** The options that may be anything. */
  readonly free?: readonly string[];
  /** The exported function or class that takes it. */
  readonly of?: string;
  /** Whether leaving out what is not required needs more than a test has, such as a server at hand. */
  readonly isRefusedOnly?: boolean;
}

const HANDLER = (conn: Connection<unknown>) => conn.closed;
const FRAME_HANDLER = {
  receiveFrame() {},
  receiveFrameStart() {},
  receiveFramePayload() {},
  receiveFrameEnd() {},
};
const PROTOCOL_HANDLER = {
  receiveMessage() {},
  receiveMessageStart() {},
  receiveMessageChunk() {},
  receiveMessageEnd() {},
  receivePing() {},
  receivePong() {},
  receiveClose() {},
};
const REQUEST = new RequestHead("GET", "/", [
  ["Host", "example.com"],
  ["Upgrade", "websocket"],
  ["Connection", "Upgrade"],
  ["Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="],
  ["Sec-WebSocket-Version", "13"],
]);
const ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
const RESPONSE = new ResponseHead(1, 101, "", [
  ["Upgrade", "websocket"],
  ["Connection", "Upgrade"],
  ["Sec-WebSocket-Accept", ACCEPT],
]);

async function useServe(given: Given): Promise<void> {
  const server = await new MemoryNetwork().serve(given, HANDLER);
  await server.shutdown();
}

async function useConnect(given: Given): Promise<void> {
  const network = new MemoryNetwork();
  const server = await network.serve({ port: 80, compression: true }, HANDLER);
  try {
    const conn = await network.connect("ws://server.example/", given);
    await conn.close();
  } finally {
    await server.shutdown();
  }
}

async function useReconnecting(given: Given): Promise<void> {
  const network = new MemoryNetwork();
  const server = await network.serve({ port: 80 }, HANDLER);
  try {
    for await (const _ of network.reconnecting("ws://server.example/", given)) break;
  } finally {
    await server.shutdown();
  }
}

async function useMount(given: Given): Promise<void> {
  const mounted = await mount(given, HANDLER);
  await mounted.shutdown();
}

async function useAttach(given: Given): Promise<void> {
  const mounted = await mount({}, HANDLER);
  try {
    mounted.attach(createServer(), given)();
  } finally {
    await mounted.shutdown();
  }
}

async function useAccept(given: Given): Promise<void> {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const accepted = accept({ readable, writable: new WritableStream() }, given);
  const writer = writable.getWriter();
  const fields = REQUEST.fields.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  writer.write(new TextEncoder().encode(`GET / HTTP/1.1\r\n${fields}\r\n`)).catch(() => {});
  (await accepted).abort();
}

async function usePair(given: Given): Promise<void> {
  const { client } = await connectedPair(given);
  await client.close();
}

/** Gives options to what waits at a connection, where a message comes after 10 ms. */
async function onPair(
  given: Given,
  wait: (conn: Connection<unknown>, given: Given) => Promise<unknown>,
): Promise<void> {
  const { server, client } = await connectedPair();
  const timer = setTimeout(() => server.trySend("x"), 10);
  try {
    await wait(client as Connection<unknown>, given);
  } finally {
    clearTimeout(timer);
    server.abort();
  }
}

/** An option of a server that holds options itself. */
function ofServe(name: string, type: string, required?: object): Bag {
  return { name, type, required, use: (given) => useServe({ [name]: given }) };
}

/** An option of a client that holds options itself. */
function ofConnect(name: string, type: string): Bag {
  return { name, type, use: (given) => useConnect({ [name]: given }) };
}

/** All of them. */
export const BAGS: readonly Bag[] = [
  { name: "serve", type: "ServeOptions", use: useServe },
  {
    name: "serve",
    type: "ServeOptions",
    of: "serve",
    use: (given) => serve(given, HANDLER),
    isRefusedOnly: true,
  },
  ofServe("limits", "Limits"),
  ofServe("rateLimits", "RateLimits"),
  ofServe("keepAlive", "KeepAlive"),
  ofServe("compression", "CompressionOptions"),
  ofServe("memoryBudget", "MemoryBudgetOptions"),
  ofServe("resume", "ResumeOptions"),
  ofServe("presence", "PresenceOptions"),
  {
    name: "layers[0]",
    type: "LayerDefinition",
    required: { subprotocol: "x", create: () => ({}) },
    use: (given) => useServe({ layers: [given] }),
  },
  ofServe("tls", "TlsCertificate", { cert: "", key: "" }),
  { name: "mount", type: "MountOptions", of: "mount", use: useMount },
  { name: "attach", type: "AttachOptions", use: useAttach, required: { path: "/" } },
  { name: "accept", type: "AcceptStreamOptions", of: "accept", use: useAccept },
  { name: "connect", type: "ConnectOptions", use: useConnect, free: ["data"] },
  {
    name: "connect",
    type: "ConnectOptions",
    of: "connect",
    use: (given) => connect("ws://127.0.0.1:1/", given),
    free: ["data"],
    isRefusedOnly: true,
  },
  ofConnect("limits", "Limits"),
  ofConnect("rateLimits", "RateLimits"),
  ofConnect("keepAlive", "KeepAlive"),
  ofConnect("compression", "CompressionOptions"),
  ofConnect("tls", "TlsClientOptions"),
  {
    name: "proxy",
    type: "ProxyOptions",
    use: (given) => useConnect({ proxy: given }),
    required: { url: "http://proxy.example" },
    isRefusedOnly: true,
  },
  {
    name: "proxy.tls",
    type: "TlsClientOptions",
    use: (given) => useConnect({ proxy: { url: "http://proxy.example", tls: given } }),
    isRefusedOnly: true,
  },
  { name: "reconnecting", type: "ReconnectOptions", use: useReconnecting, free: ["data"] },
  {
    name: "reconnecting",
    type: "ReconnectOptions",
    of: "reconnecting",
    use: (given) => reconnecting("ws://127.0.0.1:1/", given).next(),
    free: ["data"],
    isRefusedOnly: true,
  },
  { name: "send", type: "SendOptions", use: (given, { conn }) => conn.send("x", given) },
  {
    name: "sendStream",
    type: "SendStreamOptions",
    use: (given, { conn }) => conn.sendStream("text", streamOf("x"), given),
  },
  { name: "ping", type: "WaitOptions", use: (given, { conn }) => conn.ping(given) },
  { name: "close", type: "CloseStatus", use: (given, { conn }) => conn.close(given) },
  {
    name: "subscribe",
    type: "SubscribeOptions",
    use: (given, { conn }) => void conn.subscribe("news", given),
  },
  {
    name: "presence",
    type: "PresenceEntry",
    use: (given, { conn }) => void conn.subscribe("news", { presence: given }),
    required: { key: "ada" },
    free: ["info"],
  },
  {
    name: "publish",
    type: "PublishOptions",
    use: (given, { server }) => server.publish("news", "x", given),
  },
  { name: "shutdown", type: "ShutdownOptions", use: (given, { server }) => server.shutdown(given) },
  {
    name: "redisBroker",
    type: "RedisBrokerOptions",
    of: "redisBroker",
    use: (given) => void redisBroker(given),
  },
  {
    name: "natsBroker",
    type: "NatsBrokerOptions",
    of: "natsBroker",
    use: (given) => void natsBroker(given),
  },
  {
    name: "FrameDecoder",
    type: "FrameDecoderOptions",
    of: "FrameDecoder",
    use: (given) => void new FrameDecoder("server", FRAME_HANDLER, given),
  },
  {
    name: "FrameDecoderStream",
    type: "FrameDecoderStreamOptions",
    of: "FrameDecoderStream",
    use: (given) => void new FrameDecoderStream("server", given),
  },
  {
    name: "FrameEncoder",
    type: "FrameEncoderOptions",
    of: "FrameEncoder",
    use: (given) => void new FrameEncoder("client", given),
  },
  {
    name: "FrameEncoder",
    type: "FrameEncoderOptions",
    of: "FrameEncoderStream",
    use: (given) => void new FrameEncoderStream("client", given),
  },
  {
    name: "Protocol",
    type: "ProtocolOptions",
    of: "Protocol",
    use: (given) => void new Protocol("client", PROTOCOL_HANDLER, given),
  },
  {
    name: "RequestHeadParser",
    type: "RequestHeadLimits",
    of: "RequestHeadParser",
    use: (given) => void new RequestHeadParser(given),
  },
  {
    name: "ResponseHeadParser",
    type: "RequestHeadLimits",
    of: "ResponseHeadParser",
    use: (given) => void new ResponseHeadParser(given),
  },
  {
    name: "createUpgradeRequest",
    type: "UpgradeRequestOptions",
    of: "createUpgradeRequest",
    use: (given) => void createUpgradeRequest(given),
    required: { target: "/", host: "example.com", key: "dGhlIHNhbXBsZSBub25jZQ==" },
  },
  {
    name: "encodeRefusal",
    type: "RefusalOptions",
    of: "encodeRefusal",
    use: (given) => void encodeRefusal(new HandshakeError(400, "No"), given),
  },
  {
    name: "encodeResponseHead",
    type: "ResponseHeadOptions",
    of: "encodeResponseHead",
    use: (given) => void encodeResponseHead(200, "", [], given),
  },
  {
    name: "encodeSwitchingProtocols",
    type: "SwitchingProtocols",
    of: "encodeSwitchingProtocols",
    use: (given) => void encodeSwitchingProtocols(given),
    required: { accept: ACCEPT },
  },
  {
    name: "toRequest",
    type: "{ secure: boolean }",
    of: "toRequest",
    use: (given) => void toRequest(REQUEST, given),
    required: { secure: false },
  },
  {
    name: "validateUpgrade",
    type: "ValidateUpgradeOptions",
    of: "validateUpgrade",
    use: (given) => void validateUpgrade(REQUEST, given),
    required: { secure: false },
  },
  {
    name: "validateUpgradeResponse",
    type: "ExpectedUpgrade",
    of: "validateUpgradeResponse",
    use: (given) => void validateUpgradeResponse(RESPONSE, given),
    required: { accept: ACCEPT, subprotocols: [], extensions: [] },
  },
  {
    name: "receiveMessage",
    type: "WaitOptions",
    of: "receiveMessage",
    use: (given) => onPair(given, receiveMessage),
  },
  {
    name: "expectSilence",
    type: "SilenceOptions",
    of: "expectSilence",
    use: (given) => onPair(given, expectSilence),
    required: { ms: 1 },
  },
  { name: "connectedPair", type: "PairOptions", of: "connectedPair", use: usePair },
  {
    name: "MemoryNetwork",
    type: "MemoryNetworkOptions",
    of: "MemoryNetwork",
    use: (given) => void new MemoryNetwork(given),
  },
];
