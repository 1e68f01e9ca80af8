// @engines: it asks nothing of a runtime but its engine.

import { describe, it } from "node:test";
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { MessageTooBigError } from "../../src/protocol/mod.ts";
import { encodeReferenceFrame } from "../support/reference_frames.ts";
import { allocations, frameOf, KEY, peerOf, ROLES } from "../codec/support.ts";
import { encodeFrames, receivePieces, Side } from "./support.ts";

/** The header of a frame without its payload. */
function headerOf(role: string, opcode: number, declaredLength: bigint, fin = true): Uint8Array {
  const maskingKey = role === "server" ? KEY : undefined;
  return encodeReferenceFrame({ opcode, fin, maskingKey, declaredLength });
}

for (const role of ROLES) {
  const sender = peerOf(role);

  describe(`the maxMessageSize of a ${role}`, () => {
    it("is told by the error", () => {
      const side = new Side(role, { maxMessageSize: 200 });
      side.receive(frameOf(1, "x".repeat(150), { fin: false }));
      const error = side.receiveBad(headerOf(role, 0, 51n));
      assert(error instanceof MessageTooBigError);
      assertEquals([error.size, error.maxSize, error.closeCode], [201, 200, 1009]);
      assertStringIncludes(error.message, " 201 bytes: at most 200 ");
    });

    it("may be Infinity", () => {
      for (const length of [2n ** 20n + 1n, 2n ** 53n, 2n ** 63n - 1n]) {
        const options = { maxMessageSize: Infinity };
        assertEquals(
          receivePieces(role, [headerOf(role, 2, length)], options).closeCode,
          undefined,
        );
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
      side.receive(frameOf(2, "x".repeat(200)), frameOf(1, "x".repeat(200)));
      assertEquals(side.receiveBad(headerOf(role, 2, 201n)).closeCode, 1009);
    });
  });

  describe(`the maxFragments of a ${role}`, () => {
    it("is told by the error", () => {
      const side = new Side(role, { maxFragments: 1 });
      side.receive(frameOf(2, "", { fin: false }));
      const { message } = side.receiveBad(headerOf(role, 0, 0n));
      assertStringIncludes(message, " more than 1 ");
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
});
