import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { ResumeState } from "../../src/resume/resume_state.ts";

describe("what a client remembers of a server", () => {
  it("is a thousand topics, those of which it heard last", () => {
    const state = new ResumeState(() => {});
    for (let i = 0; i <= 1_000; i++) {
      // Topics come and go with the connections, but for one.
      state.begin(() => {});
      state.takeNote({ topic: "0", number: 1, position: "e.1" });
      if (i > 0) state.takeNote({ topic: `${i}`, number: i + 1, position: "e.1" });
      state.advance(1, { epoch: "e", number: i + 2 });
    }
    const { positions } = JSON.parse(state.begin(() => {}));
    const topics = Object.keys(positions).map(Number).sort((a, b) => a - b);
    assertEquals(topics, Array.from({ length: 1_001 }, (_, i) => i).filter((i) => i !== 1));
    assertEquals(positions["0"], "e.1002");
  });

  it("is all topics of a connection, however many, until they are subscribed to again", () => {
    const state = new ResumeState(() => {});
    const subscribe = (i: number) =>
      state.takeNote({ topic: `${i}`, number: i + 1, position: "e.1" });
    state.begin(() => {});
    for (let i = 0; i < 3_000; i++) subscribe(i);
    state.begin(() => {});
    for (let i = 0; i < 3_000; i += 2) subscribe(i);
    const { positions } = JSON.parse(state.begin(() => {}));
    assertEquals(Object.keys(positions).length, 3_000);
  });
});
