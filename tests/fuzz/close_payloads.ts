/** Payloads of Close frames. */

import { assert, assertEquals } from "@std/assert";
import { ProtocolError } from "../../src/protocol/mod.ts";
import { decodeClosePayload, encodeClosePayload } from "../../src/protocol/close_payload.ts";
import { type Random, toHex, utf8 } from "../codec/support.ts";
import { closePayload } from "../protocol/support.ts";
import { closePayloadFaults, concatBytes } from "../support/reference_frames.ts";

const CODES = [
  0,
  999,
  1000,
  1003,
  1004,
  1005,
  1006,
  1007,
  1014,
  1015,
  1016,
  2999,
  3000,
  4999,
  5000,
];
const REASONS = ["", "bye", "é", "€😀", "\ufeff", "x".repeat(123)].map(utf8);
const BAD_OCTETS = [0x80, 0xc0, 0xed, 0xf5, 0xff];

/** Has a payload decoded, and judged by the reference. Returns whether it is valid. */
export function fuzzClosePayload(random: Random): boolean {
  const code = random.below(3) === 0 ? random.below(65_536) : random.pick(CODES);
  const reason = random.below(4) === 0
    ? concatBytes([random.pick(REASONS), Uint8Array.of(random.pick(BAD_OCTETS))])
    : random.pick(REASONS);
  const whole = closePayload(code, reason);
  const payload = random.below(4) === 0 ? whole.slice(0, random.below(whole.length + 1)) : whole;
  const faults = closePayloadFaults(payload);
  let status;
  try {
    status = decodeClosePayload(payload, 0, payload.length);
  } catch (error) {
    assert(error instanceof ProtocolError, `${error}`);
    assert([1002, 1007].includes(error.closeCode));
  }
  assertEquals(status === undefined, faults.length > 0, toHex(payload));
  if (status !== undefined) assertEquals(encodeClosePayload(status), payload);
  return status !== undefined;
}
