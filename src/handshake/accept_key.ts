/** The GUID of RFC 6455, section 1.3. */
const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const KEY_LENGTH = 24;

const encoder = new TextEncoder();
/** A key, and the GUID: Web Crypto copies it before its call returns. */
const input = encoder.encode(" ".repeat(KEY_LENGTH) + GUID);
const keyInput = input.subarray(0, KEY_LENGTH);

/**
 * Computes the value of `Sec-WebSocket-Accept` from that of `Sec-WebSocket-Key` (RFC 6455, section
 * 4.2.2): the base64 of the SHA-1 of the key and a fixed GUID, by Web Crypto.
 *
 * @param key The client's key, as sent.
 * @returns The value of the header.
 *
 * @example
 * ```ts
 * import { computeAccept } from "@sluice/websocket/handshake";
 *
 * await computeAccept("dGhlIHNhbXBsZSBub25jZQ=="); // "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
 * ```
 */
export async function computeAccept(key: string): Promise<string> {
  const { read, written } = encoder.encodeInto(key, keyInput);
  const isUsual = read === key.length && written === KEY_LENGTH;
  const digest = await crypto.subtle.digest("SHA-1", isUsual ? input : encoder.encode(key + GUID));
  // Not by @std/encoding, which every server would load for these 20 bytes.
  return btoa(String.fromCharCode(...new Uint8Array(digest)));
}
