import { describe, it } from "node:test";
import { Buffer } from "node:buffer";
import { runInNewContext } from "node:vm";
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { connectError } from "../../src/runtimes/shared/connect_error.ts";
import { listenError } from "../../src/runtimes/shared/listen_error.ts";
import { FrameDecoderStream, FrameEncoderStream } from "../../src/codec/mod.ts";
import { computeAccept, encodeResponseHead } from "../../src/handshake/mod.ts";
import { accept, type ByteStreamPair, type Connection } from "../../src/server/mod.ts";
import { connectedPair, MemoryNetwork, receiveMessage } from "../../src/testing/mod.ts";
import { foreignStream } from "../support/foreign_stream.ts";
import { RawClient } from "../support/raw_client.ts";
import { upgradeRequest } from "../support/requests.ts";
import { StreamSocket } from "../support/stream_socket.ts";
import { TRANSPORTS } from "../support/transports.ts";

/** Bytes of another realm: 1, 2, ... */
function foreignBytes(length: number): Uint8Array {
  return runInNewContext(`Uint8Array.from({ length: ${length} }, (_, i) => i + 1)`);
}

function bytes(length: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, i) => i + 1);
}

/** What pretends to be bytes, and is none. */
const NO_BYTES: unknown[] = [
  { length: 1, 0: 1 },
  { [Symbol.toStringTag]: "Uint8Array", length: 1 },
  new Uint16Array(1),
  new Int8Array(1),
  new DataView(new ArrayBuffer(1)),
  runInNewContext("new Uint16Array(1)"),
  runInNewContext("new ArrayBuffer(1)"),
  runInNewContext("[1]"),
  Object.create(Uint8Array.prototype),
  Object.create(runInNewContext("Uint8Array.prototype")),
];

/** A signal of another class, as other realms and packages have. */
class ForeignSignal {
  aborted = false;
  reason: unknown = undefined;
  readonly #listeners: Set<() => void> = new Set();

  get signal(): AbortSignal {
    return this as unknown as AbortSignal;
  }

  addEventListener(_type: string, listener: () => void): void {
    this.#listeners.add(listener);
  }

  removeEventListener(_type: string, listener: () => void): void {
    this.#listeners.delete(listener);
  }

  throwIfAborted(): void {
    if (this.aborted) throw this.reason;
  }

  abort(): void {
    this.aborted = true;
    this.reason = "foreign";
    for (const listener of this.#listeners) listener();
  }
}

async function reasonOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    return await promise;
  } catch (error) {
    return error;
  }
}

it("these tests have values of another realm", () => {
  assert(!(foreignBytes(1) instanceof Uint8Array));
  assert(!(runInNewContext("new ArrayBuffer(1)") instanceof ArrayBuffer));
});

for (const { name, withConnection } of TRANSPORTS) {
  describe(`bytes of another realm over ${name}`, () => {
    for (const length of [0, 1, 200, 20_000, 100_000]) {
      it(`${length} of them are a message, by every way to send`, () =>
        withConnection({ compression: true }, async ({ server, client, conn }) => {
          await conn.send(foreignBytes(length));
          conn.trySend(foreignBytes(length));
          await conn.writable.getWriter().write(foreignBytes(length));
          conn.subscribe("a");
          server.server.publish("a", foreignBytes(length));
          (conn.asWebSocket() as WebSocket).send(foreignBytes(length) as Uint8Array<ArrayBuffer>);
          for (let i = 0; i < 5; i++) assertEquals(await client.readMessage(), bytes(length));
        }));
    }
  });
}

