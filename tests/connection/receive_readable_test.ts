import { describe, it } from "node:test";
import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { ConnectionClosedError, MessageTooBigError, ProtocolError } from "../../src/server/mod.ts";
import { closeFrame, textFrame } from "../support/raw_client.ts";
import { TRANSPORTS } from "../support/transports.ts";
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
        await last.untilSettled();
        assertEquals(last.value, CLOSED);
        await client.readClose();
      }));

    it("closes with close()", () =>
      withConnection({}, async ({ client, conn }) => {
        const last = watch(conn.readable.getReader().read());
        void conn.close();
        await last.untilSettled();
        assertEquals(last.value, CLOSED);
        await client.readClose();
      }));

    for (const how of ["end", "reset"] as const) {
      it(`errors where the client's connection is ${how} without a Close frame`, () =>
        withConnection({}, async ({ client, conn }) => {
          const reader = conn.readable.getReader();
          const last = watch(reader.read());
          client.socket[how]();
          await last.untilSettled();
          assertInstanceOf(last.reason, ConnectionClosedError);
          assertEquals(last.reason.closeCode, 1006);
          assertEquals((await watch(reader.closed).untilSettled()).reason, last.reason);
        }));
    }

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
      it("that the client closed", () =>
        withConnection({}, async ({ client, conn }) => {
          const closed = watch(conn.readable.getReader().closed);
          client.sendClose(4000, "bye");
          await client.readClose();
          assertEquals((await closed.untilSettled()).state, "resolved");
        }));

      it("that the program closed", () =>
        withConnection({}, async ({ client, conn }) => {
          const closed = watch(conn.readable.getReader().closed);
          client.sendText("a");
          await client.sendPing();
          await client.readPong();
          void conn.close();
          assertEquals((await closed.untilSettled()).state, "resolved");
          await client.readClose();
        }));

      for (const how of ["end", "reset"] as const) {
        it(`that the client's connection is ${how} without a Close frame`, () =>
          withConnection({}, async ({ client, conn }) => {
            const closed = watch(conn.readable.getReader().closed);
            client.socket[how]();
            const { reason } = await closed.untilSettled();
            assertInstanceOf(reason, ConnectionClosedError);
            assertEquals(reason.closeCode, 1006);
          }));
      }

      it("that the client broke the protocol", () =>
        withConnection({}, async ({ client, conn }) => {
          const closed = watch(conn.readable.getReader().closed);
          client.send(Uint8Array.of(0x81, 0x00));
          assertEquals((await client.readClose())[0], 1002);
          assertInstanceOf((await closed.untilSettled()).reason, ProtocolError);
        }));

      it("that the program dropped the connection", () =>
        withConnection({}, async ({ conn }) => {
          const closed = watch(conn.readable.getReader().closed);
          conn.abort();
          assertInstanceOf((await closed.untilSettled()).reason, ConnectionClosedError);
        }));

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
        await cancelled.untilSettled();
        assertEquals(cancelled.state, "resolved");
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
        await loop.untilSettled();
        assertEquals(loop.state, "resolved");
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

    it("pipes to conn.writable: an echo, to the end", () => {
      let piped = 0;
      const handler = async (conn: { readable: ReadableStream; writable: WritableStream }) => {
        await conn.readable.pipeTo(conn.writable);
        piped++;
      };
      return withServer({ handler }, async (server) => {
        const client = await server.open();
        const texts = Array.from({ length: 200 }, (_, i) => `${i} `.repeat(i));
        for (const text of texts) client.sendText(text);
        for (const text of texts) assertEquals(await client.readMessage(), text);
        await client.close();
        await eventually("the pipe to end", () => piped === 1);
      });
    });

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

    it("pipes through to another stream", () =>
      withConnection({}, async ({ client, conn }) => {
        const written: unknown[] = [];
        const piped = watch(conn.readable.pipeTo(
          new WritableStream({
            write: (message) => void written.push(message),
          }),
        ));
        client.send(textFrame("a"), textFrame("b"), closeFrame(1000));
        await piped.untilSettled();
        assertEquals([piped.state, written], ["resolved", ["a", "b"]]);
        await client.readClose();
      }));

    it("ends with 1011 where what it is piped to fails", () =>
      withConnection({}, async ({ client, conn }) => {
        const piped = watch(conn.readable.pipeTo(
          new WritableStream({
            write: () => Promise.reject(new Error("the disk is full")),
          }),
        ));
        client.send(textFrame("a"), textFrame("b"));
        await client.answerClose(1011);
        await piped.untilSettled();
        assertEquals(String(piped.reason), "Error: the disk is full");
      }));
  });
}
