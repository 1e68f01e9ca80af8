import { describe, it } from "node:test";
import { assertGreater } from "@std/assert";
import { Random, ROLES } from "../codec/support.ts";
import { fuzzFrameNoise, fuzzFrameStream } from "../fuzz/frame_streams.ts";

describe("streams with faults", () => {
  for (const role of ROLES) {
    for (const streaming of [false, true]) {
      it(`are received by a ${role} as the reference has it, ${streaming ? "streamed" : "whole"}`, () => {
        const random = new Random(streaming ? 7 : 8);
        const seen = new Map<number | undefined, number>();
        for (let run = 0; run < 1500; run++) {
          const { closeCode } = fuzzFrameStream(random, role, streaming);
          seen.set(closeCode, (seen.get(closeCode) ?? 0) + 1);
        }
        for (const closeCode of [undefined, 1002, 1007, 1008, 1009]) {
          assertGreater(seen.get(closeCode) ?? 0, 20, `few streams end with ${closeCode}`);
        }
      });
    }
  }

  it("that are nothing but noise, too", () => {
    const random = new Random(9);
    for (let run = 0; run < 3000; run++) for (const role of ROLES) fuzzFrameNoise(random, role);
  });
});
