// @waits

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { closing } from "./cases/close.ts";
import { fragmentation } from "./cases/fragmentation.ts";
import { framing } from "./cases/framing.ts";
import { limits } from "./cases/limits.ts";
import { COMPRESSION_SECTIONS, SECTIONS } from "./cases/mod.ts";
import { opcodes } from "./cases/opcodes.ts";
import { pingPong } from "./cases/ping_pong.ts";
import { reservedBits } from "./cases/reserved_bits.ts";
import { utf8 } from "./cases/utf8.ts";
import type { Mistake } from "./plain_server.ts";
import { describeMistakes, describePlainServer, type Found } from "./self.ts";

const NO_FAILURE = /nothing came within .* expected a Close frame with 1002/;
const NO_FAILURE_UTF8 = /nothing came within .* expected a Close frame with 1007/;
const ECHO_FOR_FAILURE = /expected a Close frame with 1002, got a (text|binary) message/;
const ECHO_NOT_UTF8 = /the server sent a text message that is not UTF-8/;
const REPLY_FOR_FAILURE = /expected a Close frame with 1002, got a Close frame with/;
const AFTER_CLOSE = /the server sent a frame after its Close frame/;

/** Which section finds a mistake, and what it says of it. */
const FOUND: Record<Mistake, Found> = {
  "accepts RSV bits": { section: reservedBits, failure: ECHO_FOR_FAILURE },
  "accepts reserved opcodes": { section: opcodes, failure: NO_FAILURE },
  "accepts frames that are not masked": { section: framing, failure: ECHO_FOR_FAILURE },
  "accepts lengths that are not minimal": { section: framing, failure: ECHO_FOR_FAILURE },
  "accepts long control frames": {
    section: pingPong,
    failure: /expected a Close frame with 1002, got a Pong/,
  },
  "accepts fragmented control frames": {
    section: fragmentation,
    failure: /expected a Close frame with 1002, got a Pong/,
  },
  "accepts continuations of nothing": { section: fragmentation, failure: ECHO_FOR_FAILURE },
  "accepts messages within messages": { section: fragmentation, failure: ECHO_FOR_FAILURE },
  "accepts any close code": { section: closing, failure: REPLY_FOR_FAILURE },
  "accepts close reasons that are not UTF-8": {
    section: closing,
    failure: /expected a Close frame with 1007, got a Close frame with 1000/,
  },
  "accepts Close frames of one byte": { section: closing, failure: REPLY_FOR_FAILURE },
  "accepts text that is not UTF-8": { section: utf8, failure: ECHO_NOT_UTF8 },
  "checks UTF-8 at the end of the message": { section: utf8, failure: NO_FAILURE_UTF8 },
  "checks UTF-8 at the end of the frame": { section: utf8, failure: NO_FAILURE_UTF8 },
  "accepts text that ends within a code point": { section: utf8, failure: ECHO_NOT_UTF8 },
  "checks frames only when they are whole": { section: framing, failure: NO_FAILURE },
  "knows no limit": {
    section: limits,
    failure: /nothing came within .* expected a Close frame with 1009/,
  },
  "drops the echo before an error": {
    section: reservedBits,
    failure: /expected a text message .* got a Close frame with 1002/,
  },
  "drops the echo before Close": {
    section: closing,
    failure: /expected a text message .* got a Close frame with 1000/,
  },
  "echoes after Close": { section: closing, failure: AFTER_CLOSE },
  "answers pings after Close": { section: closing, failure: AFTER_CLOSE },
  "answers two Close frames": { section: closing, failure: AFTER_CLOSE },
  "answers pongs": { section: pingPong, failure: /expected a Pong of 5 bytes .* got a Pong of/ },
  "answers only the last of the pings at hand": {
    section: pingPong,
    failure: /expected a Pong of 6 bytes .* got a Pong of 6 bytes/,
  },
  "answers pings with nothing": {
    section: pingPong,
    failure: /expected a Pong of .* got a Pong of 0 bytes/,
  },
  "answers pings after the message in progress": {
    section: fragmentation,
    failure: /expected a Pong .* got a text message/,
  },
  "answers Close with 1000": {
    section: closing,
    failure: /expected a Close frame with 1001, got a Close frame with 1000/,
  },
  "fails with 1000": {
    section: opcodes,
    failure: /expected a Close frame with 1002, got a Close frame with 1000/,
  },
  "fails with 1002 on text that is not UTF-8": {
    section: utf8,
    failure: /expected a Close frame with 1007, got a Close frame with 1002/,
  },
  "ends without a Close frame": {
    section: closing,
    failure: /expected a Close frame .* got the end of the connection/,
  },
  "never ends the connection": {
    section: closing,
    failure: /expected the server's end of the connection/,
  },
  "ends the connection late": { section: closing, failure: /as if only a deadline/ },
  "resets the connection": { section: closing, failure: /the connection broke/ },
  "sends masked frames": { section: framing, failure: /a wrong frame: server frame masked/ },
  "sends lengths that are not minimal": {
    section: framing,
    failure: /a wrong frame: length \d+ in \d+ bits/,
  },
  "sends RSV bits": { section: framing, failure: /a wrong frame: RSV bits set/ },
  "sends fragments with the opcode of the message": {
    section: framing,
    failure: /began a message within another one/,
  },
  "sends binary for text": {
    section: framing,
    failure: /expected a text message .* got a binary message/,
  },
  "strips byte order marks": { section: utf8, failure: /expected a text message of/ },
  "swaps messages": { section: framing, failure: /expected a (text|binary) message of/ },
  "loses what came with the request": {
    section: framing,
    failure: /nothing came within .* expected/,
  },
  "sends a wrong accept key": {
    section: framing,
    failure: /answered the handshake with sec-websocket-accept/,
  },
  "selects an extension": {
    section: framing,
    failure: /answered the handshake with sec-websocket-extensions/,
  },
};

describe("the conformance cases", () => {
  it("have numbers of their own", () => {
    const ids = [...SECTIONS, ...COMPRESSION_SECTIONS].flatMap(({ cases }) =>
      cases.map(({ id }) => id)
    );
    assertEquals(ids.filter((id, index) => ids.indexOf(id) !== index), []);
  });

  describePlainServer(SECTIONS);
  describeMistakes(FOUND);
});
