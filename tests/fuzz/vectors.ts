/**
 * Inputs that a fuzzer found, or that lie where the rules change. Each is executed by its target, cut in
 * many ways.
 *
 * @module
 */

import { fromHex } from "../codec/support.ts";
import { concatBytes, encodeReferenceFrame } from "../support/reference_frames.ts";
import { upgradeRequest } from "../support/requests.ts";
import { latin1 } from "../support/raw_client.ts";

const LIMITS = { maxMessageSize: 300, maxFragments: 6 };
const RECEIVER = {
  role: "server",
  limits: LIMITS,
  closeAt: Infinity,
  streaming: undefined,
  stops: true,
  watchesMemory: true,
};
const KEY = "37 fa 21 3d";

const heads = (...texts: string[]) => texts.map((text) => ({ text }));
const values = heads;
const streams = (...hex: string[]) => hex.map((hex) => ({ ...RECEIVER, bytes: fromHex(hex) }));
const bytesOf = (...hex: string[]) => hex.map((hex) => ({ bytes: fromHex(hex), offset: 3 }));
const conversations = (...hex: string[]) =>
  hex.map((hex) => ({ head: upgradeRequest(), bytes: fromHex(hex), isCalm: true }));

/** Answers to the request of a client, and what comes behind them. */
const answers = (...answers: [head: string, hex: string][]) =>
  answers.flatMap(([head, hex]) =>
    [true, false].map((isCalm) => ({ head, bytes: fromHex(hex), isCalm }))
  );
const SWITCHING = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n" +
  "Connection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n";
const EARLY = "HTTP/1.1 103 Early Hints\r\n\r\n";

/** Responses with status 101 to a client that offers everything. */
const switchings = (...fields: [name: string, value: string][][]) =>
  fields.map((more) => ({
    minorVersion: 1,
    fields: [["Upgrade", "websocket"], ["Connection", "Upgrade"], ["Sec-WebSocket-Accept", "x"]]
      .concat(more),
    asked: {
      accept: "x",
      subprotocols: ["a"],
      deflate: {
        serverNoContextTakeover: false,
        clientNoContextTakeover: false,
        serverMaxWindowBits: 12,
        clientMaxWindowBits: 12,
      },
    },
  }));
const agreeing = (...values: string[]) =>
  switchings(...values.map((value): [string, string][] => [
    ["Sec-WebSocket-Protocol", "a"],
    ["Sec-WebSocket-Extensions", `permessage-deflate${value}`],
  ]));

/** Streams of compressed messages, each of one frame. */
const compressed = (...messages: string[][]) =>
  messages.flatMap((payloads) =>
    [false, true].map((keepsWindow) => ({
      limits: { maxMessageSize: 2000, maxFragments: 8 },
      keepsWindow,
      windowBits: 15,
      streaming: undefined,
      stops: true,
      bytes: concatBytes(payloads.map((hex) =>
        encodeReferenceFrame({
          opcode: 2,
          rsv: 4,
          maskingKey: fromHex(KEY),
          payload: fromHex(hex),
        })
      )),
    }))
  );

