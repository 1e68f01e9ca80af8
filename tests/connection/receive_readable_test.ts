import { describe, it } from "node:test";
import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { ConnectionClosedError, MessageTooBigError, ProtocolError } from "../../src/server/mod.ts";
import { closeFrame, textFrame } from "../support/raw_client.ts";
import { type Ends, TRANSPORTS } from "../support/transports.ts";
import { settle } from "../support/turn.ts";
import { eventually } from "../support/waiter.ts";
import { watch } from "../support/watch.ts";

const CLOSED = { value: undefined, done: true } as const;

for (const { name, withServer, withConnection } of TRANSPORTS) {
  describe(`conn.readable over ${name}`, () => {
    it("gives the messages, and closes after the client's Close frame", () =>
      withConnection({}, async ({ client, conn }) => {
        assert(conn.readable === conn.readable);
        const reader = conn.readable.getReader();
        client.send(textFrame("a"), textFrame("b"));
        client.sendBinary(Uint8Array.of(3));
        assertEquals((await reader.read()).value, "a");
        assertEquals((await reader.read()).value, "b");
        assertEquals((await reader.read()).value, Uint8Array.of(3));
        const last = watch(reader.read());
        client.sendClose(1000);
        assertEquals((await last.untilSettled()).value, CLOSED);
        await client.readClose();
      }));

    it("errors with what the client did wrong, behind the messages before it", () =>
      withConnection({ limits: { maxMessageSize: 10 } }, async ({ client, conn }) => {
        client.send(textFrame("a"), textFrame("x".repeat(11)));
        const reader = conn.readable.getReader();
        assertEquals((await reader.read()).value, "a");
        const last = await watch(reader.read()).untilSettled();
        assertInstanceOf(last.reason, MessageTooBigError);
        assertEquals([last.reason.size, last.reason.maxSize], [11, 10]);
        assertInstanceOf(last.reason, ProtocolError);
        assertEquals((await client.readClose())[0], 1009);
      }));

    describe("tells by a reader's closed, though nobody reads,", () => {
      const ENDS: [
        what: string,
        end: (ends: Ends) => unknown,
        error?: [typeof ConnectionClosedError | typeof ProtocolError, number],
      ][] = [
        ["the client closed", ({ client }) => client.sendClose(4000, "bye")],
        ["the program closed", ({ conn }) => void conn.close()],
        ["the client sent FIN", ({ client }) => client.socket.end(), [ConnectionClosedError, 1006]],
        ["the client reset", ({ client }) => client.socket.reset(), [ConnectionClosedError, 1006]],
        ["the program dropped it", ({ conn }) => conn.abort(), [ConnectionClosedError, 1006]],
        [
          "the client broke the protocol",
          ({ client }) => client.send(Uint8Array.of(0x81, 0x00)),
          [ProtocolError, 1002],
        ],
      ];
      for (const [what, end, error] of ENDS) {
        for (const reads of [false, true]) {
          it(`that ${what}${reads ? ", and so does a read that waits" : ""}`, () =>
            withConnection({}, async (ends) => {
              const reader = ends.conn.readable.getReader();
              const read = reads ? watch(reader.read()) : undefined;
              const closed = watch(reader.closed);
              await end(ends);
              const { state, reason } = await closed.untilSettled();
              if (error === undefined) assertEquals(state, "resolved");
              else assertInstanceOf(reason, error[0]);
              assertEquals((reason as ConnectionClosedError)?.closeCode, error?.[1]);
              if (read === undefined) return;
              await read.untilSettled();
              assertEquals([read.value, read.reason], [error ? undefined : CLOSED, reason]);
            }));
        }
      }

      it("that it was over before the stream was asked for", () =>
        withConnection({}, async ({ client, conn }) => {
          void conn.close();
          await client.readClose();
          client.sendClose(1000);
          await client.finish();
          await conn.closed;
          const closed = watch(conn.readable.getReader().closed);
          assertEquals((await closed.untilSettled()).state, "resolved");
        }));

      it("and not before the last message was read", () =>
        withConnection({}, async ({ client, conn }) => {
          const reader = conn.readable.getReader();
          const closed = watch(reader.closed);
          client.send(textFrame("a"), textFrame("b"));
          await client.sendPing();
          await client.readPong();
          client.socket.reset();
          await conn.closed;
          assertEquals((await reader.read()).value, "a");
          await settle();
          assertEquals(closed.state, "pending");
          assertEquals((await reader.read()).value, "b");
          assertInstanceOf((await closed.untilSettled()).reason, ConnectionClosedError);
        }));

      it("where a read waits, too, and where a pipe does", () =>
        withConnection({}, async ({ client, conn }) => {
          const [one, other] = conn.readable.tee();
          const reader = one.getReader();
          const [read, closed, piped] = [
            watch(reader.read()),
            watch(reader.closed),
            watch(other.pipeTo(new WritableStream())),
          ];
          client.sendClose(1000);
          await client.readClose();
          for (const each of [read, closed, piped]) await each.untilSettled();
          assertEquals([read.value, closed.state, piped.state], [CLOSED, "resolved", "resolved"]);
        }));
    });

    it("closes the connection with 1000 when it is cancelled", () =>
      withConnection({}, async ({ client, conn }) => {
        const reader = conn.readable.getReader();
        const last = watch(reader.read());
        const cancelled = watch(reader.cancel());
        await client.answerClose(1000);
        assertEquals((await cancelled.untilSettled()).state, "resolved");
        assertEquals((await last.untilSettled()).value, CLOSED);
      }));

    it("can be iterated, and leaving the loop cancels it", () =>
      withConnection({}, async ({ client, conn }) => {
        client.send(textFrame("a"), textFrame("b"));
        const loop = watch((async () => {
          for await (const message of conn.readable) {
            assertEquals(message, "a");
            break;
          }
        })());
        await client.answerClose(1000);
        assertEquals((await loop.untilSettled()).state, "resolved");
      }));

    it("does not pull before it is read", () =>
      withConnection({ limits: { receiveQueueMessages: 1 } }, async ({ client, conn }) => {
        const { readable } = conn;
        client.send(textFrame("a"), textFrame("b"), closeFrame(1000));
        await settle();
        // The Close frame is not even decoded, as nobody has received "a".
        assertEquals(conn.state, "open");
        const reader = readable.getReader();
        assertEquals((await reader.read()).value, "a");
        assertEquals((await reader.read()).value, "b");
        assertEquals(await watch(reader.read()).untilSettled().then(({ value }) => value), CLOSED);
      }));

    for (const how of ["end", "reset"] as const) {
      it(`pipes to conn.writable: no error to report where the client's is ${how}`, () => {
        const handler = (conn: { readable: ReadableStream; writable: WritableStream }) =>
          conn.readable.pipeTo(conn.writable);
        return withServer({ handler }, async (server) => {
          const client = await server.open();
          client.sendText("a");
          assertEquals(await client.readMessage(), "a");
          client.socket[how]();
          await eventually("the end", () => server.server.connections.size === 0);
        });
      });
    }
  });
}
