import { describe, it } from "node:test";
import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import {
  accept,
  type AcceptStreamOptions,
  type Connection,
  HandshakeError,
  WebSocketError,
} from "../../mod.ts";
import { RawClient, textFrame } from "../support/raw_client.ts";
import { ACCEPT, httpRequest, upgradeRequest } from "../support/requests.ts";
import { StreamSocket } from "../support/stream_socket.ts";
import { settle } from "../support/turn.ts";
import { watch } from "../support/watch.ts";

function start<Data>(options?: AcceptStreamOptions<Data>, highWaterMark?: number): {
  client: RawClient<StreamSocket>;
  accepted: Promise<Connection<Data>>;
} {
  const socket = new StreamSocket(highWaterMark);
  const client = new RawClient(socket);
  socket.resume();
  return { client, accepted: accept(socket.server, options) };
}

async function open<Data>(options?: AcceptStreamOptions<Data>, ...early: Uint8Array[]): Promise<{
  client: RawClient<StreamSocket>;
  conn: Connection<Data>;
}> {
  const { client, accepted } = start(options);
  client.send(upgradeRequest(), ...early);
  const { status, headers } = await client.readHead();
  assertEquals([status, headers.get("sec-websocket-accept")], [101, ACCEPT]);
  return { client, conn: await accepted };
}

/** Closes from the client's side, and waits until both streams have ended. */
async function finish(client: RawClient<StreamSocket>, conn: Connection<unknown>): Promise<void> {
  client.sendClose(1000);
  await client.readClose();
  assertEquals((await client.readToEnd()).length, 0);
  client.socket.end();
  const { value } = await watch(conn.closed).untilSettled();
  assertEquals(value, { closeCode: 1000, reason: "", wasClean: true, initiator: "remote" });
}

const FOREIGN = upgradeRequest({ headers: { Origin: "http://example.org" } });

