import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { closeFrame, type RawClient, textFrame } from "../support/raw_client.ts";
import { TRANSPORTS, withConnection } from "../support/transports.ts";
import { settle } from "../support/turn.ts";
import { eventually } from "../support/waiter.ts";
import { WebSocketLog } from "./web_socket_log.ts";

const OPEN = ["open"];
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
