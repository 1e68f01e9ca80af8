/** The codec's streams: frames in and out, cut anywhere, with faults and ends anywhere. */

import {
  type Frame,
  FrameDecoderStream,
  FrameEncoderStream,
  MessageTooBigError,
  ProtocolError,
  type Role,
  WebSocketError,
} from "../../src/codec/mod.ts";
import { encodePlainly, KEY_NUMBER, Random, ROLES, sameBytes, toHex } from "../codec/support.ts";
import { readStream } from "../codec/reference_stream.ts";
import { streamOf } from "../codec/stream_support.ts";
import { concatBytes } from "../support/reference_frames.ts";
import { makeStream } from "./frame_streams.ts";
import { type BytesInput, check, type Target } from "./target.ts";

/** A stream of a peer's frames, and what decides how it is cut. */
export interface CodecStreamInput extends BytesInput {
  role: Role;
  maxPayloadLength: number;
  allowRsv1: boolean;
  cut: number;
}

export const DECODER_STREAM: Target<CodecStreamInput> = {
  make(random) {
    const role = random.pick(ROLES);
    return {
      bytes: makeStream(role === "server", random, random.below(100) === 0),
      role,
      maxPayloadLength: random.pick([0, 13, 125, 65_535, 65_536, Infinity]),
      allowRsv1: random.below(2) === 0,
      cut: random.below(2 ** 31),
    };
  },

  async check(input) {
    const { bytes, role, maxPayloadLength, allowRsv1, cut } = input;
    const random = new Random(cut);
    const pieces = random.below(3) === 0 ? [bytes] : random.cut(bytes, 3 + random.below(200));
    const chunks = pieces.map((piece) => piece.slice());
    const stream = streamOf(chunks)
      .pipeThrough(new FrameDecoderStream(role, { maxPayloadLength, allowRsv1 }));
    const frames: Frame[] = [];
    let error: unknown;
    try {
      for await (const frame of stream) frames.push(frame);
    } catch (thrown) {
      error = thrown;
    }
    const expected = expect(input);
    const message = () => `${error} instead of ${expected.error}: ${toHex(bytes.subarray(0, 999))}`;
    check(nameOf(error) === expected.error, message);
    // What an error overtakes is lost.
    check(
      error === undefined
        ? frames.length === expected.frames.length
        : frames.length <= expected.frames.length,
      message,
    );
    frames.forEach(({ fin, rsv1, opcode, payload }, i) => {
      const frame = expected.frames[i];
      check(fin === frame.fin && rsv1 === frame.rsv1 && opcode === frame.opcode, message);
      check(sameBytes(payload, frame.payload), message);
    });
    check(chunks.every((chunk, i) => sameBytes(chunk, pieces[i])), () => "a chunk was changed");
    if (error === undefined) {
      await checkEncoder(frames, random);
      await checkBadFrame(random);
    }
    return expected.error;
  },
};

function expect(
  { bytes, role, allowRsv1, maxPayloadLength }: CodecStreamInput,
): { frames: Frame[]; error: string } {
  const { frames, failedAt } = readStream(bytes, { masked: role === "server", allowRsv1 });
  const whole: Frame[] = [];
  for (const frame of frames) {
    if (Number(frame.declaredLength) > maxPayloadLength) return { frames: whole, error: "too big" };
    if (frame.whole) whole.push(frame as unknown as Frame);
  }
  if (failedAt !== undefined) return { frames: whole, error: "protocol" };
  const end = whole.reduce(
    (length, frame) => length + encodePlainly(peerOf(role), frame).length,
    0,
  );
  const last = whole.findLast(({ opcode }) => opcode < 8);
  const isOver = end === bytes.length && (last === undefined || last.fin);
  return { frames: whole, error: isOver ? "none" : "unfinished" };
}

function nameOf(error: unknown): string {
  if (error === undefined) return "none";
  if (error instanceof MessageTooBigError) return error.closeCode === 1009 ? "too big" : "?";
  if (error instanceof ProtocolError) return error.closeCode === 1002 ? "protocol" : "?";
  return error instanceof WebSocketError ? "unfinished" : `${error}`;
}

/** Has frames that were received encoded again, for the other direction. */
async function checkEncoder(frames: Frame[], random: Random): Promise<void> {
  const role = random.pick(ROLES);
  const stream = new FrameEncoderStream(role, { maskingKey: () => KEY_NUMBER });
  const chunks: Uint8Array[] = [];
  for await (const chunk of streamOf(frames).pipeThrough(stream)) chunks.push(chunk);
  check(
    sameBytes(concatBytes(chunks), concatBytes(frames.map((frame) => encodePlainly(role, frame)))),
    () => `encoded otherwise as a ${role}`,
  );
}

/** Has a frame encoded that a peer would have to refuse. */
async function checkBadFrame(random: Random): Promise<void> {
  const payload = new Uint8Array(0);
  const good: Frame = { fin: true, rsv1: false, opcode: 9, payload };
  const bad = random.pick<object>([
    { ...good, fin: false },
    { ...good, rsv1: true },
    { ...good, rsv1: true, opcode: 0 },
    { ...good, opcode: random.pick([-1, 3, 7, 11, 15, 16, 0.5, NaN]) },
    { ...good, payload: new Uint8Array(126) },
    { ...good, payload: random.pick<unknown>(["", [], new ArrayBuffer(0), undefined]) },
  ]);
  const stream = streamOf([bad as Frame]).pipeThrough(new FrameEncoderStream("server"));
  const thrown = await stream.getReader().read().then(() => undefined, (error) => error);
  check(thrown instanceof TypeError, () => `${thrown}: ${JSON.stringify(bad)}`);
}

function peerOf(role: Role): Role {
  return role === "server" ? "client" : "server";
}
