/** Streams of frames with compressed messages: DEFLATE of all kinds, changed and cut. */

import { resolveCompressionOptions } from "../../src/extensions/compression_options.ts";
import { DeflatePool } from "../../src/extensions/deflate_pool.ts";
import { PerMessageDeflate } from "../../src/extensions/permessage_deflate.ts";
import { Protocol, ProtocolError } from "../../src/protocol/mod.ts";
import { fromHex, type Random, Random as RandomClass, singly, toHex } from "../codec/support.ts";
import { DeflateWriter, type Token } from "../extensions/deflate_writer.ts";
import { CountedStreams } from "../extensions/counted_streams.ts";
import { type Limits, type Received, receiveInflating } from "../extensions/reference_receiver.ts";
import { EventLog } from "../protocol/support.ts";
import {
  concatBytes,
  encodeReferenceFrame,
  type ReferenceFrameInit,
} from "../support/reference_frames.ts";
import { type BytesInput, check, type Target } from "./target.ts";

const LIMITS: Limits = { maxMessageSize: 2000, maxFragments: 8 };
const OTHER_LIMITS: readonly Limits[] = [
  { maxMessageSize: 0, maxFragments: 1 },
  { maxMessageSize: 20, maxFragments: 3 },
  { maxMessageSize: 5000, maxFragments: Infinity },
];
const LARGE_LIMITS: readonly Limits[] = [
  { maxMessageSize: 65_536, maxFragments: 8 },
  { maxMessageSize: 140_000, maxFragments: Infinity },
];
/** What is inflated into at once, and sizes at which something is done in another way. */
const LARGE_SIZES = [8187, 8188, 8192, 16_384, 65_535, 65_536, 65_537, 131_072, 139_000];
/** Streams of DEFLATE that are wrong. */
const BAD = [
  "07",
  "06",
  "05 e0 81 91 24 cb b2 2c",
  "00 05 00 00 00",
  "04 00 00 ff",
  "fc 00 00",
  "f2 00 11 00 00",
  "63 18 05",
  "4b 04 12 00",
].map(fromHex);

/** The window of a compressor, and how much was compressed with it. */
interface Window {
  bits: number;
  length: number;
}

/** Literals and matches, most of them within the window. */
function makeTokens(random: Random, count: number, window: Window, isText: boolean): Token[] {
  const tokens: Token[] = [];
  let { length } = window;
  const size = random.below(200) === 0 ? 32_768 : 2 ** window.bits;
  for (let i = 0; i < count; i++) {
    if (length > 0 && random.below(3) === 0) {
      const match = {
        length: random.below(12) === 0 ? 258 : 3 + Math.floor(random.next() ** 3 * 255),
        distance: 1 + Math.floor(random.next() ** 3 * Math.min(length, size)),
      };
      if (random.below(400) === 0) match.distance = Math.min(32_768, length + 1 + random.below(3));
      tokens.push(match);
      length += match.length;
    } else {
      tokens.push(isText && random.below(60) > 0 ? 0x20 + random.below(95) : random.below(256));
      length++;
    }
  }
  return tokens;
}

const lengthOf = (tokens: readonly Token[]) =>
  tokens.reduce((sum: number, token) => sum + (typeof token === "number" ? 1 : token.length), 0);

