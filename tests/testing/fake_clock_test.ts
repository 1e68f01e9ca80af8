import { describe, it } from "node:test";
import { assertEquals, assertThrows } from "@std/assert";
import { FakeClock } from "../../src/testing/fake_clock.ts";

/** A clock, and what its timers have noted. */
function createClock() {
  const clock = new FakeClock();
  const start = clock.now();
  const fired: string[] = [];
  const note = (name: string) => () => void fired.push(`${name} at ${clock.now() - start}`);
  return { clock, fired, note };
}

describe("a clock moved by hand", () => {
  it("fires timers when they are due, in their order, and once", async () => {
    const { clock, fired, note } = createClock();
    clock.setTimeout(note("b"), 20);
    clock.setTimeout(note("a"), 10);
    clock.setTimeout(note("c"), 20);
    assertEquals(clock.pending, [10, 20, 20]);
    await clock.advance(9);
    assertEquals([fired, clock.pending], [[], [1, 11, 11]]);
    await clock.advance(100);
    assertEquals([fired, clock.pending], [["a at 10", "b at 20", "c at 20"], []]);
  });

  it("fires timers that timers set, in the same advance", async () => {
    const { clock, fired, note } = createClock();
    clock.setTimeout(() => void Promise.resolve().then(() => clock.setTimeout(note("b"), 5)), 10);
    await clock.advance(15);
    assertEquals(fired, ["b at 15"]);
  });

  it("fires nothing that was cleared, also by the timer before it", async () => {
    const { clock, fired, note } = createClock();
    const b = clock.setTimeout(note("b"), 10);
    clock.setTimeout(() => clock.clearTimeout(c), 10);
    const c = clock.setTimeout(note("c"), 10);
    clock.clearTimeout(b);
    clock.clearTimeout(undefined);
    await clock.advance(10);
    assertEquals([fired, clock.pending], [[], []]);
  });

  it("fires timers late where the process hangs", async () => {
    const { clock, fired, note } = createClock();
    clock.setTimeout(note("a"), 10);
    await clock.stall(1000);
    assertEquals(fired, ["a at 1000"]);
  });

  it("refuses what no real timer would wait for, and what it never gave", () => {
    const { clock } = createClock();
    for (const delay of [Infinity, NaN, -1, 2 ** 31]) {
      assertThrows(() => clock.setTimeout(() => {}, delay), RangeError);
    }
    assertThrows(() => clock.clearTimeout(1), TypeError);
  });

  it("is moved by one after the other where that is asked for at once", async () => {
    const { clock, fired, note } = createClock();
    const start = clock.now();
    for (const ms of [10, 25, 40]) clock.setTimeout(note(`${ms}`), ms);
    await Promise.all([clock.advance(15), clock.advance(5), clock.advance(10)]);
    assertEquals(fired, ["10 at 10", "25 at 25"]);
    assertEquals(clock.now() - start, 30);
    await clock.advance(10);
    assertEquals([fired.at(-1), clock.now() - start], ["40 at 40", 40]);
  });

  it("stalls at once, also while it is advanced", async () => {
    const { clock, fired, note } = createClock();
    const start = clock.now();
    for (const ms of [10, 25, 40]) clock.setTimeout(note(`${ms}`), ms);
    const advanced = clock.advance(15);
    const stalled = clock.stall(20);
    assertEquals([fired, clock.now() - start], [["10 at 20"], 20]);
    await Promise.all([advanced, stalled]);
    assertEquals([fired, clock.now() - start], [["10 at 20", "25 at 25"], 35]);
  });

  it("is not moved by what is no time", () => {
    const { clock } = createClock();
    const start = clock.now();
    for (const move of [(ms: number) => clock.advance(ms), (ms: number) => clock.stall(ms)]) {
      for (const ms of [NaN, -5, Infinity]) assertThrows(() => move(ms), RangeError);
      for (const ms of ["1000", undefined, null]) {
        assertThrows(() => move(ms as unknown as number), TypeError);
      }
    }
    assertEquals(clock.now(), start);
  });
});
