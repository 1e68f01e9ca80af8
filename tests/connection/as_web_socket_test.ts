import { describe, it } from "node:test";
import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { clientFrame, closeFrame, type RawClient, textFrame } from "../support/raw_client.ts";
import { TRANSPORTS, withConnection } from "../support/transports.ts";
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

const ERROR = ["error", WebSocket.CLOSED];

for (const { name, withConnection } of TRANSPORTS) {
  describe(`asWebSocket().close() over ${name}`, () => {
    const CALLS: [
      call: [code?: number, reason?: string],
      sent: [code: number | undefined, reason: string],
    ][] = [
      [[], [undefined, ""]],
      [[undefined, ""], [undefined, ""]],
      [[undefined, "a reason"], [1000, "a reason"]],
      [[1000], [1000, ""]],
      // The standard allows browsers 1000 and 3000 to 4999 only.
      [[1001, "going away"], [1001, "going away"]],
      [[1011], [1011, ""]],
      [[1013, "later"], [1013, "later"]],
      [[3000], [3000, ""]],
      [[4999, "€".repeat(41)], [4999, "€".repeat(41)]],
      [[1000.4], [1000, ""]],
    ];
    for (const [call, sent] of CALLS) {
      it(`sends ${JSON.stringify(sent)} for ${JSON.stringify(call)}`, () =>
        withConnection({}, async ({ client, conn }) => {
          const socket = conn.asWebSocket();
          const log = new WebSocketLog(socket);
          socket.close(...call);
          assertEquals(socket.readyState, WebSocket.CLOSING);
          assertEquals(await client.readClose(), sent);
          client.sendClose(4321, "the client's");
          await client.finish();
          // The code is what the peer sent, as the standard has it; `closed` has the first one.
          assertEquals(await log.untilClosed(), [["close", 4321, "the client's", true]]);
          assertEquals(socket.readyState, WebSocket.CLOSED);
          const { closeCode } = await conn.closed;
          assertEquals(closeCode, sent[0] ?? 1005);
        }));
    }

    it("goes behind what was sent, and drops what arrives", () =>
      withConnection({}, async ({ client, conn }) => {
        const socket = conn.asWebSocket();
        const log = new WebSocketLog(socket);
        await log.until(1);
        for (let i = 0; i < 3; i++) socket.send(String(i));
        socket.close(1000);
        client.send(textFrame("dropped"));
        for (let i = 0; i < 3; i++) assertEquals(await client.readMessage(), String(i));
        assertEquals(await client.readClose(), [1000, ""]);
        client.send(textFrame("dropped"), closeFrame(1000));
        await client.finish();
        assertEquals(await log.untilClosed(), [OPEN, ["close", 1000, "", true]]);
      }));

    it("on a message leaves those behind it undelivered", () =>
      withConnection({}, async ({ client, conn }) => {
        const socket = conn.asWebSocket();
        const log = new WebSocketLog(socket);
        socket.onmessage = () => socket.close(1000);
        client.send(textFrame("a"), textFrame("b"), textFrame("c"));
        assertEquals((await client.readClose())[0], 1000);
        client.sendClose(1001);
        await client.finish();
        const close = ["close", 1001, "", true];
        assertEquals(await log.untilClosed(), [OPEN, ["message", "a"], close]);
      }));
  });

  describe(`the end of asWebSocket() over ${name}`, () => {
    const CODES: [code: number | undefined, reason: string, seen: number][] = [
      [1000, "done", 1000],
      [4000, "", 4000],
      [undefined, "", 1005],
    ];
    for (const [code, reason, seen] of CODES) {
      it(`shows a Close frame of ${code}`, () =>
        withConnection({}, async ({ client, conn }) => {
          const log = new WebSocketLog(conn.asWebSocket());
          client.sendClose(code, reason);
          assertEquals(await client.readClose(), [code, ""]);
          await client.finish();
          assertEquals((await log.untilClosed()).at(-1), ["close", seen, reason, true]);
        }));
    }

    it("comes behind all messages, which can be answered", () =>
      withConnection({}, async ({ client, conn }) => {
        const socket = conn.asWebSocket();
        const log = new WebSocketLog(socket);
        const states: number[] = [];
        socket.onmessage = ({ data }) => {
          states.push(socket.readyState);
          socket.send(data);
        };
        const texts = Array.from({ length: 30 }, (_, i) => String(i));
        client.send(...texts.map(textFrame), closeFrame(1000));
        for (const text of texts) assertEquals(await client.readMessage(), text);
        assertEquals(await client.readClose(), [1000, ""]);
        await client.finish();
        assertEquals((await log.untilClosed()).at(-1), ["close", 1000, "", true]);
        assertEquals(log.events.length, texts.length + 2);
        assertEquals(states, texts.map(() => WebSocket.OPEN));
      }));

    const FAULTS: Record<string, (client: RawClient) => void> = {
      "FIN and no Close frame": (client) => client.socket.end(),
      "a reset": (client) => client.socket.reset(),
      "bytes that break the protocol": (client) => client.send(Uint8Array.of(0x81, 0x00)),
    };
    for (const [what, fail] of Object.entries(FAULTS)) {
      it(`is an error, by ${what}`, () =>
        withConnection({}, async ({ client, conn }) => {
          const log = new WebSocketLog(conn.asWebSocket());
          client.sendText("a");
          await log.until(2);
          fail(client);
          await client.readToEnd();
          if (!client.hasSentEnd) client.socket.end();
          const events = [OPEN, ["message", "a"], ERROR, ["close", 1006, "", false]];
          assertEquals(await log.untilClosed(), events);
        }));
    }

    it("is seen where the program closes the connection otherwise", () =>
      withConnection({}, async ({ client, conn }) => {
        const socket = conn.asWebSocket();
        const log = new WebSocketLog(socket);
        void conn.close({ closeCode: 4000 });
        assertEquals(socket.readyState, WebSocket.CLOSING);
        await client.readClose();
        client.sendClose(4000);
        await client.finish();
        assertEquals(await log.untilClosed(), [["close", 4000, "", true]]);
      }));

    it("is seen where the connection has ended before", () =>
      withConnection({}, async ({ client, conn }) => {
        client.sendText("waits");
        await eventually("it", () => conn.stats().messagesReceived === 1);
        conn.abort();
        const socket = conn.asWebSocket();
        assertEquals(socket.readyState, WebSocket.CLOSING);
        const log = new WebSocketLog(socket);
        const events = [["message", "waits"], ERROR, ["close", 1006, "", false]];
        assertEquals(await log.untilClosed(), events);
      }));

    it("comes once, also where nobody listened to the messages", () =>
      withConnection({}, async ({ client, conn }) => {
        const socket = conn.asWebSocket();
        const types: string[] = [];
        for (const type of ["open", "error", "close"]) {
          socket.addEventListener(type, () => types.push(type));
        }
        client.sendText("unheard");
        await eventually("it", () => conn.stats().messagesReceived === 1);
        await settle();
        client.socket.reset();
        await eventually("close", () => types.includes("close"));
        socket.onmessage = () => types.push("message");
        await settle();
        assertEquals(types, ["open", "error", "close"]);
      }));

    it("is a CloseEvent, of the runtime's own class where there is one", () =>
      withConnection({}, async ({ client, conn }) => {
        const closed = new Promise<CloseEvent>((resolve) => {
          conn.asWebSocket().onclose = resolve;
        });
        await client.close();
        const event = await closed;
        assertEquals([event.constructor.name, event.type], ["CloseEvent", "close"]);
        if ("CloseEvent" in globalThis) assertEquals(event.constructor, CloseEvent);
      }));
  });
}

describe("the end of asWebSocket(), by a deadline", () => {
  it("is an error where no Close frame answers", () =>
    withConnection({}, async ({ client, conn, clock }) => {
      const log = new WebSocketLog(conn.asWebSocket());
      conn.asWebSocket().close(1000);
      await client.readClose();
      clock.advance(5000);
      assertEquals(await log.untilClosed(), [ERROR, ["close", 1006, "", false]]);
    }));

  it("comes though messages wait for somebody to hear them", () =>
    withConnection({}, async ({ client, conn, clock }) => {
      const socket = conn.asWebSocket();
      const closed = new Promise<CloseEvent>((resolve) => socket.onclose = resolve);
      client.send(textFrame("unheard"), closeFrame(1000));
      await settle();
      assertEquals([socket.readyState, client.unreadSize], [WebSocket.OPEN, 0]);
      clock.advance(5000);
      assertEquals(await client.readClose(), [1000, ""]);
      await client.finish();
      const { code, wasClean } = await closed;
      assertEquals([code, wasClean], [1000, true]);
    }));
});
