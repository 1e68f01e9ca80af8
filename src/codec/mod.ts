/**
 * The frame codec of RFC 6455, section 5, on its own: a synchronous push decoder and an encoder,
 * the same as Web Streams, masking, UTF-8 validation, opcodes and close codes.
 *
 * @example
 * ```ts
 * import { FrameDecoderStream, FrameEncoderStream, Opcode } from "@sluice/websocket/codec";
 *
 * const frames = new FrameEncoderStream("client");
 * const writer = frames.writable.getWriter();
 * const payload = new TextEncoder().encode("Hello");
 * writer.write({ fin: true, rsv1: false, opcode: Opcode.Text, payload });
 * writer.close();
 *
 * for await (const frame of frames.readable.pipeThrough(new FrameDecoderStream("server"))) {
 *   console.log(new TextDecoder().decode(frame.payload)); // "Hello"
 * }
 * ```
 *
 * @module
 */

import "../checks.ts";
import "./mask_simd.ts";

export { MessageTooBigError, ProtocolError, WebSocketError } from "../errors.ts";
export { CloseCode, isCloseCode } from "./close_code.ts";
export type { Frame, Role } from "./frame.ts";
export {
  FrameDecoder,
  type FrameDecoderOptions,
  type FrameHandler,
  type HandlerResult,
} from "./frame_decoder.ts";
export { FrameDecoderStream, type FrameDecoderStreamOptions } from "./frame_decoder_stream.ts";
export { FrameEncoder, type FrameEncoderOptions } from "./frame_encoder.ts";
export { FrameEncoderStream } from "./frame_encoder_stream.ts";
export { mask } from "./mask.ts";
export { isControl, isOpcode, Opcode } from "./opcode.ts";
export { Utf8Validator } from "./utf8.ts";
