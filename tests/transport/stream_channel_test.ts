import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "node:test";
import { show } from "../../src/checks.ts";
import { StreamChannel } from "../../src/transport/stream_channel.ts";
import { patternBytes } from "../runtimes/pattern.ts";
import { Recorder } from "../runtimes/recorder.ts";

/** Lets everything happen that is ready to. */
async function settle(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 0));
}

/** A channel over two in-memory pipes, and the far ends of the pipes. */
function open() {
  const incoming = new TransformStream<Uint8Array, Uint8Array>();
  const outgoing = new TransformStream<Uint8Array, Uint8Array>();
  const channel = new Recorder(
    new StreamChannel({ readable: incoming.readable, writable: outgoing.writable }),
  );
  return { channel, input: incoming.writable.getWriter(), output: outgoing.readable.getReader() };
}

/** A channel over streams of the test's own making. */
function openOver(source: UnderlyingDefaultSource<Uint8Array>, sink: UnderlyingSink<Uint8Array>) {
  return new Recorder(
    new StreamChannel({
      readable: new ReadableStream(source),
      writable: new WritableStream(sink),
    }),
  );
}

async function readAll(output: ReadableStreamDefaultReader<Uint8Array>): Promise<Uint8Array[]> {
  const chunks: Uint8Array[] = [];
  while (true) {
    const { done, value } = await output.read();
    if (done) return chunks;
    chunks.push(value);
  }
}

