// @once: the tools run on Deno and Node, whatever is tested.

import { describe, it } from "node:test";
import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import type { Compression } from "../../bench/servers/compression.ts";
import { createPayload, encodeClientFrame } from "../../bench/servers/load/client_frame.ts";
import { checkExtensions, readExtensions } from "../../bench/servers/load/extensions.ts";
import { Histogram } from "../../bench/harness/histogram.ts";
import { createMessages } from "../../bench/servers/load/messages.ts";
import { ReplyInflater } from "../../bench/servers/load/reply_inflater.ts";
import { ClosedByServerError, ReplyReader } from "../../bench/servers/load/reply_reader.ts";
import { WORKLOADS } from "../../bench/servers/workloads.ts";
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

function createReader(size = 5, compressed = false): ReplyReader {
  return new ReplyReader({ opcode: 2, size, masked: false, compressed });
}

function findWorkload(id: string): typeof WORKLOADS[number] {
  return WORKLOADS.find((workload) => workload.id === id)!;
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

describe("createPayload() of JSON", () => {
  for (const size of [128, 1024, 16 * 1024]) {
    it(`makes a list of exactly ${size} octets, another for each seed`, () => {
      const payload = createPayload("json", size);
      assertEquals(payload.length, size);
      assertEquals(payload, createPayload("json", size));
      const { items, remark } = JSON.parse(new TextDecoder().decode(payload));
      assert(
        items.length > 0 && items.every(({ id, price }: { id: number; price: number }) => {
          return Number.isInteger(id) && price >= 0;
        }),
      );
      assertEquals(typeof remark, "string");
      assertNotEquals(payload, createPayload("json", size, 2));
    });
  }
});

describe("createMessages()", () => {
  it("repeats a message as often as it is on the way", () => {
    const { payloads, frameSizes, period, frames } = createMessages(findWorkload("8x64x32"));
    assertEquals([payloads.length, frameSizes, period], [1, [38], 38]);
    assertEquals(frames.length, 64 * 38);
  });

  for (const id of ["16x4x128-takeover", "16x4x1K-no-takeover", "16x4x16K-takeover"]) {
    it(`makes so many for ${id} that none comes again within a window`, () => {
      const workload = findWorkload(id);
      const { payloads, frameSizes, period, frames } = createMessages(workload);
      assertEquals(new Set(payloads.map(String)).size, payloads.length);
      assert(payloads.length >= 64 && payloads.length * workload.size >= 4 * 32 * 1024);
      assertEquals(period, frameSizes.reduce((a, b) => a + b));
      // Text, and compressed; the first ones again at the end.
      assertEquals(frames[0], 0xc1);
      assertEquals(frames.slice(period), frames.slice(0, frames.length - period));
      assertEquals(frames.length - period, frameSizes[0] + frameSizes[1] + frameSizes[2]);
    });
  }
});

describe("ReplyInflater", () => {
  // RFC 7692, section 7.2.3.2: "Hello" by itself, and once more as a reference to that.
  const first = Uint8Array.of(0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00);
  const second = Uint8Array.of(0xf2, 0x00, 0x11, 0x00, 0x00);
  const inflate = (compression: Compression, ...messages: Uint8Array[]) => {
    const inflater = new ReplyInflater(compression);
    return messages.map((message) => new TextDecoder().decode(inflater.inflate(message)));
  };

  it("inflates each message with what came before", () => {
    assertEquals(inflate("takeover", first, second, first), ["Hello", "Hello", "Hello"]);
  });

  it("inflates each message by itself", () => {
    assertEquals(inflate("no-takeover", first, first), ["Hello", "Hello"]);
    assertThrows(() => inflate("no-takeover", first, second));
  });
});

describe("checkExtensions()", () => {
  const deflate = "permessage-deflate; client_max_window_bits";
  const without = `${deflate}; server_no_context_takeover; client_no_context_takeover`;

  it("takes what was offered", () => {
    checkExtensions("", "");
    checkExtensions(deflate, `${deflate}; server_max_window_bits=12`);
    checkExtensions(without, without);
  });

  for (
    const [offer, agreed] of [
      ["", deflate],
      [deflate, ""],
      [deflate, without],
      [without, deflate],
      [without, `${deflate}; server_no_context_takeover`],
    ]
  ) {
    it(`refuses "${agreed}" for "${offer}"`, () => {
      assertThrows(() => checkExtensions(offer, agreed), Error, "agrees to");
    });
  }

  it("finds them in the response", () => {
    assertEquals(
      readExtensions("HTTP/1.1 101 X\r\nSec-WebSocket-Extensions: a; b\r\n\r\n"),
      "a; b",
    );
    assertEquals(readExtensions("HTTP/1.1 101 X\r\nUpgrade: websocket\r\n\r\n"), "");
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
      const expected = { opcode: 2, size, masked: false, compressed: false };
      const reader = new ReplyReader(expected, (bytes) => {
        for (const octet of bytes) taken.push(octet);
      });
      assertEquals(reader.receive(frame({ payload })), 1);
      assertEquals(Uint8Array.from(taken), payload);
    });
  }

  it("takes masked frames where they are sent back as they were", () => {
    const reader = new ReplyReader({ opcode: 1, size: 5, masked: true, compressed: false });
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

  it("takes compressed messages of any length up to that, and adds their lengths up", () => {
    const reader = createReader(5, true);
    const bytes = concatenate(
      frame({ rsv: 4, payload: new Uint8Array(3) }),
      frame({ rsv: 4, fin: false, payload: new Uint8Array(1) }),
      frame({ opcode: 9, payload: new Uint8Array(3) }),
      frame({ opcode: 0, payload: new Uint8Array(4) }),
    );
    assertEquals(reader.receive(bytes), 2);
    assertEquals(reader.payloadSize, 8);
  });

  for (
    const [name, bytes, message] of [
      ["a message that is not compressed", frame(), "not compressed"],
      ["a longer message", frame({ rsv: 4, payload: new Uint8Array(6) }), "6 bytes"],
      ["another reserved bit", frame({ rsv: 6 }), "reserved bit"],
      ["a compressed control frame", frame({ rsv: 4, opcode: 9 }), "reserved bit"],
      [
        "RSV1 on a continuation",
        concatenate(frame({ rsv: 4, fin: false }), frame({ rsv: 4, opcode: 0 })),
        "reserved bit",
      ],
    ] as const
  ) {
    it(`refuses ${name} where messages are compressed`, () => {
      assertThrows(() => createReader(5, true).receive(bytes), Error, message);
    });
  }

  it("counts Pings", () => {
    const reader = createReader();
    reader.receive(concatenate(frame({ opcode: 9, payload: new Uint8Array(3) }), frame()));
    reader.receive(frame({ opcode: 9, payload: new Uint8Array(0) }));
    assertEquals([reader.takePings(), reader.takePings()], [2, 0]);
  });

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
