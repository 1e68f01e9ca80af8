import type { Names } from "../checks.ts";
import { checks } from "../loaded_checks.ts";
import { ProtocolError } from "../errors.ts";
import { CloseCode } from "./close_code.ts";
import { MAX_CONTROL_PAYLOAD_LENGTH, type Role } from "./frame.ts";
import { mask } from "./mask.ts";
import { isControl, isOpcode, Opcode } from "./opcode.ts";

/**
 * Receives the frames that a {@linkcode FrameDecoder} finds. A frame that is complete in one piece of
 * input is passed to `receiveFrame` in one call; any other to `receiveFrameStart`, `receiveFramePayload` for
 * each piece, and `receiveFrameEnd`.
 *
 * Payloads are already unmasked. They are borrowed from the input: to keep one, copy it. An error that a
 * method throws is thrown by {@linkcode FrameDecoder.decode}, and ends the decoder.
 *
 * If a method returns `"stop"`, {@linkcode FrameDecoder.decode} returns after the current frame or piece of
 * payload, for handlers that can't take more at the moment. Any other result lets it continue.
 */
export interface FrameHandler {
  /** Receives a complete frame; its payload is `bytes` from `start` to `end` (exclusive). */
  receiveFrame(
    fin: boolean,
    rsv1: boolean,
    opcode: Opcode,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): HandlerResult;
  /** Receives the header of a frame, as soon as its length is known. */
  receiveFrameStart(
    fin: boolean,
    rsv1: boolean,
    opcode: Opcode,
    payloadLength: number,
  ): HandlerResult;
  /** Receives a piece of the payload, `bytes` from `start` to `end` (exclusive): never an empty one. */
  receiveFramePayload(bytes: Uint8Array, start: number, end: number): HandlerResult;
  /** Called at the end of the frame. */
  receiveFrameEnd(): HandlerResult;
}

/**
 * The result of a handler's method: `"stop"` pauses decoding, any other value continues. Not `unknown`:
 * TypeScript would then need the type of a method such as `() => decoder.stop()` to infer that of `decoder`.
 */
// deno-lint-ignore no-explicit-any
export type HandlerResult = any;

/** The result that pauses decoding. */
export const STOP = "stop";

/** Options of a {@linkcode FrameDecoder}. */
export interface FrameDecoderOptions {
  /**
   * Whether an extension that uses RSV1 was negotiated. It may then be set on the first frame of a
   * data message (RFC 7692, section 6).
   *
   * @default {false}
   */
  allowRsv1?: boolean | undefined;
}

const OPTIONS: Names<FrameDecoderOptions> = { allowRsv1: true };

/** What the decoder expects next. */
const Stage = {
  FirstOctet: 0,
  SecondOctet: 1,
  Length16: 2,
  Length64: 3,
  MaskingKey: 4,
  Payload: 5,
  Failed: 6,
} as const;
type Stage = typeof Stage[keyof typeof Stage];

/**
 * Decodes a stream of frames (RFC 6455, section 5.2) that may be split anywhere: a synchronous push
 * parser that stores a few numbers between calls, and never any bytes.
 *
 * It checks each frame as section 5 asks for, and the order of fragments (section 5.4). It throws as
 * soon as it reads the offending octet. Limits are left to the handler.
 *
 * @example
 * ```ts
 * import { FrameDecoder } from "@sluice/websocket/codec";
 *
 * const decoder = new FrameDecoder("client", {
 *   receiveFrame: (fin, _rsv1, opcode, bytes, start, end) =>
 *     console.log(fin, opcode, new TextDecoder().decode(bytes.subarray(start, end))),
 *   receiveFrameStart: () => {},
 *   receiveFramePayload: () => {},
 *   receiveFrameEnd: () => {},
 * });
 * decoder.decode(new Uint8Array([0x81, 0x02, 0x48, 0x69])); // true 1 "Hi"
 * ```
 */
export class FrameDecoder {
  readonly #handler: FrameHandler;
  readonly #masked: boolean;
  readonly #allowRsv1: boolean;
  #stage: Stage = Stage.FirstOctet;
  #stopped = false;
  /** Whether a fragmented message has begun and its last fragment has not. */
  #fragmented = false;
  #fin = false;
  #rsv1 = false;
  #opcode: Opcode = Opcode.Continuation;
  #payloadLength = 0;
  #maskingKey = 0;
  /** Octets read of the length, masking key or payload in progress. */
  #offset = 0;