/** A message as DEFLATE, in blocks of all types. */
function makePayload(
  random: Random,
  window: Window,
  isText: boolean,
  isLarge: boolean,
): Uint8Array {
  const kind = random.below(40);
  if (kind === 0) return new Uint8Array(0);
  if (kind === 1) return random.pick(BAD);
  if (kind === 2) return random.bytes(random.below(40));
  const writer = new DeflateWriter(random);
  let isFinal = false;
  for (let blocks = random.below(4); blocks > 0; blocks--) {
    isFinal = random.below(5) === 0;
    const type = random.below(3);
    if (type === 0) {
      const size = isLarge ? Math.min(65_535, random.pick(LARGE_SIZES)) : random.below(90);
      writer.stored(new Uint8Array(size).fill(0x61 + random.below(26)), isFinal);
      window.length += size;
    } else {
      const tokens = makeTokens(random, random.below(30), window, isText);
      if (isLarge && random.below(2) === 0) {
        // One character, many times.
        let size = random.pick(LARGE_SIZES);
        for (tokens.push(0x61); size > 3; size -= 258) {
          tokens.push({ length: Math.min(258, size), distance: 1 });
        }
      }
      if (type === 1) writer.fixed(tokens, isFinal);
      else writer.dynamic(tokens, isFinal);
      window.length += lengthOf(tokens);
    }
    if (isFinal) {
      // Most begin anew at the border of octets, as they should.
      if (random.below(10) > 0) writer.align();
      window.length = 0;
    }
  }
  // Some leave out the empty block behind one with BFINAL.
  if (isFinal && random.below(2) === 0) writer.align();
  else writer.sync();
  return writer.take();
}

function mutatePayload(payload: Uint8Array, random: Random): Uint8Array {
  const place = random.below(payload.length + 1);
  const changed = payload.slice();
  switch (random.below(6)) {
    case 0:
    case 1:
      changed[place] ^= 1 << random.below(8);
      return changed;
    case 2:
      changed[place] = random.below(256);
      return changed;
    case 3:
      return payload.subarray(0, place);
    case 4:
      return concatBytes([payload.subarray(0, place), payload.subarray(place + 1)]);
    default:
      return concatBytes([payload, payload.subarray(place)]);
  }
}

/** Blocks with BFINAL set that nothing is in, about as many as there may be. */
function makeEnds(random: Random): Uint8Array {
  const empty = random.pick(["03 00", "01 00 00 ff ff", "03 00 00 00 00 ff ff"]).replaceAll(
    " ",
    "",
  );
  return fromHex(empty.repeat(950 + random.below(400)));
}

function makeFrames(
  random: Random,
  { keepsWindow, windowBits }: { keepsWindow: boolean; windowBits: number },
  isLarge: boolean,
): ReferenceFrameInit[] {
  const frames: ReferenceFrameInit[] = [];
  const window: Window = { bits: windowBits, length: 0 };
  for (let i = 1 + random.below(isLarge ? 3 : 5); i > 0; i--) {
    const opcode = 1 + random.below(2);
    const isCompressed = random.below(8) > 0;
    if (!keepsWindow) window.length = 0;
    let payload = isCompressed
      ? makePayload(random, window, opcode === 1, isLarge)
      : new Uint8Array(random.below(30)).fill(0x62);
    if (isLarge && random.below(6) === 0) payload = makeEnds(random);
    if (random.below(6) === 0) payload = mutatePayload(payload, random);
    const fragments = random.below(3) === 0
      ? random.cut(payload, Math.max(30, payload.length / 2))
      : [payload];
    if (fragments.length === 0 || random.below(12) === 0) fragments.push(new Uint8Array(0));
    // Before any byte, they soon are too many.
    if (random.below(10) === 0) {
      fragments.unshift(...Array(random.below(12)).fill(new Uint8Array(0)));
    }
    fragments.forEach((fragment, k) => {
      const fin = k === fragments.length - 1;
      // RSV1 belongs to the first frame of a message; elsewhere it is wrong.
      const isWrong = k > 0 && random.below(60) === 0;
      const rsv = (k === 0 && isCompressed) || isWrong ? 4 : 0;
      frames.push({ opcode: k === 0 ? opcode : 0, fin, rsv, payload: fragment });
      if (random.below(5) === 0) frames.push(makeControl(random));
    });
  }
  return frames;
}

function makeControl(random: Random): ReferenceFrameInit {
  const rsv = random.below(25) === 0 ? 4 : 0;
  if (random.below(15) === 0) return { opcode: 8, rsv, payload: fromHex("03 e8") };
  return { opcode: random.pick([9, 10]), rsv, payload: random.bytes(random.pick([0, 3, 125])) };
}

