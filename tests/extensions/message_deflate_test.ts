import { Buffer } from "node:buffer";
import { describe, it } from "node:test";
import { assert, assertEquals, assertLessOrEqual, assertThrows } from "@std/assert";
import { randomBytes } from "node:crypto";
import * as zlib from "node:zlib";
import { MessageTooBigError, ProtocolError } from "../../src/errors.ts";
import { resolveCompressionOptions } from "../../src/extensions/compression_options.ts";
import { DeflatePool } from "../../src/extensions/deflate_pool.ts";
import { MessageDeflater } from "../../src/extensions/message_deflater.ts";
import { MessageInflater } from "../../src/extensions/message_inflater.ts";
import { streamOutput } from "../../src/extensions/deflate_stream.ts";
import { chooseDeflateStreams, loadDeflateStreams } from "../../src/extensions/zlib.ts";
import { assertSameBytes, fromHex, Random, toHex, utf8 } from "../codec/support.ts";
import { deflateAlone, inflateAlone } from "../support/reference_deflate.ts";
import { concatBytes } from "../support/reference_frames.ts";

const { constants, deflateRawSync, inflateRawSync } = zlib;
const settings = resolveCompressionOptions(true)!;
const streams = await loadDeflateStreams();
const pool = new DeflatePool(streams, settings);
/** As if the runtime had nothing but the documented functions. */
const oneShotStreams = chooseDeflateStreams({ deflateRawSync, inflateRawSync });
const POOLS = [
  { over: "handles", streams, pool, takeovers: [false, true] },
  {
    over: "documented functions",
    streams: oneShotStreams,
    pool: new DeflatePool(oneShotStreams, settings),
    takeovers: [false],
  },
];

/** Inflates a message, cut into pieces. */
function inflate(inflater: MessageInflater, pieces: Uint8Array[]): Uint8Array {
  const output: Uint8Array[] = [];
  const readAll = () => {
    while (inflater.isPending) {
      const size = inflater.read(Infinity);
      output.push(streamOutput.slice(0, size));
      // Whatever is not read yet may have to wait, and the input's memory be used again.
      inflater.keep();
    }
  };
  for (const piece of pieces) {
    const lent = piece.slice();
    inflater.feed(lent, 0, lent.length);
    readAll();
    lent.fill(0xa5);
  }
  inflater.feedTail();
  readAll();
  inflater.finish();
  return concatBytes(output);
}

const HELLO = utf8("Hello");
/** The examples of RFC 7692, section 7.2.3. */
const VECTORS: [name: string, messages: string[]][] = [
  ["one block (7.2.3.1)", ["f2 48 cd c9 c9 07 00"]],
  ["the window of the message before (7.2.3.2)", ["f2 48 cd c9 c9 07 00", "f2 00 11 00 00"]],
  ["a block without compression (7.2.3.3)", ["00 05 00 fa ff 48 65 6c 6c 6f 00"]],
  ["a block with BFINAL (7.2.3.4)", ["f3 48 cd c9 c9 07 00 00"]],
  ["two blocks (7.2.3.5)", ["f2 48 05 00 00 00 ff ff ca c9 c9 07 00"]],
  ["a block with BFINAL, and nothing behind it", ["f3 48 cd c9 c9 07 00"]],
  ["a final block without compression", ["01 05 00 fa ff 48 65 6c 6c 6f"]],
  ["two blocks with BFINAL", ["03 00 f3 48 cd c9 c9 07 00 00"]],
  ["messages behind one with BFINAL", ["f3 48 cd c9 c9 07 00", "f2 48 cd c9 c9 07 00"]],
];

