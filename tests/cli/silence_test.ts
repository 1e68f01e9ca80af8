import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { Silence } from "../../src/cli/silence.ts";
import { FakeClock } from "../../src/testing/fake_clock.ts";
import { watch } from "../support/watch.ts";

describe("the silence of a server", () => {
  it("is measured from when it is waited for", async () => {
    const clock = new FakeClock();
    const silence = new Silence(100, clock);
    await clock.advance(1_000);
    const reached = watch(silence.wait());
    await clock.advance(99);
    assertEquals(reached.state, "pending");
    await clock.advance(1);
    assertEquals([reached.state, clock.pending], ["resolved", []]);
  });

  it("begins anew behind what arrives, however long that takes", async () => {
    const clock = new FakeClock();
    const silence = new Silence(100, clock);
    const reached = watch(silence.wait());
    for (let i = 0; i < 3; i++) {
      await clock.advance(99);
      silence.break();
      await clock.advance(1_000);
      silence.resume();
    }
    await clock.advance(99);
    assertEquals(reached.state, "pending");
    await clock.advance(1);
    assertEquals(reached.state, "resolved");
  });

  it("is not reached within a message that began before", async () => {
    const clock = new FakeClock();
    const silence = new Silence(100, clock);
    silence.break();
    const reached = watch(silence.wait());
    await clock.advance(1_000);
    assertEquals(reached.state, "pending");
    silence.resume();
    await clock.advance(100);
    assertEquals(reached.state, "resolved");
  });

  it("is reached at once for 0, and never for Infinity", async () => {
    const clock = new FakeClock();
    const now = watch(new Silence(0, clock).wait());
    const never = watch(new Silence(Infinity, clock).wait());
    await clock.advance(1_000_000_000);
    assertEquals([now.state, never.state, clock.pending], ["resolved", "pending", []]);
  });

  it("leaves no timer when it is stopped", async () => {
    const clock = new FakeClock();
    const silence = new Silence(100, clock);
    void silence.wait();
    silence.stop();
    silence.break();
    silence.resume();
    await clock.advance(0);
    assertEquals(clock.pending, []);
  });
});
