import { describe, it } from "node:test";
import { assert, assertEquals, assertMatch, assertRejects, assertStrictEquals } from "@std/assert";
import type { Connection, ConnectionCallbacks } from "../../src/connection/connection.ts";
import { createReconnecting, type ReconnectOptions } from "../../src/client/reconnecting.ts";
import {
  ConnectError,
  ConnectionClosedError,
  type UnexpectedResponseError,
} from "../../src/errors.ts";
import { encodeReferenceFrame } from "../support/reference_frames.ts";
import { settle } from "../support/turn.ts";
import { watch } from "../support/watch.ts";
import { type ScriptedPeer, ScriptedServer } from "./scripted_server.ts";

const URL = "ws://example.com/";

/** A client that reconnects, whose random numbers are all 0.5. */
function start(options: ReconnectOptions & ConnectionCallbacks<undefined> = {}) {
  const server = new ScriptedServer();
  const delays: number[] = [];
  const reconnecting = createReconnecting(server.connect, server.clock, () => 0.5);
  const conns = reconnecting(URL, {
    keepAlive: false,
    onRetry: ({ delayMs }) => void delays.push(delayMs),
    ...options,
  });
  return { server, conns, delays };
}

/** Closes a connection as the server, with a code or, without, by a reset. */
async function close(peer: ScriptedPeer, code?: number): Promise<void> {
  if (code === undefined) return peer.socket.reset();
  peer.send(encodeReferenceFrame({ opcode: 8, payload: Uint8Array.of(code >> 8, code & 0xff) }));
  await peer.readBytes(2 + 4 + 2);
  peer.socket.end();
}