for (const { over, pool, takeovers } of POOLS) {
  describe(`the examples of RFC 7692, over ${over}`, () => {
    for (const [name, messages] of VECTORS) {
      for (const keepsWindow of takeovers) {
        if (messages.length > 1 && name.startsWith("the window") && !keepsWindow) continue;
        it(`${name} inflate, ${keepsWindow ? "with" : "without"} takeover`, () => {
          for (let cut = 0; cut <= 13; cut++) {
            const inflater = new MessageInflater(pool, keepsWindow);
            for (const message of messages) {
              const bytes = fromHex(message);
              const pieces = [bytes.subarray(0, cut), bytes.subarray(cut)];
              assertEquals(toHex(inflate(inflater, pieces)), toHex(HELLO));
            }
            inflater.close();
          }
        });
      }
    }

    it("come out of the deflater", () => {
      const deflater = new MessageDeflater(pool, 15, pool.isContinuous);
      assertEquals(toHex(deflater.deflateMessage("Hello")), toHex(fromHex("f2 48 cd c9 c9 07 00")));
      const again = pool.isContinuous ? "f2 00 11 00 00" : "f2 48 cd c9 c9 07 00";
      assertEquals(toHex(deflater.deflateMessage("Hello")), toHex(fromHex(again)));
      assertEquals(toHex(deflater.deflateMessage("")), "00");
      deflater.close();
    });

    it("an empty message is one octet (7.2.3.6), and nothing inflates to nothing", () => {
      for (const keepsWindow of takeovers) {
        const deflater = new MessageDeflater(pool, 15, keepsWindow);
        const inflater = new MessageInflater(pool, keepsWindow);
        for (let i = 0; i < 3; i++) {
          assertEquals(toHex(deflater.deflateMessage(i === 1 ? "" : new Uint8Array(0))), "00");
          assertEquals(inflate(inflater, [Uint8Array.of(0)]).length, 0);
          assertEquals(inflate(inflater, []).length, 0);
        }
        deflater.close();
        inflater.close();
      }
    });
  });
}

/** Messages of many sizes: compressible and not, also beyond what is inflated at once. */
function makeMessage(random: Random): Uint8Array {
  const size = random.pick([0, 1, 5, 100, 1000, 8191, 8192, 70_000, 300_000]);
  switch (random.below(3)) {
    case 0:
      return new Uint8Array(randomBytes(size));
    case 1:
      return new Uint8Array(size).fill(random.below(256));
    default: {
      const words = Array.from({ length: 20 }, () => random.bytes(1 + random.below(12)));
      const parts: Uint8Array[] = [];
      for (let length = 0; length < size;) {
        length += parts[parts.push(random.pick(words)) - 1].length;
      }
      return concatBytes(parts).subarray(0, size);
    }
  }
}

