// @once: it plays sequences against a table, which is the same on all.

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { Closing, type ClosingAction } from "../../src/connection/closing.ts";
import { type ClosingEvent, type ClosingState, TABLE } from "../../src/connection/closing_table.ts";
import type { ConnectionCore } from "../../src/connection/core.ts";
import { FakeClock } from "../../src/testing/mod.ts";

const TIMEOUT_MS = 5_000;

const EVENTS = [
  "closeReceived",
  "errorReceived",
  "endReceived",
  "handled",
  "closeCalled",
  "cut",
  "finished",
  "firstToEnd",
  "written",
  "deadline",
  "abort",
  "channelClosed",
] as const satisfies ClosingEvent[];

/** The events that something else than an action of the table causes. */
const CAUSES = EVENTS.filter((event) => event !== "firstToEnd" && event !== "deadline");

type Act = ClosingAction;

/** What the table has done to a connection. */
class Recorder {
  readonly done: Act[] = [];
  readonly clock = new FakeClock();
  readonly closing: Closing;

  constructor(react: Partial<Record<Act, (closing: Closing) => void>> = {}) {
    const actions = new Proxy({} as ConstructorParameters<typeof Closing>[1] & object, {
      get: (_target, action: Act) => () => {
        if (action === "startDeadline") this.closing.startDeadline();
        else if (action === "stopDeadline") this.closing.stopDeadline();
        else {
          this.done.push(action);
          react[action]?.(this.closing);
        }
      },
    });
    const settings = { clock: this.clock, closeTimeoutMs: TIMEOUT_MS };
    this.closing = new Closing({ settings } as unknown as ConnectionCore, actions);
  }

  count(action: Act): number {
    return this.done.filter((each) => each === action).length;
  }
}

/** Calls back with all sequences of causes, up to a length, and with the prefix played. */
function playAll(
  length: number,
  check: (recorder: Recorder, played: ClosingEvent[]) => void,
): void {
  const play = (played: ClosingEvent[]) => {
    const recorder = new Recorder();
    for (const event of played) recorder.closing.handle(event);
    check(recorder, played);
    if (played.length < length) { for (const event of CAUSES) play([...played, event]); }
  };
  play([]);
}

describe("the table of the end", () => {
  it("has no state that can't be reached, and none that can't be left", () => {
    const reached = new Set<ClosingState>(["open"]);
    for (const state of reached) {
      for (const [next] of Object.values(TABLE[state].on)) reached.add(next);
    }
    assertEquals([...reached].sort(), Object.keys(TABLE).sort());
    for (const [state, { on }] of Object.entries(TABLE)) {
      assertEquals(on.abort?.[0], state === "closed" ? undefined : "closed", state);
      assertEquals(on.channelClosed?.[0], state === "closed" ? undefined : "closed", state);
    }
  });

  it("has a deadline in each state but the first and the last, and it leads to the end", () => {
    for (const state of Object.keys(TABLE) as ClosingState[]) {
      if (state === "open" || state === "closed") {
        assertEquals(TABLE[state].on.deadline, undefined);
        continue;
      }
      let next = state as ClosingState;
      let deadlines = 0;
      // First the program has its time, then the peer.
      for (; next !== "closed"; deadlines++) next = TABLE[next].on.deadline![0];
      assert(deadlines <= 2, state);
    }
  });

  it("goes on: no state is entered again by another way than its own", () => {
    const rank: Record<ClosingState, number> = {
      "open": 0,
      "close-received": 1,
      "failed": 1,
      "input-ended": 1,
      "unread": 2,
      "finishing": 2,
      "close-sent": 3,
      "answering": 3,
      "crossing": 3,
      "handshake-done": 4,
      "ending": 5,
      "ended": 6,
      "closed": 7,
    };
    for (const [state, { on }] of Object.entries(TABLE)) {
      for (const [next] of Object.values(on)) {
        if (next !== state) assert(rank[next] > rank[state as ClosingState], `${state} -> ${next}`);
      }
    }
  });

  it("sends one Close frame and one FIN at most, and releases once, in whatever order events come", () => {
    let count = 0;
    playAll(5, (recorder, played) => {
      count++;
      const { closing } = recorder;
      const done = (action: Act) => recorder.count(action);
      const name = played.join(" ");
      assert(done("sendClose") <= 1, name);
      assert(done("endChannel") <= 1, name);
      assertEquals(done("release"), closing.isClosed ? 1 : 0, name);
      // Nothing is sent behind the Close frame, and nothing is accepted.
      if (done("sendClose") + done("endChannel") > 0) assert(closing.isFinished, name);
      // The signal aborts with the first event that the state heeds, and once.
      const hasLeft = closing.state !== "open";
      const isTold = done("abortSignal") + done("release") > 0;
      assertEquals(isTold, hasLeft, name);
      assert(done("abortSignal") <= 1, name);
      // The program's last messages are sent before none are accepted, unless the connection is lost.
      if (!closing.accepts && !closing.isClosed) assertEquals(done("sendPublished"), 1, name);
      const timers = recorder.clock.pending.length;
      assertEquals(timers, closing.state === "closing" ? 1 : 0, name);
    });
    assertEquals(count, (10 ** 6 - 1) / 9);
  });

  it("ends within twice the deadline, however far it has come", async () => {
    const ended: Promise<void>[] = [];
    playAll(3, ({ clock, closing }, played) => {
      if (closing.state === "open") return;
      ended.push(
        clock.advance(TIMEOUT_MS).then(() => clock.advance(TIMEOUT_MS)).then(() =>
          assertEquals(closing.state, "closed", played.join(" "))
        ),
      );
    });
    await Promise.all(ended);
  });

  it("does what follows from an action before the actions behind it", () => {
    const recorder = new Recorder({
      answerIfHandled: (closing) => closing.handle("handled"),
      finishOutbound: (closing) => closing.handle("finished"),
      endIfFirst: (closing) => closing.handle("firstToEnd"),
      endOutput: (closing) => closing.handle("written"),
    });
    recorder.closing.handle("closeReceived");
    assertEquals(recorder.done, [
      "failArriving",
      "giveUpStream",
      "answerIfHandled",
      "sendPublished",
      "endInbound",
      "finishOutbound",
      "sendClose",
      "endIfFirst",
      "endOutput",
      "endChannel",
      "readOn",
      "abortSignal",
    ]);
  });

  it("looks again where what was published has ended the connection", () => {
    const recorder = new Recorder({ sendPublished: (closing) => closing.handle("abort") });
    recorder.closing.handle("closeCalled");
    assertEquals(recorder.done, ["sendPublished", "abortChannel", "release"]);
  });
});