describe("values of another realm", () => {
  it("bytes are a message where they are compressed", async () => {
    const compression = { threshold: 0 };
    const { server, client } = await connectedPair({
      server: { compression },
      client: { compression },
    });
    assert(client.extensions !== "");
    for (const length of [0, 100, 50_000]) {
      await client.send(foreignBytes(length));
      assertEquals(await receiveMessage(server as Connection<unknown>), bytes(length));
    }
    await client.close();
  });

  it("the bytes of a Buffer are the sender's again when they are sent", async () => {
    const { server, client, link } = await connectedPair();
    for (const length of [10, 60_000]) {
      const buffer = Buffer.alloc(length, 7);
      link.stall();
      await server.send(buffer);
      buffer.fill(0);
      link.flow();
      const message = await receiveMessage(client) as Uint8Array;
      assertEquals([message.length, message[0], message.constructor], [length, 7, Uint8Array]);
    }
    await client.close();
  });

  it("a stream can be sent, and its chunks", async () => {
    const { server, client } = await connectedPair();
    await client.sendStream("binary", foreignStream([1, 2], [3]));
    assertEquals(await receiveMessage(server as Connection<unknown>), bytes(3));
    await client.close();
    await assertRejects(() => client.sendStream("binary", foreignStream([1, 2], [3])));
  });

  it("an ArrayBuffer, a view and a Blob can be sent by a WebSocket", async () => {
    const { server, client } = await connectedPair();
    const socket = client.asWebSocket();
    socket.send(runInNewContext("new Uint8Array([1, 2, 3]).buffer"));
    socket.send(runInNewContext("new DataView(new Uint8Array([0, 1, 2, 3]).buffer, 1)"));
    class Blob {
      readonly size = 3;
      get [Symbol.toStringTag](): string {
        return "Blob";
      }
      stream(): ReadableStream<Uint8Array> {
        return foreignStream([1, 2], [3]);
      }
    }
    socket.send(new Blob() as unknown as globalThis.Blob);
    socket.send(new File([bytes(3) as Uint8Array<ArrayBuffer>], "name"));
    for (let i = 0; i < 4; i++) {
      assertEquals(await receiveMessage(server as Connection<unknown>), bytes(3));
    }
    await client.close();
  });

  it("what only looks like an ArrayBuffer is a text", async () => {
    const { server, client } = await connectedPair();
    const socket = client.asWebSocket();
    const pretended = { [Symbol.toStringTag]: "ArrayBuffer", byteLength: 3 };
    for (const value of [pretended, Object.create(ArrayBuffer.prototype)]) {
      socket.send(value);
      assertEquals(await receiveMessage(server as Connection<unknown>), "[object ArrayBuffer]");
    }
    await client.close();
  });

  it("signals end what they are given to", async () => {
    const { server, client } = await connectedPair();
    const network = new MemoryNetwork();
    const serving = new ForeignSignal();
    const running = await network.serve({ signal: serving.signal }, (conn) => conn.closed);
    const { port } = running.addr as { port: number };
    const url = `ws://server.example:${port}/`;
    const connecting = new ForeignSignal();
    const opened = network.connect(url, { signal: connecting.signal });
    connecting.abort();
    assertEquals(await reasonOf(opened), "foreign");
    const reconnecting = new ForeignSignal();
    for await (const _ of network.reconnecting(url, { signal: reconnecting.signal })) {
      reconnecting.abort();
    }
    serving.abort();
    await running.finished;

    const sending = new ForeignSignal();
    const sent = [
      client.sendStream("text", new ReadableStream(), { signal: sending.signal }),
      client.send("x", { signal: sending.signal }),
      client.ping({ signal: sending.signal }),
    ];
    sending.abort();
    for (const promise of sent) assertEquals(await reasonOf(promise), "foreign");
    client.abort();
    await server.closed;
  });

  it("options, lists, header fields, URLs and dates are taken", async () => {
    const network = new MemoryNetwork();
    const server = await network.serve(
      Object.assign(runInNewContext("({ port: 80, limits: { maxMessageSize: 5 } })"), {
        upgrade: () =>
          runInNewContext("({ protocol: 'b', headers: { 'X-A': 'c' }, data: new Map() })"),
      }),
      (conn) => conn.closed,
    );
    const url = runInNewContext("({ toString: () => 'ws://server.example/' })") as URL;
    const options = runInNewContext("({ subprotocols: ['a', 'b'], headers: [['X-B', 'd']] })");
    const conn = await network.connect(url, options);
    const [{ data, request }] = server.connections;
    assertEquals([conn.protocol, request.headers.get("X-B")], ["b", "d"]);
    assertEquals(Object.prototype.toString.call(data), "[object Map]");
    assertEquals((await conn.close(runInNewContext("({ closeCode: 4000 })"))).closeCode, 4000);
    await server.shutdown(runInNewContext("({ timeoutMs: 1000 })"));
    const head = encodeResponseHead(200, "", [], { date: runInNewContext("new Date(0)") });
    assert(new TextDecoder().decode(head).includes("Date: Thu, 01 Jan 1970 00:00:00 GMT"));
  });

  it("what the runtime itself gives may be of another realm than the library", async () => {
    const { subtle } = crypto;
    const { digest } = subtle;
    const toForeign = runInNewContext("(bytes) => Uint8Array.from(bytes).buffer");
    subtle.digest = async (...given) =>
      toForeign(new Uint8Array(await digest.apply(subtle, given)));
    try {
      assertEquals(
        await computeAccept("dGhlIHNhbXBsZSBub25jZQ=="),
        "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
      );
    } finally {
      subtle.digest = digest;
    }
    const target = { hostname: "127.0.0.1", port: 1 };
    const error = runInNewContext("new Error('something new')");
    assert(connectError(target, "ENEW", error).message.includes("something new"));
    assert(listenError(target, "ENEW", error).message.includes("something new"));
  });

  it("promises and events may be of classes that are replaced", async () => {
    const { server, client } = await connectedPair({
      server: { message: (conn, data) => conn.send(data) },
    });
    const globals = globalThis as unknown as Record<string, unknown>;
    const names = ["Promise", "Event", "CloseEvent", "MessageEvent", "EventTarget"];
    const before = names.map((name) => [name, globals[name]] as const);
    class OtherPromise<T> extends Promise<T> {}
    const received: unknown[] = [];
    try {
      for (const name of names) globals[name] = class {};
      globals.Promise = OtherPromise;
      const socket = client.asWebSocket();
      const ended = new Promise((resolve) => socket.onclose = resolve);
      socket.onopen = ({ type }) => received.push(type);
      socket.onmessage = ({ data }) => {
        received.push(data);
        if (data === "c") socket.close(4000);
      };
      for (const text of ["a", "b", "c"]) socket.send(text);
      const { code, constructor } = await ended as CloseEvent;
      received.push(code, constructor.name);
    } finally {
      for (const [name, value] of before) globals[name] = value;
    }
    assertEquals(received, ["open", "a", "b", "c", 4000, "CloseEvent"]);
    await server.closed;
  });

  it("chunks of a pair of streams are taken", async () => {
    const socket = new StreamSocket();
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    const accepted = accept({ readable, writable: socket.server.writable } as ByteStreamPair);
    const client = new RawClient(socket);
    socket.resume();
    const writer = writable.getWriter();
    const toForeign = runInNewContext("(codes) => Uint8Array.from(codes)");
    void writer.write(toForeign([...upgradeRequest()].map((char) => char.charCodeAt(0))));
    assertEquals((await client.readHead()).status, 101);
    (await accepted).abort();
    writer.abort().catch(() => {});
  });

  it("frames can be encoded and decoded", async () => {
    const encoder = new FrameEncoderStream("server");
    const frames = encoder.writable.getWriter();
    void frames.write({ fin: true, rsv1: false, opcode: 2, payload: foreignBytes(3) });
    const { value: encoded } = await encoder.readable.getReader().read();
    const decoder = new FrameDecoderStream("client");
    const chunks = decoder.writable.getWriter();
    void chunks.write(runInNewContext("(bytes) => Uint8Array.from(bytes)")(encoded));
    const { value } = await decoder.readable.getReader().read();
    assertEquals(value?.payload, bytes(3));
  });

  it("what only looks like bytes is refused", async () => {
    const { client } = await connectedPair();
    for (const value of NO_BYTES) {
      assertThrows(() => client.send(value as Uint8Array), TypeError);
      assertThrows(() => client.trySend(value as Uint8Array), TypeError);
    }
    await client.close();
  });
});
