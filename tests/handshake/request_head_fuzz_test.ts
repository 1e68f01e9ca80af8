import { describe, it } from "node:test";
import { assert } from "@std/assert";
import { fuzzHeadNoise, fuzzRequestHead } from "../fuzz/request_heads.ts";
import { seededRandom } from "./support.ts";

describe("RequestHeadParser under mutation", () => {
  it("agrees with a simple parser, however the input is cut", () => {
    const random = seededRandom(20240601);
    const counts = { accepted: 0, incomplete: 0, refused: 0 };
    for (let round = 0; round < 12000; round++) counts[fuzzRequestHead(random)]++;
    // Else the mutations test less than they seem to.
    assert(
      Math.min(counts.accepted, counts.incomplete, counts.refused) > 400,
      JSON.stringify(counts),
    );
  });

  it("takes noise", () => {
    const random = seededRandom(7);
    for (let round = 0; round < 2000; round++) fuzzHeadNoise(random);
  });
});
