/**
 * The shape of a conformance case: what is sent, what must come back, and how it must end.
 *
 * A case is a list of steps. The ones that send write bytes, cut as the case says; the ones that
 * expect wait for what must come, however long that takes a loaded machine. "Nothing comes" is
 * never found out by waiting: the case sends a Ping behind it, and whatever comes before the Pong
 * is a failure. After the last step the server must send a Close frame and then end the TCP
 * connection, without a reset, while the client keeps its own side open.
 *
 * @module
 */

import { encodeReferenceFrame, REFERENCE_OPCODES } from "../support/reference_frames.ts";
import type { Negotiation } from "./agreement.ts";
import type { Compression } from "./compression.ts";

/** Writes bytes. Each write is handed to TCP before the next one. */
export interface SendStep {
  writes: readonly Uint8Array[];
}

/**
 * Waits for all of these, and nothing else. Messages come in the order given, and so do pongs; a
 * pong may overtake a message, unless the two are in separate steps.
 */
export interface ExpectStep {
  expect: readonly Expected[];
}

/** Lets time pass, so that the server reads what was written so far. No outcome depends on it. */
export interface PauseStep {
  pauseMs: number;
}

/** Ends the client's side of the TCP connection. */
export interface EndStep {
  end: true;
}

export type Step = SendStep | ExpectStep | PauseStep | EndStep;

/** Something the server must send. */
export interface Expected {
  type: "text" | "binary" | "pong";
  payload: Uint8Array;
  /** The most bytes it may take on the wire, without the headers of its frames. */
  maxWireSize?: number;
}

/** One case. */
export interface ConformanceCase {
  /** Its number: `SECTION.GROUP.N`. */
  id: string;
  /** What it does. */
  name: string;
  /**
   * Makes the steps. A function, so that large payloads live only while the case runs, and can be
   * compressed as both sides have agreed upon.
   */
  steps: (compression: Compression) => Step[] | Promise<Step[]>;
  /** What is offered in the opening handshake; without it, nothing. */
  negotiation?: Negotiation;
  /**
   * The close codes the server's Close frame may carry, the usual one first. 1005 stands for a
   * Close frame without a code.
   */
  close: readonly number[];
  /**
   * What was sent of the message that remains unfinished. A server that echoes while it receives
   * may have begun to echo it. Without this, no echo may be unfinished when the server closes.
   */
  unfinished?: () => Uint8Array;
  /** Sends the first write together with the request of the opening handshake. */
  early?: true;
  /** Moves megabytes, so that only few of its kind should run at once. */
  heavy?: true;
  /** Fills so much of a server's memory that only one of its kind has room. */
  alone?: true;
  /** Only for servers that take messages of 16 MiB and no larger ones. */
  needsLimit?: true;
}

/** A section of cases. */
export interface Section {
  name: string;
  cases: ConformanceCase[];
}

/** What frames of a client may differ in from a plain one. */
export interface FrameOptions {
  fin?: boolean;
  rsv?: number;
  maskingKey?: Uint8Array;
}

const encoder = new TextEncoder();
let frameCount = 0;

/** Gives the UTF-8 of a string; bytes are given back. */
export function toBytes(payload: string | Uint8Array): Uint8Array {
  return typeof payload === "string" ? encoder.encode(payload) : payload;
}

/** Gives a masking key: each time another one, but the same ones in every run. */
function nextMaskingKey(): Uint8Array {
  const seed = Math.imul(++frameCount, 0x9e3779b1) >>> 0;
  return Uint8Array.of(seed >>> 24, seed >>> 16, seed >>> 8, seed);
}

/** Encodes a client's frame. */
export function frame(
  opcode: number,
  payload: string | Uint8Array = "",
  options: FrameOptions = {},
): Uint8Array {
  const bytes = toBytes(payload);
  return encodeReferenceFrame({
    maskingKey: nextMaskingKey(),
    ...options,
    opcode,
    payload: bytes,
  });
}

export function text(payload: string | Uint8Array = "", options?: FrameOptions): Uint8Array {
  return frame(REFERENCE_OPCODES.text, payload, options);
}

export function binary(payload: string | Uint8Array = "", options?: FrameOptions): Uint8Array {
  return frame(REFERENCE_OPCODES.binary, payload, options);
}

export function continuation(
  payload: string | Uint8Array = "",
  options?: FrameOptions,
): Uint8Array {
  return frame(REFERENCE_OPCODES.continuation, payload, options);
}

export function ping(payload: string | Uint8Array = "", options?: FrameOptions): Uint8Array {
  return frame(REFERENCE_OPCODES.ping, payload, options);
}

export function pong(payload: string | Uint8Array = "", options?: FrameOptions): Uint8Array {
  return frame(REFERENCE_OPCODES.pong, payload, options);
}

/** Encodes a Close frame with any code at all; undefined leaves the payload empty. */
export function close(
  code?: number,
  reason: string | Uint8Array = "",
  options?: FrameOptions,
): Uint8Array {
  if (code === undefined) return frame(REFERENCE_OPCODES.close, "", options);
  const payload = Uint8Array.of(code >>> 8, code & 0xff, ...toBytes(reason));
  return frame(REFERENCE_OPCODES.close, payload, options);
}

