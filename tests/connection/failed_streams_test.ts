/**
 * What a connection closes with where the program's failure went through its streams.
 *
 * @module
 */

import { describe, it } from "node:test";
import { assertEquals, assertStrictEquals } from "@std/assert";
import {
  type Connection,
  ConnectionClosedError,
  type Handler,
  type Message,
  type ServeOptions,
  WebSocketError,
} from "../../src/server/mod.ts";
import { connectedPair } from "../../src/testing/mod.ts";
import { STAGES } from "../mounting/harness.ts";
import { assertEnd } from "../support/end.ts";
import { type Harness, TRANSPORTS, withConnection } from "../support/transports.ts";
import { settle } from "../support/turn.ts";
import { eventually } from "../support/waiter.ts";
import { watch } from "../support/watch.ts";
import { Source } from "./source.ts";
import { FAILURES, withStalledClient } from "./with_connection.ts";

const broken = new Error("broken");

function failingSink(): WritableStream<Message> {
  return new WritableStream({ write: () => Promise.reject(broken) });
}

function failingTransform(): TransformStream<Message, Message> {
  return new TransformStream({
    transform() {
      throw broken;
    },
  });
}

/** Handlers that fail at the first message. */
const FAILING: Record<string, Handler<unknown>> = {
  "a sink that fails": (conn) => conn.readable.pipeTo(failingSink()),
  "a transform that throws, back to the client": (conn) =>
    conn.readable.pipeThrough(failingTransform()).pipeTo(conn.writable),
  "a transform that throws, before others": (conn) =>
    conn.readable.pipeThrough(failingTransform()).pipeThrough(new TransformStream())
      .pipeTo(new WritableStream()),
  "a transform that throws, behind others": (conn) =>
    conn.readable.pipeThrough(new TransformStream()).pipeThrough(failingTransform())
      .pipeTo(conn.writable),
  "a loop over readable": async (conn) => {
    for await (const _message of conn.readable) throw broken;
  },
  "a loop over a transformed readable": async (conn) => {
    for await (const _message of conn.readable.pipeThrough(new TransformStream())) throw broken;
  },
  "loops over both branches of a tee": async (conn) => {
    await Promise.all(
      conn.readable.tee().map(async (branch) => {
        for await (const _message of branch) throw broken;
      }),
    );
  },
  "a reader that is cancelled on the way": async (conn) => {
    const reader = conn.readable.getReader();
    try {
      await reader.read();
      throw broken;
    } finally {
      await reader.cancel();
    }
  },
  "a loop whose error is thrown on after some time": async (conn) => {
    try {
      await conn.readable.pipeTo(failingSink());
    } finally {
      await settle();
    }
  },
  "a source that fails": async (conn) => {
    const source = new Source<Message>("a");
    const piped = source.stream.pipeTo(conn.writable);
    await settle();
    source.fail(broken);
    await piped;
  },
  "a source of another type": async (conn) => {
    try {
      await new Source<Message>(7 as never).stream.pipeTo(conn.writable);
    } catch {
      throw broken;
    }
  },
  "a body that is piped to a sink that fails": async (conn) => {
    for await (const { body } of conn.messages()) await body.pipeTo(failingSink());
  },
  "a body that is sent through a transform that throws": async (conn) => {
    for await (const { body } of conn.messages()) {
      await conn.sendStream("binary", body.pipeThrough(failingTransform()));
    }
  },
};

/** Handlers that end as they should. */
const SUCCEEDING: Record<string, Handler<unknown>> = {
  "leaves a loop over readable": async (conn) => {
    for await (const _message of conn.readable) break;
  },
  "cancels readable": (conn) => conn.readable.cancel(),
  "leaves loops over both branches of a tee": async (conn) => {
    await Promise.all(
      conn.readable.tee().map(async (branch) => {
        for await (const _message of branch) break;
      }),
    );
  },
  "pipes through a transform that ends early": (conn) =>
    conn.readable.pipeThrough(
      new TransformStream<Message, Message>({
        transform: (_, controller) => controller.terminate(),
      }),
    ).pipeTo(conn.writable),
  "catches what its pipe fails with": (conn) => conn.readable.pipeTo(failingSink()).catch(() => {}),
};

/** More than the system's buffers take. */
const LARGE = 64 * 1024 * 1024;
const memoryBudget = { size: 4 * LARGE };

/** How a pipe to a connection ends early. */
const GIVING_UP: Record<string, (conn: Connection) => unknown> = {
  "close()": (conn) => void conn.close({ closeCode: 4001 }),
  "abort()": (conn) => conn.abort(),
  "the signal of another pipe": async (conn) => {
    const sink = new WritableStream<Message>();
    const reason = new WebSocketError("", { closeCode: 4001 });
    await conn.readable.pipeTo(sink, { signal: AbortSignal.abort(reason) }).catch(() => {});
  },
};

interface Place {
  name: string;
  withServer(
    setup: Pick<ServeOptions, "memoryBudget"> & { handler: Handler<unknown> },
    body: (server: Pick<Harness, "open" | "takeErrors">) => Promise<void>,
  ): Promise<void>;
}

const PLACES: Place[] = [
  ...TRANSPORTS,
  ...STAGES.map(({ name, withMounted }): Place => ({
    name: `a mount on ${name}`,
    withServer: (setup, body) => withMounted<unknown>(setup, body),
  })),
];

