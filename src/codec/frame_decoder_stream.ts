import { checkInteger, checkOptions, type Names } from "../checks.ts";
import { MessageTooBigError, WebSocketError } from "../errors.ts";
import { ByteCollector, cloneBytes } from "./byte_collector.ts";
import type { Frame, Role } from "./frame.ts";
import { FrameDecoder, type FrameDecoderOptions, type FrameHandler } from "./frame_decoder.ts";
import type { Opcode } from "./opcode.ts";
import { isUint8Array } from "../values.ts";

/** Options of a {@linkcode FrameDecoderStream}. */
export interface FrameDecoderStreamOptions extends FrameDecoderOptions {
  /**
   * The largest payload of a frame, in bytes: 0 to `Number.MAX_SAFE_INTEGER`, or `Infinity`. A
   * larger frame errors the stream as soon as its length is known.
   *
   * @default {1048576}
   */
  maxPayloadLength?: number | undefined;
}

const OPTIONS: Names<FrameDecoderStreamOptions> = { allowRsv1: true, maxPayloadLength: true };

/**
 * Decodes a stream of bytes into frames (RFC 6455, section 5.2), for programs that want frames without
 * a connection. It checks each frame and the order of fragments; it neither answers control frames nor
 * reassembles messages.
 *
 * The stream errors with a `ProtocolError` if the bytes break the protocol, with a `MessageTooBigError`
 * past `maxPayloadLength`, with a `WebSocketError` if the bytes end within a frame or a fragmented
 * message, and with a `TypeError` if a chunk is not a `Uint8Array`.
 *
 * @example
 * ```ts
 * import { FrameDecoderStream } from "@sluice/websocket/codec";
 *
 * const bytes = new Blob([new Uint8Array([0x81, 0x02, 0x48, 0x69])]).stream();
 * for await (const frame of bytes.pipeThrough(new FrameDecoderStream("client"))) {
 *   console.log(frame); // { fin: true, rsv1: false, opcode: 1, payload: Uint8Array [72, 105] }
 * }
 * ```
 */
export class FrameDecoderStream extends TransformStream<Uint8Array, Frame<ArrayBuffer>> {
  /**
   * Creates a stream.
   *
   * @param role The side that decodes: `"server"` for the frames of a client, and vice versa
   * (section 5.1).
   * @param options See {@linkcode FrameDecoderStreamOptions}.
   * @throws {RangeError} If `maxPayloadLength` is not a size.
   * @throws {TypeError} If an option is unknown or of another type.
   */
  constructor(role: Role, options: FrameDecoderStreamOptions = {}) {
    checkOptions("FrameDecoderStream", options, OPTIONS);
    const { maxPayloadLength = 1024 * 1024, allowRsv1 } = options;
    checkInteger("maxPayloadLength", maxPayloadLength, 0);
    const assembler = new FrameAssembler(maxPayloadLength);
    const decoder = new FrameDecoder(role, assembler, { allowRsv1 });
    super({
      start(controller) {
        assembler.enqueue = (frame) => controller.enqueue(frame);
      },
      transform(chunk) {
        if (!isUint8Array(chunk)) {
          throw new TypeError("Cannot decode a chunk that is not a Uint8Array");
        }
        // A copy: the decoder unmasks in place, and others may read the chunk, too (`tee`).
        decoder.decode(cloneBytes(chunk, 0, chunk.length));
      },
      flush() {
        if (decoder.atMessageBoundary) return;
        throw new WebSocketError(
          "Cannot decode the stream: it ends within a frame or a fragmented message",
        );
      },
    });
  }
}

/** Assembles the pieces that the decoder finds to whole frames. */
class FrameAssembler implements FrameHandler {
  readonly #maxPayloadLength: number;
  readonly #payload = new ByteCollector();
  #payloadLength = 0;
  #frame: Omit<Frame, "payload"> | undefined;
  enqueue: (frame: Frame<ArrayBuffer>) => void = () => {};

  constructor(maxPayloadLength: number) {
    this.#maxPayloadLength = maxPayloadLength;
  }

  receiveFrame(
    fin: boolean,
    rsv1: boolean,
    opcode: Opcode,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    this.#checkLength(end - start);
    // `bytes` is the copy that `transform` made.
    const payload = bytes.subarray(start, end) as Uint8Array<ArrayBuffer>;
    this.enqueue({ fin, rsv1, opcode, payload });
  }

  receiveFrameStart(fin: boolean, rsv1: boolean, opcode: Opcode, payloadLength: number): void {
    this.#checkLength(payloadLength);
    this.#payloadLength = payloadLength;
    this.#frame = { fin, rsv1, opcode };
  }

  receiveFramePayload(bytes: Uint8Array, start: number, end: number): void {
    this.#payload.append(bytes, start, end, this.#payloadLength);
  }

  receiveFrameEnd(): void {
    this.enqueue({ ...this.#frame!, payload: this.#payload.take() });
  }

  #checkLength(length: number): void {
    if (length > this.#maxPayloadLength) {
      throw new MessageTooBigError(length, this.#maxPayloadLength);
    }
  }
}
