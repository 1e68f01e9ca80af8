/**
 * The peer that plays a case, client or server: a raw TCP socket, on which the other side's frames are
 * taken apart and checked by the reference decoder.
 *
 * @module
 */

import type { Socket } from "node:net";
import {
  concatBytes,
  decodeReferenceFrame,
  type FoundFrame,
  frameFaults,
  isReferenceUtf8,
  REFERENCE_OPCODES,
  type ReferenceFrame,
} from "../support/reference_frames.ts";
import type { Expected } from "./case.ts";
import { Compression } from "./compression.ts";

/** Something the other side sent: a message or Pong, its Close frame, or the end of its bytes. */
export type Received =
  | (Omit<Expected, "maxWireSize"> & { wireSize: number })
  | { type: "close"; code: number; reason: string; unfinished: Uint8Array }
  | { type: "end" };

/** The case has failed; the message says why. */
export class ConformanceFailure extends Error {
  override name = "ConformanceFailure";
}

const MAX_HEAD_LENGTH = 16384;
/** The bit that a compressed message begins with, of the three. */
const RSV1 = 4;

/** What the other side is, and how its head is taken: a request or a response. */
export interface OtherSide {
  readonly role: "client" | "server";
  /**
   * Checks a head, and answers where it is a request.
   *
   * @param head The lines, without the empty one at the end.
   * @returns What is agreed upon.
   */
  takeHead(head: string, socket: Socket): Compression;
}

/** One connection. */
export class Peer {
  readonly #socket: Socket;
  readonly #received: Received[] = [];
  readonly #deadlineMs: number;
  #input = new InputBuffer();
  #failure: ConformanceFailure | undefined;
  #wake: (() => void) | undefined;
  #isOpen = false;
  #closeReceived = false;
  #ended = false;
  #gone = false;
  /** The fragments of the message in progress, its opcode, and whether it is compressed. */
  #fragments: Uint8Array[] = [];
  #messageOpcode: number | undefined;
  #isCompressed = false;
  readonly #other: OtherSide;
  #compression: Compression = new Compression(undefined);
  #lastMaskingKey: Uint8Array | undefined;