/** A stream, and who receives it. */
export interface CompressedInput extends BytesInput {
  limits: Limits;
  keepsWindow: boolean;
  windowBits: number;
  /** Whether messages come in pieces: never, always, or by turns. */
  streaming: boolean | undefined;
  /** Whether the receiver stops in between. */
  stops: boolean;
  /** How much of the stream is left out at its end. */
  cut: number;
}

const streams = await CountedStreams.load();
const settings = resolveCompressionOptions({ contextTakeover: true })!;
const pool = new DeflatePool(streams, settings);

function openCompression(keepsWindow: boolean, windowBits = 15): PerMessageDeflate {
  const parameters = {
    serverNoContextTakeover: !keepsWindow,
    clientNoContextTakeover: !keepsWindow,
    serverMaxWindowBits: 15,
    clientMaxWindowBits: windowBits,
  };
  return new PerMessageDeflate("server", pool, parameters, 0);
}

export const COMPRESSED_STREAMS: Target<CompressedInput> = {
  make(random) {
    const isLarge = random.below(40) === 0;
    const keepsWindow = random.below(2) === 0;
    const windowBits = keepsWindow && random.below(2) === 0 ? 9 + random.below(6) : 15;
    const frames = makeFrames(random, { keepsWindow, windowBits }, isLarge)
      .map((frame) => ({ ...frame, maskingKey: random.bytes(4) }));
    let bytes = concatBytes(frames.map(encodeReferenceFrame));
    if (random.below(6) === 0) bytes = bytes.subarray(0, random.below(bytes.length + 1));
    return {
      bytes,
      keepsWindow,
      windowBits,
      limits: isLarge
        ? random.pick(LARGE_LIMITS)
        : random.below(5) === 0
        ? random.pick(OTHER_LIMITS)
        : LIMITS,
      streaming: random.pick([false, true, undefined]),
      stops: random.below(2) === 0,
      cut: random.below(2 ** 31),
    };
  },

  check(input) {
    const { bytes, limits } = input;
    const expected = receiveInflating(bytes, { ...limits, ...input });
    // Who refers to more than its window is noticed, or not: that depends on how the bytes arrive.
    const unnoticed = input.windowBits === 15
      ? expected
      : receiveInflating(bytes, { ...limits, ...input, windowBits: 15 });
    const random = new RandomClass(input.cut);
    const isLong = bytes.length > 2000;
    const cuttings = [[bytes], random.cut(bytes), random.cut(bytes, isLong ? 30_000 : 200)];
    if (!isLong) cuttings.push(singly(bytes));
    for (const pieces of cuttings) {
      const { events, closeCode } = receivePieces(input, pieces, random);
      const message = () => {
        const codes = [...expected.closeCodes];
        return `${show(events)}, ${closeCode} instead of ${show(expected.events)}, ${codes}, in ` +
          `${pieces.length} pieces: ${toHex(bytes.subarray(0, 1000))}`;
      };
      const isNoticed = unnoticed.events.length > expected.events.length && closeCode === 1007 &&
        isSame(events, unnoticed.events.slice(0, events.length)) &&
        events.length >= expected.events.length;
      const received = { events, closeCode };
      check(
        isNoticed || isAsExpected(received, expected) || isAsExpected(received, unnoticed),
        message,
      );
      checkPool();
    }
    return expected.closeCodes.size === 0 ? "received" : `failed ${[...expected.closeCodes][0]}`;
  },
};

function isAsExpected(
  { events, closeCode }: { events: string[]; closeCode: number | undefined },
  expected: Received,
): boolean {
  const { closeCodes } = expected;
  return isSame(events, expected.events) &&
    (closeCode === undefined ? closeCodes.size === 0 : closeCodes.has(closeCode));
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a.join("\n") === b.join("\n");
}

function show(events: readonly string[]): string {
  return JSON.stringify(events.map((event) => event.slice(0, 500)));
}

