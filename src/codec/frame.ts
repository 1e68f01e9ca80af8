import type { Opcode } from "./opcode.ts";

/**
 * A frame of RFC 6455, section 5.2. Masking is not part of it: the codec masks and unmasks.
 *
 * @typeParam Buffer The type of the payload's buffer.
 */
export interface Frame<Buffer extends ArrayBufferLike = ArrayBufferLike> {
  /** Whether this is the last (or only) fragment of its message. */
  fin: boolean;
  /** The reserved bit that permessage-deflate gives a meaning to (RFC 7692, section 6). */
  rsv1: boolean;
  /** The type of the frame. */
  opcode: Opcode;
  /** The payload, not masked. */
  payload: Uint8Array<Buffer>;
}

/**
 * The side of the connection that reads or writes. A server's frames are not masked, a client's
 * must be (RFC 6455, section 5.1).
 */
export type Role = "server" | "client";

/** The longest header: two octets, a 64-bit length, and a masking key (section 5.2). */
export const MAX_HEADER_LENGTH = 14;

/** The largest payload of a control frame, in bytes (RFC 6455, section 5.5). */
export const MAX_CONTROL_PAYLOAD_LENGTH = 125;
