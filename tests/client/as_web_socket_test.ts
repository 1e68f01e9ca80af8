import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { type Handler, serve } from "../../mod.ts";
import { connect } from "../../src/runtimes/shared/client.ts";
import { WebSocketLog } from "../connection/web_socket_log.ts";

/** Runs a server on a real port for as long as `body` takes. */
async function withServer(handler: Handler, body: (url: string) => Promise<void>): Promise<void> {
  const server = await serve({ port: 0, hostname: "127.0.0.1", compression: true }, handler);
  try {
    assert(server.addr.transport === "tcp");
    await body(`ws://127.0.0.1:${server.addr.port}/path?query`);
  } finally {
    await server.shutdown();
  }
}

describe("asWebSocket() of a client's connection", () => {
  it("talks to that of a server's, and closes with it", async () => {
    let serverLog!: WebSocketLog;
    await withServer(async (conn) => {
      const socket = conn.asWebSocket();
      serverLog = new WebSocketLog(socket);
      socket.addEventListener("message", ({ data }) => socket.send(data));
      await conn.closed;
    }, async (url) => {
      const conn = await connect(url, { compression: true });
      const socket = conn.asWebSocket();
      const log = new WebSocketLog(socket);
      assertEquals([socket.url, socket.readyState], [url, WebSocket.OPEN]);
      assert(socket.extensions.startsWith("permessage-deflate"));
      const text = "é".repeat(10_000);
      socket.send(text);
      socket.send(new Blob(["bytes"]));
      await log.until(3);
      socket.close(4000, "done");
      const [open, message, blob, close] = await log.untilClosed();
      assertEquals([open, message], [["open"], ["message", text]]);
      assertEquals(await (blob[1] as Blob).text(), "bytes");
      assertEquals(close, ["close", 4000, "", true]);
      assertEquals((await serverLog.untilClosed()).at(-1), ["close", 4000, "done", true]);
    });
  });

  it("has what the server sent at once, and closed behind", () =>
    withServer(async (conn) => {
      await conn.send("at once");
      await conn.close({ closeCode: 4001, reason: "and no more" });
    }, async (url) => {
      const conn = await connect(url);
      const log = new WebSocketLog(conn.asWebSocket());
      const close = ["close", 4001, "and no more", true];
      assertEquals(await log.untilClosed(), [["open"], ["message", "at once"], close]);
    }));

  it("shows the loss of the server as an error", () =>
    withServer(async (conn) => {
      for await (const _ of conn) conn.abort();
    }, async (url) => {
      const conn = await connect(url);
      const socket = conn.asWebSocket();
      const log = new WebSocketLog(socket);
      socket.send("abort");
      const error = ["error", WebSocket.CLOSED];
      assertEquals(await log.untilClosed(), [["open"], error, ["close", 1006, "", false]]);
    }));
});