function receivePieces(
  { limits, keepsWindow, windowBits, streaming, stops }: CompressedInput,
  pieces: readonly Uint8Array[],
  random: Random,
): { events: string[]; closeCode: number | undefined } {
  const log = new Log();
  const compression = openCompression(keepsWindow, windowBits);
  const protocol = new Protocol("server", log, { ...limits, compression });
  if (stops) {
    log.onEvent = () => {
      if (random.below(3) === 0) protocol.stopReceiving();
    };
  }
  protocol.streaming = streaming ?? random.below(2) === 0;
  const isDrainedFirst = random.below(2) === 0;
  const receive = (piece: Uint8Array): void => {
    const lent = random.below(3) > 0;
    const copy = concatBytes([Uint8Array.of(0x81), piece, Uint8Array.of(0x81)]);
    const end = copy.length - 1;
    for (let position = 1; position < end || (isDrainedFirst && protocol.hasUninflated);) {
      const { count } = log;
      const next = protocol.receive(copy, position, end, lent);
      check(next >= position && next <= end && (stops || next === end), () => "bytes not taken");
      // Whoever stops has had something before.
      check(next > position || log.count > count || !protocol.hasUninflated, () => "stands still");
      // What was taken is overwritten, as a socket's buffer would be.
      if (lent) copy.fill(0x55, position, next);
      position = next;
      const most = limits.maxMessageSize + piece.length + 4;
      check(protocol.collectedLength <= most, () => `keeps ${protocol.collectedLength} bytes`);
      if (streaming === undefined && random.below(3) === 0) {
        protocol.streaming = random.below(2) === 0;
      }
    }
  };
  let closeCode: number | undefined;
  try {
    pieces.forEach(receive);
    const none = new Uint8Array(0);
    while (protocol.hasUninflated) {
      const { count } = log;
      protocol.receive(none);
      check(log.count > count || !protocol.hasUninflated, () => "stands still at the end");
    }
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    ({ closeCode } = error);
    check(protocol.receive(Uint8Array.of(0xff, 0xff)) === 2, () => "went on behind an error");
    check(!protocol.hasUninflated, () => "would go on behind an error");
    check(protocol.collectedLength === 0, () => "keeps something behind an error");
  }
  compression.close();
  check(
    protocol.collectedLength <= limits.maxMessageSize,
    () => "keeps more than what was inflated",
  );
  return { events: log.events, closeCode };
}

const HELLO = encodeReferenceFrame({
  opcode: 1,
  rsv: 4,
  maskingKey: new Uint8Array(4),
  payload: fromHex("f2 48 cd c9 c9 07 00"),
});
/** A match, where there is nothing yet. */
const MATCH = encodeReferenceFrame({
  opcode: 1,
  rsv: 4,
  maskingKey: new Uint8Array(4),
  payload: fromHex("f2 00 11 00 00"),
});

/** Checks that the streams in the pool are as new, and not many. */
function checkPool(): void {
  const log = new Log();
  const compression = openCompression(false);
  const protocol = new Protocol("server", log, { compression });
  try {
    protocol.receive(HELLO.slice());
    check(log.events[0] === 'text "Hello"', () => `the next connection got ${log.events[0]}`);
    protocol.receive(MATCH.slice());
    check(false, () => `the next connection got ${log.events[1]}`);
  } catch (error) {
    if (!(error instanceof ProtocolError) || error.closeCode !== 1007) throw error;
  } finally {
    compression.close();
  }
  check(streams.live <= 8, () => `${streams.live} streams are left`);
}

/** Counts events as they come. */
class Log extends EventLog {
  count = 0;
  onEvent: () => void = () => {};

  override receiveMessage(data: string | Uint8Array): void {
    super.receiveMessage(data);
    this.#see();
  }

  override receiveMessageStart(type: "text" | "binary"): void {
    super.receiveMessageStart(type);
    this.#see();
  }

  override receiveMessageChunk(bytes: Uint8Array, start: number, end: number): void {
    super.receiveMessageChunk(bytes, start, end);
    this.#see();
  }

  override receiveMessageEnd(): void {
    super.receiveMessageEnd();
    this.#see();
  }

  override receivePing(payload: Uint8Array): void {
    super.receivePing(payload);
    this.#see();
  }

  countInflated(): void {
    this.#see();
  }

  #see(): void {
    this.count++;
    this.onEvent();
  }
}
