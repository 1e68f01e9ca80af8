import { describe, it } from "node:test";
import { assertEquals, assertStrictEquals } from "@std/assert";
import { type MessageType, Protocol } from "../../src/protocol/mod.ts";
import { frameOf, fromHex, peerOf, ROLES, singly, toHex } from "../codec/support.ts";
import { closeFrame, encodeFrames, EventLog, Side } from "./support.ts";
import { resolveCompressionOptions } from "../../src/extensions/compression_options.ts";
import { DeflatePool } from "../../src/extensions/deflate_pool.ts";
import { PerMessageDeflate } from "../../src/extensions/permessage_deflate.ts";
import { loadDeflateStreams } from "../../src/extensions/zlib.ts";
import { clientFrame } from "../support/raw_client.ts";
import { deflateAlone } from "../support/reference_deflate.ts";
import { concatBytes } from "../support/reference_frames.ts";

/** Puts down each call. */
class CallLog extends EventLog {
  override receiveMessage(data: string | Uint8Array): void {
    this.events.push(typeof data === "string" ? `whole ${data}` : `whole ${toHex(data)}`);
  }
  override receiveMessageStart(type: MessageType): void {
    this.events.push(`start ${type}`);
  }
  override receiveMessageChunk(bytes: Uint8Array, start: number, end: number): void {
    this.events.push(`chunk ${toHex(bytes.subarray(start, end))}`);
  }
  override receiveMessageEnd(): void {
    this.events.push("end");
  }
}

for (const role of ROLES) {
  const sender = peerOf(role);
  const headerLength = role === "server" ? 6 : 2;
  const create = () => new Side(role, {}, new CallLog());

  describe(`a ${role} that streams`, () => {
    it("hands on each piece as it comes", () => {
      const side = create();
      side.protocol.streaming = true;
      const bytes = encodeFrames(sender, [frameOf(2, fromHex("01 02 03"), { fin: false })]);
      side.protocol.receive(bytes, 0, 1);
      assertEquals(side.takeEvents(), []);
      side.protocol.receive(bytes, 1, headerLength + 2);
      assertEquals(side.takeEvents(), ["start binary", "chunk 01 02"]);
      side.protocol.receive(bytes, headerLength + 2);
      assertEquals(side.takeEvents(), ["chunk 03"]);
      side.receive(frameOf(9, "p"), frameOf(0, fromHex("04 05"), { fin: false }));
      assertEquals(side.takeEvents(), ["ping 70", "chunk 04 05"]);
      assertEquals(side.protocol.collectedLength, 0);
      side.receive(frameOf(0));
      assertEquals(side.takeEvents(), ["end"]);
    });

    it("begins a message as soon as the length of its first frame is in", () => {
      const side = create();
      side.protocol.streaming = true;
      side.protocol.receive(encodeFrames(sender, [frameOf(1, "x".repeat(300))]), 0, 4);
      assertEquals(side.takeEvents(), ["start text"]);
    });

    it("hands on no chunk of an empty message", () => {
      const side = create();
      side.protocol.streaming = true;
      side.receive(frameOf(1), frameOf(2, "", { fin: false }), frameOf(0));
      assertEquals(side.takeEvents(), ["start text", "end", "start binary", "end"]);
    });

    it("hands on the input itself", () => {
      const log = new CallLog();
      const side = new Side(role, {}, log);
      side.protocol.streaming = true;
      const bytes = encodeFrames(sender, [frameOf(2, "a")]);
      log.receiveMessageChunk = (piece) => assertStrictEquals(piece, bytes);
      side.protocol.receive(bytes);
      assertEquals(side.takeEvents(), ["start binary", "end"]);
    });
  });

  describe(`a ${role} that begins to stream`, () => {
    it("within a message, hands on what it collected first", () => {
      const side = create();
      side.receive(frameOf(1, "ab", { fin: false }), frameOf(0, "c", { fin: false }));
      side.protocol.streaming = true;
      assertEquals(side.takeEvents(), ["start text", "chunk 61 62 63"]);
      assertEquals(side.protocol.collectedLength, 0);
      side.receive(frameOf(0, "d"), frameOf(1, "e"));
      assertEquals(side.takeEvents(), ["chunk 64", "end", "start text", "chunk 65", "end"]);
    });

    it("within a frame, and within a code point", () => {
      const bytes = encodeFrames(sender, [frameOf(1, "a€b")]);
      for (let cut = 0; cut <= bytes.length; cut++) {
        const side = create();
        for (const byte of singly(bytes.slice(0, cut))) side.protocol.receive(byte);
        side.protocol.streaming = true;
        side.protocol.receive(bytes.slice(), cut);
        const events = side.takeEvents();
        if (cut === bytes.length) {
          assertEquals(events, ["whole a€b"]);
          continue;
        }
        const chunks = events.slice(1, -1).map((line) => line.slice("chunk ".length));
        assertEquals([events[0], events.at(-1)], ["start text", "end"]);
        assertEquals(chunks.join(" "), "61 e2 82 ac 62");
        assertEquals(chunks.length, cut <= headerLength ? 1 : 2);
      }
    });

    it("between messages, and where nothing was collected, hands on no chunk", () => {
      const side = create();
      side.protocol.streaming = true;
      assertEquals(side.takeEvents(), []);
      side.protocol.streaming = false;
      side.receive(frameOf(2, "", { fin: false }));
      side.protocol.streaming = true;
      assertEquals(side.takeEvents(), ["start binary"]);
      side.protocol.streaming = true;
      assertEquals(side.takeEvents(), []);
    });
  });

  describe(`a ${role} that no longer streams`, () => {
    it("streams the message in progress to its end, and hands on the next one whole", () => {
      const side = create();
      side.protocol.streaming = true;
      side.receive(frameOf(2, "a", { fin: false }));
      side.protocol.streaming = false;
      side.receive(frameOf(0, "b", { fin: false }), frameOf(0, "c"));
      side.receive(frameOf(1, "d"), frameOf(1, "e", { fin: false }), frameOf(0, "f"));
      assertEquals(side.takeEvents(), [
        ...["start binary", "chunk 61", "chunk 62", "chunk 63", "end"],
        ...["whole d", "whole ef"],
      ]);
    });
  });

  describe(`a ${role} that switches within a call`, () => {
    const frames = [
      frameOf(1, "a"),
      frameOf(1, "b", { fin: false }),
      frameOf(9),
      frameOf(0, "c"),
      frameOf(1, "d"),
    ];
    const bytes = encodeFrames(sender, frames);

    it("to streaming, at a message: the next one is streamed", () => {
      const side = create();
      const { log } = side;
      log.receiveMessage = (data) => {
        log.events.push(`whole ${data}`);
        side.protocol.streaming = true;
      };
      side.protocol.receive(bytes.slice());
      assertEquals(side.takeEvents(), [
        "whole a",
        ...["start text", "chunk 62", "ping ", "chunk 63", "end"],
        ...["start text", "chunk 64", "end"],
      ]);
    });

    it("to streaming, at a Ping: the message around it is streamed", () => {
      const side = create();
      side.log.receivePing = () => side.protocol.streaming = true;
      side.protocol.receive(bytes.slice());
      assertEquals(side.takeEvents(), [
        "whole a",
        ...["start text", "chunk 62", "chunk 63", "end"],
        ...["start text", "chunk 64", "end"],
      ]);
    });

    it("from streaming, at the start of a message: the next one is whole", () => {
      const side = create();
      const { log } = side;
      side.protocol.streaming = true;
      log.receiveMessageStart = () => {
        log.events.push("start");
        side.protocol.streaming = false;
      };
      side.protocol.receive(bytes.slice());
      assertEquals(side.takeEvents(), [
        ...["start", "chunk 61", "end", "ping "],
        ...["whole bc", "whole d"],
      ]);
    });
  });

  describe(`a ${role} that has sent a Close`, () => {
    for (const streaming of [false, true]) {
      it(`drops the rest of a message ${streaming ? "it streams" : "it collects"}`, () => {
        const side = create();
        side.protocol.streaming = streaming;
        side.receive(frameOf(1, "ab", { fin: false }));
        assertEquals(side.takeEvents(), streaming ? ["start text", "chunk 61 62"] : []);
        assertEquals(side.protocol.collectedLength, streaming ? 0 : 2);
        side.protocol.sendClose({ closeCode: 1000, reason: "" });
        assertEquals(side.protocol.collectedLength, 0);
        side.protocol.streaming = !streaming;
        side.receive(frameOf(0, fromHex("ff")), frameOf(2, "c"), frameOf(1, "d", { fin: false }));
        side.receive(frameOf(9, "p"), frameOf(0, "e"), closeFrame(1000));
        assertEquals(side.takeEvents(), ['close 1000 ""']);
        assertEquals(side.protocol.collectedLength, 0);
      });
    }
  });
}