/** Cuts a payload into the frames of one message; an empty payload gives one frame. */
export function fragments(
  opcode: number,
  payload: string | Uint8Array,
  fragmentSize: number,
): Uint8Array[] {
  const bytes = toBytes(payload);
  const frames: Uint8Array[] = [];
  let start = 0;
  do {
    const end = Math.min(start + fragmentSize, bytes.length);
    const fin = end === bytes.length;
    frames.push(
      frame(start === 0 ? opcode : REFERENCE_OPCODES.continuation, bytes.subarray(start, end), {
        fin,
      }),
    );
    start = end;
  } while (start < bytes.length);
  return frames;
}

/** Sends all in one write. */
export function together(...parts: Uint8Array[]): SendStep {
  return { writes: [join(parts)] };
}

/** Sends each part by a write of its own. */
export function apart(...parts: Uint8Array[]): SendStep {
  return { writes: parts };
}

/** Sends all in writes of `size` bytes. */
export function chopped(size: number, ...parts: Uint8Array[]): SendStep {
  const bytes = join(parts);
  const writes: Uint8Array[] = [];
  for (let i = 0; i < bytes.length; i += size) writes.push(bytes.subarray(i, i + size));
  return { writes };
}

/** The ways to cut what a case sends. */
export const CUTS: readonly { name: string; cut: (...parts: Uint8Array[]) => SendStep }[] = [
  { name: "in one write", cut: together },
  { name: "frame by frame", cut: apart },
  { name: "byte by byte", cut: (...parts) => chopped(1, ...parts) },
];

function join(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let position = 0;
  for (const part of parts) {
    bytes.set(part, position);
    position += part.length;
  }
  return bytes;
}

export function expect(...expected: Expected[]): ExpectStep {
  return { expect: expected };
}

export function textBack(payload: string | Uint8Array = ""): Expected {
  return { type: "text", payload: toBytes(payload) };
}

export function binaryBack(payload: string | Uint8Array = ""): Expected {
  return { type: "binary", payload: toBytes(payload) };
}

export function pongBack(payload: string | Uint8Array = ""): Expected {
  return { type: "pong", payload: toBytes(payload) };
}

/** Makes sure that the server has answered all it got and sent nothing else. */
export function nothingElse(): Step[] {
  return [together(ping("fence")), expect(pongBack("fence"))];
}

/** The steps of a client that is done: a Close frame with 1000. */
export function closeNormally(): Step[] {
  return [together(close(1000))];
}

/** A case that has no number yet. */
export type CaseInit = Omit<ConformanceCase, "id">;

/** Makes a case that goes well: the client closes after its steps, and the server answers. */
export function passing(
  name: string,
  steps: (compression: Compression) => Step[] | Promise<Step[]>,
  flags: CaseFlags = {},
): CaseInit {
  return {
    name,
    steps: async (compression) => [...await steps(compression), ...closeNormally()],
    close: [1000],
    ...flags,
  };
}

/**
 * Makes a case in which the server must fail the connection with `code`, after or within the steps.
 *
 * @param unfinished See {@linkcode ConformanceCase.unfinished}.
 */
export function failing(
  name: string,
  code: number,
  steps: (compression: Compression) => Step[] | Promise<Step[]>,
  flags: CaseFlags & Pick<ConformanceCase, "unfinished"> = {},
): CaseInit {
  return { name, steps, close: [code], ...flags };
}

/** What is sent, frame by frame; a function, as each case has masking keys of its own. */
export type Frames = () => Uint8Array[];

/** Cases of a client whose frames are cut in every way, and answered by all of these and nothing else. */
export function answered(name: string, frames: Frames, ...back: Expected[]): CaseInit[] {
  return CUTS.map((way) =>
    passing(`${name}, ${way.name}`, () => [
      way.cut(...frames()),
      ...(back.length === 0 ? [] : [expect(...back)]),
      ...nothingElse(),
    ])
  );
}

/** Cases in which frames that are cut in every way fail the connection behind what comes back. */
export function refused(
  name: string,
  code: number,
  frames: Frames,
  { back = [], unfinished }: { back?: Expected[]; unfinished?: Uint8Array } = {},
): CaseInit[] {
  return CUTS.map((way) =>
    failing(
      `${name}, ${way.name}`,
      code,
      () => [way.cut(...frames()), ...(back.length === 0 ? [] : [expect(...back)])],
      unfinished && { unfinished: () => unfinished },
    )
  );
}

/** Cases whose frames, cut in every way, hold a Close frame, which is answered with one of `codes`. */
export function closed(
  name: string,
  codes: readonly number[],
  frames: Frames,
  { back = [], unfinished }: { back?: Expected[]; unfinished?: Uint8Array } = {},
): CaseInit[] {
  return refused(name, 0, frames, { back, unfinished }).map((init) => ({ ...init, close: codes }));
}

type CaseFlags = Pick<ConformanceCase, "early" | "heavy" | "alone" | "needsLimit" | "negotiation">;

/** Numbers the cases of a group: `GROUP.1`, `GROUP.2` and so on. */
export function group(number: string, cases: readonly CaseInit[]): ConformanceCase[] {
  return cases.map((init, index) => ({ id: `${number}.${index + 1}`, ...init }));
}
