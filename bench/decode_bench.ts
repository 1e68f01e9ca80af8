/**
 * From the bytes of a client to messages that the program may keep, beside ws's Receiver:
 * `deno task bench`.
 *
 * Each gets new chunks each time, as from most sockets, since messages may be views of them: ws as
 * Buffers, Sluice as plain arrays, as its adapter for Node gives it. A text is a string at the end; ws
 * leaves its decoding to the program.
 */

import { Buffer } from "node:buffer";
import { assertEquals } from "@std/assert";
import { Protocol } from "../src/protocol/mod.ts";
import { ALPHABETS, clientFrame, concatenate, textOf } from "./frames.ts";
import { benchSideBySide, nameGroup } from "./side_by_side.ts";
import { createReceiver, ws, type WsCodec, wsWithAddon } from "./ws_codec.ts";

type Message = string | Uint8Array;

/** What both do with a message: the same, and next to nothing. */
class Program {
  #count = 0;
  #last: Message | undefined;

  receive(message: Message): void {
    this.#count++;
    this.#last = message;
  }

  /** Checks, at the end of each run, that it has received what it should. */
  check(count: number, length: number): void {
    if (this.#count !== count || this.#last?.length !== length) {
      throw new Error(`${this.#count} messages, the last one of length ${this.#last?.length}`);
    }
    this.#count = 0;
  }

  /** Checks the last message. */
  checkLast(message: Message): void {
    assertEquals(
      typeof this.#last === "string" ? this.#last : Uint8Array.from(this.#last!),
      message,
    );
  }
}

function benchDecode(group: string, chunks: Uint8Array[], count: number, message: Message): void {
  const { length } = message;

  const ours = new Program();
  const protocol = new Protocol("server", {
    receiveMessage: (data) => ours.receive(data),
    receiveMessageStart() {},
    receiveMessageChunk() {},
    receiveMessageEnd() {},
    receivePing() {},
    receivePong() {},
    receiveClose() {},
  }, { maxMessageSize: 2 ** 31 });
  const decode = () => {
    for (const chunk of chunks) {
      const { buffer, byteOffset, length } = Buffer.from(chunk);
      protocol.receive(new Uint8Array(buffer, byteOffset, length), 0, length, false);
    }
    ours.check(count, length);
  };

  const decodeBy = (codec: WsCodec) => {
    const theirs = new Program();
    const receiver = createReceiver(
      codec,
      (data, isBinary) => theirs.receive(isBinary ? data : data.toString()),
    );
    const decodeByWs = () => {
      for (const chunk of chunks) receiver.write(Buffer.from(chunk));
      theirs.check(count, length);
    };
    decodeByWs();
    theirs.checkLast(message);
    return decodeByWs;
  };

  decode();
  ours.checkLast(message);
  benchSideBySide(group, decode, decodeBy(ws), decodeBy(wsWithAddon));
}

const bytes = (size: number) => new Uint8Array(size).fill(0x61);

for (const size of [32, 1024, 64 * 1024]) {
  const message = bytes(size);
  benchDecode(nameGroup("decode", size, "1 frame a chunk"), [clientFrame(message)], 1, message);
}

for (const size of [32, 1024]) {
  const message = bytes(size);
  const chunk = concatenate(Array(64).fill(clientFrame(message)));
  benchDecode(nameGroup("decode", size, "64 frames a chunk"), [chunk], 64, message);
}

for (const size of [64 * 1024, 1024 * 1024]) {
  const message = bytes(size);
  const frame = clientFrame(message);
  const length = Math.ceil(frame.length / 16);
  const chunks = Array.from({ length: 16 }, (_, i) => frame.subarray(i * length, (i + 1) * length));
  benchDecode(nameGroup("decode", size, "1 frame over 16 chunks"), chunks, 1, message);
}

for (const size of [32, 1024]) {
  for (const [script, alphabet] of ALPHABETS) {
    const message = textOf(size, alphabet);
    const group = nameGroup("decode", size, `1 frame a chunk, text, ${script}`);
    benchDecode(group, [clientFrame(message)], 1, message);
  }
}
