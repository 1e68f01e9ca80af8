/** `crossws` on Node, upon its copy of `ws`. */

import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { announce, maxMessageSize } from "./arguments.ts";
import { loadAdapter } from "./crossws.ts";

interface NodeAdapter {
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Uint8Array): void;
}

const adapter = await loadAdapter<NodeAdapter>("node", {
  serverOptions: {
    perMessageDeflate: false,
    ...(maxMessageSize === undefined ? {} : { maxPayload: maxMessageSize }),
  },
});
const server = createServer();
server.on("upgrade", adapter.handleUpgrade);
server.listen(0, "127.0.0.1", () => announce((server.address() as AddressInfo).port));