describe("reconnecting()", () => {
  it("gives a connection after the other", async () => {
    const { server, conns, delays } = start();
    for (let i = 0; i < 3; i++) {
      const next = watch(conns.next());
      if (i > 0) {
        await settle();
        await server.clock.advance(delays.at(-1)!);
      }
      const peer = await server.next();
      await peer.accept();
      const { value } = await next.untilSettled();
      const conn = value!.value!;
      assertEquals(conn.state, "open");
      await close(peer, 1001);
      await conn.closed;
    }
    assertEquals(delays, [500, 1000]);
    await conns.return();
    assertEquals(server.openCount, 0);
    assertEquals(server.clock.pending, []);
  });

  it("waits for the end of a connection before the next", async () => {
    const { server, conns } = start();
    const first = watch(conns.next());
    const peer = await server.next();
    await peer.accept();
    await first.untilSettled();
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
    const { server, conns, delays } = start({ minDelayMs: 100, maxDelayMs: 1_000 });
    server.dialling = () => Promise.reject(new ConnectError("ECONNREFUSED", "nobody"));
    const next = watch(conns.next());
    await settle();
    for (let i = 0; i < 6; i++) await server.clock.advance(delays.at(-1)!);
    assertEquals(delays, [50, 100, 200, 400, 500, 500, 500]);
    server.dialling = undefined;
    await server.clock.advance(500);
    const peer = await server.next();
    await peer.accept();
    await next.untilSettled();
    const after = watch(conns.next());
    await server.clock.advance(10_000);
    await close(peer);
    await settle();
    assertEquals(delays.at(-1), 50);
    void conns.return();
    await server.clock.advance(50);
    await (await server.next()).accept();
    await after.untilSettled();
  });

  it("goes on doubling after a connection that did not last", async () => {
    const { server, conns, delays } = start();
    for (let i = 0; i < 3; i++) {
      const next = watch(conns.next());
      await settle();
      if (i > 0) await server.clock.advance(delays.at(-1)!);
      const peer = await server.next();
      await peer.accept();
      await next.untilSettled();
      await close(peer);
    }
    const last = watch(conns.next());
    await settle();
    assertEquals(delays, [500, 1000, 2000]);
    void conns.return();
    assertEquals(last.state, "pending");
  });

  it("goes on doubling where the program is still at work on a connection that did not last", async () => {
    const { server, conns, delays } = start();
    for (let i = 0; i < 4; i++) {
      const next = watch(conns.next());
      await settle();
      if (i > 0) await server.clock.advance(delays.at(-1)!);
      const peer = await server.next();
      await peer.accept();
      const conn = (await next.untilSettled()).value!.value!;
      await close(peer);
      await conn.closed;
      await server.clock.advance(60_000);
    }
    void watch(conns.next());
    await settle();
    assertEquals(delays, [500, 1000, 2000, 4000]);
    void conns.return();
  });

  /** What a server can send that a client refuses, and the code it does so with. */
  const REFUSED: [code: number, frame: Uint8Array][] = [
    [1002, encodeReferenceFrame({ opcode: 3 })],
    [1007, encodeReferenceFrame({ opcode: 1, payload: Uint8Array.of(0xff) })],
    [1009, encodeReferenceFrame({ opcode: 2, payload: new Uint8Array(101) })],
  ];
  /** Has the next connection open, and gives its peer, and what comes behind it. */
  async function openNext({ server, conns, delays }: ReturnType<typeof start>) {
    const next = watch(conns.next());
    await settle();
    for (let made = 0; made < delays.length;) {
      made = delays.length;
      await server.clock.advance(delays.at(-1)!);
    }
    const peer = await server.next();
    await peer.accept();
    const conn = (await next.untilSettled()).value!.value!;
    return { peer, conn };
  }
  async function refuse(peer: ScriptedPeer, conn: Connection, frame: Uint8Array): Promise<void> {
    peer.send(frame);
    await settle();
    peer.socket.end();
    assertEquals((await conn.closed).initiator, "local");
  }

  for (const [code, frame] of REFUSED) {
    it(`ends with an error the third time in a row that the client closes with ${code}`, async () => {
      const causes: unknown[] = [];
      const client = start({
        limits: { maxMessageSize: 100 },
        onRetry: ({ cause, delayMs }) => {
          causes.push("closeCode" in cause ? cause.closeCode : cause);
          client.delays.push(delayMs);
        },
      });
      for (let i = 0; i < 3; i++) {
        const { peer, conn } = await openNext(client);
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
      assertEquals(causes.filter((cause) => cause === code).length, 2);
      assertEquals(client.server.clock.pending, []);
    });
  }

  for (const code of [1002, 1003, 1007, 1009]) {
    it(`ends with an error the third time in a row that the server closes with ${code}`, async () => {
      const client = start();
      for (let i = 0; i < 3; i++) {
        const { peer, conn } = await openNext(client);
        peer.send(
          encodeReferenceFrame({ opcode: 8, payload: Uint8Array.of(code >> 8, code & 255) }),
        );
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
    const client = start({ limits: { maxMessageSize: 100 } });
    for (let i = 0; i < 6; i++) {
      const { peer, conn } = await openNext(client);
      await client.server.clock.advance(60_000);
      await refuse(peer, conn, REFUSED[2][1]);
    }
    const next = watch(client.conns.next());
    await settle();
    assertEquals(next.state, "pending");
    void client.conns.return();
  });

  it("goes on after it, where other connections end otherwise in between", async () => {
    const client = start({ limits: { maxMessageSize: 100 } });
    for (let i = 0; i < 9; i++) {
      const { peer, conn } = await openNext(client);
      if (i % 3 < 2) await refuse(peer, conn, REFUSED[i % 2][1]);
      else await close(peer);
      await conn.closed;
    }
    const next = watch(client.conns.next());
    await settle();
    assertEquals(next.state, "pending");
    void client.conns.return();
  });

  it("goes on after it, where shouldReconnect says so, or the program closed with such a code", async () => {
    const options = [{ shouldReconnect: () => true, limits: { maxMessageSize: 100 } }, {}];
    for (const own of options) {
      const client = start(own);
      for (let i = 0; i < 6; i++) {
        const { peer, conn } = await openNext(client);
        if (own.limits !== undefined) await refuse(peer, conn, REFUSED[2][1]);
        else void conn.close({ closeCode: 1009 });
        await settle();
        // What comes behind the Close frame of the program does not count.
        if (own.limits === undefined) peer.send(REFUSED[0][1]);
        peer.socket.end();
        assertEquals((await conn.closed).closeCode, 1009);
      }
      const next = watch(client.conns.next());
      await settle();
      assertEquals(next.state, "pending");
      void client.conns.return();
    }
  });

  for (const code of [1012, 1013]) {
    it(`waits for longer after ${code}`, async () => {
      const { server, conns, delays } = start();
      const first = watch(conns.next());
      const peer = await server.next();
      await peer.accept();
      await first.untilSettled();
      void conns.next();
      await close(peer, code);
      await settle();
      // 5 to 30 seconds, and the usual wait.
      assertEquals(delays, [17_500 + 500]);
      void conns.return();
    });
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
      const { server, conns, delays } = start();
      void conns.next();
      const peer = await server.next();
      await peer.readRequest();
      peer.send(`HTTP/1.1 503 Busy\r\nRetry-After: ${value}\r\nContent-Length: 0\r\n\r\n`);
      await settle(6);
      assertEquals(delays, [delayMs]);
      void conns.return();
    });
  }

  it("honours a Retry-After that is a date", async () => {
    const { server, conns, delays } = start();
    void conns.next();
    const peer = await server.next();
    await peer.readRequest();
    const date = new Date(Date.now() + 3_600_000).toUTCString();
    peer.send(`HTTP/1.1 429 Slow down\r\nRetry-After: ${date}\r\nContent-Length: 0\r\n\r\n`);
    await settle(6);
    assert(delays[0] > 3_500_000 && delays[0] < 3_602_000, String(delays));
    void conns.return();
  });

  for (const status of [400, 401, 403, 404, 426]) {
    it(`stops on ${status}`, async () => {
      const { server, conns, delays } = start();
      const next = watch(conns.next());
      const peer = await server.next();
      await peer.readRequest();
      peer.send(`HTTP/1.1 ${status} No\r\nContent-Length: 0\r\n\r\n`);
      const { reason } = await next.untilSettled();
      assertEquals((reason as UnexpectedResponseError).status, status);
      assertEquals(delays, []);
      assertEquals(server.clock.pending, []);
      assertEquals((await conns.next()).done, true);
    });
  }

  it("stops on 1008", async () => {
    const { server, conns } = start();
    const first = watch(conns.next());
    const peer = await server.next();
    await peer.accept();
    await first.untilSettled();
    const next = watch(conns.next());
    await close(peer, 1008);
    const { reason } = await next.untilSettled();
    assert(reason instanceof ConnectionClosedError, String(reason));
    assertEquals(reason.closeCode, 1008);
    assertEquals(server.clock.pending, []);
  });

  it("stops after maxAttempts failures in a row, with the last one", async () => {
    const { server, conns, delays } = start({ maxAttempts: 3 });
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
    assertEquals(delays, [500, 1000]);
  });

  it("asks shouldReconnect, and ends where a connection was closed with 1000", async () => {
    const causes: unknown[] = [];
    const { server, conns } = start({
      shouldReconnect: (cause) => {
        causes.push(cause instanceof Error ? cause.message : cause.closeCode);
        return false;
      },
    });
    const first = watch(conns.next());
    const peer = await server.next();
    await peer.accept();
    await first.untilSettled();
    const next = watch(conns.next());
    await close(peer, 1000);
    assertEquals((await next.untilSettled()).value, { done: true, value: undefined });
    assertEquals(causes, [1000]);
  });

  it("closes the connection where the loop is left", async () => {
    const { server, conns } = start();
    const first = watch(conns.next());
    const peer = await server.next();
    await peer.accept();
    const conn = (await first.untilSettled()).value!.value!;
    const returned = watch(conns.return());
    assertEquals([...(await peer.readBytes(2 + 4 + 2)).subarray(0, 2)], [0x88, 0x82]);
    assertEquals(returned.state, "pending");
    peer.send(encodeReferenceFrame({ opcode: 8, payload: Uint8Array.of(3, 232) }));
    peer.socket.end();
    await returned.untilSettled();
    assertEquals((await conn.closed).initiator, "local");
  });

  for (const at of ["dialling", "waiting", "open"]) {
    it(`ends where its signal aborts: ${at}`, async () => {
      const controller = new AbortController();
      const { server, conns, delays } = start({ signal: controller.signal });
      if (at === "dialling") {
        server.dialling = (signal) =>
          new Promise((_, reject) => {
            signal.addEventListener("abort", () => reject(signal.reason));
          });
      } else if (at === "waiting") {
        server.dialling = () => Promise.reject(new ConnectError("ECONNREFUSED", "nobody"));
      }
      let next = watch(conns.next());
      let peer: ScriptedPeer | undefined;
      if (at === "open") {
        peer = await server.next();
        await peer.accept();
        await next.untilSettled();
        next = watch(conns.next());
      }
      await settle();
      assertEquals(delays.length, at === "waiting" ? 1 : 0);
      controller.abort();
      if (peer !== undefined) {
        await peer.readBytes(2 + 4 + 2);
        peer.send(encodeReferenceFrame({ opcode: 8, payload: Uint8Array.of(3, 232) }));
        peer.socket.end();
      }
      assertEquals((await next.untilSettled()).value, { done: true, value: undefined });
      assertEquals(server.clock.pending, []);
    });
  }

  it("rejects with what no attempt can mend", async () => {
    const { server } = start();
    const reconnecting = createReconnecting(server.connect, server.clock);
    await assertRejects(() => reconnecting("ftp://example.com").next(), TypeError);
    await assertRejects(() => reconnecting(URL, { minDelayMs: 0 }).next(), RangeError);
    await assertRejects(() => reconnecting(URL, { maxDelayMs: 5 }).next(), RangeError);
    await assertRejects(() => reconnecting(URL, { maxDelayMs: Infinity }).next(), RangeError);
    await assertRejects(() => reconnecting(URL, { maxAttempts: 0 }).next(), RangeError);
    await assertRejects(
      () => reconnecting(URL, { onRetry: 1 } as unknown as ReconnectOptions).next(),
      TypeError,
    );
  });
});
