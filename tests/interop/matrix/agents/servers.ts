/**
 * The servers written in JavaScript, as agents: each a function that starts one, over TLS or not, and
 * gives its port.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { createServer, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { request as WebsocketRequest } from "websocket";
import { type Agent, type AgentConnection, type AgentMessage, createAgent } from "./agent.ts";
import { nativeVersion } from "./clients.ts";
import { loadFaye, loadWebsocket, loadWs, versionOf } from "./libraries.ts";
import { websocketAgentSocket, wsAgentSocket } from "./sockets.ts";

/** A certificate and its key, PEM encoded. */
export interface Tls {
  cert: string;
  key: string;
}

function createHttpServer(tls: Tls | undefined): Server {
  return tls === undefined ? createServer() : createTlsServer(tls);
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port));
  });
}

function serveWs(tls: Tls | undefined): Promise<number> {
  const { WebSocketServer } = loadWs();
  const agent = createAgent(versionOf("ws"), "");
  const server = createHttpServer(tls);
  new WebSocketServer({ server, perMessageDeflate: { threshold: 0 }, maxPayload: 0 })
    .on("connection", (socket) => {
      socket.on("error", () => {});
      wsAgentSocket(agent, socket);
    });
  return listen(server);
}

function serveWebsocket(tls: Tls | undefined): Promise<number> {
  const { server: WebSocketServer } = loadWebsocket();
  const agent = createAgent(versionOf("websocket"), "");
  const httpServer = createHttpServer(tls);
  new WebSocketServer({
    httpServer,
    maxReceivedFrameSize: 2 ** 26,
    maxReceivedMessageSize: 2 ** 26,
  }).on("request", (request: WebsocketRequest) => {
    websocketAgentSocket(agent, request.accept());
  });
  return listen(httpServer);
}

function serveFaye(tls: Tls | undefined): Promise<number> {
  const FayeWebSocket = loadFaye();
  const agent = createAgent(versionOf("faye-websocket"), "");
  const server = createHttpServer(tls);
  server.on("upgrade", (request, socket, head) => {
    const webSocket = new FayeWebSocket(request, socket, head);
    openStandard(agent, webSocket, (payload, pong) => webSocket.ping(payload, pong));
  });
  return listen(server);
}

/** Gives a message as all take it: faye-websocket takes bytes as a Buffer only. */
function sendable(message: AgentMessage): string | Buffer<ArrayBuffer> {
  return typeof message === "string" ? message : Buffer.from(message as Uint8Array<ArrayBuffer>);
}

/** Has the agent speak by a WebSocket as the standard has it. */
function openStandard(
  agent: Agent,
  socket: WebSocket,
  ping?: (payload: string, pong: () => void) => void,
): void {
  const conn = agent.open({
    send: (message) => socket.send(sendable(message)),
    close: (closeCode, reason) => socket.close(closeCode, reason),
    ping: ping && ((payload) => ping(payload, () => conn.receivePong(payload))),
  });
  socket.binaryType = "arraybuffer";
  socket.onmessage = ({ data }) =>
    conn.receive(typeof data === "string" ? data : new Uint8Array(data));
  socket.onclose = ({ code, reason }) => conn.receiveClose(code, reason);
}

/** What is used of Deno and of Bun here: the types of the whole of both exclude each other. */
const { Deno, Bun } = globalThis as unknown as {
  Deno: {
    serve(
      options: object,
      handler: (request: Request) => Response,
    ): { addr: { port: number } };
    upgradeWebSocket(request: Request): { socket: WebSocket; response: Response };
  };
  Bun: { serve(options: object): { port: number } };
};

interface BunWebSocket {
  data: { conn?: AgentConnection };
  send(message: AgentMessage, compress: boolean): number;
  ping(payload: string): number;
  close(closeCode?: number, reason?: string): void;
}

function serveDeno(tls: Tls | undefined): Promise<number> {
  const agent = createAgent(nativeVersion(), "");
  const options = { hostname: "127.0.0.1", port: 0, onListen: () => {}, ...tls };
  const server = Deno.serve(options, (request) => {
    const { socket, response } = Deno.upgradeWebSocket(request);
    socket.onopen = () => openStandard(agent, socket);
    return response;
  });
  return Promise.resolve(server.addr.port);
}

function serveBun(tls: Tls | undefined): Promise<number> {
  const agent = createAgent(nativeVersion(), "");
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    tls,
    fetch: (request: Request, server: { upgrade(request: Request, options: object): boolean }) =>
      server.upgrade(request, { data: {} }) ? undefined : new Response("", { status: 400 }),
    websocket: {
      maxPayloadLength: 2 ** 26,
      backpressureLimit: 2 ** 26,
      // With a window of its own: what is shared declines to limit the windows.
      perMessageDeflate: { compress: "dedicated", decompress: "dedicated" },
      open(socket: BunWebSocket) {
        socket.data.conn = agent.open({
          send: (message) => void socket.send(message, true),
          close: (closeCode, reason) => socket.close(closeCode, reason),
          ping: (payload) => void socket.ping(payload),
        });
      },
      message: ({ data }: BunWebSocket, message: AgentMessage) => data.conn!.receive(message),
      pong: ({ data }: BunWebSocket, payload: Uint8Array) => data.conn!.receivePong(`${payload}`),
      close: ({ data }: BunWebSocket, closeCode: number, reason: string) =>
        data.conn!.receiveClose(closeCode, reason),
    },
  });
  return Promise.resolve(server.port);
}

/** Starts the agent on a server by its name. */
export const serverAgents: Record<string, (tls: Tls | undefined) => Promise<number>> = {
  "ws": serveWs,
  "websocket": serveWebsocket,
  "faye-websocket": serveFaye,
  "Deno.upgradeWebSocket": serveDeno,
  "Bun.serve": serveBun,
};
