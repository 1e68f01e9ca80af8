/**
 * Events and frames as lines of text, which are easy to list, compare and read.
 *
 * @module
 */

import type { MessageType } from "../../src/protocol/mod.ts";
import { decodeReferenceFrame, frameFaults } from "../support/reference_frames.ts";
import { toHex } from "../codec/support.ts";

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const NAMES = ["continuation", "text", "binary", "", "", "", "", "", "close", "ping", "pong"];

/** `text "Hello"` or `binary 48 65`. */
export function describeMessage(type: MessageType, data: string | Uint8Array): string {
  if (type === "binary") return `binary ${toHex(data as Uint8Array)}`;
  return `text ${JSON.stringify(typeof data === "string" ? data : decoder.decode(data))}`;
}

/** `ping 48 65` or `pong 48 65`. */
export function describeControl(opcode: number, payload: Uint8Array): string {
  return `${NAMES[opcode]} ${toHex(payload)}`;
}

/** `close 1000 "bye"`; a Close without a status is `close 1005 ""`. */
export function describeClose(payload: Uint8Array): string {
  const closeCode = payload.length === 0 ? 1005 : payload[0] * 256 + payload[1];
  return `close ${closeCode} ${JSON.stringify(decoder.decode(payload.subarray(2)))}`;
}

/**
 * The frames in what a protocol gave out, as the reference reads them: `text "Hel"...` is one that
 * is not the last of its message. Frames that must not be sent, and bytes behind the last frame, are
 * errors.
 */
export function describeFrames(bytes: Uint8Array, sender: "client" | "server"): string[] {
  const lines: string[] = [];
  for (let position = 0; position < bytes.length;) {
    const found = decodeReferenceFrame(bytes, position);
    if (found === undefined) throw new Error(`an unfinished frame at ${position}`);
    const [fault] = frameFaults(found, sender);
    if (fault !== undefined) throw new Error(`a frame with a fault at ${position}: ${fault}`);
    const { opcode, payload, fin } = found.frame;
    const line = opcode === 8
      ? describeClose(payload)
      : opcode === 1
      ? `text ${JSON.stringify(new TextDecoder("utf-8", { ignoreBOM: true }).decode(payload))}`
      : `${NAMES[opcode]} ${toHex(payload)}`;
    lines.push(fin ? line : `${line}...`);
    position = found.end;
  }
  return lines;
}