/** The inputs by the names of their targets. */
export const VECTORS: Record<string, object[]> = {
  "request head": heads(
    "GET / HTTP/1.1\r\n\r\n",
    "\r\nGET / HTTP/1.1\r\n\r\n",
    "\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    "\nGET / HTTP/1.1\r\n\r\n",
    "GET  / HTTP/1.1\r\n\r\n",
    "GET / HTTP/1.1 \r\n\r\n",
    "GET / HTTP/1.1\n\n",
    "GET / HTTP/1.1\r\na: b\r\n c\r\n\r\n",
    "GET / HTTP/1.1\r\n a: b\r\n\r\n",
    "GET / HTTP/1.1\r\na : b\r\n\r\n",
    "GET / HTTP/1.1\r\n: b\r\n\r\n",
    "GET / HTTP/1.1\r\na: b\rc\r\n\r\n",
    "GET / HTTP/1.1\r\na: b\0c\r\n\r\n",
    "GET / HTTP/1.1\r\na:\r\n\r\n\r\n",
    "GET / HTTP/0.9\r\n\r\n",
    "GET / HTTP/1.10\r\n\r\n",
    "GET / HTTP/2.0\r\n\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "GET /\r\n\r\n",
    "\x16\x03\x01\x02\0",
    // A line, a number of lines and a head as long as they may be, and one more.
    `GET /${"x".repeat(106)} HTTP/1.1\r\n\r\n`,
    `GET /${"x".repeat(107)} HTTP/1.1\r\n\r\n`,
    `GET / HTTP/1.1\r\na:${"x".repeat(118)}\r\n\r\n`,
    `GET / HTTP/1.1\r\na:${"x".repeat(119)}\r\n\r\n`,
    `GET / HTTP/1.1\r\n${"a".repeat(120)}\r\n\r\n`,
    `GET / HTTP/1.1\r\n${"a:b\r\n".repeat(9)}\r\n`,
    `GET / HTTP/1.1\r\n${"a:b\r\n".repeat(10)}\r\n`,
    `GET / HTTP/1.1\r\n${`a:${"x".repeat(90)}\r\n`.repeat(4)}\r\n`.slice(0, -2) + "\r\n",
    `GET / HTTP/1.1\r\na:${"x".repeat(88)}\r\n${`a:${"x".repeat(90)}\r\n`.repeat(3)}\r\n`,
  ),
  "answer head": heads(
    "HTTP/1.1 101\r\n\r\n",
    "HTTP/1.1 101 \r\n\r\n",
    "HTTP/1.1  101 \r\n\r\n",
    "HTTP/1.1 101  \r\n\r\n",
    "\r\nHTTP/1.1 101 a\r\n\r\n",
    "HTTP/1.1 101 a\n\n",
    "HTTP/1.1 101 a\n\r\n",
    "HTTP/1.1 101 a\rb\r\n\r\n",
    "HTTP/1.1 101 a\0\r\n\r\n",
    "HTTP/1.1 101 a\r\nb: c\r\n d\r\n\r\n",
    "HTTP/1.1 101 a\r\nb : c\r\n\r\n",
    "HTTP/1.1 600 a\r\n\r\n",
    "HTTP/1.1 099 a\r\n\r\n",
    "HTTP/1.10 200 a\r\n\r\n",
    "HTTP/2 200\r\n\r\n",
    "http/1.1 200 a\r\n\r\n",
    "SSH-2.0-x\r\n",
    "\x15\x03\x01\0\x02\x02\x46",
    // A line, a number of lines and a head as long as they may be, and one more.
    `HTTP/1.1 200 ${"x".repeat(107)}\r\n\r\n`,
    `HTTP/1.1 200 ${"x".repeat(108)}\r\n\r\n`,
    `HTTP/1.1 200 ${"x".repeat(108)}\n\r\n`,
    `HTTP/1.1 200 ${"x".repeat(109)}`,
    `HTTP/1.1 200 a\r\na:${"x".repeat(118)}\r\n\r\n`,
    `HTTP/1.1 200 a\r\na:${"x".repeat(119)}\r\n\r\n`,
    `HTTP/1.1 200 a\r\n${"a:b\r\n".repeat(9)}\r\n`,
    `HTTP/1.1 200 a\r\n${"a:b\r\n".repeat(10)}\r\n`,
    `HTTP/1.1 200 a\r\na:${"x".repeat(89)}\r\n${`a:${"x".repeat(90)}\r\n`.repeat(3)}\r\n`,
    `HTTP/1.1 200 a\r\na:${"x".repeat(90)}\r\n${`a:${"x".repeat(90)}\r\n`.repeat(3)}\r\n`,
    `HTTP/1.1 200 a\r\na:${"x".repeat(91)}\r\n${`a:${"x".repeat(90)}\r\n`.repeat(3)}\r\n`,
  ),
  "upgrade response": [
    ...switchings(
      [],
      [["Sec-WebSocket-Protocol", "a"]],
      [["Sec-WebSocket-Protocol", "A"]],
      [["Sec-WebSocket-Protocol", "a"], ["sec-websocket-protocol", "a"]],
      [["Sec-WebSocket-Protocol", "a"], ["Sec-WebSocket-Accept", "x"]],
      [["Sec-WebSocket-Protocol", "a"], ["Upgrade", "websocket"]],
      [["Sec-WebSocket-Protocol", "a"], ["Connection", "close"]],
      [["Sec-WebSocket-Protocol", "a"], ["Content-Length", "0"]],
      [["Sec-WebSocket-Protocol", "a"], ["Content-Length", "1"]],
      [["Sec-WebSocket-Protocol", "a"], ["Transfer-Encoding", "chunked"]],
    ),
    ...agreeing(
      "",
      "; server_max_window_bits=12",
      "; server_max_window_bits=13",
      "; server_max_window_bits=8; client_max_window_bits=8",
      "; server_max_window_bits=12; client_max_window_bits=13",
      "; server_max_window_bits=12; client_max_window_bits",
      '; server_max_window_bits="12"; client_no_context_takeover',
      "; server_max_window_bits=12; server_max_window_bits=12",
      "; server_max_window_bits=12, permessage-deflate; server_max_window_bits=12",
    ),
  ],
  "extensions": values(
    'a; b="c"',
    'a; b="\\c"',
    'a; b="c\\"',
    'a; b="c\\',
    'a; b=""',
    'a; b="c',
    'a; b="c d"',
    'a; b="c,d"',
    "a; b=c=d",
    "a;",
    "a; =b",
    "a b",
    ",",
    "a,",
    ",a",
    "__proto__; constructor=__proto__",
    "a\xa0",
  ),
  "token lists": values("", ",", " , ", "a,,b", "a b", "a;b", "web\tsocket", "websocket\xa0"),
  "frame stream": streams(
    // A text cut within a character, with a Ping in between; and one whose next fragment is wrong.
    `01 82 00 00 00 00 e2 82 89 80 ${KEY} 80 81 00 00 00 00 ac`,
    `01 82 00 00 00 00 e2 82 80 81 00 00 00 00 41`,
    `01 81 00 00 00 00 ed 80 81 00 00 00 00 a0`,
    `01 81 00 00 00 00 f4 80 81 00 00 00 00 90`,
    `81 81 00 00 00 00 f5`,
    // A text that ends within a character, at the end of a fragment and of a message.
    `81 82 00 00 00 00 e2 82`,
    `01 82 00 00 00 00 e2 82 80 80 00 00 00 00`,
    // Lengths in more bytes than they need, and in as many.
    `82 fe 00 7d ${KEY}`,
    `82 fe 00 7e ${KEY} ${"00 ".repeat(126)}`,
    `82 ff 00 00 00 00 00 00 ff ff ${KEY}`,
    `82 ff 00 00 00 00 00 01 00 00 ${KEY}`,
    `82 ff 80 00 00 00 00 00 00 00 ${KEY}`,
    `82 ff 7f ff ff ff ff ff ff ff ${KEY}`,
    // At the limit of a message, and one past it, by one frame and by two.
    `82 fe 01 2c ${KEY} ${"00 ".repeat(300)}`,
    `82 fe 01 2d ${KEY}`,
    `02 81 ${KEY} 00 80 fe 01 2b ${KEY} ${"00 ".repeat(299)}`,
    `02 81 ${KEY} 00 80 fe 01 2c ${KEY}`,
    // At the limit of fragments, and one past it, without bytes, and with one byte.
    `02 80 ${KEY} ${`00 80 ${KEY} `.repeat(4)} 80 80 ${KEY}`,
    `02 80 ${KEY} ${`00 80 ${KEY} `.repeat(5)} 80 80 ${KEY}`,
    `02 81 ${KEY} 00 ${`00 80 ${KEY} `.repeat(5)} 80 80 ${KEY}`,
    `02 81 ${KEY} 00 ${`00 80 ${KEY} `.repeat(6)} 80 80 ${KEY}`,
    // Control frames: too long, fragmented, with RSV1, reserved.
    `89 fe 00 7e ${KEY}`,
    `09 80 ${KEY}`,
    `c9 80 ${KEY}`,
    `8b 80 ${KEY}`,
    // Fragments that begin or continue nothing.
    `80 80 ${KEY}`,
    `01 80 ${KEY} 81 80 ${KEY}`,
    // Not masked.
    `81 00`,
    // Close frames, and what comes behind one.
    `88 80 ${KEY} 89 80 ${KEY}`,
    `88 81 ${KEY} 00`,
    `88 82 00 00 00 00 03 e8 ff`,
    `88 82 00 00 00 00 03 ed`,
    `88 83 00 00 00 00 03 e8 80`,
  ),
  "frame decoder": [
    // Lengths that a number holds, and that it does not.
    { bytes: fromHex("02 7f 00 1f ff ff ff ff ff ff"), role: "client", allowRsv1: false },
    { bytes: fromHex("02 7f 00 20 00 00 00 00 00 01"), role: "client", allowRsv1: false },
    { bytes: fromHex("02 7f 41 ed ed 7f ed 82 82 ed"), role: "client", allowRsv1: true },
    { bytes: fromHex("c1 00 41 00 c0 00"), role: "client", allowRsv1: true },
  ],
  "compressed stream": compressed(
    // RFC 7692, section 7.2.3, and messages behind one another.
    ["f2 48 cd c9 c9 07 00", "f2 00 11 00 00", "f2 00 11 00 00"],
    ["00 05 00 fa ff 48 65 6c 6c 6f 00", "f2 00 11 00 00"],
    ["f3 48 cd c9 c9 07 00 00", "f2 48 cd c9 c9 07 00"],
    ["f2 48 05 00 00 00 ff ff ca c9 c9 07 00"],
    ["", "00", "", "f2 48 cd c9 c9 07 00"],
    // Behind the end of a DEFLATE stream there is no window.
    ["f3 48 cd c9 c9 07 00 00", "f2 00 11 00 00"],
    ["f3 48 cd c9 c9 07 00", "f2 00 11 00 00"],
    // An end at the end of a message, in its tail, and behind it.
    ["f3 48 cd c9 c9 07 00", "", "f3 48 cd c9 c9 07 00"],
    ["03", "03 00", "03 00 00"],
    ["01", "f2 48 cd c9 c9 07 00"],
    ["01 00 00 ff ff", "01 00 00 ff ff 00"],
    // A message that is cut off: the next one goes on with it.
    ["f2 48", "cd c9 c9 07 00"],
    ["00 05 00 fa ff 48", "65"],
    ["04", "00"],
    // No type, no such lengths, no code, too many codes, no end of a block, no such distance.
    ["06"],
    ["00 05 00 00 00"],
    ["fc ff 00 00"],
    ["04 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00"],
    ["04 e0 ff ff ff"],
    ["f2 00 f1 ff ff"],
    ["63 18 05 40 1c c6"],
    // As many ends as there may be, and one more.
    ["03 00 ".repeat(1023)],
    ["03 00 ".repeat(1056)],
    ["03 00 ".repeat(1057)],
    ["03 00 ".repeat(1058)],
    ["03 00 ".repeat(1059)],
  ),
  "UTF-8": bytesOf(
    "",
    "c0 80",
    "c1 bf",
    "c2",
    "e0 9f bf",
    "ed a0 80",
    "ed 9f bf",
    "f0 8f bf bf",
    "f4 8f bf bf",
    "f4 90 80 80",
    "f5 80 80 80",
    "ef bb bf",
    "ef bf bd",
    `${"61 ".repeat(81)} ff`,
    `${"61 ".repeat(200)} e2 82 ac`,
  ),
  "close payload": bytesOf(
    "",
    "03",
    "03 e7",
    "03 e8",
    "03 eb",
    "03 ec",
    "03 ed",
    "03 ee",
    "03 ef",
    "03 f6",
    "03 f7",
    "0b b7",
    "0b b8",
    "13 87",
    "13 88",
    "03 e8 ef bb bf",
    "03 e8 c3",
    `03 e8 ${"61 ".repeat(122)} c3`,
  ),
  "client": answers(
    [SWITCHING, "81 01 56 88 02 03 e8"],
    [SWITCHING, "81 81 37 fa 21 3d 56"],
    [SWITCHING, "88 00 88 00"],
    // A Close within a message that nobody has asked for yet.
    [SWITCHING, "81 01 61 82 01 61 01 02 78 78 00 00 88 02 0b b8"],
    [SWITCHING, ""],
    [SWITCHING.slice(0, -1), ""],
    [`${EARLY.repeat(8)}${SWITCHING}`, "89 00"],
    [`${EARLY.repeat(9)}${SWITCHING}`, "89 00"],
    ["HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno", "00 01"],
    ["HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n", ""],
    ["HTTP/1.1 302 Found\r\nLocation: /a\r\nLocation: /b\r\n\r\n", ""],
    ["HTTP/1.1 302 Found\r\nLocation: //[\r\n\r\n", ""],
    ["", ""],
  ),
  "server": [
    ...conversations(
      `81 81 ${KEY} 56 88 82 00 00 00 00 03 e8`,
      `89 80 ${KEY} 01 82 00 00 00 00 e2 82 80 81 00 00 00 00 41`,
      `02 80 ${KEY} 88 80 ${KEY}`,
    ),
    ...["GET / HTTP/1.1\r\n", "", "\r\n", upgradeRequest({ headers: { Host: ["a", "b"] } })].map(
      (head) => ({ head, bytes: latin1(""), isCalm: true }),
    ),
  ],
};
