/** What comes back from what is fuzzed. */

import { assertEquals } from "@std/assert";
import { describeClose, describeControl, describeMessage } from "../protocol/events.ts";
import { concatBytes, decodeReferenceFrame, frameFaults } from "../support/reference_frames.ts";
import { check } from "./target.ts";

/** Gives each byte as a character. */
export function asLatin1(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}

/**
 * What a side sent: frames it may send, in an order they may have, the last one perhaps cut off; and whether
 * its last message has no end.
 */
export function readOutput(
  bytes: Uint8Array,
  sender: "client" | "server",
): { messages: string[]; pongs: string[]; close: string | undefined; isBrokenOff: boolean } {
  const messages: string[] = [];
  const pongs: string[] = [];
  let close: string | undefined;
  let type = 0;
  let fragments: Uint8Array[] = [];
  for (let found = decodeReferenceFrame(bytes); found !== undefined;) {
    const { opcode, fin, payload } = found.frame;
    assertEquals(frameFaults(found, sender), []);
    check(close === undefined, () => "something behind a Close frame");
    if (opcode === 8) close = describeClose(payload);
    else if (opcode === 10) pongs.push(describeControl(10, payload));
    else if (opcode < 8) {
      check((opcode === 0) === (type !== 0), () => "fragments of two messages are mixed");
      type ||= opcode;
      fragments.push(payload);
      if (fin) {
        messages.push(describeMessage(type === 1 ? "text" : "binary", concatBytes(fragments)));
        type = 0;
        fragments = [];
      }
    }
    found = decodeReferenceFrame(bytes, found.end);
  }
  return { messages, pongs, close, isBrokenOff: type !== 0 };
}
