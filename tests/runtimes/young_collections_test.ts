import { PerformanceObserver } from "node:perf_hooks";
import { describe, it } from "node:test";
import { setTimeout } from "node:timers/promises";
import { assertGreater, assertLess } from "@std/assert";
import { allocate } from "../../src/codec/native.ts";
import "../../src/runtimes/node/channel.ts";
import { skipUnless } from "../support/skip.ts";

const isNode = !("Bun" in globalThis || "Deno" in globalThis);
const skip = skipUnless(isNode, "is about V8 as Node has it");

/** How often all of the heap was collected, and the young generation only. */
interface Collections {
  all: number;
  young: number;
}

/** Counts the collections while memory of a GiB is allocated, of which little is in use at a time. */
async function countCollections(length: number): Promise<Collections> {
  const counts: Collections = { all: 0, young: 0 };
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      const { kind } = (entry as unknown as { detail: { kind: number } }).detail;
      if (kind === 1) counts.young++;
      if (kind === 4) counts.all++;
    }
  });
  observer.observe({ entryTypes: ["gc"] });
  const held: Uint8Array[] = [];
  for (let size = 0; size < 1024 ** 3; size += length) {
    held.push(allocate(length));
    if (held.length > 4) held.shift();
    if (size % 1_048_576 === 0) await setTimeout(0);
  }
  await setTimeout(50);
  observer.disconnect();
  return counts;
}

describe("memory of large messages", () => {
  for (const length of [65_536, 1_048_576]) {
    it(
      `is freed by collections of the young generation, in pieces of ${length} bytes`,
      { skip },
      async () => {
        const { all, young } = await countCollections(length);
        assertGreater(young, 20);
        assertLess(all * 4, young);
      },
    );
  }
});
