/**
 * The WebSockets of libraries that are the same on both sides, and not as the standard has them.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import type { WebSocket as WsWebSocket } from "ws";
import type { Agent, AgentMessage } from "./agent.ts";
import type { WebsocketConnection } from "./libraries.ts";

/** Has the agent speak by a WebSocket of `ws`. */
export function wsAgentSocket(agent: Agent, socket: WsWebSocket): void {
  const conn = agent.open({
    send: (message) => socket.send(message),
    close: (closeCode, reason) => socket.close(closeCode, reason),
    sendFragments: (parts) =>
      parts.forEach((part, i) => socket.send(part, { fin: i === parts.length - 1 })),
    ping: (payload) => socket.ping(payload),
  });
  socket.on("message", (data: Uint8Array, isBinary: boolean) => {
    conn.receive(isBinary ? data : new TextDecoder("utf-8", { ignoreBOM: true }).decode(data));
  });
  socket.on("pong", (payload: Uint8Array) => conn.receivePong(`${payload}`));
  socket.on("close", (closeCode: number, reason: Uint8Array) => {
    conn.receiveClose(closeCode, `${reason}`);
  });
}

/** Has the agent speak by a connection of `websocket`. */
export function websocketAgentSocket(agent: Agent, connection: WebsocketConnection): void {
  const send = (message: AgentMessage) =>
    typeof message === "string"
      ? connection.sendUTF(message)
      : connection.sendBytes(Buffer.from(message));
  const conn = agent.open({
    send,
    // It cuts by size, whatever it is cut into here, and also within characters.
    sendFragments(parts) {
      const message = typeof parts[0] === "string"
        ? parts.join("")
        : Buffer.concat(parts as Uint8Array[]);
      const { config } = connection;
      const { fragmentationThreshold } = config;
      config.fragmentationThreshold = Math.ceil(message.length / 3);
      send(message);
      config.fragmentationThreshold = fragmentationThreshold;
    },
    close: (closeCode, reason) => connection.close(closeCode, reason),
    ping: (payload) => connection.ping(payload),
  });
  connection.on("message", (message) => {
    conn.receive(message.type === "utf8" ? message.utf8Data : message.binaryData);
  });
  connection.on("pong", (payload: Uint8Array) => conn.receivePong(`${payload}`));
  connection.on("close", (closeCode, reason) => conn.receiveClose(closeCode, reason));
}
