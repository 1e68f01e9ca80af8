/** Requests as the parser gives them: upgrades that are valid, with fields changed. */

import {
  HandshakeError,
  isUpgrade,
  parseContentLength,
  RequestHead,
  selectSubprotocol,
  toRequest,
  validateUpgrade,
} from "../../src/handshake/mod.ts";
import { RetainedRequest } from "../../src/http1/retained_request.ts";
import type { Random } from "../codec/support.ts";
import { type Fields, mutateFields } from "./fields.ts";
import {
  isMeantAsUpgrade,
  readContentLength,
  readUpgrade,
  type UpgradeInput,
  valuesOf,
} from "./reference_upgrade.ts";
import { check, type Target } from "./target.ts";

const HOSTS = [
  "example.com",
  "EXAMPLE.com:80",
  "example.com:443",
  "example.com:",
  "example.com:8080",
  "example.com:00080",
  "example.com:65535",
  "example.com:65536",
  "example.com:-1",
  "example.com:+80",
  "a@example.com",
  "example.com/",
  "example.com.",
  "127.0.0.1",
  "127.1",
  "0x7f.0.0.1",
  "127.0.0.01",
  "127.0.0.256",
  "1.2.3.4.5",
  "1.2.3.4.",
  "1..",
  "0x",
  "a.0xg",
  "a.09",
  "..",
  "",
  ":80",
  "[::1]",
  "[::1]:80",
  "[2001:DB8::0:1]:8080",
  "[1:2:3:4:5:6:7:8]",
  "[1:0:0:4:0:0:0:8]",
  "[1::3:4:5:6:7:8]",
  "[::ffff:1.2.3.4]",
  "[::1.2.3.256]",
  "[::1%25eth0]",
  "[v1.a]",
  "[::1",
  "[::1]a",
  "[1:2:3:4:5:6:7:8:9]",
  "[:1]",
  "[1:]",
  "[]",
  "a_b~!$&'()*+,;=",
  `${"x".repeat(255)}:80`,
  "x".repeat(256),
  "ex ample.com",
  "ex%61mple.com",
  "ex\xe4mple.com",
];
const TARGETS = [
  "/",
  '/chat?room={1}|"<>\\^`',
  "*",
  "",
  "example.com:80",
  "/#",
  "//",
  "/%zz",
  "\\",
];
const KEYS = [
  "dGhlIHNhbXBsZSBub25jZQ==",
  "AAAAAAAAAAAAAAAAAAAAAA==",
  "AAAAAAAAAAAAAAAAAAAAAB==",
  "AAAAAAAAAAAAAAAAAAAAAA=",
  "AAAAAAAAAAAAAAAAAAAAAA",
  "AAAAAAAAAAAAAAAAAAAAAAA=",
  "AAAAAAAAAAAAAAAAAAAAAAAA",
  "AAAAAAAAAAAA AAAAAAAAA==",
  "AAAAAAAAAAAAAAAAAAAA_w==",
  "",
];
const VALUES: Record<string, readonly string[]> = {
  Upgrade: [
    "websocket",
    "WebSocket",
    "h2c, websocket",
    "websockets",
    "",
    "web socket",
    "websocket/13",
  ],
  Connection: [
    "Upgrade",
    "keep-alive, upgrade",
    "keep-alive",
    "close",
    "",
    ",",
    "Upgrade;",
    "upgrade,,",
  ],
  "Sec-WebSocket-Version": ["13", "8", "13, 8", "013", "", "1\t3"],
  "Sec-WebSocket-Key": KEYS,
  "Sec-WebSocket-Protocol": ["chat", "chat, superchat", "chat, chat", "", ",", "a b", "Chat, chat"],
  "Sec-WebSocket-Extensions": [
    "permessage-deflate",
    "a; b=c",
    'a; b="c"',
    "",
    ",",
    "a;",
    'a; b="c',
  ],
  "Content-Length": ["0", "00", "5", "-1", "+0", "0, 0", "0x0", "1e1", "9007199254740991"]
    .concat(["9007199254740992", "", "5 5"]),
  "Transfer-Encoding": ["chunked", "identity", "", "xchunked", "chunked, chunked"]
    .concat(["gzip, chunked", "Chunked", "chunked, gzip", "chunked;q=1", ", chunked,"]),
  Cookie: ["a=b", "c=d"],
  __proto__: ["x"],
  constructor: ["x"],
};

function makeOrigin(random: Random, host: string): string {
  const scheme = random.pick(["http://", "http://", "https://", "HTTP://", "ws://", "", "null"]);
  return scheme + random.pick([host, host, random.pick(HOSTS), "example.com/", "EXAMPLE.com:80"]);
}

