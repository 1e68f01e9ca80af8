import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import {
  closePayloadFaults,
  decodeReferenceFrame,
  encodeReferenceFrame,
  frameFaults,
  headerFaults,
  isReferenceUtf8,
  type ReferenceFrameInit,
} from "../support/reference_frames.ts";

const hello = new TextEncoder().encode("Hello");

// The examples of RFC 6455, section 5.7.
const EXAMPLES: { name: string; init: ReferenceFrameInit; bytes: number[]; length: number }[] = [
  {
    name: "a text message in one frame",
    init: { opcode: 1, payload: hello },
    bytes: [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f],
    length: 7,
  },
  {
    name: "a masked text message",
    init: { opcode: 1, payload: hello, maskingKey: Uint8Array.of(0x37, 0xfa, 0x21, 0x3d) },
    bytes: [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58],
    length: 11,
  },
  {
    name: "a first fragment",
    init: { opcode: 1, fin: false, payload: hello.subarray(0, 3) },
    bytes: [0x01, 0x03, 0x48, 0x65, 0x6c],
    length: 5,
  },
  {
    name: "a last fragment",
    init: { opcode: 0, payload: hello.subarray(3) },
    bytes: [0x80, 0x02, 0x6c, 0x6f],
    length: 4,
  },
  {
    name: "a Ping",
    init: { opcode: 9, payload: hello },
    bytes: [0x89, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f],
    length: 7,
  },
  {
    name: "256 bytes",
    init: { opcode: 2, payload: new Uint8Array(256) },
    bytes: [0x82, 0x7e, 0x01, 0x00],
    length: 260,
  },
  {
    name: "64 KiB",
    init: { opcode: 2, payload: new Uint8Array(65536) },
    bytes: [0x82, 0x7f, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00],
    length: 65546,
  },
];

describe("reference frames", () => {
  for (const { name, init, bytes, length } of EXAMPLES) {
    it(`encodes ${name} as RFC 6455, section 5.7 does`, () => {
      const encoded = encodeReferenceFrame(init);
      assertEquals([...encoded.subarray(0, bytes.length)], bytes);
      assertEquals(encoded.length, length);
    });

    it(`decodes ${name}`, () => {
      const encoded = encodeReferenceFrame(init);
      for (let cut = 0; cut < Math.min(encoded.length, 20); cut++) {
        assertEquals(decodeReferenceFrame(encoded.subarray(0, cut)), undefined);
      }
      const found = decodeReferenceFrame(Uint8Array.of(0xff, ...encoded, 0xff), 1)!;
      assertEquals(found.end, encoded.length + 1);
      assertEquals(found.frame, {
        fin: true,
        rsv: 0,
        maskingKey: undefined,
        payload: new Uint8Array(0),
        ...init,
      });
      const sender = init.maskingKey === undefined ? "server" : "client";
      assertEquals(frameFaults(found, sender), []);
      assertEquals(frameFaults(found, sender === "client" ? "server" : "client").length, 1);
    });
  }

  it("encodes wrong lengths, and finds them", () => {
    const found = decodeReferenceFrame(
      encodeReferenceFrame({ opcode: 2, payload: new Uint8Array(7), lengthForm: 64 }),
    )!;
    assertEquals(found.lengthForm, 64);
    assertEquals(frameFaults(found, "server"), ["length 7 in 64 bits"]);
    const lying = encodeReferenceFrame({ opcode: 2, declaredLength: (1n << 63n) + 5n });
    assertEquals([...lying], [0x82, 0x7f, 0x80, 0, 0, 0, 0, 0, 0, 5]);
    assertEquals(decodeReferenceFrame(lying), undefined);
  });

  it("finds what is wrong with a header", () => {
    assertEquals(headerFaults(0x81, 0x85, "client"), []);
    assertEquals(headerFaults(0x00, 0x7f, "server"), []);
    assertEquals(headerFaults(0x8a, 0x7d, "server"), []);
    assertEquals(headerFaults(0x3b, 0x7e, "client"), [
      "RSV bits set (3)",
      "reserved opcode (11)",
      "fragmented control frame",
      "control frame of more than 125 bytes",
      "client frame not masked",
    ]);
    assertEquals(headerFaults(0x82, 0x80, "server"), ["server frame masked"]);
  });

  it("finds what is wrong with a Close frame", () => {
    assertEquals(closePayloadFaults(new Uint8Array(0)), []);
    assertEquals(closePayloadFaults(Uint8Array.of(3)), ["Close payload of one byte"]);
    assertEquals(closePayloadFaults(Uint8Array.of(0x03, 0xe8, 0x68, 0x69)), []);
    assertEquals(closePayloadFaults(Uint8Array.of(0x03, 0xed)), ["close code 1005"]);
    assertEquals(closePayloadFaults(Uint8Array.of(0x13, 0x87, 0xff)), [
      "close reason that is not UTF-8",
    ]);
    assertEquals(closePayloadFaults(Uint8Array.of(0x13, 0x88)), ["close code 5000"]);
  });

  it("tells UTF-8 from other bytes", () => {
    assertEquals(isReferenceUtf8(Uint8Array.of(0xef, 0xbb, 0xbf)), true);
    assertEquals(isReferenceUtf8(Uint8Array.of(0xed, 0xa0, 0x80)), false);
    assertEquals(isReferenceUtf8(Uint8Array.of(0xe2, 0x82)), false);
  });
});
