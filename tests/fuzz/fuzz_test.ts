import { describe, it } from "node:test";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { Random } from "../codec/support.ts";
import { execute, showInput, shrink, type Target } from "./target.ts";
import { TARGETS } from "./targets.ts";
import { VECTORS } from "./vectors.ts";

/** What must come of a part of what each target makes, or it tests less than it seems to. */
const OUTCOMES: Record<string, string[]> = {
  "request head": ["accepted", "incomplete", "refused 400", "refused 414", "refused 431"],
  "upgrade request": ["accepted", "refused 400", "refused 403", "refused 405", "refused 426"],
  "response head": ["accepted", "refused"],
  "answer head": ["accepted", "incomplete", "refused"],
  "upgrade response": ["accepted", "compressed", "refused"],
  "extensions": ["accepted", "refused"],
  "token lists": ["accepted", "refused"],
  "frame stream": ["received", "failed 1002", "failed 1007", "failed 1008", "failed 1009"],
  "frame decoder": ["decoded", "failed"],
  "frame encoder": ["server", "client"],
  "round trip": ["open", "closed"],
  "UTF-8": ["valid", "incomplete", "impossible"],
  "close payload": ["accepted", "refused 1002", "refused 1007"],
  "close status": ["accepted", "RangeError", "TypeError"],
  "decoder stream": ["none", "unfinished", "protocol", "too big"],
  "compressed stream": ["received", "failed 1002", "failed 1007", "failed 1008", "failed 1009"],
  "deflater": ["window kept", "no window"],
  "deflate offers": ["accepted", "declined", "malformed"],
  "resume hello": ["accepted", "refused"],
  "resume message": ["message", "control", "published", "refused"],
  "server": ["closed 1002 by local", "closed 1006 by remote", "400", "403", "500", "wild"],
  "client": ["closed 1002 by local", "closed 1006 by remote", "refused 0", "refused 101"]
    .concat(["incomplete", "wild"]),
  "progress": ["all arrived", "closed for memory", "ended early"],
};
/**
 * Others than those of a run from 1 on, and others on Deno, on Bun and on Node: so they play more in all
 * than one would. With these, enough comes of everything.
 */
const FIRST_SEED = "Deno" in globalThis
  ? 0x10000000
  : "Bun" in globalThis
  ? 0x11000000
  : 0x12000000;
const SLOW = ["decoder stream", "compressed stream", "deflater", "server", "client"];

describe("a short run of the fuzzer", () => {
  for (const [name, target] of Object.entries(TARGETS)) {
    it(`finds nothing in: ${name}`, async () => {
      const count = name === "progress" ? 100 : SLOW.includes(name) ? 300 : 600;
      const outcomes = new Map<string, number>();
      await Promise.all(Array.from({ length: count }, async (_, i) => {
        const outcome = await execute(target, FIRST_SEED + i);
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      }));
      for (const outcome of OUTCOMES[name]) {
        assert((outcomes.get(outcome) ?? 0) >= count / 200, `few executions end in: ${outcome}`);
      }
    });
  }
});

describe("inputs that were found, or are at the border", () => {
  for (const [name, inputs] of Object.entries(VECTORS)) {
    inputs.forEach((input, i) => {
      it(`are handled as the reference has it: ${name} ${i + 1}`, async () => {
        // However they are cut, and whatever the receiver does.
        await Promise.all(Array.from(
          { length: 20 },
          (_, seed) => TARGETS[name].check({ ...input, cut: seed, seed }),
        ));
      });
    });
  }
});

describe("the fuzzer", () => {
  /** Fails where both are in the text, in this order. */
  const target: Target<{ text: string }> = {
    make: () => ({ text: "nothing a and other things b whatever" }),
    check({ text }) {
      if (/a.*b/.test(text)) throw new Error("found");
      return "nothing";
    },
  };

  it("makes what it found shorter", async () => {
    const input = target.make(undefined!);
    await assertRejects(async () => await target.check(input), Error, "found");
    const shorter = await shrink(target, input);
    assertEquals(showInput(shorter), '{ text: "ab" }');
  });

  it("makes the same of the same seed", () => {
    for (const [name, { make }] of Object.entries(TARGETS)) {
      assertEquals(make(new Random(7)), make(new Random(7)), name);
    }
  });
});
