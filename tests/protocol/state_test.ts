// @once: it tries a machine of states that asks nothing of a runtime.

import { describe, it } from "node:test";
import { assertEquals, assertThrows } from "@std/assert";
import { ProtocolError, type ProtocolState, type Role } from "../../src/protocol/mod.ts";
import { frameOf, fromHex, peerOf, ROLES, utf8 } from "../codec/support.ts";
import { closeFrame, encodeFrames, Side } from "./support.ts";

const CLOSE = { closeCode: 1000, reason: "bye" };
const FAULT = new ProtocolError(1002, "fault");

/** The ways into each state. */
const WAYS: [state: ProtocolState, way: string, lead: (side: Side) => void][] = [
  ["open", "from the start", () => {}],
  ["close-received", "a Close received", (side) => side.receive(closeFrame(1001))],
  ["close-sent", "a Close sent", (side) => side.protocol.sendClose(CLOSE)],
  ["closed", "a Close received, then sent", (side) => {
    side.receive(closeFrame(1001));
    side.protocol.sendClose(CLOSE);
  }],
  ["closed", "a Close sent, then received", (side) => {
    side.protocol.sendClose(CLOSE);
    side.receive(closeFrame(1001));
  }],
  ["closed", "a Close received, then failed", (side) => {
    side.receive(closeFrame(1001));
    side.protocol.fail(FAULT);
  }],
  ["failed", "failed", (side) => side.protocol.fail(FAULT)],
  ["failed", "a Close sent, then failed", (side) => {
    side.protocol.sendClose(CLOSE);
    side.protocol.fail(FAULT);
  }],
  ["failed", "an error received, then failed", (side) => {
    side.protocol.fail(side.receiveBad(fromHex("ff")));
  }],
  ["failed", "a Close sent, an error received, then failed", (side) => {
    side.protocol.sendClose(CLOSE);
    side.protocol.fail(side.receiveBad(fromHex("ff")));
  }],
];

type Row = Record<ProtocolState, ProtocolState>;

/** What sending does: where it may be done, what goes out, and the state it leads to. */
const SENDS: [what: string, send: (side: Side) => unknown, frame: string][] = [
  ["a text", ({ protocol }) => protocol.sendMessage("Hi"), 'text "Hi"'],
  ["bytes", ({ protocol }) => protocol.sendMessage(utf8("Hi")), "binary 48 69"],
  [
    "a fragment",
    ({ protocol }) => protocol.sendFragment("text", utf8("Hi"), false),
    'text "Hi"...',
  ],
  ["a Ping", ({ protocol }) => protocol.sendPing(utf8("Hi")), "ping 48 69"],
  ["a Pong", ({ protocol }) => protocol.sendPong(utf8("Hi")), "pong 48 69"],
];
const MAY_SEND: ProtocolState[] = ["open", "close-received"];

const AFTER_SEND_CLOSE: Row = {
  "open": "close-sent",
  "close-received": "closed",
  "close-sent": "close-sent",
  "closed": "closed",
  "failed": "failed",
};
const AFTER_FAIL: Row = {
  "open": "failed",
  "close-received": "closed",
  "close-sent": "failed",
  "closed": "closed",
  "failed": "failed",
};
const AFTER_RECEIVE_CLOSE: Row = {
  "open": "close-received",
  "close-received": "close-received",
  "close-sent": "closed",
  "closed": "closed",
  "failed": "failed",
};

/** The events of what is received: all of them, Pongs only, or none. */
const MAY_RECEIVE: Record<ProtocolState, "all" | "Pongs" | "none"> = {
  "open": "all",
  "close-received": "none",
  "close-sent": "Pongs",
  "closed": "none",
  "failed": "none",
};

for (const role of ROLES) {
  for (const [state, way, lead] of WAYS) {
    const create = (): Side => {
      const side = new Side(role);
      lead(side);
      side.takeEvents();
      side.takeFrames();
      assertEquals(side.protocol.state, state);
      return side;
    };
    const maySend = MAY_SEND.includes(state);

    describe(`a ${role} that is ${state} (${way})`, () => {
      for (const [what, send, frame] of SENDS) {
        it(`${maySend ? "sends" : "does not send"} ${what}`, () => {
          const side = create();
          if (maySend) {
            send(side);
          } else {
            const error = assertThrows(() => send(side), DOMException, "a Close frame was sent");
            assertEquals(error.name, "InvalidStateError");
          }
          assertEquals(side.takeFrames(), maySend ? [frame] : []);
          assertEquals(side.protocol.state, state);
        });
      }

      it(`${maySend ? "sends" : "does not send"} a Close`, () => {
        const side = create();
        assertEquals(side.protocol.sendClose(CLOSE), maySend);
        assertEquals(side.takeFrames(), maySend ? ['close 1000 "bye"'] : []);
        assertEquals(side.protocol.state, AFTER_SEND_CLOSE[state]);
        assertEquals(side.protocol.sendClose(CLOSE), false);
        assertEquals(side.takeFrames(), []);
        assertEquals(side.protocol.state, AFTER_SEND_CLOSE[state]);
      });

      it(`${maySend ? "sends" : "does not send"} a Close where it fails`, () => {
        const side = create();
        side.protocol.fail(FAULT);
        assertEquals(side.takeFrames(), maySend ? ['close 1002 "fault"'] : []);
        assertEquals(side.protocol.state, AFTER_FAIL[state]);
        side.protocol.fail(FAULT);
        assertEquals(side.takeFrames(), []);
        assertEquals(side.protocol.state, AFTER_FAIL[state]);
        assertReceivesNothing(side);
      });

      it(`receives ${MAY_RECEIVE[state]}`, () => {
        const side = create();
        side.receive(
          frameOf(1, "Hi"),
          frameOf(9, "a"),
          frameOf(2, "x", { fin: false }),
          frameOf(10, "b"),
          frameOf(0, "y"),
        );
        const expected = {
          all: ['text "Hi"', "ping 61", "pong 62", "binary 78 79"],
          Pongs: ["pong 62"],
          none: [],
        }[MAY_RECEIVE[state]];
        assertEquals(side.takeEvents(), expected);
        assertEquals(side.protocol.state, state);
        assertEquals(side.takeFrames(), []);
      });

      it(`${MAY_RECEIVE[state] === "none" ? "does not receive" : "receives"} a Close`, () => {
        const side = create();
        side.receive(closeFrame(4000, "going"));
        const expected = MAY_RECEIVE[state] === "none" ? [] : ['close 4000 "going"'];
        assertEquals(side.takeEvents(), expected);
        assertEquals(side.protocol.state, AFTER_RECEIVE_CLOSE[state]);
      });

      it(`${MAY_RECEIVE[state] === "none" ? "passes over" : "refuses"} what breaks the RFC`, () => {
        const side = create();
        if (MAY_RECEIVE[state] === "none") {
          assertReceivesNothing(side);
          return;
        }
        assertEquals(side.receiveBad(fromHex("83")).closeCode, 1002);
        assertEquals(side.protocol.state, state);
        assertReceivesNothing(side);
        assertEquals(side.takeFrames(), []);
      });
    });
  }
}

/** Asserts that a side passes over whatever comes, and takes it for consumed. */
function assertReceivesNothing(side: Side): void {
  const sender: Role = peerOf(side.role);
  const frames = encodeFrames(sender, [frameOf(1, "a"), frameOf(9), closeFrame(1000)]);
  for (const bytes of [frames, fromHex("ff ff ff"), new Uint8Array(0)]) {
    assertEquals(side.protocol.receive(bytes), bytes.length);
  }
  assertEquals(side.takeEvents(), []);
}
