import { assertEquals } from "@std/assert";
import { spawnSync } from "node:child_process";
import { describe } from "node:test";
import {
  concatBytes,
  decodeReferenceFrame,
  encodeReferenceFrame,
  REFERENCE_OPCODES,
} from "../../support/reference_frames.ts";
import { progress, scaled } from "../rig/scale.ts";
import { REQUEST } from "../rig/tcp_client.ts";
import { ECHO_SERVERS, testServer } from "../rig/test_server.ts";

/** Enough for messages of all kinds and lengths below. */
const SEGMENTS = scaled(12_000, 200_000);
/** Faster than this, TCP itself puts bytes together: it holds them back while many are under way. */
const MIN_INTERVAL_MS = 0.05;
const MASKING_KEY = Uint8Array.of(0x37, 0xfa, 0x21, 0x3d);

/** Messages that, with the handshake and a Close frame, make up exactly that many bytes. */
function createTraffic(size: number): { bytes: Uint8Array; messages: Uint8Array[] } {
  const { text, binary, continuation, close } = REFERENCE_OPCODES;
  const frame = (opcode: number, payload: Uint8Array, fin = true) =>
    encodeReferenceFrame({ opcode, payload, fin, maskingKey: MASKING_KEY });
  const parts = [REQUEST];
  const messages: Uint8Array[] = [];
  const end = frame(close, Uint8Array.of(0x03, 0xe8));
  let left = size - REQUEST.length - end.length;
  for (let i = 0; left > 0; i++) {
    // All lengths in turn, so that every byte of each form of header is a segment.
    let payload = new TextEncoder().encode("Grüße, 世界 🦕 ".repeat(i % 17));
    const frames = i % 3 === 0
      ? [frame(binary, payload)]
      : i % 3 === 1
      ? [frame(text, payload)]
      : [frame(text, payload.subarray(0, 7), false), frame(continuation, payload.subarray(7))];
    let length = frames.reduce((sum, { length }) => sum + length, 0);
    if (length > left - 200) {
      // The last ones fill up to the byte.
      const headerLength = left - 6 < 126 ? 6 : 8;
      payload = new Uint8Array(left - headerLength).fill(i);
      frames.splice(0, frames.length, frame(binary, payload));
      length = left;
    }
    parts.push(...frames);
    messages.push(payload);
    left -= length;
  }
  return { bytes: concatBytes([...parts, end]), messages };
}

function readMessages(bytes: Uint8Array): { messages: Uint8Array[]; closePayload: Uint8Array } {
  const messages: Uint8Array[] = [];
  let fragments: Uint8Array[] = [];
  for (let start = 0; start < bytes.length;) {
    const { frame, end } = decodeReferenceFrame(bytes, start)!;
    start = end;
    if (frame.opcode === REFERENCE_OPCODES.close) {
      assertEquals(end, bytes.length, "nothing follows the Close frame");
      return { messages, closePayload: frame.payload };
    }
    if (frame.opcode === REFERENCE_OPCODES.ping) continue; // The keep-alive's.
    fragments.push(frame.payload);
    if (!frame.fin) continue;
    messages.push(concatBytes(fragments));
    fragments = [];
  }
  throw new Error("no Close frame");
}

/** Tells how many segments with data the connection really took, where iproute2 is there. */
function countSegments(clientPort: number): string {
  const { stdout } = spawnSync("ss", ["-tinH", `sport = :${clientPort}`]);
  return / data_segs_out:(\d+)/.exec(String(stdout ?? ""))?.[1] ?? "an unknown number of";
}

describe("segments of one byte through one connection", () => {
  for (const { name: style, script, args } of ECHO_SERVERS) {
    testServer(style, script, args, async (server) => {
      const { bytes, messages } = createTraffic(SEGMENTS);
      assertEquals(bytes.length, SEGMENTS);
      const received: Uint8Array[] = [];
      const client = await server.connect((piece) => received.push(Uint8Array.from(piece)));
      const startedAt = performance.now();
      for (let i = 0; i < SEGMENTS; i++) {
        const nextAt = performance.now() + MIN_INTERVAL_MS;
        await client.write(bytes.subarray(i, i + 1));
        while (performance.now() < nextAt);
        if (i === SEGMENTS - 2) progress(`${countSegments(client.socket.port)} segments were sent`);
        else if ((i + 1) % 50_000 === 0) progress(`${style}: ${i + 1} bytes`);
      }
      await client.closed;
      progress(`${style}: done in ${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
      const echo = readMessages(concatBytes(received));
      assertEquals(echo.messages.length, messages.length);
      for (const [i, message] of messages.entries()) assertEquals(echo.messages[i], message);
      assertEquals(echo.closePayload, Uint8Array.of(0x03, 0xe8));
    });
  }
});