  /**
   * Takes over a socket.
   *
   * @param other Whom it speaks to.
   * @param deadlineMs How long each wait may take. It only decides how soon a failure is seen.
   */
  constructor(socket: Socket, other: OtherSide, deadlineMs: number) {
    this.#socket = socket;
    this.#other = other;
    this.#deadlineMs = deadlineMs;
    socket.on("data", (bytes: Uint8Array) => this.#guard(() => this.#receive(bytes)));
    socket.on("end", () => this.#guard(() => this.#receiveEnd()));
    socket.on("error", (error: Error) => this.#guard(() => this.#receiveError(error)));
    socket.on("close", () => this.#guard(() => this.#receiveGone()));
  }

  /** What both sides agreed upon. */
  get compression(): Compression {
    return this.#compression;
  }

  /** Whether this side has ended the connection. */
  get isEnding(): boolean {
    return this.#socket.writableEnded;
  }

  /** Whether the other side has ended the connection. */
  get hasEnded(): boolean {
    return this.#ended;
  }

  /** Waits until the opening handshake is done. */
  async open(): Promise<void> {
    try {
      await this.#waitUntil(() => this.#isOpen, "the opening handshake");
    } catch (error) {
      this.abort();
      throw error;
    }
  }

  /** Writes each of these on its own, one per turn of the event loop. */
  async send(writes: readonly Uint8Array[]): Promise<void> {
    for (const bytes of writes) {
      // A side that has failed the connection needs no more bytes.
      if (this.#ended || this.#gone) return;
      this.#socket.write(bytes);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Waits for what the other side sends next. `what` says what that should be. */
  async receive(what: string): Promise<Received> {
    await this.#waitUntil(() => this.#received.length > 0, what);
    return this.#received.shift()!;
  }

  /** Ends this side of the connection. */
  end(): void {
    this.#socket.end();
  }

  /** Ends this side too, and waits until the connection is gone. */
  async finish(): Promise<void> {
    this.end();
    await this.#waitUntil(() => this.#gone, "the end of the connection, after both sides ended it");
  }

  /** Drops the connection. */
  abort(): void {
    this.#socket.destroy();
  }

  async #waitUntil(isDone: () => boolean, what: string): Promise<void> {
    const deadline = performance.now() + this.#deadlineMs;
    while (!isDone()) {
      if (this.#failure !== undefined) throw this.#failure;
      const remainingMs = deadline - performance.now();
      if (remainingMs <= 0) {
        throw new ConformanceFailure(
          `nothing came within ${this.#deadlineMs} ms: expected ${what}`,
        );
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, remainingMs);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  /** Runs a handler of the socket, keeps what it throws for the case, and wakes the case. */
  #guard(handle: () => void): void {
    try {
      if (this.#failure === undefined) handle();
    } catch (error) {
      if (!(error instanceof ConformanceFailure)) throw error;
      this.#failure = error;
    }
    this.#wake?.();
  }

  #receive(bytes: Uint8Array): void {
    this.#input.append(bytes);
    if (!this.#isOpen && !this.#receiveHead()) return;
    for (;;) {
      const found = decodeReferenceFrame(this.#input.bytes);
      if (found === undefined) return;
      this.#input.consume(found.end);
      const faults = frameFaults(this.#withoutFlag(found), this.#other.role);
      this.#checkMaskingKey(found.frame, faults);
      if (faults.length > 0) throw this.#failed(`sent a wrong frame: ${faults.join(", ")}`);
      if (this.#closeReceived) throw this.#failed("sent a frame after its Close frame");
      this.#receiveFrame(found.frame);
    }
  }

  /** "The masking key needs to be unpredictable" (section 5.3): it is not that of the frame before. */
  #checkMaskingKey({ maskingKey }: ReferenceFrame, faults: string[]): void {
    if (maskingKey === undefined) return;
    if (maskingKey.join() === this.#lastMaskingKey?.join()) faults.push("the masking key again");
    this.#lastMaskingKey = maskingKey;
  }

  /** Says what the other side did wrong. */
  #failed(what: string): ConformanceFailure {
    return new ConformanceFailure(`the ${this.#other.role} ${what}`);
  }

  /** Gives the frame without the RSV1 that says it begins a compressed message. */
  #withoutFlag(found: FoundFrame): FoundFrame {
    const { frame } = found;
    const isBegin = frame.opcode === REFERENCE_OPCODES.text ||
      frame.opcode === REFERENCE_OPCODES.binary;
    if (!this.#compression.isAgreed || !isBegin) return found;
    return { ...found, frame: { ...frame, rsv: frame.rsv & ~RSV1 } };
  }

  /** Takes the head of the opening handshake; false where it is not whole yet. */
  #receiveHead(): boolean {
    const head = new TextDecoder("latin1").decode(this.#input.bytes.subarray(0, MAX_HEAD_LENGTH));
    const headEnd = head.indexOf("\r\n\r\n");
    if (headEnd === -1) {
      if (head.length < MAX_HEAD_LENGTH) return false;
      throw this.#failed("sent a head that does not end");
    }
    this.#input.consume(headEnd + 4);
    this.#compression = this.#other.takeHead(head.slice(0, headEnd), this.#socket);
    this.#isOpen = true;
    return true;
  }

  #receiveFrame(frame: ReferenceFrame): void {
    const { opcode, payload } = frame;
    if (opcode === REFERENCE_OPCODES.close) {
      this.#closeReceived = true;
      this.#received.push({
        type: "close",
        code: payload.length === 0 ? 1005 : payload[0] * 256 + payload[1],
        reason: new TextDecoder().decode(payload.subarray(2)),
        unfinished: this.#unfinished(),
      });
    } else if (opcode === REFERENCE_OPCODES.pong) {
      this.#received.push({ type: "pong", payload, wireSize: payload.length });
    } else if (opcode !== REFERENCE_OPCODES.ping) {
      // A Ping of the other side's own (keep-alive) needs no answer while a case runs.
      this.#receiveFragment(frame);
    }
  }

  #unfinished(): Uint8Array {
    const begun = concatBytes(this.#fragments);
    return this.#isCompressed ? this.#inflate(begun, true) : begun;
  }

  #inflate(payload: Uint8Array, isBegin: boolean): Uint8Array {
    try {
      const { inflater } = this.#compression;
      return isBegin ? inflater.inflateBegin(payload) : inflater.inflate(payload);
    } catch (error) {
      throw this.#failed(
        `sent a message that can't be decompressed: ${(error as Error).message}`,
      );
    }
  }

  #receiveFragment({ fin, rsv, opcode, payload }: ReferenceFrame): void {
    const isContinuation = opcode === REFERENCE_OPCODES.continuation;
    if (isContinuation !== (this.#messageOpcode !== undefined)) {
      throw this.#failed(
        isContinuation
          ? "continued a message it had not begun"
          : "began a message within another one",
      );
    }
    if (!isContinuation) {
      this.#messageOpcode = opcode;
      this.#isCompressed = rsv === RSV1;
    }
    this.#fragments.push(payload);
    if (!fin) return;
    const onWire = this.#fragments.length === 1 ? payload : concatBytes(this.#fragments);
    const whole = this.#isCompressed ? this.#inflate(onWire, false) : onWire;
    const isText = this.#messageOpcode === REFERENCE_OPCODES.text;
    this.#fragments = [];
    this.#messageOpcode = undefined;
    this.#isCompressed = false;
    if (isText && !isReferenceUtf8(whole)) {
      throw this.#failed("sent a text message that is not UTF-8");
    }
    const type = isText ? "text" : "binary";
    this.#received.push({ type, payload: whole, wireSize: onWire.length });
  }

  #receiveEnd(): void {
    this.#ended = true;
    if (!this.#isOpen) throw this.#failed("refused the opening handshake");
    if (this.#input.bytes.length > 0) {
      throw this.#failed("ended the connection within a frame");
    }
    this.#received.push({ type: "end" });
  }

  #receiveError(error: Error): void {
    throw new ConformanceFailure(`the connection broke: ${error.message}`);
  }

  #receiveGone(): void {
    this.#gone = true;
    if (!this.#ended) throw new ConformanceFailure("the connection broke");
  }
}

/** Bytes that are appended at one end and consumed at the other. */
class InputBuffer {
  #buffer = new Uint8Array(65536);
  #start = 0;
  #end = 0;

  get bytes(): Uint8Array {
    return this.#buffer.subarray(this.#start, this.#end);
  }

  append(bytes: Uint8Array): void {
    if (this.#end + bytes.length > this.#buffer.length) {
      const kept = this.bytes;
      const grown = new Uint8Array(2 * (kept.length + bytes.length) + 65536);
      grown.set(kept);
      this.#buffer = grown;
      this.#start = 0;
      this.#end = kept.length;
    }
    this.#buffer.set(bytes, this.#end);
    this.#end += bytes.length;
  }

  consume(length: number): void {
    this.#start += length;
    if (this.#start === this.#end) this.#start = this.#end = 0;
  }
}