for (const { name, withServer } of PLACES) {
  describe(`streams over ${name}`, () => {
    for (const [what, handler] of Object.entries(FAILING)) {
      it(`close with 1011 where the handler fails by ${what}`, () =>
        withServer({ handler }, async (server) => {
          const client = await server.open();
          client.sendText("a");
          client.sendText("b");
          let code: number | undefined;
          while (code === undefined) {
            const { opcode, payload } = await client.readFrame();
            if (opcode === 8) code = payload[0] << 8 | payload[1];
          }
          assertEquals(code, 1011);
          client.sendClose(1011);
          await client.finish();
          const errors: unknown[] = [];
          await eventually("the failure", () => errors.push(...server.takeErrors()) > 0);
          assertEquals(errors, [broken]);
        }));
    }

    for (const [what, giveUp] of Object.entries(GIVING_UP)) {
      it(`is given up at once while the client reads nothing, by ${what}`, async () => {
        const states: unknown[] = [];
        const handler: Handler<unknown> = async (conn) => {
          const source = new Source<Message>(new Uint8Array(LARGE), "behind");
          const piped = watch(source.stream.pipeTo(conn.writable));
          await settle(5);
          states.push(piped.state);
          await giveUp(conn);
          await settle(5);
          states.push(piped.state, source.cancelled?.length);
        };
        await withServer({ handler, memoryBudget }, async (server) => {
          const client = await server.open();
          client.socket.pause();
          await eventually("the end of the pipe", () => states.length === 3);
          assertEquals(states, ["pending", "rejected", 1]);
        });
      });
    }

    for (const [what, handler] of Object.entries(SUCCEEDING)) {
      it(`close with 1000 where the handler ${what}`, () =>
        withServer({ handler }, async (server) => {
          const client = await server.open();
          client.sendText("a");
          await client.answerClose(1000);
        }));
    }
  });
}

describe("the reason that a stream of a connection is given up for", () => {
  /** How the program gives streams up. */
  const WAYS: Record<string, (conn: Connection, reason: unknown) => Promise<unknown>> = {
    "readable.cancel()": (conn, reason) => conn.readable.cancel(reason),
    "a reader's cancel()": (conn, reason) => conn.readable.getReader().cancel(reason),
    "both branches of a tee, cancelled": (conn, reason) =>
      Promise.all(conn.readable.tee().map((branch) => branch.cancel(reason))),
    "writable.abort()": (conn, reason) => conn.writable.abort(reason),
    "a writer's abort()": (conn, reason) => conn.writable.getWriter().abort(reason),
    "a pipe to a sink that fails": (conn, reason) =>
      conn.readable.pipeTo(new WritableStream({ start: (controller) => controller.error(reason) })),
    "a pipe from a source that fails": (conn, reason) =>
      new Source<Message>().fail(reason).stream.pipeTo(conn.writable),
    "a pipe whose signal aborts": (conn, reason) =>
      conn.readable.pipeTo(new WritableStream(), { signal: AbortSignal.abort(reason) }),
  };
  for (const [what, reason, status] of FAILURES) {
    for (const [way, giveUp] of Object.entries(WAYS)) {
      it(`decides, with ${what}: ${way}`, () =>
        withConnection({}, async ({ conn, client }) => {
          const givenUp = watch(giveUp(conn, reason));
          assertEquals(await client.readClose(), status);
          client.sendClose(1000);
          await client.finish();
          await givenUp.untilSettled();
          assertEquals((await conn.closed).closeCode, status[0]);
        }));
    }
  }

  it("gives way to how the program closes in the same turn", () =>
    withConnection({}, async ({ conn, client }) => {
      await conn.readable.cancel(broken);
      await conn.send("last");
      void conn.close({ closeCode: 4001, reason: "mine" });
      assertEquals(await client.readMessage(), "last");
      await client.answerClose(4001, "mine");
      await assertEnd(conn, { closeCode: 4001, wasClean: true, initiator: "local" });
    }));

  it("decides at a client, too", async () => {
    for (const [, reason, status] of FAILURES) {
      for (const giveUp of [WAYS["readable.cancel()"], WAYS["writable.abort()"]]) {
        const { server, client } = await connectedPair();
        await giveUp(client, reason);
        const { closeCode, reason: text, wasClean, initiator } = await server.closed;
        assertEquals([closeCode, text, wasClean, initiator], [...status, true, "remote"]);
      }
    }
  });

  it("does not keep who gives up waiting for the client", () =>
    withStalledClient({ limits: { sendHighWaterMark: 50 } }, async ({ conn }) => {
      const [cancelled, aborted] = [watch(conn.readable.cancel()), watch(conn.writable.abort())];
      await settle();
      assertEquals([cancelled.state, aborted.state, conn.state], [
        "resolved",
        "resolved",
        "closing",
      ]);
    }));

  it("decides where a transform throws it, in a handler", async () => {
    const refused = new WebSocketError("Bytes came", { closeCode: 1003, reason: "Text only" });
    const handler: Handler = (conn) =>
      conn.readable.pipeThrough(
        new TransformStream<Message, Message>({
          transform() {
            throw refused;
          },
        }),
      ).pipeTo(conn.writable);
    for (const { withServer } of TRANSPORTS) {
      await withServer({ handler }, async (server) => {
        const client = await server.open();
        client.sendBinary(Uint8Array.of(1));
        await client.answerClose(1003, "Text only");
        assertEquals(server.takeErrors(), [refused]);
      });
    }
  });

  it("is reported where it is how another connection ended", async () => {
    const ended = new ConnectionClosedError("The other one ended", 1000);
    const ways: Handler[] = [
      (conn) => conn.readable.pipeTo(new WritableStream({ write: () => Promise.reject(ended) })),
      (conn) => new Source<Message>().fail(ended).stream.pipeTo(conn.writable),
    ];
    for (const handler of ways) {
      await TRANSPORTS[0].withServer({ handler }, async (server) => {
        const client = await server.open();
        client.sendText("a");
        assertEquals(await client.readClose(), [1011, ""]);
        const [error, ...more] = server.takeErrors();
        assertStrictEquals(error, ended);
        assertEquals(more, []);
      });
    }
  });
});
