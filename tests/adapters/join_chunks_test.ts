import { assert, assertEquals } from "@std/assert";
import { describe, it } from "node:test";
import { joinSmallChunks } from "../../src/connection/join_chunks.ts";
import { patternBytes } from "./pattern.ts";

describe("joinSmallChunks()", () => {
  const cases: [sizes: number[], joined: number[]][] = [
    [[5], [5]],
    [[1, 2, 3], [6]],
    [[0, 0], [0]],
    [[65_535, 1], [65_536]],
    [[65_535, 2], [65_535, 2]],
    [[65_537, 1, 2], [65_537, 3]],
    [[10, 100_000, 10, 10], [10, 100_000, 20]],
    [[30_000, 30_000, 30_000, 30_000], [60_000, 60_000]],
  ];
  for (const [sizes, joined] of cases) {
    it(`makes ${joined.join(", ")} of ${sizes.join(", ")}`, () => {
      let offset = 0;
      const chunks = sizes.map((size) => patternBytes((offset += size) - size, size));
      const runs = joinSmallChunks(chunks);
      assertEquals(runs.map(({ length }) => length), joined);
      let position = 0;
      for (const run of runs) {
        assertEquals(run, patternBytes(position, run.length));
        position += run.length;
      }
      for (const chunk of chunks) {
        if (chunk.length > 65_536) assert(runs.includes(chunk), "a large chunk was copied");
      }
    });
  }
});
