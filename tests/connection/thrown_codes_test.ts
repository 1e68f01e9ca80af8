/**
 * What a connection closes with where a handler, a callback or a listener throws what says so.
 *
 * @module
 */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import type { ConnectOptions } from "../../src/client/options.ts";
import type { ConnectionCallbacks } from "../../src/connection/connection.ts";
import {
  type CloseInfo,
  type Connection,
  ConnectionClosedError,
  type Handler,
  ProtocolError,
  WebSocketError,
} from "../../src/server/mod.ts";
import { connectedPair } from "../../src/testing/mod.ts";
import { assertEnd } from "../support/end.ts";
import { type Setup, TRANSPORTS } from "../support/transports.ts";
import { settle } from "../support/turn.ts";
import { eventually } from "../support/waiter.ts";
import { FAILURES } from "./with_connection.ts";
import { closeStatusOf, isReasonless } from "../../src/connection/give_up.ts";
import { watch, type Watched } from "../support/watch.ts";

type Fail = () => unknown;

/** The places where code of a program may fail; each does at the first text. */
const PLACES: Record<string, (fail: Fail) => Setup<unknown>> = {
  "a handler": (fail) => ({
    async handler(conn) {
      for await (const _message of conn) await fail();
    },
  }),
  "a loop over readable": (fail) => ({
    async handler(conn) {
      for await (const _message of conn.readable) await fail();
    },
  }),
  "a loop over messages()": (fail) => ({
    async handler(conn) {
      for await (const _message of conn.messages()) await fail();
    },
  }),
  "a sink": (fail) => ({
    handler: (conn) =>
      conn.readable.pipeTo(new WritableStream({ write: async () => void await fail() })),
  }),
  "a sink of a body": (fail) => ({
    async handler(conn) {
      for await (const { body } of conn.messages()) {
        await body.pipeTo(new WritableStream({ write: async () => void await fail() }));
      }
    },
  }),
  "a source": (fail) => ({
    handler: (conn) =>
      conn.readable.pipeThrough(new TransformStream({ transform: async () => void await fail() }))
        .pipeTo(conn.writable),
  }),
  "the callback open": (fail) => ({ open: fail }),
  "the callback message": (fail) => ({ message: fail }),
  "the callback ping": (fail) => ({ ping: fail }),
  "a listener": (fail) => ({
    async handler(conn) {
      conn.asWebSocket().onmessage = fail;
      await conn.closed;
    },
  }),
};

const WAYS: [name: string, fail: (error: unknown) => Fail][] = [
  ["throws", (error) => () => {
    throw error;
  }],
  ["rejects with", (error) => () => settle().then(() => Promise.reject(error))],
];

for (const { name, withServer } of TRANSPORTS) {
  describe(`a WebSocketError over ${name}`, () => {
    for (const [place, setup] of Object.entries(PLACES)) {
      for (const [what, error, status] of FAILURES) {
        it(`with ${what}, of ${place}, decides what is closed with, and is reported`, async () => {
          for (const [, fail] of WAYS) {
            await withServer(setup(fail(error)), async (server) => {
              const client = await server.open();
              client.sendText("a");
              client.sendPing();
              let frame = await client.readFrame();
              while (frame.opcode === 10) frame = await client.readFrame();
              const { opcode, payload } = frame;
              const text = new TextDecoder().decode(payload.subarray(2));
              assertEquals([opcode, payload[0] << 8 | payload[1], text], [8, ...status]);
              client.sendClose(status[0]);
              await client.finish();
              const errors: unknown[] = [];
              await eventually("a report", () => errors.push(...server.takeErrors()) > 0);
              assertEquals(errors, [error]);
            });
          }
        });
      }
    }
  });
}

describe("a WebSocketError at a client", () => {
  const error = new WebSocketError("m", { closeCode: 4001, reason: "mine" });

  for (const [way, fail] of WAYS) {
    for (const callback of ["open", "message", "ping"] as const) {
      it(`decides what is closed with, where the callback ${callback} ${way} it`, async () => {
        const errors: unknown[] = [];
        const options: ConnectOptions<unknown> & ConnectionCallbacks<unknown> = {
          [callback]: fail(error),
          onError: (error) => void errors.push(error),
        };
        const { server, client } = await connectedPair({ client: options });
        if (callback === "message") void server.send("a");
        if (callback === "ping") void server.ping();
        await assertEnd(server, { closeCode: 4001, reason: "mine", initiator: "remote" });
        assertEquals((await client.closed).closeCode, 4001);
        assertEquals(errors, [error]);
      });
    }
  }

  it("decides where a listener throws it", async () => {
    const errors: unknown[] = [];
    const { server, client } = await connectedPair({
      client: { onError: (error) => void errors.push(error) },
    });
    client.asWebSocket().onmessage = () => {
      throw error;
    };
    await server.send("a");
    assertEquals((await server.closed).closeCode, 4001);
    assertEquals(errors, [error]);
  });
});

