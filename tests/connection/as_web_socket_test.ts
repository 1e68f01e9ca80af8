import { describe, it } from "node:test";
import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { clientFrame, closeFrame, textFrame } from "../support/raw_client.ts";
import { TRANSPORTS } from "../support/transports.ts";
import { settle } from "../support/turn.ts";
import { eventually } from "../support/waiter.ts";
import { WebSocketLog } from "./web_socket_log.ts";

const OPEN = ["open"];
const message = (data: unknown) => ["message", data];

for (const { name, withServer, withConnection } of TRANSPORTS) {
  describe(`asWebSocket() over ${name}: the attributes`, () => {
    it("are those of an open WebSocket", () =>
      withServer({
        upgrade: () => ({ protocol: "chat" }),
        compression: true,
        origin: "any",
      }, async (server) => {
        const { conn } = await server.openPair({
          target: "/path?query",
          headers: {
            "Sec-WebSocket-Protocol": "chat",
            "Sec-WebSocket-Extensions": "permessage-deflate",
          },
        });
        const socket = conn.asWebSocket();
        assertInstanceOf(socket, EventTarget);
        assertEquals(String(socket), "[object WebSocket]");
        assertEquals(socket.url, conn.request.url.replace("http:", "ws:"));
        assertEquals(new URL(socket.url).pathname + new URL(socket.url).search, "/path?query");
        assertEquals([socket.protocol, socket.extensions], ["chat", conn.extensions]);
        assert(socket.extensions.startsWith("permessage-deflate"));
        assertEquals([socket.readyState, socket.bufferedAmount], [WebSocket.OPEN, 0]);
        const { onopen, onmessage, onerror, onclose } = socket;
        assertEquals([onopen, onmessage, onerror, onclose], [null, null, null, null]);
      }));

    it("are the same object's each time", () =>
      withConnection({}, ({ conn }) => {
        assert(conn.asWebSocket() === conn.asWebSocket());
      }));

    it("have the constants on class and instance", () =>
      withConnection({}, ({ conn }) => {
        const socket = conn.asWebSocket();
        const constants = ({ CONNECTING, OPEN, CLOSING, CLOSED }: typeof WebSocket | WebSocket) => [
          CONNECTING,
          OPEN,
          CLOSING,
          CLOSED,
        ];
        assertEquals(constants(socket), constants(WebSocket));
        assertEquals(constants(socket.constructor as typeof WebSocket), constants(WebSocket));
      }));

    it("take no other binaryType than the standard's", () =>
      withConnection({}, ({ conn }) => {
        const socket = conn.asWebSocket();
        assertEquals(socket.binaryType, "blob");
        socket.binaryType = "arraybuffer";
        for (const other of ["uint8array", "nodebuffer", "", undefined]) {
          socket.binaryType = other as BinaryType;
          assertEquals(socket.binaryType, "arraybuffer");
        }
        socket.binaryType = "blob";
        assertEquals(socket.binaryType, "blob");
      }));
  });

  describe(`asWebSocket() over ${name}: messages`, () => {
    it("come in order, behind open, also those from before", () =>
      withConnection({}, async ({ client, conn }) => {
        client.send(textFrame("a"), textFrame("b"));
        await eventually("them", () => conn.stats().messagesReceived === 2);
        const log = new WebSocketLog(conn.asWebSocket());
        assertEquals(log.events, []);
        await log.until(3);
        client.send(textFrame(""), textFrame("d"), closeFrame(1000, "bye"));
        assertEquals(await client.readClose(), [1000, ""]);
        await client.finish();
        const close = ["close", 1000, "bye", true];
        assertEquals(
          await log.untilClosed(),
          [OPEN, message("a"), message("b"), message(""), message("d"), close],
        );
      }));

    it("are MessageEvents, whose origin is the URL's", () =>
      withConnection({}, async ({ client, conn }) => {
        const socket = conn.asWebSocket();
        const events: MessageEvent[] = [];
        socket.onmessage = (event) => events.push(event);
        client.sendText("a");
        await eventually("it", () => events.length === 1);
        assertInstanceOf(events[0], MessageEvent);
        assertEquals(events[0].origin, new URL(socket.url).origin);
        assertEquals([events[0].type, events[0].target], ["message", socket as EventTarget]);
      }));

    it("are of the binaryType at the time they are delivered", () =>
      withConnection({}, async ({ client, conn }) => {
        const socket = conn.asWebSocket();
        const received: unknown[] = [];
        socket.onmessage = ({ data }) => {
          received.push(data);
          socket.binaryType = "arraybuffer";
        };
        const frames = [3, 5, 3000, 3000, 0, 100_000].map((size) =>
          clientFrame({ opcode: 2, payload: new Uint8Array(size).fill(size) })
        );
        // In one chunk: the connection gives views of it.
        client.send(...frames.slice(0, 4));
        for (const frame of frames.slice(4)) client.send(frame);
        await eventually("them", () => received.length === 6);
        const [blob, ...buffers] = received;
        assertInstanceOf(blob, Blob);
        assertEquals(new Uint8Array(await blob.arrayBuffer()), Uint8Array.of(3, 3, 3));
        for (const [index, size] of [5, 3000, 3000, 0, 100_000].entries()) {
          const buffer = buffers[index];
          assertInstanceOf(buffer, ArrayBuffer);
          assertEquals(buffer.byteLength, size);
          assert(new Uint8Array(buffer).every((byte) => byte === (size & 0xff)));
        }
      }));

    it("come one at a time, when all that follows from the last one is done", () =>
      withConnection({}, async ({ client, conn }) => {
        const socket = conn.asWebSocket();
        const next = () =>
          new Promise<unknown>((resolve) => {
            socket.addEventListener("message", ({ data }) => resolve(data), { once: true });
          });
        client.send(...Array.from({ length: 50 }, (_, i) => textFrame(String(i))));
        for (let i = 0; i < 50; i++) {
          assertEquals(await next(), String(i));
          // A chain of promises, as in any library, before it listens again.
          for (let step = 0; step < i; step++) await Promise.resolve();
        }
      }));

    it("wait for the first who listens to them", () =>
      withConnection({}, async ({ client, conn }) => {
        const socket = conn.asWebSocket();
        socket.onclose = socket.onopen = () => {};
        client.send(...Array.from({ length: 40 }, (_, i) => textFrame(String(i))));
        await settle();
        await eventually("a full queue", () => conn.stats().receiveQueueLength === 16);
        const log = new WebSocketLog(socket);
        await log.until(40);
        assertEquals(log.events, Array.from({ length: 40 }, (_, i) => message(String(i))));
      }));

    it("are dropped where nobody listens any more, as the standard's are", () =>
      withConnection({}, async ({ client, conn }) => {
        const socket = conn.asWebSocket();
        const received: unknown[] = [];
        socket.onmessage = ({ data }) => {
          received.push(data);
          socket.onmessage = null;
        };
        client.send(textFrame("a"), textFrame("dropped"));
        await client.sendPing();
        await client.readPong();
        await eventually("both", () => conn.stats().receiveQueueLength === 0);
        await settle();
        socket.onmessage = ({ data }) => received.push(data);
        client.sendText("b");
        await eventually("the last", () => received.length === 2);
        assertEquals(received, ["a", "b"]);
      }));

    it("slow the client down while one is being handled", () =>
      withConnection({ limits: { receiveQueueMessages: 2 } }, async ({ client, conn }) => {
        const socket = conn.asWebSocket();
        let most = 0;
        let count = 0;
        socket.onmessage = () => {
          count++;
          most = Math.max(most, conn.stats().receiveQueueLength);
        };
        client.send(...Array.from({ length: 200 }, () => textFrame("x")));
        await eventually("all", () => count === 200);
        assert(most <= 2, `${most} waited`);
      }));
  });

  describe(`asWebSocket() over ${name}: listeners`, () => {
    it("of the open event include one set on it", () =>
      withConnection({}, async ({ client, conn }) => {
        client.sendText("a");
        const socket = conn.asWebSocket();
        const received: unknown[] = [];
        socket.onopen = () => {
          received.push(socket.readyState);
          socket.onmessage = ({ data }) => received.push(data);
        };
        await eventually("both", () => received.length === 2);
        assertEquals(received, [WebSocket.OPEN, "a"]);
      }));
  });
}
