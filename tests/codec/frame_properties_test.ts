import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { type Frame, FrameEncoder, Opcode, type Role } from "../../src/codec/mod.ts";
import { concatBytes, decodeReferenceFrame } from "../support/reference_frames.ts";
import { cutAt, cuts, PARAMETERS, roles, texts } from "./arbitraries.ts";
import { readStream } from "./reference_stream.ts";
import {
  assertFrames,
  assertSameBytes,
  decodePieces,
  encodePlainly,
  frameOf,
  peerOf,
  singly,
} from "./support.ts";

const payloads = fc.oneof(
  fc.uint8Array({ maxLength: 200 }),
  fc.uint8Array({ maxLength: 3000 }),
  // Long ones are all of one octet, which shrinks better.
  fc.tuple(fc.nat(70_000), fc.nat(255)).map(([length, octet]) =>
    new Uint8Array(length).fill(octet)
  ),
);

const controlFrames = fc.tuple(
  fc.constantFrom(Opcode.Close, Opcode.Ping, Opcode.Pong),
  fc.uint8Array({ maxLength: 125 }),
).map(([opcode, payload]) => frameOf(opcode, payload));

/** A message in one or more fragments, with control frames between them. */
const messages = fc.tuple(
  fc.constantFrom(Opcode.Text, Opcode.Binary),
  fc.boolean(),
  fc.array(fc.tuple(payloads, fc.array(controlFrames, { maxLength: 2 })), {
    minLength: 1,
    maxLength: 4,
  }),
).map(([opcode, rsv1, fragments]) =>
  fragments.flatMap(([payload, controls], i): Frame[] => [
    {
      fin: i === fragments.length - 1,
      rsv1: rsv1 && i === 0,
      opcode: i === 0 ? opcode : Opcode.Continuation,
      payload,
    },
    ...controls,
  ])
);

/** A sequence of frames that a peer may send. */
const sequences = fc.array(fc.oneof(messages, controlFrames.map((frame) => [frame])), {
  maxLength: 5,
}).map((parts) => parts.flat());

/** Encodes with the encoder, whose keys are random. */
function encode(sender: Role, frames: Frame[]): Uint8Array {
  const encoder = new FrameEncoder(sender);
  for (const { fin, rsv1, opcode, payload } of frames) encoder.encode(fin, rsv1, opcode, payload);
  return concatBytes(encoder.take());
}

describe("for all sequences of frames", () => {
  it("decode(encode(x)) = x, however the bytes are cut", () => {
    fc.assert(
      fc.property(roles, sequences, cuts, (role, frames, places) => {
        const bytes = encode(peerOf(role), frames);
        const decoded = decodePieces(role, cutAt(bytes, places), { allowRsv1: true });
        assertEquals(decoded.closeCode, undefined);
        assertFrames(decoded.frames, frames);
      }),
      PARAMETERS,
    );
  });

  it("what the reference encodes is decoded", () => {
    fc.assert(
      fc.property(
        roles,
        sequences,
        cuts,
        fc.uint8Array({ minLength: 4, maxLength: 4 }),
        (role, frames, places, key) => {
          const bytes = concatBytes(
            frames.map((frame) => encodePlainly(peerOf(role), frame, key)),
          );
          const decoded = decodePieces(role, cutAt(bytes, places), { allowRsv1: true });
          assertEquals(decoded.closeCode, undefined);
          assertFrames(decoded.frames, frames);
        },
      ),
      PARAMETERS,
    );
  });

  it("the reference decodes what is encoded", () => {
    fc.assert(
      fc.property(roles, sequences, (role, frames) => {
        const bytes = encode(role, frames);
        let start = 0;
        for (const expected of frames) {
          const { frame, end } = decodeReferenceFrame(bytes, start)!;
          assertEquals(frame.maskingKey !== undefined, role === "client");
          const { fin, rsv, opcode, payload } = frame;
          assertFrames([frameOf(opcode, payload, { fin, rsv1: rsv === 4 })], [expected]);
          start = end;
        }
        assertEquals(start, bytes.length);
      }),
      PARAMETERS,
    );
  });
});

describe("for all bytes", () => {
  /** Octets that headers are made of, more than others. */
  const octets = fc.oneof(
    fc.constantFrom(0x00, 0x01, 0x02, 0x80, 0x81, 0x82, 0x88, 0x89, 0x7e, 0x7f, 0xfe, 0xff),
    fc.nat(255),
  );
  const noise = fc.array(octets, { maxLength: 60 }).map((values) => Uint8Array.from(values));

  it("the decoder finds what the reference finds, and fails at the same byte", () => {
    fc.assert(
      fc.property(roles, fc.boolean(), sequences, noise, (role, allowRsv1, frames, tail) => {
        const head = frames.map((frame) => encodePlainly(peerOf(role), frame));
        // Long payloads have been seen to, and byte by byte they take long.
        const bytes = concatBytes([...head.filter(({ length }) => length < 300), tail]);
        const expected = readStream(bytes, { masked: role === "server", allowRsv1 });
        const decoded = decodePieces(role, singly(bytes), { allowRsv1 });
        assertEquals(decoded.failedAt, expected.failedAt);
        assertEquals(decoded.closeCode, expected.failedAt === undefined ? undefined : 1002);
        assertFrames(
          decoded.frames,
          expected.frames.filter(({ whole }) => whole).map(({ opcode, payload, fin, rsv1 }) =>
            frameOf(opcode, payload, { fin, rsv1 })
          ),
        );
        const last = expected.frames.at(-1);
        const inProgress = last?.whole === false ? Number(last.declaredLength) : undefined;
        assertEquals(decoded.declaredLength, inProgress);
      }),
      { ...PARAMETERS, numRuns: 2000 },
    );
  });

  it("what is found does not depend on how they are cut", () => {
    fc.assert(
      fc.property(roles, fc.boolean(), noise, cuts, (role, allowRsv1, bytes, places) => {
        const whole = decodePieces(role, [bytes], { allowRsv1 });
        const cut = decodePieces(role, cutAt(bytes, places), { allowRsv1 });
        assertEquals(cut.closeCode, whole.closeCode);
        assertFrames(cut.frames, whole.frames);
      }),
      { ...PARAMETERS, numRuns: 2000 },
    );
  });
});

describe("for all texts", () => {
  it("encodeText encodes what a peer reads as the text, its lone surrogates as U+FFFD", () => {
    fc.assert(
      fc.property(roles, texts, (role, text) => {
        const encoder = new FrameEncoder(role);
        encoder.encodeText(text);
        const [frame, ...others] = decodePieces(peerOf(role), encoder.take()).frames;
        assertEquals(others, []);
        assert(frame.fin && !frame.rsv1 && frame.opcode === Opcode.Text);
        assertSameBytes(frame.payload, new TextEncoder().encode(text.toWellFormed()));
      }),
      { ...PARAMETERS, numRuns: 1000 },
    );
  });
});
