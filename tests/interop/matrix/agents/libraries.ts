/**
 * The libraries of npm, loaded by their paths: Bun answers for some by their names with
 * implementations of its own.
 *
 * @module
 */

import { createRequire } from "node:module";
import type * as Undici from "undici";
import type { client as Client, connection as Connection, server as Server } from "websocket";
import type * as Ws from "ws";

const require = createRequire(import.meta.url);
const FOLDER = "../../../../node_modules";

/** Gives the version that is installed. */
export function versionOf(name: string): string {
  return require(`${FOLDER}/${name}/package.json`).version;
}

/** The package `ws`. */
export function loadWs(): typeof Ws {
  return require(`${FOLDER}/ws/index.js`);
}

/** The package `undici`. */
export function loadUndici(): typeof Undici {
  return require(`${FOLDER}/undici/index.js`);
}

/** A connection of the package `websocket`. */
export type WebsocketConnection = Connection;

/** The package `websocket`. */
export function loadWebsocket(): { client: typeof Client; server: typeof Server } {
  return require(`${FOLDER}/websocket/index.js`);
}

/** A WebSocket of `faye-websocket`, which has no types. */
export interface FayeWebSocket extends WebSocket {
  ping(payload: string, pong: () => void): void;
}

/** The package `faye-websocket`. */
export function loadFaye(): {
  new (
    request: unknown,
    socket: unknown,
    head: unknown,
    protocols?: string[],
    options?: object,
  ): FayeWebSocket;
  Client: { new (url: string, protocols?: string[], options?: object): FayeWebSocket };
} {
  return require(`${FOLDER}/faye-websocket/lib/faye/websocket.js`);
}
