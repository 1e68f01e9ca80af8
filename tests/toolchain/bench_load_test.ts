import { describe, it } from "node:test";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { createPayload, encodeClientFrame } from "../../bench/servers/load/client_frame.ts";
import { Histogram } from "../../bench/servers/load/histogram.ts";
import { ClosedByServerError, ReplyReader } from "../../bench/servers/load/reply_reader.ts";
import {
  concatBytes,
  encodeReferenceFrame,
  type ReferenceFrameInit,
} from "../support/reference_frames.ts";

const MASKING_KEY = 0x37fa213d;

function frame(init: Partial<ReferenceFrameInit> = {}): Uint8Array {
  return encodeReferenceFrame({ opcode: 2, payload: new Uint8Array(5), ...init });
}

const concatenate = (...pieces: Uint8Array[]) => concatBytes(pieces);

function createReader(size = 5): ReplyReader {
  return new ReplyReader({ opcode: 2, size, masked: false });
}

describe("createPayload()", () => {
  for (const size of [0, 1, 3, 32, 1000]) {
    it(`makes exactly ${size} bytes of each kind, the same each time`, () => {
      for (const kind of ["binary", "ascii", "utf8"] as const) {
        const payload = createPayload(kind, size);
        assertEquals(payload.length, size);
        assertEquals(payload, createPayload(kind, size));
      }
    });
  }

  it("makes text of characters of one to four bytes", () => {
    const bytes = createPayload("utf8", 4000);
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    const lengths = new Set([...text].map((char) => new TextEncoder().encode(char).length));
    assertEquals([...lengths].sort(), [1, 2, 3, 4]);
  });

  it("makes ASCII that is ASCII", () => {
    assert(createPayload("ascii", 4000).every((octet) => octet >= 0x20 && octet < 0x7f));
  });
});

describe("encodeClientFrame()", () => {
  for (const size of [0, 5, 125, 126, 65_535, 65_536]) {
    it(`encodes ${size} bytes as the reference does`, () => {
      const payload = createPayload("binary", size);
      const maskingKey = Uint8Array.of(0x37, 0xfa, 0x21, 0x3d);
      const wanted = encodeReferenceFrame({ opcode: 2, payload, maskingKey });
      assertEquals(encodeClientFrame(2, payload, MASKING_KEY), wanted);
    });
  }
});

describe("ReplyReader", () => {
  it("counts messages, whatever the pieces are", () => {
    const bytes = concatenate(
      frame(),
      frame({ opcode: 9, payload: new Uint8Array(3) }),
      frame({ fin: false, payload: new Uint8Array(2) }),
      frame({ opcode: 10, payload: new Uint8Array(0) }),
      frame({ fin: false, opcode: 0, payload: new Uint8Array(3) }),
      frame({ opcode: 0, payload: new Uint8Array(0) }),
      frame(),
    );
    for (let size = 1; size <= bytes.length; size++) {
      const reader = createReader();
      let count = 0;
      for (let i = 0; i < bytes.length; i += size) {
        count += reader.receive(bytes.slice(i, i + size));
      }
      assertEquals(count, 3, `in pieces of ${size}`);
    }
  });

  for (const size of [0, 126, 65_536]) {
    it(`takes messages of ${size} bytes, and gives their payload`, () => {
      const payload = createPayload("binary", size);
      const taken: number[] = [];
      const reader = new ReplyReader({ opcode: 2, size, masked: false }, (bytes) => {
        for (const octet of bytes) taken.push(octet);
      });
      assertEquals(reader.receive(frame({ payload })), 1);
      assertEquals(Uint8Array.from(taken), payload);
    });
  }

  it("takes masked frames where they are sent back as they were", () => {
    const reader = new ReplyReader({ opcode: 1, size: 5, masked: true });
    assertEquals(reader.receive(encodeClientFrame(1, new Uint8Array(5), MASKING_KEY)), 1);
    assertThrows(() => reader.receive(frame({ opcode: 1 })), Error, "not masked");
  });

  const wrong: [string, Uint8Array, string][] = [
    ["another opcode", frame({ opcode: 1 }), "opcode 1 instead of 2"],
    ["a shorter message", frame({ payload: new Uint8Array(4) }), "4 bytes instead of 5"],
    ["a longer message", frame({ fin: false, payload: new Uint8Array(6) }), "6 bytes"],
    ["a masked frame", encodeClientFrame(2, new Uint8Array(5), MASKING_KEY), "masked"],
    ["a reserved bit", frame({ rsv: 4 }), "reserved bit"],
    ["a continuation of nothing", frame({ opcode: 0 }), "opcode 0 instead of 2"],
  ];
  for (const [name, bytes, message] of wrong) {
    it(`refuses ${name}`, () => {
      assertThrows(() => createReader().receive(concatenate(bytes, frame())), Error, message);
    });
  }

  it("tells with what the server closes", () => {
    const close = frame({ opcode: 8, payload: Uint8Array.of(0x03, 0xf1) });
    assertThrows(() => createReader().receive(close), ClosedByServerError, "closes with 1009");
  });
});

describe("Histogram", () => {
  it("knows short durations exactly", () => {
    const histogram = new Histogram();
    for (let us = 1; us <= 20; us++) histogram.record(us);
    assertEquals(histogram.quantile(0.5), 10);
    assertEquals(histogram.quantile(0.99), 20);
  });

  it("knows others within a thirtieth", () => {
    for (let us = 1; us < 2 ** 31; us = Math.ceil(us * 1.37)) {
      const histogram = new Histogram();
      histogram.record(us);
      const found = histogram.quantile(0.5);
      assert(found >= us && found <= us * (1 + 1 / 30), `${found} for ${us}`);
    }
  });

  it("forgets", () => {
    const histogram = new Histogram();
    histogram.record(7);
    histogram.reset();
    assertEquals(histogram.quantile(0.5), 0);
  });
});
