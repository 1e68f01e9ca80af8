import { describe } from "node:test";
import { compression } from "./cases/compression.ts";
import { compressionFrames } from "./cases/compression_frames.ts";
import { compressionOffers } from "./cases/compression_offers.ts";
import { COMPRESSION_SECTIONS } from "./cases/mod.ts";
import type { CompressionMistake } from "./plain_compression.ts";
import { describeMistakes, describePlainServer, type Found } from "./self.ts";

const ECHO_FOR_FAILURE = /expected a Close frame with 1002, got a (text|binary) message/;
const ECHO_NOT_UTF8 = /the server sent a text message that is not UTF-8/;
const NOT_DECOMPRESSED = /the server sent a message that can't be decompressed/;
const NOT_INFLATED = /expected a \w+ message .* got a Close frame with 1007/;
const RSV_BITS = /a wrong frame: RSV bits set/;

/** Which section finds a mistake, and what it says of it. */
const FOUND: Record<CompressionMistake, Found> = {
  "declines compression": {
    section: compression,
    group: "12.1",
    failure: /: it declined to compress/,
  },
  "declines what is behind a wrong offer": {
    section: compressionOffers,
    group: "13.6",
    failure: /answered "permessage-deflate; unknown, .* it declined to compress/,
  },
  "agrees to unknown parameters": {
    section: compressionOffers,
    group: "13.4",
    failure: /answered "permessage-deflate; unknown" .* it agreed to what it must decline/,
  },
  "agrees to repeated parameters": {
    section: compressionOffers,
    group: "13.4",
    failure: /_takeover; \w+_takeover" .* it agreed to what it must decline/,
  },
  "agrees to window bits that are malformed": {
    section: compressionOffers,
    group: "13.4",
    failure: /answered "permessage-deflate; \w+=09" .* it agreed to what it must decline/,
  },
  "agrees to other extensions": {
    section: compressionOffers,
    group: "13.4",
    failure: /answered "deflate-stream" .* it agreed to what it must decline/,
  },
  "answers client_max_window_bits unasked": {
    section: compressionOffers,
    failure: /it answered client_max_window_bits to a client that can't be told/,
  },
  "answers a parameter twice": {
    section: compressionOffers,
    group: "13.2",
    failure: /it answered server_no_context_takeover twice/,
  },
  "forgets to answer server_no_context_takeover": {
    section: compressionOffers,
    failure: /it answered without server_no_context_takeover/,
  },
  "forgets to answer server_max_window_bits": {
    section: compressionOffers,
    failure: /it answered without server_max_window_bits=9/,
  },
  "keeps the window it agreed not to keep": {
    section: compressionOffers,
    group: "13.2",
    failure: NOT_DECOMPRESSED,
  },
  "compresses with a window that is too large": {
    section: compressionOffers,
    failure: NOT_DECOMPRESSED,
  },
  "never keeps its window": {
    section: compression,
    group: "12.6",
    failure: /in \d+ bytes on the wire or fewer, not \d+/,
  },
  "forgets the client's window": { section: compression, failure: NOT_INFLATED },
  "keeps half of the client's window": {
    section: compressionFrames,
    group: "14.4",
    failure: NOT_INFLATED,
  },
  "puts plain messages in its window": {
    section: compressionOffers,
    failure: /can't be decompressed|expected a \w+ message of/,
  },
  "sets RSV1 on each fragment": { section: compression, failure: RSV_BITS },
  "sets RSV1 on pongs": { section: compression, failure: RSV_BITS },
  "sets RSV1 on plain messages": { section: compressionOffers, failure: NOT_DECOMPRESSED },
  "sends compressed messages without RSV1": {
    section: compression,
    failure: /expected a \w+ message .* got a \w+ message/,
  },
  "leaves the tail on": { section: compression, failure: NOT_DECOMPRESSED },
  "accepts RSV1 on continuations": { section: compressionFrames, failure: ECHO_FOR_FAILURE },
  "accepts RSV1 on control frames": {
    section: compressionFrames,
    failure: /expected a Close frame with 1002, got a Pong/,
  },
  "accepts other RSV bits with RSV1": { section: compressionFrames, failure: ECHO_FOR_FAILURE },
  "accepts RSV1 after it declined": {
    section: compressionOffers,
    group: "13.5",
    failure: /expected a Close frame with 1002, got a Close frame with 1007/,
  },
  "fails on blocks with BFINAL": { section: compressionFrames, failure: NOT_INFLATED },
  "drops what is behind BFINAL": {
    section: compressionFrames,
    failure: /expected a text message of 5 bytes .* got a text message of 3 bytes/,
  },
  "inflates each fragment for itself": { section: compressionFrames, failure: NOT_INFLATED },
  "accepts corrupt messages": {
    section: compressionFrames,
    group: "14.5",
    failure: /expected a Close frame with 1007 or 1002, got a text message/,
  },
  "checks the UTF-8 of what is compressed": { section: compression, failure: NOT_INFLATED },
  "accepts compressed text that is not UTF-8": {
    section: compressionFrames,
    group: "14.6",
    failure: ECHO_NOT_UTF8,
  },
  "limits what is compressed": {
    section: compressionFrames,
    group: "14.7",
    failure: /expected a Close frame with 1009, got a binary message/,
    // It inflates megabytes first.
    deadlineMs: 30_000,
  },
};

describe("the conformance cases with compression", () => {
  describePlainServer(COMPRESSION_SECTIONS);
  describeMistakes(FOUND);
});