  /**
   * Creates a decoder.
   *
   * @param role The side that decodes. A server accepts masked frames only, a client unmasked ones only
   * (section 5.1).
   * @param handler Receives the frames.
   * @param options See {@linkcode FrameDecoderOptions}.
   * @throws {TypeError} If an option is unknown or of another type.
   */
  constructor(role: Role, handler: FrameHandler, options: FrameDecoderOptions = {}) {
    checks?.checkOptions("FrameDecoder", options, OPTIONS);
    checks?.checkBoolean("allowRsv1", options.allowRsv1);
    this.#handler = handler;
    this.#masked = role === "server";
    this.#allowRsv1 = options.allowRsv1 ?? false;
  }

  /** Whether no frame and no fragmented message is in progress, so that the input may end here. */
  get atMessageBoundary(): boolean {
    return this.#stage === Stage.FirstOctet && !this.#fragmented;
  }

  /**
   * Makes the `decode` call in progress return after the current frame or piece of payload, without
   * consuming the rest of its input: the same as a handler that returns `"stop"`.
   */
  stop(): void {
    this.#stopped = true;
  }

  /**
   * Decodes the next piece of the stream, and unmasks the payloads in it in place.
   *
   * @param bytes The array that holds the piece.
   * @param start Where the piece begins. Default: 0.
   * @param end Where it ends (exclusive). Default: `bytes.length`.
   * @returns The index at which decoding ended: `end`, or less if the handler stopped it. The rest must be
   * passed again, unchanged.
   * @throws {ProtocolError} If the stream breaks section 5 of the RFC. Every later call throws, too.
   */
  decode(bytes: Uint8Array, start = 0, end: number = bytes.length): number {
    this.#stopped = false;
    let i = start;
    try {
      while (i < end && !this.#stopped) {
        if (this.#stage === Stage.FirstOctet) i = this.#decodeWholeFrame(bytes, i, end);
        else if (this.#stage === Stage.Payload) i = this.#decodePayload(bytes, i, end);
        else this.#receiveHeaderOctet(bytes[i++]!);
      }
    } catch (error) {
      this.#stage = Stage.Failed;
      throw error;
    }
    return i;
  }

  /** Decodes a frame that is complete in the input; leaves any other to the slower methods. */
  #decodeWholeFrame(bytes: Uint8Array, start: number, end: number): number {
    this.#receiveFirstOctet(bytes[start]!);
    if (end - start === 1) {
      this.#stage = Stage.SecondOctet;
      return end;
    }
    const second = bytes[start + 1]!;
    this.#checkSecondOctet(second);
    let length = second & 0x7f;
    let i = start + 2;
    if (length === 126 && end - i >= 2) {
      length = (bytes[i]! << 8) | bytes[i + 1]!;
      if (length < 126) fail(NOT_MINIMAL);
      i += 2;
    } else if (
      length === 127 && end - i >= 8 && readInt32(bytes, i) === 0 && bytes[i + 4]! < 0x80
    ) {
      length = readInt32(bytes, i + 4);
      if (length < 0x10000) fail(NOT_MINIMAL);
      i += 8;
    } else if (length >= 126) {
      this.#stage = Stage.SecondOctet;
      return start + 1;
    }
    const payload = this.#masked ? i + 4 : i;
    const frameEnd = payload + length;
    if (frameEnd > end) {
      this.#stage = Stage.SecondOctet;
      return start + 1;
    }
    if (this.#masked) {
      const key = readInt32(bytes, i);
      if (key !== 0) mask(bytes, key, payload, frameEnd);
    }
    this.#obey(
      this.#handler.receiveFrame(this.#fin, this.#rsv1, this.#opcode, bytes, payload, frameEnd),
    );
    return frameEnd;
  }

