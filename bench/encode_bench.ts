/** From messages to the bytes of a server, beside ws's Sender: `deno task bench`. */

import { Protocol } from "../src/protocol/mod.ts";
import { ALPHABETS, nameOf, textOf } from "./frames.ts";
import { createSender } from "./ws_codec.ts";

function benchEncode(group: string, data: string | Uint8Array, messages: number): void {
  let written = 0;
  const protocol = new Protocol("server", {
    receiveMessage() {},
    receiveMessageStart() {},
    receiveMessageChunk() {},
    receiveMessageEnd() {},
    receivePing() {},
    receivePong() {},
    receiveClose() {},
  });
  Deno.bench({
    name: "Sluice",
    group,
    baseline: true,
    fn() {
      for (let i = 0; i < messages; i++) protocol.sendMessage(data);
      for (const chunk of protocol.takeOutput()) written += chunk.length;
    },
  });
  const sender = createSender((chunk) => {
    written += chunk.length;
  });
  const options = { binary: typeof data !== "string", fin: true, compress: false, mask: false };
  Deno.bench({
    name: "ws",
    group,
    fn() {
      for (let i = 0; i < messages; i++) sender.send(data, options);
    },
  });
}

for (const size of [32, 1024, 64 * 1024]) {
  benchEncode(`encode, ${nameOf(size)}`, new Uint8Array(size), 1);
}
benchEncode("encode, 64 of 32 B for one write", new Uint8Array(32), 64);
for (const [name, alphabet] of Object.entries(ALPHABETS)) {
  benchEncode(`encode, 1 KiB of text, ${name}`, textOf(1024, alphabet), 1);
}
