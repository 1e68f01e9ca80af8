import { Buffer } from "node:buffer";
import { describe, it } from "node:test";
import { assert, assertEquals, assertLessOrEqual, assertRejects, assertThrows } from "@std/assert";
import {
  type Frame,
  FrameDecoderStream,
  type FrameDecoderStreamOptions,
  FrameEncoderStream,
  MessageTooBigError,
  Opcode,
  ProtocolError,
  type Role,
  WebSocketError,
} from "../../src/codec/mod.ts";
import { concatBytes, encodeReferenceFrame } from "../support/reference_frames.ts";
import { readAll, settle, streamOf } from "./stream_support.ts";
import {
  allocations,
  assertFrames,
  assertSameBytes,
  cuttings,
  encodePlainly,
  frameOf,
  fromHex,
  KEY_NUMBER,
  Random,
  ROLES,
} from "./support.ts";

const FRAMES = [
  frameOf(Opcode.Text, "Hello, ", { fin: false }),
  frameOf(Opcode.Ping, "ping"),
  frameOf(Opcode.Continuation, "world"),
  frameOf(Opcode.Binary, new Uint8Array(300).fill(1)),
  frameOf(Opcode.Binary, new Uint8Array(70000).fill(2)),
  frameOf(Opcode.Text),
  frameOf(Opcode.Close, fromHex("03e8")),
];

function encodeAll(sender: Role, frames: Frame[] = FRAMES): Uint8Array {
  return concatBytes(frames.map((frame) => encodePlainly(sender, frame)));
}

function decodeAll(
  chunks: Iterable<Uint8Array>,
  role: Role = "client",
  options?: FrameDecoderStreamOptions,
): Promise<Frame[]> {
  return readAll(streamOf(chunks).pipeThrough(new FrameDecoderStream(role, options)));
}

describe("FrameDecoderStream", () => {
  it("gives frames as objects of their own, with plain payloads", async () => {
    const [frame] = await decodeAll([Buffer.from(encodeAll("server"))]);
    assertEquals(frame, frameOf(Opcode.Text, "Hello, ", { fin: false }));
    assertEquals(frame.payload.constructor, Uint8Array);
  });

  it("leaves its input alone: both branches of a tee can be decoded", async () => {
    const bytes = encodeAll("client");
    for (const pieces of cuttings(bytes, new Random(2), 1)) {
      const decoded = await Promise.all(
        streamOf(pieces).tee().map((branch) =>
          readAll(branch.pipeThrough(new FrameDecoderStream("server")))
        ),
      );
      for (const frames of decoded) assertFrames(frames, FRAMES);
      assertSameBytes(bytes, encodeAll("client"), "the input was changed");
    }
  });

  it("keeps nothing of its input, which may be overwritten", async () => {
    const bytes = encodeAll("server");
    const stream = new FrameDecoderStream("client");
    const frames = readAll(stream.readable);
    const writer = stream.writable.getWriter();
    for (const piece of new Random(3).cut(bytes, 2000)) {
      await writer.write(piece);
      piece.fill(0xff);
    }
    await writer.close();
    assertFrames(await frames, FRAMES);
  });

  it("ends in order where nothing came at all", async () => {
    assertEquals(await decodeAll([]), []);
    assertEquals(await decodeAll([new Uint8Array(0)]), []);
  });
});

describe("the maxPayloadLength of a FrameDecoderStream", () => {
  it("is 1 MiB where nothing is said", async () => {
    const fits = encodeAll("server", [frameOf(Opcode.Binary, new Uint8Array(1024 * 1024))]);
    assertEquals((await decodeAll([fits]))[0].payload.length, 1024 * 1024);
    const header = encodeReferenceFrame({ opcode: 2, declaredLength: 1024n * 1024n + 1n });
    await assertRejects(() => decodeAll([header]), MessageTooBigError);
  });

  it("is held as soon as the length is in", async () => {
    const header = encodeReferenceFrame({ opcode: 2, declaredLength: 2n ** 63n - 1n });
    const error = await assertRejects(() => decodeAll([header]), MessageTooBigError);
    assertEquals([error.size, error.maxSize, error.closeCode], [2 ** 63, 1024 * 1024, 1009]);
  });

  it("reserves no memory for what is merely declared", async () => {
    const header = encodeReferenceFrame({ opcode: 2, declaredLength: 2n ** 53n });
    const stream = new FrameDecoderStream("client", { maxPayloadLength: Infinity });
    const ended = assertRejects(() => readAll(stream.readable), WebSocketError);
    const writer = stream.writable.getWriter();
    await writer.write(header);
    // The transform runs within the call, since a reader waits.
    const lengths = allocations(() => void writer.write(new Uint8Array(10)).catch(() => {}));
    await assertRejects(() => writer.close());
    await ended;
    assert(lengths.length > 0 && lengths.every((length) => length <= 1024), `${lengths}`);
  });

  for (const bad of [-1, 1.5, NaN, -Infinity, 2 ** 53, "1" as unknown as number]) {
    it(`can't be ${bad}`, () => {
      assertThrows(
        () => new FrameDecoderStream("client", { maxPayloadLength: bad }),
        typeof bad === "number" ? RangeError : TypeError,
        `${bad}`,
      );
    });
  }
});