describe("a WebSocketError of the callback close", () => {
  it("is reported", () => {
    const error = new WebSocketError("m", { closeCode: 4001 });
    const close: Handler = () => {
      throw error;
    };
    return TRANSPORTS[0].withServer({ close }, async (server) => {
      const { client, conn }: { client: unknown; conn: Connection } = await server.openPair();
      conn.abort();
      void client;
      assertEquals((await conn.closed).closeCode, 1006);
      assertEquals(server.takeErrors(), [error]);
    });
  });
});

const wish = (closeCode?: number, reason?: string) =>
  new WebSocketError("m", { closeCode, reason });
class Kick extends WebSocketError {
  override name = "Kick";
}

function throwBroken(): never {
  throw new Error("broken");
}

const REASONS: [name: string, reason: unknown, status: [code: number, reason: string] | "none"][] =
  [
    ["a WebSocketError with a code and a reason", wish(4001, "é"), [4001, "é"]],
    ["one with a code", wish(1013), [1013, ""]],
    ["one with a code of the standard", wish(1003), [1003, ""]],
    ["one with a reason", wish(undefined, "done"), [1000, "done"]],
    ["one with neither", wish(), "none"],
    ["a class of the program's own", new Kick("", { closeCode: 4001 }), [4001, ""]],
    [
      "that of a browser",
      Object.assign(new DOMException("", "WebSocketError"), { closeCode: 4001, reason: "kicked" }),
      [4001, "kicked"],
    ],
    ["what close() takes", { closeCode: 4001, reason: "kicked" }, [4001, "kicked"]],
    ["the reasons of both branches of a tee", [undefined, wish(4001)], [4001, ""]],
    ["a code that may not be sent", wish(1006), [1011, ""]],
    ["such a code in an object", { closeCode: 1005 }, [1011, ""]],
    ["a code that is none", { closeCode: "4001" }, [1011, ""]],
    ["too long a reason", wish(4001, "x".repeat(124)), [1011, ""]],
    ["what throws where it is looked at", new Proxy({}, { get: throwBroken, has: throwBroken }), [
      1011,
      "",
    ]],
    ["how another connection ended", new ConnectionClosedError("ended", 4001), "none"],
    ["what another peer did wrong", new ProtocolError(1002, "wrong"), "none"],
    ["an error like any other", new Error("secret"), "none"],
    ["a number", 4001, "none"],
    ["a text", "secret", "none"],
    ["null", null, "none"],
  ];

describe("closeStatusOf()", () => {
  for (const [name, reason, expected] of REASONS) {
    it(`reads ${expected} from ${name}`, () => {
      const status = closeStatusOf(reason);
      assertEquals(status === undefined ? "none" : [status.closeCode, status.reason], expected);
    });
  }
});

describe("isReasonless()", () => {
  it("holds for undefined, and for that of each branch", () => {
    for (const reason of [undefined, [undefined, undefined], [undefined, [undefined]]]) {
      assertEquals(isReasonless(reason), true);
    }
    for (const reason of [null, 0, "", [undefined, null]]) {
      assertEquals(isReasonless(reason), false);
    }
  });
});

for (const { name, withServer } of TRANSPORTS) {
  /** Runs a handler whose end is what the test is about; gives how the connection closed. */
  const runHandler = async (
    handler: (conn: Connection) => unknown,
    code: number,
  ): Promise<{ info: CloseInfo | undefined; errors: unknown[] }> => {
    let closed: Watched<CloseInfo> | undefined;
    let errors: unknown[] = [];
    const setup = {
      handler: (conn: Connection) => {
        closed = watch(conn.closed);
        return handler(conn);
      },
    };
    await withServer(setup, async (server) => {
      const client = await server.open();
      await client.answerClose(code);
      await closed?.untilSettled();
      errors = server.takeErrors();
    });
    return { info: closed?.value, errors };
  };

  describe(`a handler over ${name}`, () => {
    it("ends the connection with 1000 when it returns", async () => {
      for (const handler of [() => {}, () => 5, () => settle()]) {
        const { info, errors } = await runHandler(handler, 1000);
        assertEquals(info, { closeCode: 1000, reason: "", wasClean: true, initiator: "local" });
        assertEquals(errors, []);
      }
    });

    it("reports what it throws, also where that is nothing", async () => {
      assertEquals((await runHandler(() => Promise.reject(), 1011)).errors, [undefined]);
    });

    it("may close with another code, and return", async () => {
      const { info } = await runHandler((conn) => void conn.close({ closeCode: 3000 }), 3000);
      assertEquals(info?.closeCode, 3000);
    });

    it("is not to blame where the connection ended while it sent", () =>
      withServer({
        handler: async (conn) => {
          await conn.closed;
          await conn.send("too late");
        },
      }, async (server) => {
        for (const end of ["end", "reset"] as const) {
          (await server.open()).socket[end]();
          await settle();
        }
        // No error was reported: finish() sees to that.
      }));

    it("goes on after the end, when it wants to", () => {
      let isDone = false;
      const handler = async (conn: Connection) => {
        await conn.closed;
        await settle();
        isDone = true;
      };
      return withServer({ handler }, async (server) => {
        const client = await server.open();
        client.sendClose(4000, "bye");
        assertEquals(await client.readClose(), [4000, ""]);
        await client.finish();
        await settle(10);
        assertEquals(isDone, true);
      });
    });
  });
}
