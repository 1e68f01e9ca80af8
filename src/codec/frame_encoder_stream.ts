import { cloneBytes } from "./byte_collector.ts";
import type { Frame, Role } from "./frame.ts";
import { checkFrame, FrameEncoder, type FrameEncoderOptions } from "./frame_encoder.ts";

/**
 * Encodes a stream of frames into bytes (RFC 6455, section 5.2), for programs that want frames without a
 * connection. Each frame is checked by itself; their order is left to the writer.
 *
 * The stream errors with a `TypeError` if a frame breaks the RFC.
 *
 * @example
 * ```ts
 * import { FrameEncoderStream, Opcode } from "@sluice/websocket/codec";
 *
 * const stream = new FrameEncoderStream("server");
 * const writer = stream.writable.getWriter();
 * writer.write({ fin: true, rsv1: false, opcode: Opcode.Ping, payload: new Uint8Array(0) });
 * writer.close();
 * for await (const bytes of stream.readable) console.log(bytes); // Uint8Array [0x89, 0x00]
 * ```
 */
export class FrameEncoderStream extends TransformStream<Frame, Uint8Array> {
  /**
   * Creates a stream.
   *
   * @param role The side that encodes. A client's frames are masked, a server's are not (section
   * 5.1).
   * @param options See {@linkcode FrameEncoderOptions}.
   * @throws {TypeError} If an option is unknown or of another type.
   */
  constructor(role: Role, options: FrameEncoderOptions = {}) {
    const encoder = new FrameEncoder(role, options);
    super({
      transform(frame, controller) {
        checkFrame(frame);
        encoder.encode(frame.fin, frame.rsv1, frame.opcode, frame.payload);
        // Copies: a reader may transfer a chunk's buffer, and encoders share theirs.
        for (const chunk of encoder.take()) {
          controller.enqueue(cloneBytes(chunk, 0, chunk.length));
        }
      },
    });
  }
}
