import { checks } from "../loaded_checks.ts";
import { CloseCode, isCloseCode } from "../codec/close_code.ts";
import { MAX_CONTROL_PAYLOAD_LENGTH } from "../codec/frame.ts";
import { decodeUtf8 } from "../codec/utf8.ts";
import { ProtocolError } from "../errors.ts";

/** What a Close frame says (RFC 6455, section 5.5.1). */
export interface CloseStatus {
  /** The status code; 1005 if the frame carried none (section 7.1.5). */
  closeCode: number;
  /** The reason, at most 123 bytes of UTF-8, or `""` (section 7.1.6). */
  reason: string;
}

/** The longest reason, in bytes: a control frame's payload less the status code. */
export const MAX_REASON_LENGTH: number = MAX_CONTROL_PAYLOAD_LENGTH - 2;

const EMPTY = new Uint8Array(0);
const encoder = new TextEncoder();

/**
 * Decodes the payload of a Close frame: `bytes` from `start` to `end` (exclusive).
 *
 * @throws {ProtocolError} With 1002 if the payload is one byte long, or its code may not be on the
 * wire; with 1007 if the reason is not UTF-8.
 */
export function decodeClosePayload(bytes: Uint8Array, start: number, end: number): CloseStatus {
  if (start === end) return { closeCode: CloseCode.NoStatusReceived, reason: "" };
  // "If there is a body, the first two bytes of the body MUST be a 2-byte unsigned integer"
  if (end - start === 1) {
    throw new ProtocolError(
      CloseCode.ProtocolError,
      "Cannot receive a Close frame with a payload of one byte",
    );
  }
  const closeCode = (bytes[start]! << 8) | bytes[start + 1]!;
  if (!isCloseCode(closeCode)) {
    throw new ProtocolError(
      CloseCode.ProtocolError,
      `Cannot receive a Close frame with the status code ${closeCode}`,
    );
  }
  const reason = decodeUtf8(bytes, start + 2, end);
  if (reason === undefined) {
    throw new ProtocolError(
      CloseCode.InvalidFramePayloadData,
      "Cannot receive a Close frame whose reason is not UTF-8",
    );
  }
  return { closeCode, reason };
}

/** Encodes the payload of a Close frame; 1005 gives an empty one. */
export function encodeClosePayload(status: CloseStatus): Uint8Array {
  if (status.closeCode === CloseCode.NoStatusReceived) return EMPTY;
  const reason = encoder.encode(status.reason);
  const payload = new Uint8Array(2 + reason.length);
  payload[0] = status.closeCode >>> 8;
  payload[1] = status.closeCode;
  payload.set(reason, 2);
  return payload;
}

/** Checks a status to send; throws a `RangeError` or `TypeError` if `Connection.close` does (section 7.4). */
export function checkCloseStatus(status: CloseStatus): void {
  if (!isCloseCode(status.closeCode)) {
    const ErrorClass = typeof status.closeCode === "number" ? RangeError : TypeError;
    throw new ErrorClass(
      `Cannot close with the status code ${
        checks?.show(status.closeCode)
      }: 1000 to 1003, 1007 to 1014 and ` +
        "3000 to 4999 are allowed",
    );
  }
  if (typeof status.reason !== "string") {
    throw new TypeError("Cannot close with a reason that is not a string");
  }
  const length = encoder.encode(status.reason).length;
  if (length > MAX_REASON_LENGTH) {
    throw new TypeError(
      `Cannot close with a reason of ${length} bytes: at most ${MAX_REASON_LENGTH} bytes of UTF-8 are allowed`,
    );
  }
}

/** Cuts a reason to what a Close frame can carry, at the end of a code point. */
export function truncateReason(reason: string): string {
  // Not by `encodeInto`: of a text that has no room, Node 26 leaves out one code point more at times.
  let length = 0;
  let end = 0;
  for (const character of reason) {
    length += encoder.encode(character).length;
    if (length > MAX_REASON_LENGTH) break;
    end += character.length;
  }
  return reason.slice(0, end);
}
