/**
 * The clients written in JavaScript, as agents: each a function that keeps one connected.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import process from "node:process";
import { createAgent, runStandardAgent } from "./agent.ts";
import {
  type FayeWebSocket,
  loadFaye,
  loadUndici,
  loadWebsocket,
  loadWs,
  versionOf,
  type WebsocketConnection,
} from "./libraries.ts";
import { websocketAgentSocket, wsAgentSocket } from "./sockets.ts";

/** Ends the process: the server is gone. */
const end = () => process.exit();

function runWs(url: string): void {
  const { WebSocket } = loadWs();
  const agent = createAgent(versionOf("ws"), url);
  const connect = () => {
    const socket = new WebSocket(agent.url, { perMessageDeflate: { threshold: 0 }, maxPayload: 0 });
    socket.on("error", () => {});
    socket.once("close", end);
    socket.on("open", () => {
      socket.off("close", end);
      wsAgentSocket(agent, socket);
      socket.on("close", connect);
    });
  };
  connect();
}

function runUndici(url: string): void {
  const { WebSocket } = loadUndici();
  const connect = (url: string) => new WebSocket(url) as unknown as WebSocket;
  runStandardAgent(createAgent(versionOf("undici"), url), connect, end);
}

function runWebsocket(url: string): void {
  const { client: Client } = loadWebsocket();
  const agent = createAgent(versionOf("websocket"), url);
  const connect = () => {
    const client = new Client({ maxReceivedFrameSize: 2 ** 26, maxReceivedMessageSize: 2 ** 26 });
    client.on("connectFailed", end);
    client.on("connect", (connection: WebsocketConnection) => {
      websocketAgentSocket(agent, connection);
      connection.on("close", connect);
    });
    client.connect(agent.url);
  };
  connect();
}

function runFaye(url: string): void {
  const { Client } = loadFaye();
  const connect = (url: string) => {
    const socket = new Client(url);
    const send = socket.send.bind(socket);
    // It takes bytes as a Buffer only.
    socket.send = (message) => send(message instanceof Uint8Array ? Buffer.from(message) : message);
    return socket;
  };
  runStandardAgent(
    createAgent(versionOf("faye-websocket"), url),
    connect,
    end,
    (socket, payload, pong) => (socket as FayeWebSocket).ping(payload, pong),
  );
}

function runNative(url: string): void {
  runStandardAgent(createAgent(nativeVersion(), url), (url) => new WebSocket(url), end);
}

/** Gives the version of the runtime that runs this. */
export function nativeVersion(): string {
  const { deno, bun, node } = process.versions as Record<string, string>;
  return deno ?? bun ?? node;
}

/** Runs the agent on a client by its name. */
export const clientAgents: Record<string, (url: string) => void> = {
  "ws": runWs,
  "undici": runUndici,
  "websocket": runWebsocket,
  "faye-websocket": runFaye,
  "native": runNative,
};
