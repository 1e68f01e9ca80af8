// @engines: it asks nothing of a runtime but its engine.

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { Fifo } from "../../src/fifo.ts";

describe("Fifo", () => {
  it("gives what was pushed, in order", () => {
    const fifo = new Fifo<number>();
    assertEquals([fifo.length, fifo.peek(), fifo.shift()], [0, undefined, undefined]);
    fifo.push(1);
    fifo.push(2);
    assertEquals([fifo.length, fifo.peek()], [2, 1]);
    assertEquals([fifo.shift(), fifo.shift(), fifo.shift()], [1, 2, undefined]);
    assertEquals(fifo.length, 0);
  });

  it("agrees with an array, however it is used", () => {
    let state = 1;
    const random = () => (state = (state * 48271) % 2147483647) / 2147483647;
    for (let round = 0; round < 20; round++) {
      const fifo = new Fifo<number>();
      const array: number[] = [];
      // Rounds in which it grows, and rounds in which it is mostly short.
      const pushes = 0.45 + round * 0.01;
      for (let i = 0; i < 2_000; i++) {
        if (random() < pushes) {
          fifo.push(i);
          array.push(i);
        } else {
          assertEquals(fifo.shift(), array.shift());
        }
        assertEquals([fifo.length, fifo.peek()], [array.length, array[0]]);
      }
      while (array.length > 0) assertEquals(fifo.shift(), array.shift());
      assertEquals([fifo.length, fifo.shift()], [0, undefined]);
    }
  });

  it("takes undefined for an item like others", () => {
    const fifo = new Fifo<number | undefined>();
    fifo.push(undefined);
    fifo.push(1);
    assertEquals([fifo.length, fifo.shift(), fifo.shift()], [2, undefined, 1]);
  });
});
