import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { ResumeState } from "../../src/resume/resume_state.ts";

describe("what a client remembers of a server", () => {
  it("is a thousand topics, those of which it heard last", () => {
    const state = new ResumeState(() => {});
    state.begin(() => {});
    for (let i = 0; i <= 1_000; i++) {
      state.takeNote({ topic: `${i}`, number: i + 1, position: "e.1" });
      state.advance(1, { epoch: "e", number: i + 2 });
    }
    const { positions } = JSON.parse(state.begin(() => {}));
    const topics = Object.keys(positions).map(Number).sort((a, b) => a - b);
    assertEquals(topics, Array.from({ length: 1_001 }, (_, i) => i).filter((i) => i !== 1));
    assertEquals(positions["0"], "e.1002");
  });
});