for (const { over, streams, pool, takeovers } of POOLS) {
  describe(`messages, over ${over}`, () => {
    for (const windowBits of [9, 11, 15]) {
      for (const keepsWindow of takeovers) {
        const title = `a window of ${windowBits} bits ${keepsWindow ? "with" : "without"} takeover`;
        it(`come back, whole or in fragments, cut anywhere: ${title}`, () => {
          const random = new Random(windowBits * 2 + Number(keepsWindow));
          const deflater = new MessageDeflater(pool, windowBits, keepsWindow);
          const inflater = new MessageInflater(pool, keepsWindow, windowBits);
          for (let i = 0; i < 60; i++) {
            const message = makeMessage(random);
            const payloads: Uint8Array[] = [];
            if (random.below(2) === 0) {
              payloads.push(deflater.deflateMessage(message).slice());
            } else {
              const fragments = [...random.cut(message, 50_000), new Uint8Array(0)];
              fragments.forEach((fragment, k) =>
                payloads.push(
                  deflater.deflateFragment(fragment, k === fragments.length - 1).slice(),
                )
              );
            }
            const payload = concatBytes(payloads);
            if (!keepsWindow) assertEquals(inflateAlone(payload), message);
            const pieces = random.below(2) === 0 ? [payload] : random.cut(payload, 5_000);
            const inflated = inflate(inflater, pieces);
            assertSameBytes(inflated, message);
          }
          deflater.close();
          inflater.close();
        });
      }
    }

    it("of long text come back, whatever lies where its parts meet", () => {
      const encoder = new TextEncoder();
      const lone = "\ud83d";
      const texts = ["a", "é", "€", "😀", "a😀", `${lone}a`].flatMap((unit) => {
        return [16_383, 16_384, 16_385, 32_769, 500_000].map((length) => {
          return unit.repeat(Math.ceil(length / unit.length));
        });
      });
      texts.push(
        `${"a".repeat(16_383)}${lone}`,
        `${"a".repeat(16_383)}${lone}a`,
        lone.repeat(40_000),
      );
      texts.push(Buffer.from(randomBytes(400_000)).toString("latin1"));
      for (const keepsWindow of takeovers) {
        const deflater = new MessageDeflater(pool, 15, keepsWindow);
        const inflater = new MessageInflater(pool, keepsWindow, 15);
        for (const text of texts) {
          const inflated = inflate(inflater, [deflater.deflateMessage(text).slice()]);
          const expected = encoder.encode(text);
          assertSameBytes(inflated, expected);
        }
        deflater.close();
        inflater.close();
      }
    });

    it("of long text are what their bytes become, at every level and memory level", () => {
      const random = Buffer.from(randomBytes(150_000));
      const words = random.toString("base64");
      // Every character is as long as can be, and there is hardly anything to compress.
      const wide = random.toString("utf16le").replace(/[\ud800-\udfff]/g, "");
      const texts = [words.slice(0, 16_385), words, wide, `${wide}${words}`, "€".repeat(200_000)];
      for (const level of [0, 1, 6, 9]) {
        for (const memoryLevel of [1, 8, 9]) {
          const settings = resolveCompressionOptions({ level, memoryLevel })!;
          for (const text of texts) {
            const [parts, whole] = [text, utf8(text)].map((data) => {
              const deflater = new MessageDeflater(
                new DeflatePool(streams, settings),
                15,
                streams.isContinuous,
              );
              const deflated = deflater.deflateMessage(data).slice();
              deflater.close();
              return deflated;
            });
            assert(Buffer.from(text).equals(inflateAlone(parts)), `level ${level}: other bytes`);
            if (!streams.isContinuous) continue;
            assertLessOrEqual(parts.length, whole.length * 1.01, `level ${level}, ${memoryLevel}`);
          }
        }
      }
    });

    it("of other compressors inflate, at every level and with every strategy", () => {
      const random = new Random(7);
      const inflater = new MessageInflater(pool, false);
      for (let level = 0; level <= 9; level++) {
        for (const strategy of [0, 1, 2, 3, 4]) {
          for (const finishFlush of [constants.Z_SYNC_FLUSH, constants.Z_FINISH]) {
            const message = makeMessage(random);
            const deflated = new Uint8Array(
              deflateRawSync(message, { level, strategy, finishFlush }),
            );
            const isFinal = finishFlush === constants.Z_FINISH;
            const payload = isFinal
              ? concatBytes([deflated, Uint8Array.of(0)])
              : deflated.slice(0, -4);
            assertEquals(inflate(inflater, random.cut(payload, 10_000)).length, message.length);
          }
        }
      }
    });

    it("of a window of 9 bits look back at most 250 bytes, as RFC 7692 wants of 8 bits too", () => {
      const deflater = new MessageDeflater(pool, 9, pool.isContinuous);
      for (const distance of [200, 250, 300]) {
        const bytes = randomBytes(distance);
        const size = deflater.deflateMessage(concatBytes([bytes, bytes])).length;
        assertEquals(size < distance * 1.5, distance <= 250);
      }
      deflater.close();
    });
  });
}

describe("the window that an inflater keeps", () => {
  const bytes = randomBytes(4000);
  const deflater = new MessageDeflater(pool, 15, true);
  const messages = [bytes, bytes].map((message) => deflater.deflateMessage(message).slice());
  deflater.close();

  it("is as large as agreed upon", () => {
    const inflater = new MessageInflater(pool, true, 12);
    for (const message of messages) assertEquals(inflate(inflater, [message]).length, 4000);
    inflater.close();
  });

  it("is no larger: what looks back farther fails with 1007", () => {
    const inflater = new MessageInflater(pool, true, 11);
    inflate(inflater, [messages[0]]);
    const error = assertThrows(() => inflate(inflater, [messages[1]]), ProtocolError);
    assertEquals(error.closeCode, 1007);
    inflater.close();
  });

  it("is the largest where none is kept", () => {
    const twice = pool.deflaters.acquire(15);
    const size = twice.step(Uint8Array.from([...bytes, ...bytes]), 0, 8000);
    const message = streamOutput.slice(0, size - 4);
    pool.deflaters.release(15, twice);
    const inflater = new MessageInflater(pool, false, 9);
    assertEquals(inflate(inflater, [message.slice(0, 3000), message.slice(3000)]).length, 8000);
  });
});

