/**
 * From messages to what a server gives its socket to write, beside ws's Sender: `deno task bench`.
 *
 * Sluice gives one chunk, or with large messages header and payload apart; ws always gives them
 * apart, and leaves it to the socket to put them together. What the socket does is not measured, but
 * that it encodes the strings that ws gives it. It takes everything at once, as those of Node and Bun
 * mostly do, so that Sluice can use its memory again.
 */

import { Buffer } from "node:buffer";
import { assertEquals } from "@std/assert";
import { Protocol } from "../src/protocol/mod.ts";
import { ALPHABETS, concatenate, textOf } from "./frames.ts";
import { benchSideBySide, nameGroup } from "./side_by_side.ts";
import { createSender } from "./ws_codec.ts";

/** What both write to. */
class Sink {
  #chunks: Uint8Array[] | undefined;
  #length = 0;

  write(chunk: Uint8Array): void {
    this.#length += chunk.length;
    this.#chunks?.push(chunk);
  }

  /** Checks, at the end of each run, that everything was written. */
  check(length: number): void {
    if (this.#length !== length) throw new Error(`${this.#length} bytes instead of ${length}`);
    this.#length = 0;
  }

  /** Gives what is written meanwhile. */
  record(work: () => void): Uint8Array {
    this.#chunks = [];
    work();
    const written = concatenate(this.#chunks);
    this.#chunks = undefined;
    this.#length = 0;
    return written;
  }
}

function benchEncode(group: string, data: string | Uint8Array, count: number): void {
  const protocol = new Protocol("server", {
    receiveMessage() {},
    receiveMessageStart() {},
    receiveMessageChunk() {},
    receiveMessageEnd() {},
    receivePing() {},
    receivePong() {},
    receiveClose() {},
  });
  const ours = new Sink();
  const encode = () => {
    for (let i = 0; i < count; i++) protocol.sendMessage(data);
    for (const chunk of protocol.takeOutput()) ours.write(chunk);
    protocol.recycleOutput();
  };

  const theirs = new Sink();
  const sender = createSender((chunk) => theirs.write(chunk));
  const options = { binary: typeof data !== "string", fin: true, compress: false, mask: false };
  // Of a Uint8Array, ws would make a Buffer first.
  const wsData = typeof data === "string" ? data : Buffer.from(data);
  const encodeByWs = () => {
    for (let i = 0; i < count; i++) sender.send(wsData, options);
  };

  const { length } = ours.record(encode);
  assertEquals(ours.record(encode), theirs.record(encodeByWs));
  benchSideBySide(group, () => {
    encode();
    ours.check(length);
  }, () => {
    encodeByWs();
    theirs.check(length);
  });
}

for (const size of [32, 1024, 16 * 1024, 64 * 1024]) {
  benchEncode(nameGroup("encode", size, "1 frame a write"), new Uint8Array(size), 1);
}
for (const size of [32, 1024]) {
  benchEncode(nameGroup("encode", size, "64 frames a write"), new Uint8Array(size), 64);
}
for (const size of [32, 1024]) {
  for (const [script, alphabet] of ALPHABETS) {
    const group = nameGroup("encode", size, `1 frame a write, text, ${script}`);
    benchEncode(group, textOf(size, alphabet), 1);
  }
}
