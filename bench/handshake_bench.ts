/**
 * The opening handshake, from the bytes of the request to those of the response: `deno task bench`. ws
 * leaves most of it to `node:http`; the key is what can stand side by side.
 */

import { assertEquals } from "@std/assert";
import {
  computeAccept,
  encodeSwitchingProtocols,
  RequestHeadParser,
  validateUpgrade,
} from "../src/handshake/mod.ts";
import { benchSideBySide, nameGroup } from "./side_by_side.ts";
import { computeAcceptAsWs } from "./ws_codec.ts";

const bytes = new TextEncoder().encode(
  "GET /chat?room=1 HTTP/1.1\r\n" +
    "Host: server.example.com\r\n" +
    "Connection: Upgrade\r\n" +
    "Pragma: no-cache\r\n" +
    "Cache-Control: no-cache\r\n" +
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) " +
    "Chrome/150.0.0.0 Safari/537.36\r\n" +
    "Upgrade: websocket\r\n" +
    "Origin: http://server.example.com\r\n" +
    "Sec-WebSocket-Version: 13\r\n" +
    "Accept-Encoding: gzip, deflate, br, zstd\r\n" +
    "Accept-Language: en-GB,en;q=0.9\r\n" +
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
    "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n",
);

function parse() {
  const parser = new RequestHeadParser();
  parser.push(bytes);
  return parser.head!;
}

const head = parse();
const { key } = validateUpgrade(head, { secure: false });
const size = bytes.length;

Deno.bench({
  name: "Sluice",
  group: nameGroup("upgrade", size, "parse the request head"),
  fn: () => void parse(),
});

Deno.bench({
  name: "Sluice",
  group: nameGroup("upgrade", size, "validate the request"),
  fn: () => void validateUpgrade(head, { secure: false }),
});

assertEquals(await computeAccept(key), computeAcceptAsWs(key));
benchSideBySide(
  nameGroup("upgrade", size, "compute Sec-WebSocket-Accept"),
  async () => void await computeAccept(key),
  () => void computeAcceptAsWs(key),
);

Deno.bench({
  name: "Sluice",
  group: nameGroup("upgrade", size, "the whole handshake"),
  async fn() {
    const { key } = validateUpgrade(parse(), { secure: false });
    encodeSwitchingProtocols({ accept: await computeAccept(key) });
  },
});
