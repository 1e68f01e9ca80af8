// @engines: all of it happens in memory.

import { describe, it } from "node:test";
import { assert, assertEquals, assertMatch, assertRejects, assertStrictEquals } from "@std/assert";
import type { Connection } from "../../src/connection/connection.ts";
import { createReconnecting, type ReconnectOptions } from "../../src/client/reconnecting.ts";
import {
  ConnectError,
  ConnectionClosedError,
  type UnexpectedResponseError,
} from "../../src/errors.ts";
import { untilAborted } from "../support/hook.ts";
import { encodeReferenceFrame } from "../support/reference_frames.ts";
import { settle } from "../support/turn.ts";
import { watch } from "../support/watch.ts";
import { ReconnectingClient, type ScriptedPeer, ScriptedServer } from "./scripted_server.ts";

const URL = "ws://example.com/";

/** Closes a connection as the server, with a code or, without, by a reset. */
async function close(peer: ScriptedPeer, code?: number): Promise<void> {
  if (code === undefined) return peer.socket.reset();
  peer.sendClose(code);
  await peer.readClose();
  peer.socket.end();
}

/** Checks that a client still waits for its next connection, and ends it. */
async function checkWaiting({ conns }: ReconnectingClient): Promise<void> {
  const next = watch(conns.next());
  await settle();
  assertEquals(next.state, "pending");
  void conns.return();
}

