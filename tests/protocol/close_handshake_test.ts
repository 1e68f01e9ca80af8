import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { type CloseStatus, ProtocolError } from "../../src/protocol/mod.ts";
import { concatBytes } from "../support/reference_frames.ts";
import { cuttings, frameOf, fromHex, peerOf, Random, ROLES, singly } from "../codec/support.ts";
import { closeFrame, encodeFrames, EventLog, receivePieces, Side } from "./support.ts";

/** Gives what one side sends to the other, byte by byte. */
function deliver(from: Side, to: Side): void {
  for (const byte of singly(concatBytes(from.protocol.takeOutput()))) to.protocol.receive(byte);
}

/** A pair of sides, `[initiator, other]`. */
function pairOf(role: typeof ROLES[number]): [Side, Side] {
  return [new Side(role), new Side(peerOf(role))];
}

for (const role of ROLES) {
  describe(`the closing handshake, begun by a ${role}`, () => {
    it("ends in closed on both sides, where the status is echoed", () => {
      const [initiator, other] = pairOf(role);
      initiator.protocol.sendClose({ closeCode: 1001, reason: "going away" });
      deliver(initiator, other);
      assertEquals(other.takeEvents(), ['close 1001 "going away"']);
      assertEquals(other.protocol.state, "close-received");
      other.protocol.sendClose({ closeCode: 1001, reason: "" });
      assertEquals(other.protocol.state, "closed");
      deliver(other, initiator);
      assertEquals(initiator.takeEvents(), ['close 1001 ""']);
      assertEquals(initiator.protocol.state, "closed");
    });

    it("carries no status for 1005", () => {
      const [initiator, other] = pairOf(role);
      initiator.protocol.sendClose({ closeCode: 1005, reason: "" });
      assertEquals(initiator.protocol.outputLength, role === "client" ? 6 : 2);
      deliver(initiator, other);
      assertEquals(other.takeEvents(), ['close 1005 ""']);
    });

    it("lets the other side finish what it is sending", () => {
      const [initiator, other] = pairOf(role);
      other.protocol.sendFragment("text", new Uint8Array(3).fill(0x61), false);
      initiator.protocol.sendClose({ closeCode: 1000, reason: "" });
      deliver(initiator, other);
      other.protocol.sendFragment("text", new Uint8Array(3).fill(0x62), true);
      other.protocol.sendMessage("more");
      other.protocol.sendClose({ closeCode: 1000, reason: "" });
      deliver(other, initiator);
      assertEquals(initiator.takeEvents(), ['close 1000 ""']);
      assertEquals(initiator.protocol.state, "closed");
    });

    it("may be begun by both at once", () => {
      const [initiator, other] = pairOf(role);
      initiator.protocol.sendClose({ closeCode: 1000, reason: "a" });
      other.protocol.sendClose({ closeCode: 1001, reason: "b" });
      deliver(initiator, other);
      deliver(other, initiator);
      assertEquals(initiator.takeEvents(), ['close 1001 "b"']);
      assertEquals(other.takeEvents(), ['close 1000 "a"']);
      assertEquals([initiator.protocol.state, other.protocol.state], ["closed", "closed"]);
      // Neither answers the other's Close by a second one.
      assertEquals([initiator.takeFrames(), other.takeFrames()], [[], []]);
    });

    it("is not disturbed by messages and Pings that cross it", () => {
      const [initiator, other] = pairOf(role);
      initiator.protocol.sendClose({ closeCode: 1000, reason: "" });
      other.protocol.sendMessage("crossing");
      other.protocol.sendPing(fromHex("01"));
      deliver(other, initiator);
      assertEquals(initiator.takeEvents(), []);
      deliver(initiator, other);
      other.protocol.sendClose({ closeCode: 1000, reason: "" });
      deliver(other, initiator);
      assertEquals(initiator.takeEvents(), ['close 1000 ""']);
    });
  });

  describe(`a Close that a ${role} receives`, () => {
    const sender = peerOf(role);
    const text = encodeFrames(sender, [frameOf(1, "before")]);
    const close = encodeFrames(sender, [closeFrame(3000, "bye")]);

    for (
      const [what, behind] of [
        ["a message", encodeFrames(sender, [frameOf(1, "behind")])],
        ["a second Close", encodeFrames(sender, [closeFrame(1000)])],
        ["a Ping", encodeFrames(sender, [frameOf(9)])],
        ["what is no frame", fromHex("ff ff ff ff")],
        ["a part of a frame", fromHex("81")],
      ] as const
    ) {
      it(`ends what is received: ${what} behind it is passed over`, () => {
        const bytes = concatBytes([text, close, behind]);
        for (const pieces of cuttings(bytes, new Random(1))) {
          const { events, closeCode, side } = receivePieces(role, pieces);
          assertEquals(events, ['text "before"', 'close 3000 "bye"']);
          assertEquals([closeCode, side.protocol.state], [undefined, "close-received"]);
        }
      });
    }

    it("ends it within a message too, of which nothing is handed on", () => {
      for (const streaming of [false, true]) {
        const bytes = encodeFrames(sender, [frameOf(1, "Hel", { fin: false }), closeFrame(1000)]);
        for (const pieces of cuttings(bytes, new Random(2))) {
          const { events, side } = receivePieces(role, pieces, { streaming });
          assertEquals(events, ['close 1000 ""']);
          assertEquals(side.log.type, streaming ? "text" : undefined);
        }
      }
    });

    it("is refused where its payload is bad", () => {
      for (
        const [payload, closeCode] of [
          ["03", 1002],
          ["03 ed", 1002],
          ["03 e8 ff", 1007],
          ["03 e8 e2 82", 1007],
        ] as const
      ) {
        const bytes = encodeFrames(sender, [frameOf(1, "before"), frameOf(8, fromHex(payload))]);
        for (const pieces of cuttings(bytes, new Random(3))) {
          const outcome = receivePieces(role, pieces);
          assertEquals(outcome.events, ['text "before"']);
          assertEquals(outcome.closeCode, closeCode, payload);
          assertEquals(outcome.side.protocol.state, "open");
        }
      }
    });
  });

  describe(`a ${role} that closes while it receives`, () => {
    const bytes = encodeFrames(peerOf(role), [
      frameOf(1, "first"),
      frameOf(1, "second"),
      frameOf(9, "p"),
      frameOf(2, "third", { fin: false }),
      frameOf(0, "third"),
      closeFrame(1000),
      frameOf(9, "q"),
    ]);

    /** Acts on each event, once it has put it down. */
    class ActingLog extends EventLog {
      act: (line: string, status?: CloseStatus) => void = () => {};
      override receiveMessage(data: string | Uint8Array): void {
        super.receiveMessage(data);
        this.act(this.events.at(-1)!);
      }
      override receivePing(payload: Uint8Array): void {
        super.receivePing(payload);
        this.act(this.events.at(-1)!);
      }
      override receiveClose(status: CloseStatus): void {
        super.receiveClose(status);
        this.act(this.events.at(-1)!, status);
      }
    }

    for (const pieces of [[bytes], singly(bytes)]) {
      const cut = pieces.length === 1 ? "at once" : "byte by byte";
      const run = (act: (side: Side, line: string, status?: CloseStatus) => void) => {
        const log = new ActingLog();
        const side = new Side(role, {}, log);
        log.act = (line, status) => act(side, line, status);
        for (const piece of pieces) {
          assertEquals(side.protocol.receive(piece.slice()), piece.length);
        }
        return side;
      };

      it(`drops the messages behind a Close that it sends, ${cut}`, () => {
        const side = run(({ protocol }, line) => {
          if (line === 'text "first"') protocol.sendClose({ closeCode: 1000, reason: "" });
        });
        assertEquals(side.takeEvents(), ['text "first"', 'close 1000 ""']);
        assertEquals(side.protocol.state, "closed");
      });

      it(`may answer a Close at once, ${cut}`, () => {
        const side = run(({ protocol }, _line, status) => {
          if (status !== undefined) protocol.sendClose(status);
        });
        assertEquals(side.takeFrames(), ['close 1000 ""']);
        assertEquals(side.protocol.state, "closed");
      });

      it(`receives nothing behind the event that it fails at, ${cut}`, () => {
        for (const fatal of ['text "first"', "ping 70"]) {
          const side = run(({ protocol }, line) => {
            if (line === fatal) protocol.fail(new ProtocolError(1008, "enough"));
          });
          assertEquals(side.takeEvents().at(-1), fatal);
          assertEquals(side.takeFrames(), ['close 1008 "enough"']);
          assertEquals(side.protocol.state, "failed");
        }
      });
    }
  });
}

describe("fail", () => {
  it("cuts a reason that is too long at the end of a code point", () => {
    const side = new Side("server");
    side.protocol.fail(new ProtocolError(1002, "é".repeat(100)));
    assertEquals(side.takeFrames(), [`close 1002 ${JSON.stringify("é".repeat(61))}`]);
  });

  it("comes behind all that was sent before", () => {
    for (const role of ROLES) {
      const side = new Side(role);
      side.protocol.sendMessage("first");
      side.protocol.sendFragment("binary", fromHex("01"), false);
      const error = side.receiveBad(fromHex("70"));
      side.protocol.sendPing(fromHex("02"));
      side.protocol.fail(error);
      assertEquals(side.takeFrames(), [
        'text "first"',
        "binary 01...",
        "ping 02",
        `close 1002 ${JSON.stringify(error.message)}`,
      ]);
    }
  });
});
