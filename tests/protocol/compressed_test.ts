import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { resolveCompressionOptions } from "../../src/extensions/compression_options.ts";
import { DeflatePool } from "../../src/extensions/deflate_pool.ts";
import { PerMessageDeflate } from "../../src/extensions/permessage_deflate.ts";
import { loadDeflateStreams } from "../../src/extensions/zlib.ts";
import { Protocol } from "../../src/protocol/mod.ts";
import { clientFrame } from "../support/raw_client.ts";
import { deflateAlone } from "../support/reference_deflate.ts";
import { concatBytes } from "../support/reference_frames.ts";
import { EventLog } from "./support.ts";

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
