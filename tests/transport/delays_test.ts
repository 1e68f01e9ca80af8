// @engines: it asks nothing of a runtime but its engine.

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import type { Clock } from "../../src/transport/clock.ts";
import { Delays, type Waiting } from "../../src/transport/delays.ts";
import { FakeClock } from "../../src/testing/fake_clock.ts";

/** A clock that counts the timers it has, and delays that note who expires. */
function create() {
  const clock = new FakeClock();
  const timers = new Set<unknown>();
  const counting: Clock = {
    now: () => clock.now(),
    setTimeout(callback, delayMs) {
      const timer = clock.setTimeout(() => {
        timers.delete(timer);
        callback();
      }, delayMs);
      timers.add(timer);
      return timer;
    },
    clearTimeout(timer) {
      timers.delete(timer);
      clock.clearTimeout(timer);
    },
  };
  const events: string[] = [];
  const waiting = (name: string, expire = () => {}): Waiting => ({
    expire() {
      events.push(`${name} at ${clock.now()}`);
      expire();
    },
  });
  return { clock, timers, events, waiting, delays: new Delays(counting) };
}

describe("Delays", () => {
  it("expire each in its time, with one timer for each length", async () => {
    const { clock, timers, events, waiting, delays } = create();
    const began = clock.now();
    for (let i = 0; i < 100; i++) {
      delays.start(waiting(`long ${i}`), 100);
      delays.start(waiting(`short ${i}`), 30);
      await clock.advance(1);
    }
    assertEquals(timers.size, 2);
    await clock.advance(200);
    const expected = Array.from({ length: 100 }, (_, i) => [
      `long ${i} at ${began + i + 100}`,
      `short ${i} at ${began + i + 30}`,
    ]).flat();
    assertEquals(events.toSorted(), expected.toSorted());
    assertEquals(timers.size, 0);
  });

  it("leave no timer behind when nobody waits any more", async () => {
    const { clock, timers, events, waiting, delays } = create();
    const all = [waiting("a"), waiting("b"), waiting("c")];
    const [a, b, c] = all.map((each) => delays.start(each, 50));
    a.cancel();
    c.cancel();
    assertEquals(timers.size, 1);
    b.cancel();
    b.cancel();
    assertEquals(timers.size, 0);
    await clock.advance(100);
    assertEquals(events, []);
  });

  it("may be started, and ended, by who expires", async () => {
    const { clock, timers, events, waiting, delays } = create();
    const began = clock.now();
    const ended = waiting("ended");
    let rounds = 0;
    const again = waiting("again", () => {
      delay.cancel();
      if (++rounds < 3) delays.start(again, 10);
    });
    delays.start(again, 10);
    const delay = delays.start(ended, 10);
    await clock.advance(100);
    assertEquals(events, [10, 20, 30].map((time) => `again at ${began + time}`));
    assertEquals(timers.size, 0);
  });
});
