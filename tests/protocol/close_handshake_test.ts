import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { type CloseStatus, ProtocolError } from "../../src/protocol/mod.ts";
import { cuttings, frameOf, fromHex, peerOf, Random, ROLES, singly } from "../codec/support.ts";
import { closeFrame, encodeFrames, EventLog, receivePieces, Side } from "./support.ts";

for (const role of ROLES) {
  it(`a ${role} hands on nothing of a message that a Close comes within`, () => {
    const frames = [frameOf(1, "Hel", { fin: false }), closeFrame(1000)];
    for (const streaming of [false, true]) {
      for (const pieces of cuttings(encodeFrames(peerOf(role), frames), new Random(2))) {
        const { events, side } = receivePieces(role, pieces, { streaming });
        assertEquals([events, side.protocol.state], [['close 1000 ""'], "close-received"]);
        assertEquals(side.log.type, streaming ? "text" : undefined);
      }
    }
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
