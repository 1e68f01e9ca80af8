import { describe, it } from "node:test";
import { assert, assertEquals, assertLess, assertLessOrEqual, assertThrows } from "@std/assert";
import type { Frame } from "../../src/codec/mod.ts";
import { MessageTooBigError } from "../../src/protocol/mod.ts";
import { concatBytes, encodeReferenceFrame } from "../support/reference_frames.ts";
import {
  allocations,
  assertSameBytes,
  cuttings,
  frameOf,
  KEY,
  peerOf,
  Random,
  ROLES,
  singly,
} from "../codec/support.ts";
import { encodeFrames, EventLog, receivePieces, Side } from "./support.ts";

/** The header of a frame without its payload. */
function headerOf(role: string, opcode: number, declaredLength: bigint, fin = true): Uint8Array {
  const maskingKey = role === "server" ? KEY : undefined;
  return encodeReferenceFrame({ opcode, fin, maskingKey, declaredLength });
}

/** A message of as many bytes, in as many fragments, with Pings in between. */
function messageOf(size: number, fragments: number, opcode = 2): Frame[] {
  return Array.from({ length: fragments }, (_, i) => {
    const [start, end] = [i, i + 1].map((part) => Math.floor((size * part) / fragments));
    return [
      frameOf(i === 0 ? opcode : 0, "x".repeat(end - start), { fin: i === fragments - 1 }),
      frameOf(9, "p".repeat(100)),
    ];
  }).flat();
}