describe("reconnecting()", () => {
  it("gives a connection after the other", async () => {
    const client = new ReconnectingClient();
    for (let i = 0; i < 3; i++) {
      const { peer, conn } = await client.openNext();
      assertEquals(conn.state, "open");
      await close(peer, 1001);
      await conn.closed;
    }
    assertEquals(client.delays, [500, 1000]);
    await client.conns.return();
    await client.server.checkLeaks();
  });

  it("waits for the end of a connection before the next", async () => {
    const client = new ReconnectingClient();
    const { server, conns } = client;
    const { peer } = await client.openNext();
    const second = watch(conns.next());
    await server.clock.advance(100_000);
    assertEquals(second.state, "pending");
    assertEquals(server.openCount, 1);
    await close(peer);
    await settle();
    await server.clock.advance(500);
    await (await server.next()).accept();
    assertEquals((await second.untilSettled()).value!.done, false);
    void conns.return();
  });

  it("doubles its waits up to the longest, and begins anew after a connection that lasted", async () => {
    const client = new ReconnectingClient({ minDelayMs: 100, maxDelayMs: 1_000 });
    const { server, conns } = client;
    const next = await client.failToConnect();
    for (let i = 0; i < 6; i++) await server.clock.advance(client.delays.at(-1)!);
    assertEquals(client.delays, [50, 100, 200, 400, 500, 500, 500]);
    server.dialling = undefined;
    await server.clock.advance(500);
    const peer = await server.next();
    await peer.accept();
    await next.untilSettled();
    const after = watch(conns.next());
    await server.clock.advance(10_000);
    await close(peer);
    await settle();
    assertEquals(client.delays.at(-1), 50);
    void conns.return();
    await server.clock.advance(50);
    await (await server.next()).accept();
    await after.untilSettled();
  });

  it("goes on doubling after a connection that did not last", async () => {
    const client = new ReconnectingClient();
    for (let i = 0; i < 3; i++) await close((await client.openNext()).peer);
    await checkWaiting(client);
    assertEquals(client.delays, [500, 1000, 2000]);
  });

  it("goes on doubling where the program is still at work on a connection that did not last", async () => {
    const client = new ReconnectingClient();
    for (let i = 0; i < 4; i++) {
      const { peer, conn } = await client.openNext();
      await close(peer);
      await conn.closed;
      await client.server.clock.advance(60_000);
    }
    await checkWaiting(client);
    assertEquals(client.delays, [500, 1000, 2000, 4000]);
  });

  /** What a server can send that a client refuses, and the code it does so with. */
  const REFUSED: [code: number, frame: Uint8Array][] = [
    [1002, encodeReferenceFrame({ opcode: 3 })],
    [1007, encodeReferenceFrame({ opcode: 1, payload: Uint8Array.of(0xff) })],
    [1009, encodeReferenceFrame({ opcode: 2, payload: new Uint8Array(101) })],
  ];
  async function refuse(peer: ScriptedPeer, conn: Connection, frame: Uint8Array): Promise<void> {
    peer.send(frame);
    await settle();
    peer.socket.end();
    assertEquals((await conn.closed).initiator, "local");
  }

  for (const [code, frame] of REFUSED) {
    it(`ends with an error the third time in a row that the client closes with ${code}`, async () => {
      const client = new ReconnectingClient({ limits: { maxMessageSize: 100 } });
      for (let i = 0; i < 3; i++) {
        const { peer, conn } = await client.openNext();
        // However long it lasted, up to a minute, and whether or not the next attempt is the first to reach a server.
        await client.server.clock.advance(20_000);
        await refuse(peer, conn, frame);
        if (i === 0) {
          client.server.dialling = () => {
            client.server.dialling = undefined;
            return Promise.reject(new ConnectError("ECONNREFUSED", "nobody"));
          };
        }
      }
      const { reason } = await watch(client.conns.next()).untilSettled();
      assert(reason instanceof ConnectionClosedError, String(reason));
      assertEquals(reason.closeCode, code);
      assertMatch(
        reason.message,
        /^Cannot go on reconnecting: .* 3 times in a row \(\d+ Cannot receive/,
      );
      const codes = client.retries.map(({ cause }) =>
        "closeCode" in cause ? cause.closeCode : cause
      );
      assertEquals(codes.filter((cause) => cause === code).length, 2);
      assertEquals(client.server.clock.pending, []);
    });
  }

  for (const code of [1002, 1003, 1007, 1009]) {
    it(`ends with an error the third time in a row that the server closes with ${code}`, async () => {
      const client = new ReconnectingClient();
      for (let i = 0; i < 3; i++) {
        const { peer, conn } = await client.openNext();
        peer.sendClose(code);
        await settle();
        peer.socket.end();
        assertEquals((await conn.closed).initiator, "remote");
      }
      const { reason } = await watch(client.conns.next()).untilSettled();
      assert(reason instanceof ConnectionClosedError, String(reason));
      assertEquals(reason.closeCode, code);
      assertMatch(reason.message, /: the server refused what this client sent 3 times in a row/);
    });
  }

  it("goes on after it, where each of the connections lasted for a minute", async () => {
    const client = new ReconnectingClient({ limits: { maxMessageSize: 100 } });
    for (let i = 0; i < 6; i++) {
      const { peer, conn } = await client.openNext();
      await client.server.clock.advance(60_000);
      await refuse(peer, conn, REFUSED[2][1]);
    }
    await checkWaiting(client);
  });

  it("goes on after it, where other connections end otherwise in between", async () => {
    const client = new ReconnectingClient({ limits: { maxMessageSize: 100 } });
    for (let i = 0; i < 9; i++) {
      const { peer, conn } = await client.openNext();
      if (i % 3 < 2) await refuse(peer, conn, REFUSED[i % 2][1]);
      else await close(peer);
      await conn.closed;
    }
    await checkWaiting(client);
  });

  it("goes on after it, where shouldReconnect says so, or the program closed with such a code", async () => {
    const options = [{ shouldReconnect: () => true, limits: { maxMessageSize: 100 } }, {}];
    for (const own of options) {
      const client = new ReconnectingClient(own);
      for (let i = 0; i < 6; i++) {
        const { peer, conn } = await client.openNext();
        if (own.limits !== undefined) await refuse(peer, conn, REFUSED[2][1]);
        else void conn.close({ closeCode: 1009 });
        await settle();
        // What comes behind the Close frame of the program does not count.
        if (own.limits === undefined) peer.send(REFUSED[0][1]);
        peer.socket.end();
        assertEquals((await conn.closed).closeCode, 1009);
      }
      await checkWaiting(client);
    }
  });

  for (const code of [1012, 1013]) {
    it(`waits for longer after ${code}`, async () => {
      const client = new ReconnectingClient();
      await close((await client.openNext()).peer, code);
      await checkWaiting(client);
      // 5 to 30 seconds, and the usual wait.
      assertEquals(client.delays, [17_500 + 500]);
    });
  }

  /** Has a client connect, and refuses it. */
  async function refused(answer: string) {
    const client = new ReconnectingClient();
    const next = watch(client.conns.next());
    const peer = await client.server.next();
    await peer.readRequest();
    peer.send(`HTTP/1.1 ${answer}\r\nContent-Length: 0\r\n\r\n`);
    await settle(6);
    return { client, next };
  }

  const RETRY_AFTER: [value: string, delayMs: number][] = [
    ["7", 7_500],
    ["0", 500],
    ["soon", 500],
    ["-5", 500],
    ["Thu, 01 Jan 1970 00:00:00 GMT", 500],
  ];
  for (const [value, delayMs] of RETRY_AFTER) {
    it(`honours a Retry-After of ${value}`, async () => {
      const { client } = await refused(`503 Busy\r\nRetry-After: ${value}`);
      assertEquals(client.delays, [delayMs]);
      void client.conns.return();
    });
  }

  it("honours a Retry-After that is a date", async () => {
    const date = new Date(Date.now() + 3_600_000).toUTCString();
    const { client } = await refused(`429 Slow down\r\nRetry-After: ${date}`);
    const [delayMs] = client.delays;
    assert(delayMs > 3_500_000 && delayMs < 3_602_000, String(delayMs));
    void client.conns.return();
  });

  for (const status of [400, 401, 403, 404, 426]) {
    it(`stops on ${status}`, async () => {
      const { client, next } = await refused(`${status} No`);
      const { reason } = await next.untilSettled();
      assertEquals((reason as UnexpectedResponseError).status, status);
      assertEquals([client.delays, client.server.clock.pending], [[], []]);
      assertEquals((await client.conns.next()).done, true);
    });
  }

  it("stops on 1008", async () => {
    const client = new ReconnectingClient();
    const { server, conns } = client;
    const { peer } = await client.openNext();
    const next = watch(conns.next());
    await close(peer, 1008);
    const { reason } = await next.untilSettled();
    assert(reason instanceof ConnectionClosedError, String(reason));
    assertEquals(reason.closeCode, 1008);
    assertEquals(server.clock.pending, []);
  });

  it("stops after maxAttempts failures in a row, with the last one", async () => {
    const { server, conns, retries } = new ReconnectingClient({ maxAttempts: 3 });
    const errors: ConnectError[] = [];
    server.dialling = () => {
      errors.push(new ConnectError("ECONNREFUSED", `nobody, ${errors.length}`));
      return Promise.reject(errors.at(-1));
    };
    const next = watch(conns.next());
    for (let i = 0; i < 3; i++) await server.clock.advance(2_000);
    const { reason } = await next.untilSettled();
    assertEquals(errors.length, 3);
    assertStrictEquals(reason, errors[2]);
    assertEquals(retries.map(({ delayMs }) => delayMs), [500, 1000]);
  });

  it("asks shouldReconnect, and ends where a connection was closed with 1000", async () => {
    const causes: unknown[] = [];
    const client = new ReconnectingClient({
      shouldReconnect: (cause) => {
        causes.push(cause instanceof Error ? cause.message : cause.closeCode);
        return false;
      },
    });
    const { peer } = await client.openNext();
    const next = watch(client.conns.next());
    await close(peer, 1000);
    assertEquals((await next.untilSettled()).value, { done: true, value: undefined });
    assertEquals(causes, [1000]);
  });

  it("closes the connection where the loop is left", async () => {
    const client = new ReconnectingClient();
    const { peer, conn } = await client.openNext();
    const returned = watch(client.conns.return());
    assertEquals(await peer.readClose(), [1000, ""]);
    assertEquals(returned.state, "pending");
    peer.sendClose(1000);
    peer.socket.end();
    await returned.untilSettled();
    assertEquals((await conn.closed).initiator, "local");
  });

  for (const at of ["dialling", "waiting", "open"]) {
    it(`ends where its signal aborts: ${at}`, async () => {
      const controller = new AbortController();
      const client = new ReconnectingClient({ signal: controller.signal });
      const { server, conns } = client;
      if (at === "dialling") {
        server.dialling = (signal) => untilAborted(signal);
      } else if (at === "waiting") {
        server.dialling = () => Promise.reject(new ConnectError("ECONNREFUSED", "nobody"));
      }
      const peer = at === "open" ? (await client.openNext()).peer : undefined;
      const next = watch(conns.next());
      await settle();
      assertEquals(client.retries.length, at === "waiting" ? 1 : 0);
      controller.abort();
      if (peer !== undefined) {
        await peer.readClose();
        peer.sendClose(1000);
        peer.socket.end();
      }
      assertEquals((await next.untilSettled()).value, { done: true, value: undefined });
      assertEquals(server.clock.pending, []);
    });
  }

  it("rejects with what no attempt can mend", async () => {
    const server = new ScriptedServer();
    const reconnecting = createReconnecting(server.connect, server.clock);
    await assertRejects(() => reconnecting("ftp://example.com").next(), TypeError);
    const bad = [{ minDelayMs: 0 }, { maxDelayMs: 5 }, { maxDelayMs: Infinity }, {
      maxAttempts: 0,
    }];
    for (const options of bad) {
      await assertRejects(() => reconnecting(URL, options).next(), RangeError);
    }
    const options = { onRetry: 1 } as unknown as ReconnectOptions;
    await assertRejects(() => reconnecting(URL, options).next(), TypeError);
  });
});
