/**
 * The `ws` package: the client and the codec most of the world uses.
 *
 * @module
 */

import { createRequire } from "node:module";
import type { WebSocket as WsWebSocket } from "ws";

/** A WebSocket of the `ws` package. */
export type { WsWebSocket };

const require = createRequire(import.meta.url);

/**
 * Loads a file of the `ws` package. By its path, since Bun answers `import "ws"` with an
 * implementation of its own, and since the package exports none of its parts.
 */
export function requireWs(file: "index.js" | `lib/${string}.js`): unknown {
  return require(`../../node_modules/ws/${file}`);
}

/** The class `WebSocket` of the `ws` package. */
export const WebSocket: typeof WsWebSocket = requireWs("index.js") as typeof WsWebSocket;
