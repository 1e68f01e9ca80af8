// @engines: it asks nothing of a runtime but its engine.

import { describe, it } from "node:test";
import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  cuttings,
  frameOf,
  fromHex,
  peerOf,
  Random,
  ROLES,
  singly,
  utf8,
} from "../codec/support.ts";
import { assertMessage } from "../../src/protocol/protocol.ts";
import { closeFrame, encodeFrames, EventLog, receivePieces, Side } from "./support.ts";
import { type CloseStatus, ProtocolError } from "../../src/protocol/mod.ts";

for (const role of ROLES) {
  describe(`what a ${role} sends`, () => {
    it("is fragments, with control frames in between", () => {
      const side = new Side(role);
      const { protocol } = side;
      protocol.sendFragment("text", fromHex("e2"), false);
      protocol.sendPing(utf8("p"));
      protocol.sendFragment("text", fromHex("82 ac"), false);
      protocol.sendPong(utf8("q"));
      // Only the first one tells the type.
      protocol.sendFragment("binary", fromHex(""), true);
      protocol.sendFragment("binary", fromHex("01"), true);
      protocol.sendMessage("next");
      assertEquals(side.takeFrames(), [
        'text "\ufffd"...',
        "ping 70",
        "continuation 82 ac...",
        "pong 71",
        "continuation ",
        "binary 01",
        'text "next"',
      ]);
    });

    it("is no message within another", () => {
      const side = new Side(role);
      const { protocol } = side;
      protocol.sendFragment("text", utf8("a"), false);
      for (const data of ["text", fromHex("01")]) {
        const error = assertThrows(() => protocol.sendMessage(data), DOMException, "not finished");
        assertEquals(error.name, "InvalidStateError");
      }
      protocol.sendFragment("text", utf8("b"), true);
      protocol.sendMessage("c");
      assertEquals(side.takeFrames(), ['text "a"...', "continuation 62", 'text "c"']);
    });

    it("is Pings and Pongs of up to 125 bytes", () => {
      const { protocol } = new Side(role);
      protocol.sendPing(new Uint8Array(125));
      protocol.sendPong(new Uint8Array(125));
      protocol.takeOutput();
      for (const length of [126, 127, 65536]) {
        const payload = new Uint8Array(length);
        assertThrows(() => protocol.sendPing(payload), TypeError, `${length} bytes`);
        assertThrows(() => protocol.sendPong(payload), TypeError, `${length} bytes`);
      }
      assertEquals(protocol.outputLength, 0);
    });

    it("is no Close with a status that may not be sent, which changes nothing", () => {
      const { protocol } = new Side(role);
      for (const closeCode of [0, 999, 1004, 1006, 1015, 1016, 2999, 5000, NaN]) {
        assertThrows(() => protocol.sendClose({ closeCode, reason: "" }), RangeError);
      }
      const tooLong = { closeCode: 1000, reason: "x".repeat(124) };
      assertThrows(() => protocol.sendClose(tooLong), TypeError, "124 bytes");
      assertEquals([protocol.state, protocol.outputLength], ["open", 0]);
    });

    it("is nothing but strings and Uint8Arrays", () => {
      const { protocol } = new Side(role);
      const OTHERS: [value: unknown, name: string][] = [
        [5, "a number"],
        [null, "null"],
        [undefined, "undefined"],
        [[1, 2], "an array"],
        [new ArrayBuffer(2), "new Uint8Array(buffer)"],
        [new DataView(new ArrayBuffer(2)), "new Uint8Array(view.buffer,"],
        [new Uint16Array(2), "new Uint8Array(view.buffer,"],
        [{}, "JSON.stringify(object)"],
        [new String("a"), "an object"],
        [true, "a boolean"],
      ];
      for (const [value, name] of OTHERS) {
        const bytes = value as Uint8Array;
        for (
          const send of [
            () => protocol.sendMessage(bytes),
            () => protocol.sendFragment("binary", bytes, false),
            () => protocol.sendPing(bytes),
            () => protocol.sendPong(bytes),
            () => assertMessage(value),
          ]
        ) assertThrows(send, TypeError, name);
      }
      const text = "text" as unknown as Uint8Array;
      assertThrows(() => protocol.sendPing(text), TypeError);
      assertThrows(() => protocol.sendFragment("text", text, true), TypeError);
      assertEquals(protocol.outputLength, 0);
      // None of it has begun a message.
      protocol.sendMessage("fine");
    });

    it("refers to large bytes of a server only, and says so", () => {
      const { protocol } = new Side(role);
      const large = new Uint8Array(100_000).fill(1);
      const isServer = role === "server";
      assertEquals(protocol.sendMessage("x".repeat(100_000)), false);
      assertEquals(protocol.sendMessage(new Uint8Array(10)), false);
      assertEquals(protocol.sendMessage(large), isServer);
      assertEquals(protocol.sendFragment("binary", large, true), isServer);
      assertEquals(protocol.takeOutput().includes(large), isServer);
      assert(large.every((byte) => byte === 1));
    });
  });
}

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
