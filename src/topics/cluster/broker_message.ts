/**
 * The format of a message that servers send through a broker:
 *
 * | Bytes  | Content                                                                            |
 * | ------ | ---------------------------------------------------------------------------------- |
 * | 2      | `S`, `L`                                                                           |
 * | 1      | the version: 1                                                                     |
 * | 1      | flags: 1 text, 2 `compress` is given, 4 `compress` is true, 8 a session is excluded |
 * | 16     | the id of the publishing server: random bytes, new each time it starts             |
 * | 4      | the length of the key in bytes, big-endian                                         |
 * | length | the key, in UTF-8                                                                  |
 * | 1      | with flag 8: the length of the session that must not get the message               |
 * | length | with flag 8: that session, in ASCII                                                |
 * | rest   | the message: its bytes, or its text in UTF-8                                       |
 */

import { cloneBytes, copyBytes } from "../../codec/byte_collector.ts";
import type { Sendable } from "../../connection/connection.ts";
import type { PublishedContent } from "../fan_out/publication.ts";

const MAGIC = [0x53, 0x4c];
const VERSION = 1;
const IS_TEXT = 1;
const HAS_COMPRESS = 2;
const COMPRESS = 4;
const HAS_EXCEPT = 8;
const ALL_FLAGS = IS_TEXT | HAS_COMPRESS | COMPRESS | HAS_EXCEPT;
const ID_START = 4;
export const ID_LENGTH = 16;
const KEY_LENGTH_START = ID_START + ID_LENGTH;
const KEY_START = KEY_LENGTH_START + 4;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const NO_BYTES = new Uint8Array(0);

export interface BrokerMessage extends Pick<PublishedContent, "data" | "compress" | "key"> {
  readonly except?: string | undefined;
}

/** @param id The id of the publishing server. */
export function encodeBrokerMessage(
  id: Uint8Array,
  { data, compress, key = "", except }: BrokerMessage,
): Uint8Array {
  const keyBytes = key === "" ? NO_BYTES : encoder.encode(key);
  const payload = typeof data === "string" ? encoder.encode(data) : data;
  const exceptBytes = except === undefined ? NO_BYTES : encoder.encode(except);
  const exceptStart = KEY_START + keyBytes.length;
  const payloadStart = exceptStart + (except === undefined ? 0 : 1 + exceptBytes.length);
  const bytes = new Uint8Array(payloadStart + payload.length);
  bytes[0] = MAGIC[0]!;
  bytes[1] = MAGIC[1]!;
  bytes[2] = VERSION;
  bytes[3] = (typeof data === "string" ? IS_TEXT : 0) |
    (compress === undefined ? 0 : HAS_COMPRESS) | (compress ? COMPRESS : 0) |
    (except === undefined ? 0 : HAS_EXCEPT);
  copyBytes(id, 0, ID_LENGTH, bytes, ID_START);
  for (let i = 0; i < 4; i++) bytes[KEY_LENGTH_START + i] = keyBytes.length >>> (24 - 8 * i);
  copyBytes(keyBytes, 0, keyBytes.length, bytes, KEY_START);
  if (except !== undefined) {
    bytes[exceptStart] = exceptBytes.length;
    copyBytes(exceptBytes, 0, exceptBytes.length, bytes, exceptStart + 1);
  }
  copyBytes(payload, 0, payload.length, bytes, payloadStart);
  return bytes;
}

/** @param id The id of this server, whose own messages are ignored; `undefined` to decode them too. */
export function decodeBrokerMessage(
  id: Uint8Array | undefined,
  bytes: Uint8Array,
): BrokerMessage | undefined | { readonly reason: string } {
  if (bytes.length < KEY_START) {
    return { reason: `It has ${bytes.length} bytes, and less than ${KEY_START} are no message` };
  }
  if (bytes[0] !== MAGIC[0] || bytes[1] !== MAGIC[1]) {
    return { reason: "It does not begin with SL" };
  }
  if (bytes[2] !== VERSION) return { reason: `It has version ${bytes[2]}, and not ${VERSION}` };
  const flags = bytes[3]!;
  if (flags > ALL_FLAGS || (flags & (HAS_COMPRESS | COMPRESS)) === COMPRESS) {
    return { reason: `It has the flags ${flags}, which mean nothing` };
  }
  if (id !== undefined && isOf(id, bytes)) return undefined;
  let keyLength = 0;
  for (let i = 0; i < 4; i++) keyLength = keyLength * 256 + bytes[KEY_LENGTH_START + i]!;
  const keyEnd = KEY_START + keyLength;
  if (keyEnd > bytes.length) {
    return { reason: `It has ${bytes.length} bytes, and its key alone has ${keyLength}` };
  }
  const hasExcept = (flags & HAS_EXCEPT) !== 0;
  const payloadStart = hasExcept ? keyEnd + 1 + bytes[keyEnd]! : keyEnd;
  // NaN if the length is missing.
  if (!(payloadStart <= bytes.length)) return { reason: "It ends within a session" };
  let key = "";
  let except: string | undefined;
  let data: Sendable;
  try {
    if (keyLength > 0) key = decoder.decode(bytes.subarray(KEY_START, keyEnd));
    if (hasExcept) except = decoder.decode(bytes.subarray(keyEnd + 1, payloadStart));
    data = (flags & IS_TEXT) !== 0
      ? decoder.decode(bytes.subarray(payloadStart))
      : cloneBytes(bytes, payloadStart, bytes.length);
  } catch {
    return { reason: "Its key, its session or its text is no UTF-8" };
  }
  const compress = (flags & HAS_COMPRESS) === 0 ? undefined : (flags & COMPRESS) !== 0;
  return { data, compress, key, except };
}

function isOf(id: Uint8Array, bytes: Uint8Array): boolean {
  for (let i = 0; i < ID_LENGTH; i++) if (bytes[ID_START + i] !== id[i]) return false;
  return true;
}
