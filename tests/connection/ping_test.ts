import { describe, it } from "node:test";
import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { ConnectionClosedError } from "../../src/server/mod.ts";
import { clientFrame, utf8 } from "../support/raw_client.ts";
import { REFERENCE_OPCODES } from "../support/reference_frames.ts";
import { TRANSPORTS, withConnection } from "../support/transports.ts";
import { settle } from "../support/turn.ts";
import { watch } from "../support/watch.ts";

const { pong } = REFERENCE_OPCODES;

for (const { name, withConnection } of TRANSPORTS) {
  describe(`ping() over ${name}`, () => {
    it("resolves when its Pong comes, with how long that took", () =>
      withConnection({}, async ({ client, conn }) => {
        const ping = watch(conn.ping());
        const payload = await client.readPing();
        assertEquals(ping.state, "pending");
        client.sendPong(payload);
        await ping.untilSettled();
        assert(ping.value !== undefined && ping.value >= 0 && ping.value < 30_000);
      }));

    it("rejects where the connection ends before", async () => {
      const ends = [["reset", 1006], ["end", 1006], ["close", 4000]] as const;
      for (const [how, code] of ends) {
        await withConnection({}, async ({ client, conn }) => {
          const ping = watch(conn.ping());
          await client.readPing();
          if (how === "close") client.sendClose(4000);
          else client.socket[how]();
          await client.readToEnd();
          client.socket[how === "close" ? "end" : "reset"]();
          await ping.untilSettled();
          assertInstanceOf(ping.reason, ConnectionClosedError);
          assertEquals(ping.reason.closeCode, code);
        });
      }
    });

    it("gives up with its signal, and the next one works", () =>
      withConnection({}, async ({ client, conn }) => {
        const reason = new Error("enough");
        const aborted = await watch(conn.ping({ signal: AbortSignal.abort(reason) }))
          .untilSettled();
        assert(aborted.reason === reason);
        const controller = new AbortController();
        const ping = watch(conn.ping({ signal: controller.signal }));
        controller.abort(reason);
        await ping.untilSettled();
        assert(ping.reason === reason);
        const next = watch(conn.ping());
        let payload = "";
        while (next.state === "pending") {
          payload = await client.readPing();
          client.sendPong(payload);
          await settle(1);
        }
        assertEquals((await next.untilSettled()).state, "resolved");
      }));
  });
}

describe("ping() in memory", () => {
  it("resolves with the Pong of a Ping of keep-alive behind it, if the peer answers only that", () =>
    withConnection({ keepAlive: { intervalMs: 100 } }, async ({ client, conn, clock }) => {
      const pings = [watch(conn.ping()), watch(conn.ping())];
      await clock.advance(100);
      const payloads = [await client.readPing(), await client.readPing(), await client.readPing()];
      client.sendPong(payloads[2]);
      for (const ping of pings) assertEquals((await ping.untilSettled()).value, 100);
    }));

  it("measures by the clock", () =>
    withConnection({ keepAlive: false }, async ({ client, conn, clock }) => {
      const ping = watch(conn.ping());
      const payload = await client.readPing();
      await clock.advance(123);
      client.sendPong(payload);
      assertEquals((await ping.untilSettled()).value, 123);
    }));

  it("has a payload of its own each time", () =>
    withConnection({ keepAlive: false }, async ({ client, conn }) => {
      const payloads = new Set<string>();
      for (let i = 0; i < 200; i++) {
        void conn.ping();
        payloads.add(await client.readPing());
      }
      assertEquals(payloads.size, 200);
    }));

  it("counts a Pong for the Pings before it too, as a peer may answer the latest only", () =>
    withConnection({ keepAlive: false }, async ({ client, conn, clock }) => {
      const pings = [];
      const payloads = [];
      for (let i = 0; i < 4; i++) {
        pings.push(watch(conn.ping()));
        payloads.push(await client.readPing());
        await clock.advance(10);
      }
      client.sendPong(payloads[2]);
      await settle();
      assertEquals(pings.map(({ value }) => value), [40, 30, 20, undefined]);
      client.sendPong(payloads[0]);
      await settle();
      assertEquals(pings[3].state, "pending");
      await clock.advance(10);
      client.sendPong(payloads[3]);
      await settle();
      assertEquals(pings[3].value, 20);
    }));

  it("ignores Pongs that answer no Ping", () =>
    withConnection({ keepAlive: false }, async ({ client, conn }) => {
      client.sendPong("1");
      const ping = watch(conn.ping());
      const payload = await client.readPing();
      const strange = ["", "0", "-1", "+1", "01", " 1", "1 ", "1.0", "1e0", "0x1", "2", "99"];
      for (const text of [...strange, "NaN", "Infinity", "null", "x".repeat(125)]) {
        if (text !== payload) client.sendPong(text);
      }
      client.sendFrame({ opcode: pong, payload: Uint8Array.of(0xff, 0xfe) });
      client.sendFrame({ opcode: pong, payload: utf8("１") });
      await settle();
      assertEquals([ping.state, conn.state], ["pending", "open"]);
      client.sendPong(payload);
      await ping.untilSettled();
    }));

  it("does not wait for messages that are not received", () =>
    withConnection({ limits: { receiveQueueMessages: 100 } }, async ({ client, conn }) => {
      client.sendText("unreceived");
      const ping = watch(conn.ping());
      client.sendPong(await client.readPing());
      assertEquals((await ping.untilSettled()).state, "resolved");
    }));

  it("leaves a Pong in the middle of a message alone", () =>
    withConnection({}, async ({ client, conn }) => {
      const ping = watch(conn.ping());
      const payload = await client.readPing();
      client.send(
        clientFrame({ opcode: 1, payload: utf8("one"), fin: false }),
        clientFrame({ opcode: pong, payload: utf8(payload) }),
        clientFrame({ opcode: 0, payload: utf8("two") }),
      );
      await ping.untilSettled();
      assertEquals((await conn[Symbol.asyncIterator]().next()).value, "onetwo");
    }));
});