describe("StreamChannel", () => {
  it("has no addresses", () => {
    const { channel } = open();
    assertEquals(channel.channel.remoteAddress, { transport: "stream" });
    assertEquals(channel.channel.localAddress, { transport: "stream" });
  });

  it("carries bytes both ways, in order", async () => {
    const { channel, input, output } = open();
    const read = readAll(output);
    for (let offset = 0; offset < 10_000; offset += 1000) {
      await input.write(patternBytes(offset, 1000));
    }
    await channel.untilReceived(10_000);
    await channel.send(10_000, 999);
    channel.end();
    const chunks = await read;
    assertEquals(chunks.flatMap((chunk) => [...chunk]), [...patternBytes(0, 10_000)]);
    channel.assertKept();
  });

  it("writes chunks as one, and keeps nothing of them", async () => {
    const { channel, output } = open();
    const chunks = [Uint8Array.of(1), new Uint8Array(0), Uint8Array.of(2, 3)];
    channel.write(chunks);
    for (const chunk of chunks) chunk.fill(9);
    assertEquals((await output.read()).value, Uint8Array.of(1, 2, 3));
  });

  it("leaves the bytes it received to their producer", async () => {
    const { channel, input } = open();
    const bytes = patternBytes(0, 100);
    await input.write(bytes);
    await channel.untilReceived(100);
    // The recorder overwrote what it received.
    assertEquals(bytes, patternBytes(0, 100));
    assertEquals(channel.intact, true);
  });

  it("waits for a reader that does not read", async () => {
    const { channel, output } = open();
    assertEquals(channel.write([patternBytes(0, 10)]), false);
    await settle();
    assertEquals(channel.drains, 0);
    let size = (await output.read()).value!.length;
    await channel.untilDrained();
    const sent = channel.send(1000, 10);
    await settle();
    assert(channel.written < 100, `${channel.written} bytes were written`);
    while (size < 1010) size += (await output.read()).value!.length;
    await sent;
    assertEquals(channel.drains, 101);
    channel.assertKept();
  });

  const STRATEGIES: [name: string, strategy: QueuingStrategy<Uint8Array>][] = [
    ["0 chunks", { highWaterMark: 0 }],
    ["1 chunk", { highWaterMark: 1 }],
    ["3 chunks", { highWaterMark: 3 }],
    ["1 MiB", new ByteLengthQueuingStrategy({ highWaterMark: 1_048_576 })],
    ["any number of bytes", new ByteLengthQueuingStrategy({ highWaterMark: Infinity })],
  ];
  for (const [name, strategy] of STRATEGIES) {
    it(`waits until the sink has taken a write, where the writable queues ${name}`, async () => {
      const taken: (() => void)[] = [];
      const chunks: Uint8Array[] = [];
      const channel = new Recorder(
        new StreamChannel({
          readable: new ReadableStream(),
          writable: new WritableStream<Uint8Array>({
            write(chunk) {
              chunks.push(chunk);
              return new Promise<void>((resolve) => void taken.push(resolve));
            },
          }, strategy),
        }),
      );
      for (let i = 0; i < 3; i++) {
        assertEquals(channel.write([patternBytes(i * 10, 4), patternBytes(i * 10 + 4, 6)]), false);
        await settle();
        assertEquals([channel.drains, taken.length], [i, 1]);
        taken.shift()!();
        await channel.untilDrained();
      }
      assertEquals(chunks.flatMap((chunk) => [...chunk]), [...patternBytes(0, 30)]);
      channel.abort();
      await channel.untilClosed();
      channel.assertKept();
    });
  }

  it("reads no further while paused", async () => {
    let pulls = 0;
    const channel = openOver({
      pull(controller) {
        controller.enqueue(patternBytes(pulls++ * 10, 10));
      },
    }, {});
    await channel.untilReceived(30);
    channel.pause();
    const { received } = channel;
    await settle();
    const before = pulls;
    await settle();
    assertEquals([pulls, channel.received], [before, received]);
    // One read under way, and one chunk that the stream itself holds.
    assert(pulls * 10 <= received + 20, `${pulls} pulls`);
    channel.resume();
    assertEquals(channel.received, received);
    await channel.untilReceived(received + 100);
    channel.abort();
    await channel.untilClosed();
    channel.assertKept();
  });

  it("delivers what it held before what comes later, and the end last", async () => {
    const { channel, input } = open();
    for (let turn = 0; turn < 20; turn++) {
      channel.pause();
      const written = input.write(patternBytes(turn * 10, 10));
      if (turn % 2 === 0) await settle();
      channel.resume();
      if (turn % 3 === 0) {
        channel.pause();
        await settle();
        channel.resume();
      }
      await written;
    }
    channel.pause();
    const written = input.write(patternBytes(200, 10));
    const closed = input.close();
    await settle();
    channel.resume();
    await Promise.all([written, closed]);
    await channel.untilEnded();
    assertEquals([channel.received, channel.ended], [210, true]);
    channel.assertKept();
  });

  it("holds the end while paused, and lets it be paused again", async () => {
    const { channel, input } = open();
    channel.pause();
    await input.close();
    channel.resume();
    channel.pause();
    await settle();
    assertEquals(channel.ended, false);
    channel.resume();
    await channel.untilEnded();
    channel.assertKept();
  });

  it("can be paused by the receiver of what it held", async () => {
    const { channel, input } = open();
    channel.pause();
    const written = input.write(patternBytes(0, 10));
    const closed = input.close();
    await settle();
    channel.onEvent = (event) => {
      if (event === "receive") channel.pause();
    };
    channel.resume();
    await settle();
    assertEquals([channel.received, channel.ended], [10, false]);
    channel.resume();
    await channel.untilEnded();
    await Promise.all([written, closed]);
    channel.assertKept();
  });

  for (const first of ["the peer", "it"]) {
    it(`is closed in order where ${first} ends first`, async () => {
      const { channel, input, output } = open();
      const read = readAll(output);
      if (first === "the peer") {
        await input.close();
        await channel.untilEnded();
        await settle();
        assertEquals(channel.closed, false);
        channel.write([patternBytes(0, 10)]);
        channel.end();
      } else {
        channel.write([patternBytes(0, 10)]);
        channel.end();
        await read;
        await input.write(patternBytes(0, 10));
        await channel.untilReceived(10);
        assertEquals(channel.closed, false);
        await input.close();
      }
      await channel.untilClosed();
      assertEquals(await read, [patternBytes(0, 10)]);
      assertEquals(channel.ended, true);
      channel.assertClosedInOrder();
    });
  }

  it("is closed only after the end that it held is delivered", async () => {
    const { channel, input, output } = open();
    channel.pause();
    channel.end();
    await readAll(output);
    await input.close();
    await settle();
    assertEquals(channel.closed, false);
    channel.resume();
    await channel.untilClosed();
    assertEquals(channel.ended, true);
    channel.assertClosedInOrder();
  });

  it("cancels and aborts both streams when it is aborted", async () => {
    const calls: string[] = [];
    const channel = openOver(
      { cancel: () => void calls.push("cancel") },
      { abort: () => void calls.push("abort") },
    );
    channel.abort();
    channel.abort();
    assertEquals(channel.closed, false);
    await channel.untilClosed();
    channel.assertClosedInOrder();
    assertEquals(calls, ["cancel", "abort"]);
  });

  it("bears streams that fail while it is aborted", async () => {
    const channel = openOver(
      { cancel: () => Promise.reject(new Error("cancel")) },
      { abort: () => Promise.reject(new Error("abort")), write: () => new Promise(() => {}) },
    );
    channel.write([patternBytes(0, 10)]);
    channel.end();
    channel.abort();
    await channel.untilClosed();
    channel.pause();
    channel.resume();
    channel.write([patternBytes(0, 10)]);
    channel.end();
    await settle();
    channel.assertClosedInOrder();
  });

  it("delivers nothing that it held after it was aborted", async () => {
    const { channel, input } = open();
    channel.pause();
    input.write(patternBytes(0, 10)).catch(() => {});
    await settle();
    channel.resume();
    channel.abort();
    await channel.untilClosed();
    await settle();
    assertEquals(channel.received, 0);
    channel.assertClosedInOrder();
  });

  for (const event of ["receive", "receiveEnd", "drain"] as const) {
    it(`can be aborted within ${event}`, async () => {
      const { channel, input, output } = open();
      channel.onEvent = (now) => {
        if (now === event) channel.abort();
      };
      readAll(output).catch(() => {});
      channel.write([patternBytes(0, 10)]);
      input.write(patternBytes(0, 10)).catch(() => {});
      input.close().catch(() => {});
      await channel.untilClosed();
      await settle();
      channel.assertClosedInOrder();
    });
  }

  it("is closed with the error of the readable", async () => {
    const failure = new Error("the readable failed");
    for (const paused of [false, true]) {
      let aborted: unknown;
      let controller!: ReadableStreamDefaultController<Uint8Array>;
      const channel = openOver(
        { start: (created) => void (controller = created) },
        { abort: (reason) => void (aborted = reason ?? "aborted") },
      );
      if (paused) channel.pause();
      controller.enqueue(patternBytes(0, 10));
      await settle();
      controller.error(failure);
      await channel.untilClosed();
      assertEquals(channel.error, failure);
      assertEquals([channel.received, channel.ended], [paused ? 0 : 10, false]);
      await settle();
      assertEquals(aborted, "aborted");
      channel.assertKept();
    }
  });

  it("is closed with the error of the writable", async () => {
    const failure = new Error("the writable failed");
    const makers: ((channel: Recorder) => void)[] = [
      (channel) => void channel.write([patternBytes(0, 10)]),
      (channel) => channel.end(),
      () => {},
    ];
    for (const [kind, provoke] of makers.entries()) {
      let cancelled = false;
      let controller!: WritableStreamDefaultController;
      const channel = openOver({ cancel: () => void (cancelled = true) }, {
        start: (created) => void (controller = created),
        write: () => Promise.reject(failure),
        close: () => Promise.reject(failure),
      });
      provoke(channel);
      if (kind === 2) controller.error(failure);
      await channel.untilClosed();
      assertEquals([channel.error, cancelled], [failure, true]);
      await settle();
      channel.assertKept();
    }
  });

  it("is closed with an error also where the stream gave none", async () => {
    const channel = openOver({ pull: () => Promise.reject(undefined) }, {});
    await channel.untilClosed();
    assert(channel.error instanceof Error);
  });

  it("is closed with an error by chunks that are no bytes", async () => {
    for (const chunk of ["text", undefined, [1, 2], new Uint16Array(2)]) {
      let cancelled = false;
      const channel = openOver({
        start: (controller) => controller.enqueue(chunk as unknown as Uint8Array),
        cancel: () => void (cancelled = true),
      }, {});
      await channel.untilClosed();
      assert(channel.error instanceof TypeError);
      assertEquals(
        channel.error.message,
        `Cannot read from the readable: its chunks must be Uint8Array, got ${show(chunk)}`,
      );
      assertEquals(cancelled, true);
      channel.assertKept();
    }
  });

  it("refuses streams that are locked, and leaves the other one alone", () => {
    for (const side of ["readable", "writable"] as const) {
      const readable = new ReadableStream<Uint8Array>();
      const writable = new WritableStream<Uint8Array>();
      if (side === "readable") readable.getReader();
      else writable.getWriter();
      assertThrows(() => new StreamChannel({ readable, writable }), TypeError);
      assertEquals((side === "readable" ? writable : readable).locked, false);
    }
  });
});
