/**
 * The opening handshake, from the bytes of the request to those of the response: `deno task bench`. ws
 * leaves most of it to `node:http`, so that nothing stands beside it.
 */

import {
  computeAccept,
  encodeSwitchingProtocols,
  RequestHeadParser,
  validateUpgrade,
} from "../src/handshake/mod.ts";

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

Deno.bench({ name: "parse the request head", group: "handshake", fn: () => void parse() });

const head = parse();
Deno.bench({
  name: "validate the upgrade",
  group: "handshake",
  fn: () => void validateUpgrade(head, { secure: false }),
});

Deno.bench({
  name: "the whole handshake",
  group: "handshake",
  baseline: true,
  async fn() {
    const { key } = validateUpgrade(parse(), { secure: false });
    encodeSwitchingProtocols({ accept: await computeAccept(key) });
  },
});
