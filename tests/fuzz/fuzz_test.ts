import { describe, it } from "node:test";
import { assert, assertGreater } from "@std/assert";
import { Random } from "../codec/support.ts";
import { fuzzClosePayload } from "./close_payloads.ts";
import { TARGETS } from "./targets.ts";
import { fuzzUtf8 } from "./utf8.ts";

describe("a short run of the fuzzer", () => {
  for (const [name, execute] of Object.entries(TARGETS)) {
    it(`finds nothing in: ${name}`, () => {
      // Other seeds than those of a run from 1 on.
      for (let seed = 0x10000000; seed < 0x10000000 + 1500; seed++) execute(seed);
    });
  }
});

describe("what the fuzzer makes", () => {
  // Else it tests less than it seems to.
  for (const [name, fuzz] of Object.entries({ fuzzUtf8, fuzzClosePayload })) {
    it(`is valid sometimes, and sometimes not: ${name}`, () => {
      const random = new Random(1);
      let valid = 0;
      for (let run = 0; run < 1000; run++) if (fuzz(random)) valid++;
      assertGreater(valid, 100);
      assert(valid < 900, `${valid}`);
    });
  }
});