for (const role of ROLES) {
  const sender = peerOf(role);
  const keyLength = role === "server" ? 4 : 0;

  describe(`the maxMessageSize of a ${role}`, () => {
    for (const streaming of [false, true]) {
      const mode = streaming ? "streamed" : "whole";

      it(`lets messages of that size pass, and no longer ones, ${mode}`, () => {
        for (const opcode of [1, 2]) {
          for (const fragments of [1, 2, 7]) {
            for (const [size, isAllowed] of [[199, true], [200, true], [201, false]] as const) {
              const bytes = encodeFrames(sender, [
                ...messageOf(200, 1, opcode),
                ...messageOf(size, fragments, opcode),
              ]);
              for (const pieces of cuttings(bytes, new Random(size))) {
                const outcome = receivePieces(role, pieces, { streaming, maxMessageSize: 200 });
                const messages = outcome.events.filter((line) => !line.startsWith("ping"));
                assertEquals(messages.length, isAllowed ? 2 : 1);
                assertEquals(outcome.closeCode, isAllowed ? undefined : 1009);
              }
            }
          }
        }
      });

      it(`is held as soon as the length is in, ${mode}`, () => {
        for (const before of [0, 150]) {
          const lead = before === 0 ? [] : [frameOf(2, "x".repeat(before), { fin: false })];
          for (const more of [1n, 1000n, 2n ** 40n, 2n ** 63n - 201n]) {
            const declaredLength = 200n - BigInt(before) + more;
            const header = headerOf(role, before === 0 ? 2 : 0, declaredLength);
            const bytes = concatBytes([encodeFrames(sender, lead), header]);
            const options = { streaming, maxMessageSize: 200 };
            const { closeCode, failedAt } = receivePieces(role, singly(bytes), options);
            assertEquals([closeCode, failedAt], [1009, bytes.length - keyLength]);
          }
        }
      });
    }

    it("is told by the error", () => {
      const side = new Side(role, { maxMessageSize: 200 });
      side.receive(frameOf(1, "x".repeat(150), { fin: false }));
      const error = side.receiveBad(headerOf(role, 0, 51n));
      assert(error instanceof MessageTooBigError);
      assertEquals([error.size, error.maxSize, error.closeCode], [201, 200, 1009]);
    });

    it("may be 0, and Infinity", () => {
      const empty = encodeFrames(sender, [frameOf(1), ...messageOf(0, 3)]);
      const pings = Array(3).fill(`ping ${Array(100).fill("70").join(" ")}`);
      assertEquals(receivePieces(role, [empty], { maxMessageSize: 0 }).events, [
        'text ""',
        ...pings.slice(0, 2),
        "binary ",
        pings[2],
      ]);
      const one = encodeFrames(sender, [frameOf(2, "x")]);
      assertEquals(receivePieces(role, [one], { maxMessageSize: 0 }).closeCode, 1009);
      for (const length of [2n ** 20n + 1n, 2n ** 53n, 2n ** 63n - 1n]) {
        const options = { maxMessageSize: Infinity };
        const { closeCode } = receivePieces(role, [headerOf(role, 2, length)], options);
        assertEquals(closeCode, undefined);
      }
    });

    it("is 1 MiB where nothing is said", () => {
      for (const [length, closeCode] of [[2n ** 20n, undefined], [2n ** 20n + 1n, 1009]] as const) {
        assertEquals(receivePieces(role, [headerOf(role, 2, length)]).closeCode, closeCode);
      }
    });

    it("holds for messages that are dropped after a Close was sent", () => {
      const side = new Side(role, { maxMessageSize: 200 });
      side.protocol.sendClose({ closeCode: 1000, reason: "" });
      side.receive(...messageOf(200, 1), ...messageOf(200, 2));
      assertEquals(side.receiveBad(headerOf(role, 2, 201n)).closeCode, 1009);
    });
  });

  describe(`the maxFragments of a ${role}`, () => {
    for (const streaming of [false, true]) {
      it(`counts fragments past the bytes, and no Pings, ${streaming ? "streamed" : "whole"}`, () => {
        for (const size of [0, 1, 300]) {
          for (const [more, isAllowed] of [[9, true], [10, true], [11, false]] as const) {
            const fragments = size + more;
            const bytes = encodeFrames(sender, [
              ...messageOf(0, 10),
              ...messageOf(size, fragments),
            ]);
            for (const pieces of cuttings(bytes, new Random(fragments))) {
              const outcome = receivePieces(role, pieces, { streaming, maxFragments: 10 });
              const messages = outcome.events.filter((line) => !line.startsWith("ping"));
              assertEquals(messages.length, isAllowed ? 2 : 1);
              assertEquals(outcome.closeCode, isAllowed ? undefined : 1008);
            }
          }
        }
      });
    }

    it("lets any number of fragments pass that bring a byte each, and no empty ones before them", () => {
      const ones = Array.from(
        { length: 5000 },
        (_, i) => frameOf(i === 0 ? 2 : 0, "x", { fin: false }),
      );
      const empty = frameOf(0, "", { fin: false });
      const options = { maxFragments: 3 };
      for (
        const [frames, closeCode] of [
          [[...ones, empty, empty, frameOf(0)], undefined],
          [[...ones, empty, empty, empty, frameOf(0)], 1008],
          [
            [frameOf(2, "", { fin: false }), empty, empty, empty, ...ones.slice(1), frameOf(0)],
            1008,
          ],
        ] as const
      ) {
        for (const streaming of [false, true]) {
          const bytes = encodeFrames(sender, [...frames]);
          assertEquals(
            receivePieces(role, [bytes], { ...options, streaming }).closeCode,
            closeCode,
          );
        }
      }
    });

    it("is held as soon as the length is in", () => {
      const lead = encodeFrames(sender, [
        frameOf(2, "", { fin: false }),
        frameOf(0, "", { fin: false }),
      ]);
      const bytes = concatBytes([lead, headerOf(role, 0, 0n)]);
      const { closeCode, failedAt } = receivePieces(role, singly(bytes), { maxFragments: 2 });
      assertEquals([closeCode, failedAt], [1008, bytes.length - keyLength]);
    });

    it("may be 1", () => {
      const whole = encodeFrames(sender, [frameOf(1)]);
      const begun = encodeFrames(sender, [frameOf(1, "", { fin: false }), frameOf(0)]);
      for (const streaming of [false, true]) {
        const codeOf = (bytes: Uint8Array) =>
          receivePieces(role, [bytes], { streaming, maxFragments: 1 }).closeCode;
        assertEquals([codeOf(whole), codeOf(begun)], [undefined, 1008]);
      }
    });

    it("is 1,024 where nothing is said, and may be Infinity", () => {
      const empty = (count: number) =>
        encodeFrames(
          sender,
          Array.from(
            { length: count },
            (_, i) => frameOf(i === 0 ? 1 : 0, "", { fin: i === count - 1 }),
          ),
        );
      assertEquals(receivePieces(role, [empty(1024)]).events, ['text ""']);
      assertEquals(receivePieces(role, [empty(1025)]).closeCode, 1008);
      const options = { maxFragments: Infinity };
      assertEquals(receivePieces(role, [empty(5000)], options).events, ['text ""']);
    });
  });
}

