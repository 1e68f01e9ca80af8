import { describe, it } from "node:test";
import { assert, assertEquals, assertThrows } from "@std/assert";
import type { CloseInfo, Connection } from "../../src/server/mod.ts";
import { assertEnd } from "../support/end.ts";
import { clientFrame, closeFrame, type RawClient, textFrame, utf8 } from "../support/raw_client.ts";
import { isReferenceCloseCode, REFERENCE_OPCODES } from "../support/reference_frames.ts";
import { TRANSPORTS } from "../support/transports.ts";
import { settle } from "../support/turn.ts";
import { eventually } from "../support/waiter.ts";
import { watch } from "../support/watch.ts";

const { close } = REFERENCE_OPCODES;

for (const { name, withServer, withConnection } of TRANSPORTS) {
  describe(`close() over ${name}`, () => {
    it("sends 1000, waits for the client's Close frame, and ends TCP", () =>
      withConnection({}, async ({ client, conn }) => {
        assertEquals(conn.state, "open");
        const closed = watch(conn.close());
        assertEquals(conn.state, "closing");
        assertEquals(await client.readClose(), [1000, ""]);
        await settle();
        // The server waits for the client before it ends its direction.
        assertEquals([closed.state, client.hasEnded], ["pending", false]);
        client.sendClose(1000);
        assertEquals((await client.readToEnd()).length, 0);
        assertEquals(closed.state, "pending");
        client.socket.end();
        await closed.untilSettled();
        assertEquals(conn.state, "closed");
        assertEquals(closed.value, {
          closeCode: 1000,
          reason: "",
          wasClean: true,
          initiator: "local",
        });
      }));

    it("returns what conn.closed is, whenever it is asked for", () =>
      withConnection({}, async ({ client, conn }) => {
        const promises = [conn.closed, conn.close(), conn.closed, conn.close()];
        await client.close();
        promises.push(conn.closed, conn.close());
        assertEquals(new Set(promises).size, 1);
        await promises[0];
      }));

    it("gives conn.closed also where that is asked for only afterwards", () =>
      withConnection({}, async ({ client, conn }) => {
        client.sendClose(3456, "why");
        await client.readClose();
        await client.finish();
        await eventually("the end", () => conn.state === "closed");
        await assertEnd(conn, {
          closeCode: 3456,
          reason: "why",
          wasClean: true,
          initiator: "remote",
        });
      }));

    it("keeps its own code, whatever the client answers", () =>
      withConnection({}, async ({ client, conn }) => {
        void conn.close({ closeCode: 4001, reason: "mine" });
        assertEquals(await client.readClose(), [4001, "mine"]);
        client.sendClose(4002, "yours");
        await client.finish();
        await assertEnd(conn, {
          closeCode: 4001,
          reason: "mine",
          wasClean: true,
          initiator: "local",
        });
      }));

    it("does nothing the second time", () =>
      withConnection({}, async ({ client, conn }) => {
        void conn.close({ closeCode: 4001 });
        void conn.close({ closeCode: 4002 });
        await client.answerClose(4001);
        void conn.close({ closeCode: 4003 });
        assertEquals((await conn.closed).closeCode, 4001);
      }));

    it("sends what was sent before it", () =>
      withConnection({}, async ({ client, conn }) => {
        void conn.send("a");
        void conn.send("b".repeat(100_000));
        void conn.close();
        assertEquals(await client.readMessage(), "a");
        assertEquals((await client.readMessage()).length, 100_000);
        assertEquals(await client.readClose(), [1000, ""]);
      }));

    it("drops what the client sends until its Close frame, whatever it is", () => {
      const received: unknown[] = [];
      const message = (_: unknown, data: unknown) => void received.push(data);
      return withConnection(
        { message, limits: { maxMessageSize: 100_000 } },
        async ({ client, conn }) => {
          client.send(clientFrame({ opcode: 1, payload: utf8("begun"), fin: false }));
          client.sendPing();
          await client.readPong();
          void conn.close();
          await client.readClose();
          client.send(clientFrame({ opcode: 0, payload: utf8("ended") }));
          for (let i = 0; i < 50; i++) client.sendBinary(new Uint8Array(100_000));
          client.sendClose(1000);
          await client.finish();
          assertEquals((await conn.closed).wasClean, true);
          assertEquals(received, []);
        },
      );
    });

    it("crosses the client's Close frame: both were first", () =>
      withConnection({}, async ({ client, conn }) => {
        client.sendClose(4002);
        void conn.close({ closeCode: 4001 });
        const [code] = await client.readClose();
        // On sockets, the client's frame comes later than close().
        assert(code === 4001 || code === 4002);
        await client.finish();
        await assertEnd(conn, { closeCode: code, wasClean: true });
      }));

    for (const closeCode of [1000, 1001, 1003, 1007, 1014, 3000, 4999]) {
      it(`takes the code ${closeCode}`, () =>
        withConnection({}, async ({ client, conn }) => {
          void conn.close({ closeCode });
          assertEquals(await client.readClose(), [closeCode, ""]);
        }));
    }

    const BAD_CODES = [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65536, -1, 1000.5, NaN];
    it("refuses codes that may not be sent, and goes on", () =>
      withConnection({}, async ({ client, conn }) => {
        for (const closeCode of [...BAD_CODES, "1000" as never, null as never]) {
          const ErrorClass = typeof closeCode === "number" ? RangeError : TypeError;
          assertThrows(() => conn.close({ closeCode }), ErrorClass, "with the status code ");
        }
        assertEquals(conn.state, "open");
        await conn.send("a");
        assertEquals(await client.readMessage(), "a");
      }));

    it("takes a reason of 123 bytes of UTF-8, and refuses one more", () =>
      withConnection({}, async ({ client, conn }) => {
        const longest = "é".repeat(61) + "x";
        for (const reason of [`${longest}x`, "x".repeat(124)]) {
          assertThrows(() => conn.close({ reason }), TypeError, "124 bytes");
        }
        assertThrows(() => conn.close({ reason: 5 as never }), TypeError, "not a string");
        assertEquals(conn.state, "open");
        void conn.close({ reason: longest });
        assertEquals(await client.readClose(), [1000, longest]);
      }));

    it("is what Symbol.asyncDispose does", () =>
      withConnection({}, async ({ client, conn }) => {
        const disposed = watch(conn[Symbol.asyncDispose]());
        assertEquals(await client.readClose(), [1000, ""]);
        assertEquals(disposed.state, "pending");
        client.sendClose(1000);
        await client.finish();
        await disposed.untilSettled();
        assertEquals([disposed.state, conn.state], ["resolved", "closed"]);
      }));
  });

  describe(`the client's Close frame over ${name}`, () => {
    for (const code of [1000, 1001, 1012, 3000, 4999]) {
      it(`with ${code} is answered with ${code}, and then TCP is ended`, () =>
        withConnection({}, async ({ client, conn }) => {
          client.sendClose(code, "because");
          assertEquals(await client.readClose(), [code, ""]);
          await client.finish();
          await assertEnd(conn, {
            closeCode: code,
            reason: "because",
            wasClean: true,
            initiator: "remote",
          });
        }));
    }

    it("without a code is answered without one: 1005", () =>
      withConnection({}, async ({ client, conn }) => {
        client.sendClose();
        assertEquals(await client.readClose(), [undefined, ""]);
        await client.finish();
        await assertEnd(conn, { closeCode: 1005, reason: "", wasClean: true, initiator: "remote" });
      }));

    it("is followed by nothing that is heard", () => {
      const received: unknown[] = [];
      const message = (_: unknown, data: unknown) => void received.push(data);
      return withServer({ message }, async (server) => {
        const client = await server.open();
        client.send(textFrame("a"), closeFrame(1000), textFrame("b"), Uint8Array.of(0xff, 0xff));
        assertEquals(await client.readClose(), [1000, ""]);
        client.send(textFrame("c"));
        await client.finish();
        assertEquals(received, ["a"]);
      });
    });

    it("that is malformed fails the connection", async () => {
      const frames: [payload: Uint8Array, code: number][] = [
        [Uint8Array.of(3), 1002],
        [Uint8Array.of(0x03, 0xe8, 0xff), 1007],
      ];
      for (const code of [0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 65535]) {
        assertEquals(isReferenceCloseCode(code), false);
        frames.push([Uint8Array.of(code >> 8, code & 0xff), 1002]);
      }
      for (const [payload, code] of frames) {
        await withConnection({}, async ({ client, conn }) => {
          client.sendFrame({ opcode: close, payload });
          assertEquals((await client.readClose())[0], code);
          await client.finish();
          await assertEnd(conn, { closeCode: code, wasClean: false, initiator: "local" });
        });
      }
    });
  });

  describe(`the end of TCP without a Close frame over ${name}`, () => {
    const ABNORMAL: CloseInfo = {
      closeCode: 1006,
      reason: "",
      wasClean: false,
      initiator: "remote",
    };

    it("by FIN is answered by FIN: 1006", () =>
      withConnection({}, async ({ client, conn }) => {
        client.socket.end();
        assertEquals((await client.readToEnd()).length, 0);
        await client.untilClosed();
        assertEquals([client.error, await conn.closed], [undefined, ABNORMAL]);
      }));

    it("by FIN within a frame", () =>
      withConnection({}, async ({ client, conn }) => {
        client.send(textFrame("Hello").subarray(0, 8));
        client.socket.end();
        assertEquals((await client.readToEnd()).length, 0);
        assertEquals(await conn.closed, ABNORMAL);
      }));

    it("by RST", () =>
      withConnection({}, async ({ client, conn }) => {
        client.socket.reset();
        assertEquals(await conn.closed, ABNORMAL);
      }));

    it("by FIN behind our Close frame: our code, and not clean", () =>
      withConnection({}, async ({ client, conn }) => {
        void conn.close({ closeCode: 4000 });
        await client.readClose();
        client.socket.end();
        assertEquals((await client.readToEnd()).length, 0);
        await assertEnd(conn, { closeCode: 4000, reason: "", wasClean: false, initiator: "local" });
      }));

    it("by RST behind our Close frame: our code, and not clean", () =>
      withConnection({}, async ({ client, conn }) => {
        void conn.close({ closeCode: 4000 });
        await client.readClose();
        client.socket.reset();
        await assertEnd(conn, { closeCode: 4000, wasClean: false });
      }));

    it("by abort(): 1006 of our own", () =>
      withConnection({}, async ({ client, conn }) => {
        conn.abort();
        conn.abort();
        assertEquals((await client.readToEnd()).length, 0);
        assertEquals(await conn.closed, { ...ABNORMAL, initiator: "local" });
        conn.abort();
        assertEquals(conn.state, "closed");
      }));
  });

  describe(`the close callback over ${name}`, () => {
    const ENDS: [what: string, end: (client: RawClient, conn: Connection) => unknown][] = [
      ["the client's Close frame", (client) => client.sendClose(1000)],
      ["FIN", (client) => client.socket.end()],
      ["RST", (client) => client.socket.reset()],
      ["a protocol error", (client) => client.send(Uint8Array.of(0xff, 0xff))],
      ["close()", (_, conn) => conn.close()],
      ["abort()", (_, conn) => conn.abort()],
      ["close() and abort()", (_, conn) => void [conn.close(), conn.abort()]],
      ["close() and RST", (client, conn) => void [conn.close(), client.socket.reset()]],
      ["a Close frame and RST", (client) => void [client.sendClose(1000), client.socket.reset()]],
    ];
    for (const [what, end] of ENDS) {
      it(`is called once after ${what}, when the connection is no longer in the set`, () => {
        const calls: [Connection, CloseInfo][] = [];
        const close = (conn: Connection, info: CloseInfo) => void calls.push([conn, info]);
        return withConnection({ close }, async ({ server, client, conn }) => {
          void end(client, conn);
          await settle();
          if (!client.isClosed) client.socket.reset();
          await eventually("the callback", () => calls.length > 0);
          await settle();
          assertEquals(calls, [[conn, await conn.closed]]);
          assertEquals(server.server.connections.has(conn), false);
          assertEquals(conn.state, "closed");
        });
      });
    }
  });
}
