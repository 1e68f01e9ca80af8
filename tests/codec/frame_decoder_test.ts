// @engines: it asks nothing of a runtime but its engine.

import { Buffer } from "node:buffer";
import { describe, it } from "node:test";
import { assert, assertEquals, assertLess, assertStrictEquals, assertThrows } from "@std/assert";
import { FrameDecoder, type FrameHandler, Opcode, ProtocolError } from "../../src/codec/mod.ts";
import { concatBytes } from "../support/reference_frames.ts";
import {
  assertFrames,
  assertSameBytes,
  cuttings,
  decodePieces,
  encodePlainly,
  frameOf,
  FrameRecorder,
  fromHex,
  Random,
  singly,
} from "./support.ts";

/** Frames of all kinds and sizes. */
const FRAMES = [
  frameOf(Opcode.Text, "Hel", { fin: false }),
  frameOf(Opcode.Ping, "ping"),
  frameOf(Opcode.Continuation),
  frameOf(Opcode.Binary, new Uint8Array(300).fill(3)),
  frameOf(Opcode.Pong),
  frameOf(Opcode.Binary, new Uint8Array(70000).fill(4), { fin: false }),
  frameOf(Opcode.Continuation, "end"),
  frameOf(Opcode.Close, fromHex("03e8")),
];
const STREAM = concatBytes(FRAMES.map((frame) => encodePlainly("client", frame)));

/** A handler that does the same, whatever it is called for. */
function handlerThat(act: () => unknown): FrameHandler {
  return {
    receiveFrame: act,
    receiveFrameStart: act,
    receiveFramePayload: act,
    receiveFrameEnd: act,
  };
}

describe("FrameDecoder", () => {
  it("decodes a part of an array, and leaves the rest alone", () => {
    const bytes = encodePlainly("client", frameOf(Opcode.Text, "x".repeat(200)));
    for (const cut of [0, 1, 7, 100, bytes.length]) {
      const memory = new Uint8Array(bytes.length + 20).fill(0xff);
      memory.set(bytes, 10);
      const recorder = new FrameRecorder();
      const decoder = new FrameDecoder("server", recorder);
      assertEquals(decoder.decode(memory, 10, 10 + cut), 10 + cut);
      assertEquals(decoder.decode(memory, 10 + cut, 10 + bytes.length), 10 + bytes.length);
      assertFrames(recorder.frames, [frameOf(Opcode.Text, "x".repeat(200))]);
      assert(memory.subarray(0, 10).every((byte) => byte === 0xff));
      assert(memory.subarray(10 + bytes.length).every((byte) => byte === 0xff));
    }
  });

  it("decodes Buffers", () => {
    const recorder = new FrameRecorder();
    new FrameDecoder("server", recorder).decode(Buffer.from(STREAM));
    assertFrames(recorder.frames, FRAMES);
  });

  it("takes nothing where there is nothing", () => {
    const decoder = new FrameDecoder("server", handlerThat(() => assert(false)));
    assertEquals(decoder.decode(new Uint8Array(0)), 0);
    assertEquals(decoder.decode(new Uint8Array(5), 5), 5);
    assertEquals(decoder.decode(STREAM.slice(), 3, 3), 3);
  });

  it("unmasks with a key of zeros, and with one that has some", () => {
    for (const key of ["00 00 00 00", "00 00 00 01", "80 00 00 00", "ff ff ff ff"]) {
      const bytes = encodePlainly("client", frameOf(Opcode.Text, "Hello"), fromHex(key));
      for (const pieces of cuttings(bytes, new Random(1))) {
        assertFrames(decodePieces("server", pieces).frames, [frameOf(Opcode.Text, "Hello")]);
      }
    }
  });

  it("hands payloads on within the input, whole frames by one call", () => {
    const input = concatBytes([
      encodePlainly("server", frameOf(Opcode.Text, "Hello")),
      encodePlainly("server", frameOf(Opcode.Binary, new Uint8Array(65535))),
      encodePlainly("server", frameOf(Opcode.Binary, new Uint8Array(65536))),
    ]);
    const places: [number, number][] = [];
    const decoder = new FrameDecoder("client", {
      ...handlerThat(() => assert(false)),
      receiveFrame(_fin, _rsv1, _opcode, bytes, start, end) {
        assertStrictEquals(bytes, input);
        places.push([start, end]);
      },
    });
    decoder.decode(input);
    assertEquals(places, [[2, 7], [11, 11 + 65535], [65556, 65556 + 65536]]);
  });

  it("hands on each piece of a payload at once", () => {
    const bytes = encodePlainly("server", frameOf(Opcode.Binary, "Hello"));
    let count = 0;
    const decoder = new FrameDecoder("client", {
      ...handlerThat(() => {}),
      receiveFramePayload: (_bytes, start, end) => count += end - start,
    });
    singly(bytes).forEach((piece, i) => {
      decoder.decode(piece);
      assertEquals(count, Math.max(0, i - 1));
    });
  });
});

