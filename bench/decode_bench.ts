/**
 * From the bytes of a client to messages, beside ws's Receiver: `deno task bench`. Both unmask in
 * place, so each run works on a copy of its own.
 */

import { Buffer } from "node:buffer";
import { Protocol } from "../src/protocol/mod.ts";
import { ALPHABETS, clientFrame, concatenate, nameOf, textOf } from "./frames.ts";
import { createReceiver } from "./ws_codec.ts";

function benchDecode(group: string, chunks: Uint8Array[], messages: number): void {
  const buffers = chunks.map((chunk) => Buffer.alloc(chunk.length));
  const copy = () => {
    for (let i = 0; i < chunks.length; i++) buffers[i].set(chunks[i]);
  };
  let count = 0;
  const check = () => {
    if (count !== messages) throw new Error(`${count} messages instead of ${messages}`);
    count = 0;
  };

  const protocol = new Protocol("server", {
    receiveMessage: () => void count++,
    receiveMessageStart() {},
    receiveMessageChunk() {},
    receiveMessageEnd() {},
    receivePing() {},
    receivePong() {},
    receiveClose() {},
  }, { maxMessageSize: Infinity });
  Deno.bench({
    name: "Sluice",
    group,
    baseline: true,
    fn() {
      copy();
      for (const buffer of buffers) protocol.receive(buffer);
      check();
    },
  });

  // ws gives text as bytes; who wants the string has it decoded.
  const isText = group.includes("text");
  const receiver = createReceiver((data) => {
    if (isText) data.toString();
    count++;
  });
  Deno.bench({
    name: "ws",
    group,
    fn() {
      copy();
      for (const buffer of buffers) receiver.write(buffer);
      check();
    },
  });
}

const binary = (size: number) => clientFrame(new Uint8Array(size).fill(0x61));

for (const size of [32, 1024, 64 * 1024]) {
  benchDecode(`decode, 1 frame of ${nameOf(size)} a chunk`, [binary(size)], 1);
}
benchDecode("decode, 64 frames of 32 B a chunk", [concatenate(Array(64).fill(binary(32)))], 64);

for (const [name, alphabet] of Object.entries(ALPHABETS)) {
  const frame = clientFrame(textOf(1024, alphabet));
  benchDecode(`decode, 1 frame of 1 KiB of text a chunk, ${name}`, [frame], 1);
}

for (const size of [64 * 1024, 1024 * 1024]) {
  const frame = binary(size);
  const length = Math.ceil(frame.length / 16);
  const pieces = Array.from({ length: 16 }, (_, i) => frame.subarray(i * length, (i + 1) * length));
  benchDecode(`decode, 1 frame of ${nameOf(size)} over 16 chunks`, pieces, 1);
}
