/** Responses made of what the program gives: nothing in it may end a line, or be taken for another. */

import {
  encodeRefusal,
  encodeResponseHead,
  encodeSwitchingProtocols,
  HandshakeError,
} from "../../src/handshake/mod.ts";
import type { Random } from "../codec/support.ts";
import { asLatin1 } from "./output.ts";
import { check, type Target } from "./target.ts";

const OWN_IN_101 = ["connection", "content-length", "sec-websocket-accept", "transfer-encoding"]
  .concat(["sec-websocket-extensions", "sec-websocket-key", "sec-websocket-protocol"])
  .concat(["sec-websocket-version", "upgrade"]);
const OWN_OTHERWISE = ["connection", "content-length", "keep-alive", "proxy-connection", "te"]
  .concat(["trailer", "transfer-encoding"]);
const NAMES = [
  "X-A",
  "x",
  "Set-Cookie",
  "Date",
  "Upgrade",
  "Content-Type",
  "__proto__",
  ...OWN_IN_101,
]
  .concat(OWN_OTHERWISE);
const PIECES = ["a", " ", "\t", "\r\n", "\r", "\n", "\0", "\x7f", "\x1f", "\x80", "\xff", "\u0100"]
  .concat(["\r\nX: y", "\u010d\u010a", "=", ":", ",", '"', "\ud83d\ude00"]);

const isToken = (text: string) => /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(text);
const isSendable = (text: string) => /^[\t\x20-\x7e\x80-\xff]*$/.test(text);

/** What a response says. */
export interface ResponseInput {
  status: number;
  reason: string;
  protocol: string | undefined;
  headers: [name: string, value: string][];
  contentLength: number | undefined;
}

function makeText(random: Random, clean: string): string {
  let text = clean;
  for (let count = random.below(12) - 9; count > 0; count--) {
    const at = random.below(text.length + 1);
    text = text.slice(0, at) + random.pick(PIECES) + text.slice(at);
  }
  return text;
}

export const RESPONSE_HEADS: Target<ResponseInput> = {
  make: (random) => ({
    status: random.below(4) === 0
      ? random.pick([0, 99, 100, 101, 199, 200, 204, 399, 400, 426, 599, 600, 200.5, NaN])
      : 200 + random.below(400),
    reason: random.below(2) === 0 ? "" : makeText(random, "Reason"),
    protocol: random.below(2) === 0 ? undefined : makeText(random, "chat"),
    headers: Array.from(
      { length: random.below(4) },
      () => [makeText(random, random.pick(NAMES)), makeText(random, "value")],
    ),
    contentLength: random.below(2) === 0
      ? undefined
      : random.pick([0, 5, 2 ** 53 - 1, 2 ** 53, -1, 1.5, NaN, Infinity]),
  }),

  check(input) {
    const { status, reason, protocol, headers, contentLength } = input;
    const fieldsFit = headers.every(([name, value]) => isToken(name) && isSendable(value));
    const lowerNames = headers.map(([name]) => name.toLowerCase());
    const accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
    const date = new Date(0);

    const isFor101 = fieldsFit && (protocol === undefined || isToken(protocol)) &&
      !lowerNames.some((name) => OWN_IN_101.includes(name));
    compare(
      input,
      () => encodeSwitchingProtocols({ accept, protocol, headers }),
      isFor101 ? undefined : ["TypeError"],
      () => [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        `Sec-WebSocket-Accept: ${accept}`,
        ...protocol === undefined ? [] : [`Sec-WebSocket-Protocol: ${protocol}`],
        ...headers.map(([name, value]) => `${name}: ${value}`),
      ],
    );

    const isStatus = Number.isInteger(status) && status >= 200 && status <= 599;
    const isLength = contentLength === undefined ||
      (Number.isSafeInteger(contentLength) && contentLength >= 0);
    const passed = headers.filter(([name]) => !OWN_OTHERWISE.includes(name.toLowerCase()));
    const passedFit = passed.every(([name, value]) => isToken(name) && isSendable(value));
    const errors = [
      ...isStatus && isLength ? [] : ["RangeError"],
      ...isSendable(reason) && passedFit ? [] : ["TypeError"],
    ];
    compare(
      input,
      () => encodeResponseHead(status, reason, headers, { contentLength, date }),
      errors.length > 0 ? errors : undefined,
      (lines) => [
        // The phrases are the registry's.
        reason === "" && lines[0].startsWith(`HTTP/1.1 ${status} `)
          ? lines[0]
          : `HTTP/1.1 ${status} ${reason}`,
        `Connection: close${lowerNames.includes("upgrade") ? ", Upgrade" : ""}`,
        ...contentLength === undefined ? [] : [`Content-Length: ${contentLength}`],
        ...lowerNames.includes("date") ? [] : ["Date: Thu, 01 Jan 1970 00:00:00 GMT"],
        ...passed.map(([name, value]) => `${name}: ${value}`),
      ],
    );
    checkRefusal(input, date, passedFit);
    return isFor101 ? "accepted" : "refused";
  },
};

function checkRefusal({ status, reason, headers }: ResponseInput, date: Date, fit: boolean): void {
  if (!(Number.isInteger(status) && status >= 400 && status <= 599) || !fit) return;
  const error = new HandshakeError(status, reason, headers);
  const bytes = encodeRefusal(error, { date });
  const text = asLatin1(bytes);
  const end = text.indexOf("\r\n\r\n") + 4;
  const body = bytes.subarray(end);
  const isOneLine = body.indexOf(0x0a) === body.length - 1 && !body.includes(0x0d);
  check(isOneLine, () => JSON.stringify(text));
  const length = /\r\nContent-Length: ([0-9]+)\r\n/.exec(text.slice(0, end));
  check(Number(length?.[1]) === body.length, () => JSON.stringify(text));
  const toHead = asLatin1(encodeRefusal(error, { date, isHead: true }));
  check(toHead === text.slice(0, end), () => JSON.stringify(toHead));
}

/** Compares a head's lines, or the error, with those expected. */
function compare(
  input: ResponseInput,
  encode: () => Uint8Array,
  errors: string[] | undefined,
  expect: (lines: string[]) => string[],
): void {
  const message = () => JSON.stringify(input);
  let bytes;
  try {
    bytes = encode();
  } catch (error) {
    if (!(error instanceof TypeError) && !(error instanceof RangeError)) throw error;
    check(errors !== undefined && errors.includes(error.name), () => `${error}: ${message()}`);
    return;
  }
  check(errors === undefined, () => `no error: ${message()}`);
  const text = asLatin1(bytes);
  const lines = text.split("\r\n");
  const expected = [...expect(lines), "", ""];
  check(
    text === expected.join("\r\n") && !/\r(?!\n)|[^\r]\n/.test(text),
    () => `${JSON.stringify(text)} instead of ${JSON.stringify(expected)}`,
  );
}
