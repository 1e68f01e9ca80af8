import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import type { Connection, Message } from "../../src/server/mod.ts";
import { textFrame } from "../support/raw_client.ts";
import { concatBytes } from "../support/reference_frames.ts";
import { settle, turn } from "../support/turn.ts";
import { eventually } from "../support/waiter.ts";
import { withConnection } from "../support/transports.ts";
import { withStalledClient } from "./with_connection.ts";

const COUNT = 64;
const NUMBERS = Array.from({ length: COUNT }, (_, i) => `${i}`);
const ONE_READ = concatBytes(NUMBERS.map(textFrame));

describe("what is sent in one turn", () => {
  it("goes out in one write, all kinds of frames in their order", () =>
    withConnection({}, async ({ conn, client, writes }) => {
      void conn.send("a");
      assertEquals(conn.trySend(Uint8Array.of(1)), "sent");
      const ping = conn.ping();
      void conn.send("b");
      assertEquals(writes(), []);
      void conn.close({ closeCode: 4000 });
      await settle();
      assertEquals(writes().length, 1);
      assertEquals(await client.readMessage(), "a");
      assertEquals(await client.readMessage(), Uint8Array.of(1));
      client.sendPong(await client.readPing());
      assertEquals(await client.readMessage(), "b");
      assertEquals(await client.readClose(), [4000, ""]);
      await ping;
    }));

  it("goes out in one write, payloads by reference too", () =>
    withConnection({}, async ({ conn, client, writes }) => {
      const large = new Uint8Array(20_000).fill(7);
      for (const message of ["a", large, "b", large, "c"]) void conn.send(message);
      await settle();
      assertEquals(writes(), [3 * 3 + 2 * 20_004]);
      for (const message of ["a", large, "b", large, "c"]) {
        assertEquals(await client.readMessage(), message);
      }
    }));

  it("goes out in writes of about 64 KiB where it is more", () =>
    withConnection({}, async ({ conn, writes }) => {
      for (let i = 0; i < 300; i++) void conn.send("x".repeat(996));
      await settle();
      // 66 frames are the first to reach 65,536 bytes.
      assertEquals(writes(), [66_000, 66_000, 66_000, 66_000, 36_000]);
    }));

  it("goes out before the next turn", () =>
    withConnection({}, async ({ conn, client, writes }) => {
      for (let i = 1; i <= 3; i++) {
        void conn.send("a");
        void conn.send("b");
        await Promise.resolve();
        await Promise.resolve();
        assertEquals(writes().length, i);
        assertEquals(await client.readMessage() + `${await client.readMessage()}`, "ab");
        await turn();
        assertEquals(writes().length, i);
      }
    }));
});

describe("what is sent while the client reads nothing", () => {
  it("goes out in one write when it has read, however many turns it was", () =>
    withStalledClient({}, async ({ conn, client, writes }) => {
      for (const text of NUMBERS) {
        void conn.send(text);
        if (text.endsWith("5")) await turn();
      }
      assertEquals(writes().length, 1);
      client.socket.resume();
      await client.readMessage();
      for (const text of NUMBERS) assertEquals(await client.readMessage(), text);
      assertEquals(writes().length, 2);
    }));
});

describe(`the answers to ${COUNT} messages of one read`, () => {
  it("go out in one write where a callback gives them", () => {
    const message = (conn: Connection, data: Message) => void conn.trySend(data);
    return withConnection({ message }, async ({ client, writes }) => {
      client.send(ONE_READ);
      for (const text of NUMBERS) assertEquals(await client.readMessage(), text);
      await settle();
      assertEquals(writes().length, 1);
    });
  });

  it("go out in one write where a callback returns what send() gives", () =>
    withConnection({ message: (conn, data) => conn.send(data) }, async ({ client, writes }) => {
      client.send(ONE_READ);
      for (const text of NUMBERS) assertEquals(await client.readMessage(), text);
      await settle();
      assertEquals(writes().length, 1);
    }));

  for (const awaits of [true, false]) {
    it(`go out in few writes where an iteration gives them, ${awaits ? "" : "not "}awaited`, () => {
      const handler = async (conn: Connection) => {
        for await (const data of conn) {
          const sent = conn.send(data);
          if (awaits) await sent;
        }
      };
      return withConnection({ handler }, async ({ client, writes }) => {
        client.send(ONE_READ);
        for (const text of NUMBERS) assertEquals(await client.readMessage(), text);
        await settle();
        // 16 messages fit the receive queue: one write each time it was filled, and one more.
        assert(writes().length <= COUNT / 16 + 1, `${writes().length} writes`);
      });
    });
  }

  it("are not held back by a handler that is busy with the next one", () => {
    let release: (() => void) | undefined;
    const gate = new Promise<void>((resolve) => void (release = resolve));
    const handler = async (conn: Connection) => {
      for await (const data of conn) {
        if (data === "3") await gate;
        await conn.send(data);
      }
    };
    return withConnection({ handler }, async ({ client }) => {
      client.send(ONE_READ);
      for (const text of NUMBERS.slice(0, 3)) assertEquals(await client.readMessage(), text);
      await settle();
      assertEquals(client.unreadSize, 0);
      release!();
      for (const text of NUMBERS.slice(3)) assertEquals(await client.readMessage(), text);
    });
  });

  it("come at once where each read brings one message", () => {
    const handler = async (conn: Connection) => {
      for await (const data of conn) await conn.send(data);
    };
    return withConnection({ handler }, async ({ client, writes }) => {
      for (const text of NUMBERS.slice(0, 5)) {
        client.sendText(text);
        assertEquals(await client.readMessage(), text);
      }
      assertEquals(writes().length, 5);
    });
  });

  it("come with the Pongs to Pings between them, in one write", () =>
    withConnection({ message: (conn, data) => conn.send(data) }, async ({ client, writes }) => {
      const ping = Uint8Array.of(0x89, 0x81, 0, 0, 0, 0, 0x41);
      client.send(textFrame("a"), ping, textFrame("b"), ping);
      assertEquals(await client.readMessage(), "a");
      assertEquals(await client.readPong(), "A");
      assertEquals(await client.readMessage(), "b");
      assertEquals(await client.readPong(), "A");
      await eventually("one write", () => writes().length === 1);
    }));
});
