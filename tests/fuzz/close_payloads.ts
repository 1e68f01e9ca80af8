/** Payloads of Close frames, received and sent. */

import { ProtocolError } from "../../src/protocol/mod.ts";
import {
  checkCloseStatus,
  decodeClosePayload,
  encodeClosePayload,
  truncateReason,
} from "../../src/protocol/close_payload.ts";
import { type Random, sameBytes, toHex, utf8 } from "../codec/support.ts";
import { readUtf8 } from "../codec/utf8_oracle.ts";
import { closePayload } from "../protocol/support.ts";
import {
  closePayloadFaults,
  concatBytes,
  isReferenceCloseCode,
} from "../support/reference_frames.ts";
import { type BytesInput, check, type Target } from "./target.ts";

/** The codes at the borders of the ranges. */
const CODES = [0, 3, 232, 999, 1000, 1003, 1004, 1005, 1006, 1007, 1014, 1015, 1016, 2999, 3000]
  .concat([4999, 5000, 32_768, 59_395, 65_535]);
const VALID_CODES = [1000, 1003, 1007, 1014, 3000, 4999];
const REASONS = ["", "bye", "\0", "é", "€😀", "\ufeff", "\ufeffé", "\ufffd", "\u{10ffff}"]
  .concat(["x".repeat(22), "x".repeat(23), "x".repeat(24), "é".repeat(61), "x".repeat(123)])
  .map(utf8);
const BAD_OCTETS = [0x80, 0xbf, 0xc0, 0xc2, 0xe0, 0xed, 0xf4, 0xf5, 0xff];

/** A payload, within an array that begins with `offset` other bytes. */
export interface ClosePayloadInput extends BytesInput {
  offset: number;
}

export const CLOSE_PAYLOADS: Target<ClosePayloadInput> = {
  make(random) {
    const code = random.below(6) === 0
      ? random.below(65_536)
      : random.pick(random.pick([CODES, VALID_CODES]));
    const whole = closePayload(code, makeReason(random));
    const length = random.below(4) === 0 ? random.below(whole.length + 1) : whole.length;
    return { bytes: whole.slice(0, length), offset: random.below(5) };
  },

  check({ bytes: payload, offset }) {
    const [fault] = closePayloadFaults(payload);
    // What is around a payload must not matter.
    const bytes = concatBytes([new Uint8Array(offset).fill(0xbf), payload, Uint8Array.of(0x80)]);
    const message = () => `${fault ?? "no fault"}: ${toHex(payload)}`;
    let status;
    let closeCode;
    try {
      status = decodeClosePayload(bytes, offset, offset + payload.length);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      ({ closeCode } = error);
    }
    const expected = fault === undefined ? undefined : fault.includes("UTF-8") ? 1007 : 1002;
    check(closeCode === expected, message);
    if (status === undefined) return `refused ${expected}`;
    const code = payload.length === 0 ? 1005 : payload[0] * 256 + payload[1];
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    check(
      status.closeCode === code && status.reason === decoder.decode(payload.subarray(2)),
      message,
    );
    check(sameBytes(encodeClosePayload(status), payload), message);
    if (payload.length > 0) checkCloseStatus(status);
    return "accepted";
  },
};

function makeReason(random: Random): Uint8Array {
  const reason = random.pick(REASONS);
  if (random.below(4) > 0) return reason;
  const at = random.below(reason.length + 1);
  const octet = Uint8Array.of(random.pick(BAD_OCTETS));
  return concatBytes([reason.subarray(0, at), octet, reason.subarray(at + random.below(2))]);
}

/** What a program gives `close()`. */
export interface CloseStatusInput {
  closeCode: number;
  text: string;
}

const UNITS = ["x", "é", "€", "😀", "\ud83d", "\ude00", "\0", "\ufeff"];

export const CLOSE_STATUSES: Target<CloseStatusInput> = {
  make(random) {
    const odd = [-1, 0.5, 1000.5, 3000.5, NaN, Infinity, 2 ** 32 + 1000];
    const closeCode = random.below(8) === 0
      ? random.pick(odd)
      : random.below(4) === 0
      ? random.below(5100)
      : random.pick(random.pick([CODES, VALID_CODES, VALID_CODES]));
    let text = "";
    const most = random.pick([0, 3, 40, 60, 123, 124]);
    const few = random.below(2) === 0 ? [random.pick(UNITS)] : UNITS;
    while (text.length < most) text += random.pick(few);
    return { closeCode, text };
  },

  check({ closeCode, text }) {
    const bytes = utf8(text);
    const expected = !isReferenceCloseCode(closeCode) || !Number.isInteger(closeCode)
      ? "RangeError"
      : bytes.length > 123
      ? "TypeError"
      : "accepted";
    const message = () => `${closeCode} ${JSON.stringify(text)}`;
    let outcome = "accepted";
    try {
      checkCloseStatus({ closeCode, reason: text });
    } catch (error) {
      if (!(error instanceof RangeError) && !(error instanceof TypeError)) throw error;
      outcome = error.name;
    }
    check(outcome === expected, message);
    const reason = truncateReason(text);
    const length = utf8(reason).length;
    check(text.startsWith(reason) && length <= 123, message);
    // It is cut at the end of a code point, and only where the next one has no room.
    check(readUtf8(bytes.subarray(0, length)).complete, message);
    const next = String.fromCodePoint(text.codePointAt(reason.length) ?? 0);
    check(reason === text || length + utf8(next).length > 123, message);
    if (outcome === "accepted") {
      const decoded = decodeClosePayload(
        encodeClosePayload({ closeCode, reason: text }),
        0,
        length + 2,
      );
      check(decoded.closeCode === closeCode && decoded.reason === text.toWellFormed(), message);
    }
    return outcome;
  },
};
