/**
 * Says what is wrong with heads. It is loaded apart from the parsers, to which it makes itself known: what is
 * received mostly needs none of it.
 *
 * @module
 */

import { COLON, CR, HTAB, isBlank, LF, SP } from "./characters.ts";
import { useFaults } from "./field_section.ts";

/** The first byte of a TLS connection: the content type "handshake" (RFC 8446, section 5.1). */
const TLS_HANDSHAKE = 0x16;

/** What is wrong with a head. */
export type HeadFault =
  | "start"
  | "method"
  | "noTarget"
  | "target"
  | "version"
  | "versionEnd"
  | "lineEnd"
  | "fieldStart"
  | "name"
  | "value"
  | "requestLine"
  | "fieldLine"
  | "fields"
  | "head";

/** The reasons for which a head is refused, each with the byte or the limit at fault. */
const FAULTS: { readonly [fault in HeadFault]: (value: number) => string } = {
  start: (byte) =>
    byte === TLS_HANDSHAKE
      ? "it begins with a TLS handshake, and the port speaks plain HTTP"
      : `it begins with ${describeByte(byte)}`,
  method: (byte) => `${describeByte(byte)} in the method`,
  noTarget: () => "an empty request target",
  target: (byte) =>
    byte === CR || byte === LF
      ? "a request line without an HTTP version"
      : byte === 0x23
      ? "a fragment in the request target"
      : `${describeByte(byte)} in the request target`,
  version: () => "a malformed HTTP version",
  versionEnd: (byte) => `${describeByte(byte)} after the HTTP version`,
  // "A recipient of such a bare CR MUST consider that element to be invalid" (RFC 9112, 2.2).
  lineEnd: () => "a bare CR; lines end with CR LF",
  // "A server that receives an obs-fold [...] MUST either reject the message" (RFC 9112, 5.2).
  fieldStart: (byte) =>
    isBlank(byte)
      ? "a header line that begins with whitespace"
      : byte === COLON
      ? "a header without a name"
      : `${describeByte(byte)} in a header name`,
  // "A server MUST reject [...] any received request message that contains whitespace between a
  // header field name and colon" (RFC 9112, section 5.1).
  name: (byte) =>
    isBlank(byte)
      ? "whitespace before the colon of a header"
      : `${describeByte(byte)} in a header name`,
  value: (byte) => `${describeByte(byte)} in a header value`,
  requestLine: (maxSize) => `the request line is longer than ${maxSize} bytes`,
  fieldLine: (maxSize) => `a header line is longer than ${maxSize} bytes`,
  fields: (maxFields) => `more than ${maxFields} header lines`,
  head: (maxSize) => `its head is larger than ${maxSize} bytes`,
};

const STATUSES: { readonly [fault in HeadFault]?: number } = {
  requestLine: 414,
  fieldLine: 431,
  fields: 431,
  head: 431,
};

/** Gives the status that a request is refused with, and the reason; `value` is the byte or the limit at fault. */
export function describeHeadFault(
  fault: HeadFault,
  value: number,
): [status: number, reason: string] {
  return [STATUSES[fault] ?? 400, FAULTS[fault](value)];
}

/** Names a byte in an error message. */
export function describeByte(byte: number): string {
  return BYTE_NAMES.get(byte) ?? `the byte 0x${byte.toString(16).padStart(2, "0")}`;
}

const BYTE_NAMES: ReadonlyMap<number, string> = new Map([
  [0, "a NUL"],
  [HTAB, "a tab"],
  [LF, "a bare LF"],
  [CR, "a bare CR"],
  [SP, "a space"],
]);

useFaults(describeHeadFault);
