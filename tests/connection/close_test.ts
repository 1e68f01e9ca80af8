import { describe, it } from "node:test";
import { assert, assertEquals, assertThrows } from "@std/assert";
import type { CloseInfo, Connection } from "../../src/server/mod.ts";
import { assertEnd } from "../support/end.ts";
import { clientFrame, closeFrame, type RawClient, textFrame, utf8 } from "../support/raw_client.ts";
import { TRANSPORTS } from "../support/transports.ts";
import { settle } from "../support/turn.ts";
import { eventually } from "../support/waiter.ts";
import { watch } from "../support/watch.ts";

const BROKEN = Uint8Array.of(0xff, 0xff);
const NO_MEANING =
  "Cannot receive a frame with RSV2 or RSV3 set: no extension gives them a meaning";

/** How a connection ends; who ends it, the Close frame that the client gets, and what the program is told. */
const ENDS: [
  what: string,
  end: (client: RawClient, conn: Connection) => unknown,
  sent: [code: number | undefined, reason: string] | "nothing" | "something",
  info: [code: number, reason: string, wasClean: boolean, initiator: CloseInfo["initiator"]],
][] = [
  ["close()", (_, conn) => void conn.close(), [1000, ""], [1000, "", false, "local"]],
  [
    "close(), which the client answers with another code",
    (client, conn) => {
      void conn.close({ closeCode: 4001, reason: "mine" });
      client.sendClose(4002, "yours");
    },
    [4001, "mine"],
    [4001, "mine", true, "local"],
  ],
  [
    "close() three times, which is done once",
    (client, conn) => {
      for (const closeCode of [4001, 4002, 4003]) void conn.close({ closeCode });
      client.sendClose(4001);
    },
    [4001, ""],
    [4001, "", true, "local"],
  ],
  [
    "a Close frame",
    (client) => client.sendClose(4999, "because"),
    [4999, ""],
    [4999, "because", true, "remote"],
  ],
  [
    "a Close frame without a code",
    (client) => client.sendClose(),
    [undefined, ""],
    [1005, "", true, "remote"],
  ],
  [
    "a Close frame that is malformed",
    (client) => client.send(closeFrame(1005)),
    "something",
    [1002, "Cannot receive a Close frame with the status code 1005", false, "local"],
  ],
  [
    "bytes that break the protocol",
    (client) => client.send(BROKEN),
    "something",
    [1002, NO_MEANING, false, "local"],
  ],
  ["FIN", (client) => client.socket.end(), "nothing", [1006, "", false, "remote"]],
  [
    "FIN within a frame",
    (client) => {
      client.send(textFrame("Hello").subarray(0, 8));
      client.socket.end();
    },
    "nothing",
    [1006, "", false, "remote"],
  ],
  ["RST", (client) => client.socket.reset(), "nothing", [1006, "", false, "remote"]],
  ["abort()", (_, conn) => conn.abort(), "nothing", [1006, "", false, "local"]],
  [
    "close() and FIN",
    async (client, conn) => {
      void conn.close({ closeCode: 4000 });
      assertEquals(await client.readClose(), [4000, ""]);
      client.socket.end();
    },
    "nothing",
    [4000, "", false, "local"],
  ],
  [
    "close() and RST",
    async (client, conn) => {
      void conn.close({ closeCode: 4000 });
      assertEquals(await client.readClose(), [4000, ""]);
      client.socket.reset();
    },
    "nothing",
    [4000, "", false, "local"],
  ],
  [
    "close() and abort()",
    (_, conn) => void [conn.close(), conn.abort()],
    "something",
    [1000, "", false, "local"],
  ],
];

for (const { name, withServer, withConnection } of TRANSPORTS) {
  describe(`the end of a connection over ${name}`, () => {
    for (const [what, end, sent, [closeCode, reason, wasClean, initiator]] of ENDS) {
      it(`by ${what} is told once, when the connection is no longer in the set`, () => {
        const calls: [Connection, CloseInfo][] = [];
        const close = (conn: Connection, info: CloseInfo) => void calls.push([conn, info]);
        return withConnection({ close }, async ({ server, client, conn }) => {
          await end(client, conn);
          if (Array.isArray(sent)) assertEquals(await client.readClose(), sent);
          if (!client.isClosed && (wasClean || closeCode === 1006)) {
            const rest = await client.readToEnd();
            if (sent === "nothing") assertEquals(rest.length, 0);
          }
          if (!client.hasSentEnd) client.socket.end();
          await eventually("the callback", () => calls.length > 0);
          conn.abort();
          void conn.close();
          await settle();
          const info: CloseInfo = { closeCode, reason, wasClean, initiator };
          assertEquals([await conn.closed, conn.state], [info, "closed"]);
          assertEquals(calls, [[conn, info]]);
          assertEquals(server.server.connections.has(conn), false);
        });
      });
    }
  });

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
        await assertEnd(conn, { closeCode: 1000, wasClean: true, initiator: "local" });
      }));

    it("returns what conn.closed is, whenever it is asked for, and so does Symbol.asyncDispose", () =>
      withConnection({}, async ({ client, conn }) => {
        const promises = [conn.closed, conn.close(), conn.closed, conn.close()];
        const disposed = watch(conn[Symbol.asyncDispose]());
        assertEquals(disposed.state, "pending");
        await client.answerClose(1000);
        promises.push(conn.closed, conn.close());
        assertEquals(new Set(promises).size, 1);
        assertEquals((await disposed.untilSettled()).state, "resolved");
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
          assertEquals([(await conn.closed).wasClean, received], [true, []]);
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

    it("refuses a code or a reason that may not be sent, and goes on", () =>
      withConnection({}, async ({ client, conn }) => {
        for (
          const closeCode of [0, 1005, 1006, 5000, 1000.5, NaN, "1000" as never, null as never]
        ) {
          const ErrorClass = typeof closeCode === "number" ? RangeError : TypeError;
          assertThrows(() => conn.close({ closeCode }), ErrorClass, "with the status code ");
        }
        const longest = "é".repeat(61) + "x";
        assertThrows(() => conn.close({ reason: `${longest}x` }), TypeError, "124 bytes");
        assertThrows(() => conn.close({ reason: 5 as never }), TypeError, "not a string");
        assertEquals(conn.state, "open");
        void conn.close({ reason: longest });
        assertEquals(await client.readClose(), [1000, longest]);
      }));
  });

  it(`a Close frame over ${name} is followed by nothing that is heard`, () => {
    const received: unknown[] = [];
    const message = (_: unknown, data: unknown) => void received.push(data);
    return withServer({ message }, async (server) => {
      const client = await server.open();
      client.send(textFrame("a"), closeFrame(1000), textFrame("b"), BROKEN);
      assertEquals(await client.readClose(), [1000, ""]);
      client.send(textFrame("c"));
      await client.finish();
      assertEquals(received, ["a"]);
    });
  });
}
