// @once: it tries every pair of octets, on a decoder that is the same on all.

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { ProtocolError } from "../../src/codec/mod.ts";
import { FrameDecoder } from "../../src/codec/frame_decoder.ts";
import { isLegalFirstOctet, isLegalSecondOctet } from "./reference_stream.ts";
import { assertFrames, encodePlainly, frameOf, FrameRecorder, peerOf, ROLES } from "./support.ts";

/** Gives bytes to a decoder; tells whether it refused them. */
function isRefused(decoder: FrameDecoder, ...bytes: number[]): boolean {
  try {
    decoder.decode(Uint8Array.from(bytes));
    return false;
  } catch (error) {
    assert(error instanceof ProtocolError);
    assertEquals(error.closeCode, 1002);
    return true;
  }
}

for (const role of ROLES) {
  const masked = role === "server";
  for (const withinMessage of [false, true]) {
    for (const allowRsv1 of [false, true]) {
      const place = withinMessage ? "within a message" : "between messages";
      describe(`a ${role}, ${place}, RSV1 ${allowRsv1 ? "allowed" : "refused"}`, () => {
        const create = () => {
          const recorder = new FrameRecorder();
          const decoder = new FrameDecoder(role, recorder, { allowRsv1 });
          if (withinMessage) {
            decoder.decode(encodePlainly(peerOf(role), frameOf(1, "a", { fin: false })));
            recorder.frames.length = 0;
          }
          return { recorder, decoder };
        };

        it("refuses each of the 65,536 pairs of octets at the octet that is wrong", () => {
          for (let first = 0; first < 256; first++) {
            const firstIsLegal = isLegalFirstOctet(first, { withinMessage, allowRsv1 });
            assertEquals(isRefused(create().decoder, first), !firstIsLegal, `${first} alone`);
            for (let second = 0; second < 256; second++) {
              const isLegal = firstIsLegal && isLegalSecondOctet(first, second, masked);
              const message = `${first} ${second}`;
              assert(isRefused(create().decoder, first, second) === !isLegal, `${message} at once`);
              if (!firstIsLegal) continue;
              const { decoder } = create();
              decoder.decode(Uint8Array.of(first));
              assert(isRefused(decoder, second) === !isLegal, `${message} one by one`);
            }
          }
        });

        it("accepts frames of each legal pair", () => {
          for (let pair = 0; pair < 65536; pair++) {
            const [first, second] = [pair >> 8, pair & 0xff];
            if (!isLegalFirstOctet(first, { withinMessage, allowRsv1 })) continue;
            if (!isLegalSecondOctet(first, second, masked)) continue;
            const form = second & 0x7f;
            const length = form === 127 ? 65536 : form === 126 ? 300 : form;
            const flags = { fin: first >= 0x80, rsv1: (first & 0x40) !== 0 };
            const frame = frameOf(first & 0x0f, new Uint8Array(length).fill(pair), flags);
            const bytes = encodePlainly(peerOf(role), frame);
            assertEquals([...bytes.subarray(0, 2)], [first, second]);
            for (const cut of [0, 1, 2]) {
              const { recorder, decoder } = create();
              const copy = bytes.slice();
              decoder.decode(copy, 0, cut);
              decoder.decode(copy, cut);
              assertFrames(recorder.frames, [frame]);
            }
          }
        });
      });
    }
  }
}