function makeUpgrade(random: Random): UpgradeInput {
  const host = random.below(3) === 0 ? random.pick(HOSTS) : random.pick(HOSTS.slice(0, 6));
  let fields: Fields = [
    ["Host", host],
    ["Upgrade", random.pick(VALUES.Upgrade.slice(0, 3))],
    ["Connection", random.pick(VALUES.Connection.slice(0, 2))],
    ["Sec-WebSocket-Version", "13"],
    ["Sec-WebSocket-Key", random.pick(KEYS.slice(0, 2))],
  ];
  for (const name of ["Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions"]) {
    if (random.below(3) === 0) fields.push([name, random.pick(VALUES[name].slice(0, 2))]);
  }
  if (random.below(2) === 0) fields.push(["Origin", makeOrigin(random, host)]);
  for (let count = random.below(5) - 2; count > 0; count--) {
    fields = mutateFields(fields, random, VALUES, HOSTS);
  }
  let target = random.pick(TARGETS.slice(0, 2));
  if (random.below(6) === 0) {
    const scheme = random.pick(["http://", "HTTPS://", "https://", "ftp://", "http:/"]);
    target = scheme + random.pick([host, host, random.pick(HOSTS)]) + random.pick(["", "/a", "?b"]);
  } else if (random.below(8) === 0) target = random.pick(TARGETS);
  return {
    method: random.below(16) === 0 ? random.pick(["POST", "get", "CONNECT", "HEAD", "X"]) : "GET",
    target,
    fields,
    secure: random.below(3) === 0,
    origin: random.pick(["same", "same", "any", [`http://${host}`, "https://a"]]),
  };
}

export const UPGRADE_REQUESTS: Target<UpgradeInput> = {
  make: makeUpgrade,

  check(input) {
    const { method, target, fields, secure, origin } = input;
    const head = new RequestHead(method, target, fields);
    const message = () => JSON.stringify(input);
    check(isUpgrade(head) === isMeantAsUpgrade(input), message);

    const length = refusable(() => parseContentLength(head));
    const expectedLength = readContentLength(input);
    if ("statuses" in expectedLength) {
      check("status" in length && expectedLength.statuses.has(length.status), message);
    } else check("value" in length && length.value === expectedLength.length, message);

    const outcome = refusable(() => validateUpgrade(head, { origin, secure }));
    const expected = readUpgrade(input);
    if ("statuses" in expected) {
      check(
        "status" in outcome && expected.statuses.has(outcome.status),
        () => `${JSON.stringify(outcome)} instead of ${[...expected.statuses]}: ${message()}`,
      );
      return `refused ${outcome.status}`;
    }
    check("value" in outcome, () => `${JSON.stringify(outcome)}: ${message()}`);
    const { value } = outcome;
    check(
      value.version === 13 && value.host === expected.host && value.key === expected.key &&
        value.origin === expected.origin &&
        value.subprotocols.join() === expected.subprotocols.join() &&
        JSON.stringify(value.extensions) === JSON.stringify(expected.extensions),
      () => `${JSON.stringify(value)} instead of ${JSON.stringify(expected)}: ${message()}`,
    );
    checkRequest(input, head, value.host);
    for (const selected of ["chat", "superchat", "", "Chat", undefined]) {
      const isAllowed = selected === undefined || value.subprotocols.includes(selected);
      check(isAllowed === isSelectable(selected, value.subprotocols), message);
    }
    return "accepted";
  },
};

/** Checks the requests that user code is given. */
function checkRequest(input: UpgradeInput, head: RequestHead, host: string): void {
  const { secure, fields } = input;
  const message = () => JSON.stringify(input);
  const made = refusable(() => toRequest(head, { secure }));
  const kept = refusable(() => new RetainedRequest(head, secure).get(toRequest));
  // Some names of hosts are not those of URLs.
  if ("status" in made || "status" in kept) {
    check("status" in made && "status" in kept && made.status === 400, message);
    return;
  }
  for (const { value: request } of [made, kept]) {
    check(new URL(request.url).host === host && request.method === "GET", message);
    check(request.url.startsWith(secure ? "https://" : "http://"), message);
    for (const [name] of fields) {
      const separator = name.toLowerCase() === "cookie" ? "; " : ", ";
      check(request.headers.get(name) === valuesOf(input, name).join(separator), message);
    }
  }
}

function isSelectable(selected: string | undefined, offered: readonly string[]): boolean {
  try {
    return selectSubprotocol(selected, offered) === selected;
  } catch (error) {
    if (error instanceof TypeError) return false;
    throw error;
  }
}

function refusable<T>(run: () => T): { value: T } | { status: number } {
  try {
    return { value: run() };
  } catch (error) {
    if (!(error instanceof HandshakeError)) throw error;
    check(!/[\r\n]/.test(error.message), () => "a reason of several lines");
    return { status: error.status };
  }
}