describe("a FrameDecoderStream that fails", () => {
  it("gives the frames of the chunks before, then the error, on both sides", async () => {
    const stream = new FrameDecoderStream("client");
    const reader = stream.readable.getReader();
    const writer = stream.writable.getWriter();
    const written = writer.write(fromHex("81 01 61"));
    assertFrames([(await reader.read()).value!], [frameOf(Opcode.Text, "a")]);
    await written;
    const read = assertRejects(() => reader.read(), ProtocolError, "masked");
    const closed = assertRejects(() => writer.closed, ProtocolError, "masked");
    await assertRejects(() => writer.write(fromHex("81 81")), ProtocolError, "masked");
    await assertRejects(() => writer.write(fromHex("81 01 61")), ProtocolError, "masked");
    await Promise.all([read, closed]);
  });

  it("refuses chunks that are no Uint8Array", async () => {
    for (const chunk of ["81", [0x81, 0], new ArrayBuffer(2), null, 5]) {
      await assertRejects(
        () => decodeAll([chunk as unknown as Uint8Array]),
        TypeError,
        "not a Uint8Array",
      );
    }
  });
});

describe("the backpressure of a FrameDecoderStream", () => {
  it("stops the source where nobody reads, and lets it go on", async () => {
    let made = 0;
    function* chunks() {
      for (; made < 1000; made++) yield encodeAll("server", [frameOf(Opcode.Text, `${made}`)]);
    }
    const reader = streamOf(chunks()).pipeThrough(new FrameDecoderStream("client")).getReader();
    await settle();
    assertLessOrEqual(made, 3);
    for (let i = 0; i < 1000; i++) {
      assertFrames([(await reader.read()).value!], [frameOf(Opcode.Text, `${i}`)]);
      assertLessOrEqual(made, i + 4);
    }
    assert((await reader.read()).done);
  });
});

const maskingKey = () => KEY_NUMBER;

for (const role of ROLES) {
  describe(`the FrameEncoderStream of a ${role}`, () => {
    it("gives chunks that can be transferred, and keeps nothing of the payloads", async () => {
      for (const length of [10, 1000, 16 * 1024, 16 * 1024 + 1, 100_000]) {
        const payloads = [0, 1].flatMap((fill) => [
          new Uint8Array(length).fill(fill),
          Buffer.alloc(length, fill),
        ]);
        const stream = new FrameEncoderStream(role, { maskingKey });
        const writer = stream.writable.getWriter();
        const reading = (async () => {
          const chunks: Uint8Array[] = [];
          for await (const chunk of stream.readable) {
            chunks.push(structuredClone(chunk, { transfer: [chunk.buffer as ArrayBuffer] }));
            assertEquals(chunk.length, 0);
          }
          return concatBytes(chunks);
        })();
        for (const payload of payloads) await writer.write(frameOf(Opcode.Binary, payload));
        await writer.close();
        const expected = payloads.map((payload) =>
          encodePlainly(role, frameOf(Opcode.Binary, payload))
        );
        payloads.forEach((payload, i) => {
          assertEquals(payload.length, length, "transferred");
          assert(payload.every((byte) => byte === (i >> 1)), "changed");
        });
        assertSameBytes(await reading, concatBytes(expected));
      }
    });

    it("errors on both sides where a frame is not one", async () => {
      const bad: Frame = frameOf(Opcode.Ping, "", { fin: false });
      const stream = new FrameEncoderStream(role);
      const read = assertRejects(() => readAll(stream.readable), TypeError, "fragmented");
      const writer = stream.writable.getWriter();
      await writer.write(frameOf(Opcode.Text, "a"));
      const closed = assertRejects(() => writer.closed, TypeError, "fragmented");
      await assertRejects(() => writer.write(bad), TypeError, "fragmented");
      await assertRejects(() => writer.write(frameOf(Opcode.Text, "a")), TypeError, "fragmented");
      await Promise.all([read, closed]);
    });

    it("stops the source where nobody reads, and lets it go on", async () => {
      let made = 0;
      function* frames() {
        for (; made < 1000; made++) yield frameOf(Opcode.Text, `${made}`);
      }
      const stream = new FrameEncoderStream(role, { maskingKey });
      const reader = streamOf(frames()).pipeThrough(stream).getReader();
      await settle();
      assertLessOrEqual(made, 3);
      for (let i = 0; i < 1000; i++) {
        const { value } = await reader.read();
        assertSameBytes(value!, encodePlainly(role, frameOf(Opcode.Text, `${i}`)));
        assertLessOrEqual(made, i + 4);
      }
      assert((await reader.read()).done);
    });
  });
}