describe("the limits of a Protocol", () => {
  it("are integers, or Infinity", () => {
    for (const [name, min] of [["maxMessageSize", 0], ["maxFragments", 1]] as const) {
      for (const value of [min, 2, Number.MAX_SAFE_INTEGER, Infinity, undefined]) {
        new Side("server", { [name]: value });
      }
      for (const value of [min - 1, 0.5, NaN, -Infinity, 2 ** 53, "1", null, true, {}, 1n]) {
        const ErrorClass = typeof value === "number" ? RangeError : TypeError;
        assertThrows(() => new Side("server", { [name]: value }), ErrorClass, `${name} must be `);
      }
    }
  });
});

describe("the memory a message takes", () => {
  it("is not reserved for what is merely declared", () => {
    for (const frames of [[], [frameOf(2, "x", { fin: false })]]) {
      const side = new Side("client", { maxMessageSize: Infinity });
      side.receive(...frames);
      const header = headerOf("client", frames.length === 0 ? 2 : 0, 2n ** 40n);
      const piece = new Uint8Array(10);
      const lengths = allocations(() => {
        side.protocol.receive(header);
        side.protocol.receive(piece);
      });
      assert(lengths.every((length) => length <= 1024), `${lengths}`);
      assertEquals(side.protocol.collectedLength, 10 + frames.length);
    }
  });

  for (const size of [1, 64, 1000, 5000]) {
    it(`grows by doubling, with fragments of ${size} bytes`, () => {
      const count = 2000;
      let received = 0;
      const log = new EventLog();
      log.receiveMessage = (data) => received = data.length;
      const limits = { maxMessageSize: Infinity, maxFragments: Infinity };
      const { protocol } = new Side("client", limits, log);
      const payload = new Uint8Array(size);
      const frames = [...Array(count).keys()].map((i) =>
        encodeFrames("server", [frameOf(i === 0 ? 2 : 0, payload, { fin: i === count - 1 })])
      );
      const lengths = allocations(() => {
        for (const frame of frames) protocol.receive(frame);
      });
      assertEquals(received, count * size);
      const reserved = lengths.reduce((sum, length) => sum + length, 0);
      assertLessOrEqual(reserved, 4 * received + 2048);
      assertLess(lengths.length, 30);
    });
  }

  it("is that of the message alone, once it is whole", () => {
    const log = new EventLog();
    const messages: Uint8Array[] = [];
    log.receiveMessage = (data) => messages.push(data as Uint8Array);
    const { protocol } = new Side("server", {}, log);
    const bytes = encodeFrames("client", [...messageOf(5000, 1), ...messageOf(5000, 9)]);
    for (const piece of new Random(5).cut(bytes, 300)) protocol.receive(piece);
    assertEquals(messages.length, 2);
    for (const message of messages) {
      assertSameBytes(message, new Uint8Array(5000).fill(0x78));
      assertEquals(message.buffer.byteLength, 5000);
    }
    assertEquals(protocol.collectedLength, 0);
  });
});