describe("FrameDecoder.atMessageBoundary", () => {
  it("tells whether a frame or a fragmented message is in progress", () => {
    const boundaries = new Set([0]);
    let length = 0;
    let withinMessage = false;
    for (const frame of FRAMES) {
      length += encodePlainly("client", frame).length;
      if (frame.opcode < 8) withinMessage = !frame.fin;
      if (!withinMessage) boundaries.add(length);
    }
    const decoder = new FrameDecoder("server", handlerThat(() => {}));
    assert(decoder.atMessageBoundary);
    singly(STREAM).forEach((piece, i) => {
      decoder.decode(piece.slice());
      assertEquals(decoder.atMessageBoundary, boundaries.has(i + 1), `after ${i + 1} bytes`);
    });
  });

  it("is false after an error", () => {
    const decoder = new FrameDecoder("server", handlerThat(() => {}));
    assertThrows(() => decoder.decode(fromHex("ff")), ProtocolError);
    assert(!decoder.atMessageBoundary);
  });
});

describe("FrameDecoder.stop", () => {
  it("ends the call, and the rest can be given again", () => {
    const random = new Random(2);
    for (let run = 0; run < 50; run++) {
      const recorder = new FrameRecorder();
      let stops = 0;
      // Stops now and then, at whatever call.
      const stopping = new Proxy<FrameHandler>(recorder, {
        get: (_target, name: keyof FrameHandler) => (...args: unknown[]) => {
          if (random.below(2) === 0) {
            decoder.stop();
            stops++;
          }
          (recorder[name] as (...args: unknown[]) => void)(...args);
          if (random.below(4) > 0) return undefined;
          stops++;
          return "stop";
        },
      });
      const decoder = new FrameDecoder("server", stopping);
      for (const piece of random.cut(STREAM, 10 ** (1 + run % 5))) {
        const copy = piece.slice();
        let start = 0;
        while (start < copy.length) {
          const stopsBefore = stops;
          const end = decoder.decode(copy, start);
          assertLess(start, end, "no progress");
          if (end < copy.length) assertLess(stopsBefore, stops, "ended without a stop");
          assertSameBytes(copy.subarray(end), piece.subarray(end), "the rest was changed");
          start = end;
        }
      }
      assertFrames(recorder.frames, FRAMES);
      assertLess(0, stops);
    }
  });

  for (const way of ["stop()", 'a handler that returns "stop"']) {
    it(`ends the call right behind a frame, a header or a payload, by ${way}`, () => {
      const STREAMS = [["81 01 61 89 00 8a 00", [3, 5, 7]], ["81 04 61 62 63", [2, 5]]] as const;
      for (const [hex, expected] of STREAMS) {
        const bytes = fromHex(hex);
        const ends: number[] = [];
        const stop = way === "stop()" ? () => decoder.stop() : () => "stop";
        const decoder: FrameDecoder = new FrameDecoder("client", handlerThat(stop));
        for (let start = 0; start < bytes.length;) ends.push(start = decoder.decode(bytes, start));
        assertEquals(ends, [...expected]);
      }
    });
  }

  it("is nothing else that a handler returns", () => {
    for (const result of [undefined, false, true, "more"]) {
      const decoder = new FrameDecoder("server", handlerThat(() => result));
      assertEquals(decoder.decode(STREAM.slice()), STREAM.length);
    }
  });

  it("does nothing between calls", () => {
    const recorder = new FrameRecorder();
    const decoder = new FrameDecoder("server", recorder);
    decoder.stop();
    assertEquals(decoder.decode(STREAM.slice()), STREAM.length);
    assertFrames(recorder.frames, FRAMES);
  });
});

describe("FrameDecoder, after an error", () => {
  const ERRORS = ["ff", "81 00", "89 fe", "81 fe 00 7d", "81 ff 80", "81 ff 00 00 00 00 00 00"];

  for (const hex of ERRORS) {
    it(`throws for good: ${hex}`, () => {
      const recorder = new FrameRecorder();
      const decoder = new FrameDecoder("server", recorder);
      const first = assertThrows(() => decoder.decode(fromHex(`81 80 00 00 00 00 ${hex}`)));
      assert(first instanceof ProtocolError && first.closeCode === 1002);
      for (let i = 0; i < 3; i++) {
        for (const piece of [STREAM.slice(), fromHex("81")]) {
          const error = assertThrows(() => decoder.decode(piece), ProtocolError);
          assertEquals(error.closeCode, 1002);
        }
      }
      assertFrames(recorder.frames, [frameOf(Opcode.Text)]);
    });
  }

  it("throws for good where the handler threw, whatever it was called for", () => {
    const whole = encodePlainly("client", frameOf(Opcode.Text, "Hello"));
    for (const bytes of [whole, concatBytes([whole, whole.slice(0, 8)])]) {
      for (const name of Object.keys(handlerThat(() => {})) as (keyof FrameHandler)[]) {
        const cause = new Error("the handler's");
        const handler = handlerThat(() => {});
        handler[name] = () => {
          throw cause;
        };
        const pieces = name === "receiveFrame" ? [bytes.slice()] : singly(bytes.slice());
        const decoder = new FrameDecoder("server", handler);
        const thrown = assertThrows(() => pieces.forEach((piece) => decoder.decode(piece)));
        assertStrictEquals(thrown, cause);
        assertThrows(() => decoder.decode(STREAM.slice()), ProtocolError);
      }
    }
  });
});