  /** Decodes an octet of a header, from the second one on. */
  #receiveHeaderOctet(octet: number): void {
    switch (this.#stage) {
      case Stage.SecondOctet: {
        this.#checkSecondOctet(octet);
        const length = octet & 0x7f;
        this.#payloadLength = 0;
        this.#offset = 0;
        if (length === 126) this.#stage = Stage.Length16;
        else if (length === 127) this.#stage = Stage.Length64;
        else this.#receiveLength(length);
        break;
      }
      case Stage.Length16:
        this.#payloadLength = this.#payloadLength * 256 + octet;
        if (++this.#offset === 2) {
          if (this.#payloadLength < 126) fail(NOT_MINIMAL);
          this.#receiveLength(this.#payloadLength);
        }
        break;
      case Stage.Length64:
        // "the most significant bit MUST be 0" (section 5.2)
        if (this.#offset === 0 && octet >= 0x80) {
          fail("Cannot receive a frame whose 64-bit length has its most significant bit set");
        }
        this.#payloadLength = this.#payloadLength * 256 + octet;
        if (++this.#offset === 6 && this.#payloadLength === 0) fail(NOT_MINIMAL);
        if (this.#offset === 8) this.#receiveLength(this.#payloadLength);
        break;
      case Stage.MaskingKey:
        this.#maskingKey = (this.#maskingKey << 8) | octet;
        if (++this.#offset === 4) this.#receiveHeaderEnd();
        break;
      default:
        fail("Cannot receive more frames: the stream has failed");
    }
  }

  /** Unmasks and passes on the part of the payload that the input holds. */
  #decodePayload(bytes: Uint8Array, start: number, end: number): number {
    const pieceEnd = Math.min(end, start + this.#payloadLength - this.#offset);
    if (this.#masked) mask(bytes, this.#maskingKey, start, pieceEnd, this.#offset);
    this.#offset += pieceEnd - start;
    this.#obey(this.#handler.receiveFramePayload(bytes, start, pieceEnd));
    if (this.#offset === this.#payloadLength) this.#receivePayloadEnd();
    return pieceEnd;
  }

  #receiveFirstOctet(octet: number): void {
    // "MUST be 0 unless an extension is negotiated that defines meanings" (section 5.2)
    if ((octet & 0x30) !== 0) {
      fail("Cannot receive a frame with RSV2 or RSV3 set: no extension gives them a meaning");
    }
    const opcode = octet & 0x0f;
    const fin = (octet & 0x80) !== 0;
    const rsv1 = (octet & 0x40) !== 0;
    if (!isOpcode(opcode)) fail(`Cannot receive a frame with the reserved opcode ${opcode}`);
    if (isControl(opcode)) {
      if (rsv1) fail("Cannot receive a control frame with RSV1 set");
      // "All control frames ... MUST NOT be fragmented" (section 5.5)
      if (!fin) fail("Cannot receive a fragmented control frame");
    } else {
      const isContinuation = opcode === Opcode.Continuation;
      // "The fragments of one message MUST NOT be interleaved" (section 5.4)
      if (isContinuation !== this.#fragmented) {
        fail(
          isContinuation
            ? "Cannot receive a continuation frame: no message is in progress"
            : "Cannot receive a new message: the fragmented one before it is not finished",
        );
      }
      if (rsv1 && isContinuation) fail("Cannot receive a continuation frame with RSV1 set");
      if (rsv1 && !this.#allowRsv1) {
        fail("Cannot receive a frame with RSV1 set: no extension gives it a meaning");
      }
      this.#fragmented = !fin;
    }
    this.#fin = fin;
    this.#rsv1 = rsv1;
    this.#opcode = opcode;
  }

  #checkSecondOctet(octet: number): void {
    // "a client MUST mask all frames ... A server MUST NOT mask any frames" (section 5.1)
    if ((octet >= 0x80) !== this.#masked) {
      fail(
        this.#masked
          ? "Cannot receive an unmasked frame from a client"
          : "Cannot receive a masked frame from a server",
      );
    }
    if (isControl(this.#opcode) && (octet & 0x7f) > MAX_CONTROL_PAYLOAD_LENGTH) {
      fail("Cannot receive a control frame with a payload of more than 125 bytes");
    }
  }

  #receiveLength(length: number): void {
    this.#payloadLength = length;
    this.#offset = 0;
    this.#obey(this.#handler.receiveFrameStart(this.#fin, this.#rsv1, this.#opcode, length));
    if (this.#masked) {
      this.#maskingKey = 0;
      this.#stage = Stage.MaskingKey;
    } else {
      this.#receiveHeaderEnd();
    }
  }

  #receiveHeaderEnd(): void {
    this.#offset = 0;
    this.#stage = Stage.Payload;
    if (this.#payloadLength === 0) this.#receivePayloadEnd();
  }

  #receivePayloadEnd(): void {
    this.#stage = Stage.FirstOctet;
    this.#obey(this.#handler.receiveFrameEnd());
  }

  #obey(result: unknown): void {
    if (result === STOP) this.#stopped = true;
  }
}

/** Reads a signed integer in network byte order. */
function readInt32(bytes: Uint8Array, i: number): number {
  return (bytes[i]! << 24) | (bytes[i + 1]! << 16) | (bytes[i + 2]! << 8) | bytes[i + 3]!;
}

/** "the minimal number of bytes MUST be used to encode the length" (section 5.2) */
const NOT_MINIMAL = "Cannot receive a frame whose length is not encoded in the fewest bytes";

function fail(message: string): never {
  throw new ProtocolError(CloseCode.ProtocolError, message);
}