describe("accept()", () => {
  it("opens a WebSocket over two streams, both ways and to the end", async () => {
    const { client, conn } = await open(undefined, textFrame("early"));
    assertEquals(conn.remoteAddress, { transport: "stream" });
    assertEquals(conn.localAddress, { transport: "stream" });
    assertEquals(conn.request.url, "http://example.com/");
    const messages = conn[Symbol.asyncIterator]();
    assertEquals((await messages.next()).value, "early");
    client.sendText("a");
    assertEquals((await messages.next()).value, "a");
    await conn.send("b");
    assertEquals(await client.readMessage(), "b");
    const end = messages.next();
    await finish(client, conn);
    assertEquals((await end).done, true);
  });

  it("takes callbacks", async () => {
    const calls: string[] = [];
    const { client, conn } = await open({
      open: () => void calls.push("open"),
      message: (conn, data) => {
        calls.push(String(data));
        return conn.send(data);
      },
      close: (_, { closeCode }) => void calls.push(String(closeCode)),
    });
    client.sendText("a");
    assertEquals(await client.readMessage(), "a");
    await finish(client, conn);
    assertEquals(calls, ["open", "a", "1000"]);
  });

  it("goes on over a writable that is always full: its high-water mark is 0", async () => {
    const { client, accepted } = start({ message: (conn, data) => conn.send(data) }, 0);
    client.send(upgradeRequest(), textFrame("early"));
    assertEquals((await client.readHead()).status, 101);
    const conn = await accepted;
    assertEquals(await client.readMessage(), "early");
    for (const size of [0, 1, 1_000, 100_000, 1_000_000]) {
      const message = new Uint8Array(size).fill(7);
      client.sendBinary(message);
      assertEquals(await client.readMessage(), message);
    }
    assertEquals(conn.bufferedAmount, 0);
    await finish(client, conn);
  });

  it("takes the upgrade hook", async () => {
    const { client, accepted } = start({
      upgrade: (_, { subprotocols }) => ({ protocol: subprotocols[0], data: 5 }),
    });
    client.send(upgradeRequest({ headers: { "Sec-WebSocket-Protocol": "chat" } }));
    assertEquals((await client.readHead()).headers.get("sec-websocket-protocol"), "chat");
    const conn = await accepted;
    assertEquals([conn.protocol, conn.data], ["chat", 5]);
    await finish(client, conn);
  });

  it("knows secured streams", async () => {
    const { client, accepted } = start({ secure: true });
    client.send(upgradeRequest({ headers: { Origin: "https://example.com" } }));
    const conn = await accepted;
    assertEquals(conn.request.url, "https://example.com/");
    await client.readHead();
    await finish(client, conn);
  });

  const reports: unknown[] = [];
  const broken = new Error("broken");
  /** What there is instead of a WebSocket, and the status that `accept()` rejects with, if it was refused. */
  const REJECTED: [
    what: string,
    options: AcceptStreamOptions,
    request: string,
    expected: { status: number; body?: string },
    refusal: number | undefined,
  ][] = [
    ["another site's origin", {}, FOREIGN, { status: 403 }, 403],
    [
      "a Response of the hook",
      { upgrade: () => new Response("no", { status: 401 }) },
      upgradeRequest(),
      { status: 401, body: "no" },
      401,
    ],
    [
      "a hook that throws, which is reported",
      { upgrade: () => Promise.reject(broken), onError: (error) => void reports.push(error) },
      upgradeRequest(),
      { status: 500 },
      500,
    ],
    [
      "plain HTTP, which the fetch hook answers",
      { fetch: () => new Response("here") },
      httpRequest(),
      { status: 200, body: "here" },
      undefined,
    ],
  ];
  for (const [what, options, request, expected, refusal] of REJECTED) {
    it(`rejects, when the client has its answer, at ${what}`, async () => {
      for (const highWaterMark of [undefined, 0]) {
        const { client, accepted } = start(options, highWaterMark);
        const rejected = watch(accepted);
        client.send(request);
        const response = await client.readResponse();
        assertEquals({ ...response, ...expected }, response);
        client.socket.end();
        const { reason } = await rejected.untilSettled();
        assertInstanceOf(reason, refusal === undefined ? WebSocketError : HandshakeError);
        assertEquals((reason as Partial<HandshakeError>).status, refusal);
        assertEquals(reports.splice(0), refusal === 500 ? [broken] : []);
      }
    });
  }

  for (const how of ["end", "reset"] as const) {
    it(`rejects where the streams ${how} before there is a WebSocket`, async () => {
      const { client, accepted } = start();
      const rejected = watch(accepted);
      if (how === "reset") client.send(upgradeRequest().slice(0, 20));
      await settle();
      client.socket[how]();
      const { reason } = await rejected.untilSettled();
      assertInstanceOf(reason, WebSocketError);
      assert(!(reason instanceof HandshakeError));
    });
  }

  it("rejects where an option or a stream can't be used", async () => {
    await assertRejects(() => accept(new StreamSocket().server, { closeTimeoutMs: 0 }), RangeError);
    await assertRejects(
      () => accept(new StreamSocket().server, { upgrade: "yes" as never }),
      TypeError,
    );
    for (const side of ["readable", "writable"] as const) {
      const { server } = new StreamSocket();
      if (side === "readable") server.readable.getReader();
      else server.writable.getWriter();
      await assertRejects(() => accept(server), TypeError);
      const other = side === "readable" ? server.writable : server.readable;
      assertEquals(other.locked, false);
    }
  });

  it("is a connection without the end of a handler: leaving a loop leaves it open", async () => {
    const { client, conn } = await open();
    client.sendText("a");
    for await (const _ of conn) break;
    assertEquals(conn.state, "open");
    void conn.close({ closeCode: 3000 });
    assertEquals(await client.readClose(), [3000, ""]);
    client.sendClose(3000);
    client.socket.end();
    assertEquals((await conn.closed).closeCode, 3000);
  });
});