for (const { over, pool, takeovers } of POOLS) {
  describe(`what is no DEFLATE, over ${over}`, () => {
    const BAD = [
      "ff ff ff",
      "07",
      "06",
      "00 05 00 00 00",
      "f2 48 cd c9 c9 07 ff ff ff",
      "04 00 00 ff",
    ];
    for (const bytes of BAD) {
      it(`fails with 1007: ${bytes}`, () => {
        for (const keepsWindow of takeovers) {
          const inflater = new MessageInflater(pool, keepsWindow);
          const error = assertThrows(() => inflate(inflater, [fromHex(bytes)]), ProtocolError);
          assertEquals(error.closeCode, 1007);
          inflater.close();
          // The stream goes back to the pool, and has forgotten it.
          const next = new MessageInflater(pool, false);
          assertEquals(inflate(next, [fromHex("f2 48 cd c9 c9 07 00")]), HELLO);
        }
      });
    }
  });
}

for (const { over, pool } of POOLS) {
  describe(`a message that goes to many, over ${over}`, () => {
    it("is compressed once, and anew where it has changed", () => {
      const deflaters = Array.from({ length: 3 }, () => new MessageDeflater(pool, 15, false));
      const text = "x".repeat(2000);
      const [first, second, third] = deflaters.map((deflater) => deflater.deflateMessage(text));
      assert(first.buffer === second.buffer && second.buffer === third.buffer);
      const bytes = new Uint8Array(2000);
      const before = deflaters[0].deflateMessage(bytes).slice();
      bytes[1000] = 1;
      const after = deflaters[1].deflateMessage(bytes);
      assert(toHex(before) !== toHex(after));
      assertEquals(inflateAlone(after), bytes);
      assertEquals(inflateAlone(deflaters[2].deflateMessage(text)), utf8(text));
    });

    it("stays as it is where it is long, and is right where it was text or is none", () => {
      const deflater = new MessageDeflater(pool, 15, false);
      const long = randomBytes(40_000);
      const payload = deflater.deflateMessage(long);
      assert(payload.length > 16 * 1024);
      assertEquals(deflater.deflateMessage(long), payload);
      // Longer than what is encoded to memory that is used again, and up to that.
      for (const text of ["\u20ac".repeat(16 * 1024), "\u20ac".repeat(20_000), "", "x"]) {
        assertEquals(inflateAlone(deflater.deflateMessage(text)), utf8(text));
        assertEquals(inflateAlone(deflater.deflateMessage(utf8(text))), utf8(text));
      }
      assertEquals(inflateAlone(payload), new Uint8Array(long));
    });
  });
}

describe("streams over the documented functions", () => {
  const [, { pool }] = POOLS;

  it("inflate no message beyond its limit", () => {
    const message = deflateAlone(new Uint8Array(1_000_000));
    for (const isWhole of [false, true]) {
      const inflater = new MessageInflater(pool, false);
      const feed = () => {
        if (isWhole) return assert(inflater.feedWhole(message, 0, message.length));
        inflater.feed(message, 0, message.length);
        inflater.feedTail();
      };
      feed();
      const error = assertThrows(() => inflater.read(999_999), MessageTooBigError);
      assertEquals(error.closeCode, 1009);
      inflater.finish();
      feed();
      let length = 0;
      while (inflater.isPending) length += inflater.read(1_000_000 - length);
      assertEquals(length, 1_000_000);
      inflater.close();
    }
  });

  it("hold what waits to be read, and give it back", () => {
    const inflater = new MessageInflater(pool, false);
    const message = deflateAlone(new Uint8Array(1_000_000));
    inflater.feed(message, 0, message.length);
    assert(inflater.heldLength >= message.length);
    inflater.feedTail();
    inflater.read(Infinity);
    assert(inflater.heldLength > 900_000);
    inflater.close();
    assertEquals([inflater.heldLength, inflater.isPending], [0, false]);
  });

  it("are chosen if the handles are not there, or work otherwise", () => {
    const handleless = {
      deflateRawSync,
      inflateRawSync,
      createDeflateRaw: () => ({}),
      createInflateRaw: () => ({}),
    };
    assert(!chooseDeflateStreams(handleless).isContinuous);
    // One whose results are always empty.
    const createSilent = () => ({
      _handle: { writeSync() {}, reset() {} },
      _writeState: [65_536, 0],
      close() {},
    });
    const silent = {
      ...handleless,
      createDeflateRaw: createSilent,
      createInflateRaw: createSilent,
    };
    assert(!chooseDeflateStreams(silent).isContinuous);
    assert(chooseDeflateStreams(zlib).isContinuous);
  });

  it("are refused if they work otherwise too", () => {
    assertThrows(() => chooseDeflateStreams({}), Error, "node:zlib");
  });
});