const pool = new DeflatePool(await loadDeflateStreams(), resolveCompressionOptions(true)!);

function open(): PerMessageDeflate {
  const parameters = {
    serverNoContextTakeover: true,
    clientNoContextTakeover: true,
    serverMaxWindowBits: 15,
    clientMaxWindowBits: 15,
  };
  return new PerMessageDeflate("server", pool, parameters, 0);
}

function compressed(data: Uint8Array): Uint8Array {
  return clientFrame({ opcode: 2, rsv: 4, payload: deflateAlone(data) });
}

describe("a receiver that stops at every piece of a compressed message", () => {
  /** Stops at every piece. */
  class Stopping extends EventLog {
    protocol: Protocol = new Protocol("server", this, { compression: open() });
    sizes: number[] = [];

    override receiveMessageChunk(bytes: Uint8Array, start: number, end: number): unknown {
      super.receiveMessageChunk(bytes, start, end);
      this.sizes.push(end - start);
      if (this.sizes.length % 2 === 0) return "stop";
      return this.protocol.stopReceiving();
    }
  }

  it("has all of it, and the messages behind it", () => {
    const log = new Stopping();
    log.protocol.streaming = true;
    const sizes = [70_000, 10, 65_536, 0, 20, 140_000, 5];
    const bytes = concatBytes(sizes.map((size) => compressed(new Uint8Array(size))));
    let calls = 0;
    for (let position = 0; position < bytes.length || log.protocol.hasUninflated; calls++) {
      const { length } = log.sizes;
      position = log.protocol.receive(bytes, position);
      assertEquals(log.sizes.length - length <= 1, true, "several pieces at once");
    }
    assertEquals(log.events.length, sizes.length);
    assertEquals(log.sizes, [65_536, 4_464, 10, 65_536, 20, 65_536, 65_536, 8_928, 5]);
  });
});
