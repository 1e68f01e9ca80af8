import { describe, it } from "node:test";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "node:path";
import { connect, reconnecting } from "../../src/runtimes/shared/client.ts";
import type { ConnectOptions } from "../../src/client/options.ts";
import { ConnectError, UnexpectedResponseError } from "../../src/errors.ts";
import { type Handler, serve, type ServeOptions } from "../../mod.ts";
import { canCount, countSettledSockets, untilSockets } from "../runtimes/descriptors.ts";
import { withFolder } from "../runtimes/server.ts";
import { skipUnless } from "../support/skip.ts";
import { certificate } from "../support/tls.ts";

const tls = certificate;
const skip = skipUnless(canCount, "needs /proc to count descriptors: Linux");
const MiB = 1024 * 1024;

/** Sends back each message, as a stream. */
const echo: Handler = async (conn) => {
  for await (const { type, body } of conn.messages()) {
    await conn.sendStream(type, body as ReadableStream<Uint8Array>);
  }
};

/** Calls `run` with the URL of a server on a free port. */
async function withServer(
  options: ServeOptions,
  handler: Handler,
  run: (url: string) => Promise<void>,
): Promise<void> {
  const server = await serve({ port: 0, hostname: "127.0.0.1", ...options }, handler);
  const { addr } = server;
  const scheme = options.tls === undefined ? "ws" : "wss";
  try {
    await run(addr.transport === "tcp" ? `${scheme}://localhost:${addr.port}/` : "ws://localhost/");
  } finally {
    await server.shutdown();
  }
}

/** The bytes 0 to 255, again and again. */
function pattern(size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => i);
}

/** Sends messages of several sizes and kinds, and expects them back. */
async function exchange(url: string, options: ConnectOptions): Promise<void> {
  const conn = await connect(url, options);
  const received = conn[Symbol.asyncIterator]();
  for (const message of ["", "Hello, wörld", "x".repeat(70_000), pattern(0), pattern(300_000)]) {
    await conn.send(message);
    assertEquals((await received.next()).value, message);
  }
  assert(await conn.ping() >= 0);
  const { closeCode, wasClean } = await conn.close({ closeCode: 4000, reason: "done" });
  assertEquals([closeCode, wasClean], [4000, true]);
}

describe("connect() over real sockets", () => {
  for (const compression of [false, true, { contextTakeover: true }]) {
    const suffix = compression === false ? "" : `, compressed: ${JSON.stringify(compression)}`;

    it(`speaks over TCP${suffix}`, async () => {
      await withServer({ compression }, echo, (url) => exchange(url, { compression }));
    });

    it(`speaks over TLS${suffix}`, async () => {
      const options = { compression, tls: { ca: tls.cert } };
      await withServer({ tls, compression }, echo, (url) => exchange(url, options));
    });
  }

  it("speaks over a Unix socket", async () => {
    await withFolder(async (folder) => {
      const path = join(folder, "s");
      const server = await serve({ path }, echo);
      await exchange("ws://localhost/", { path });
      await server.shutdown();
    });
  });

  it("streams both ways at once, in constant memory", async () => {
    const size = 16 * MiB;
    const limits = { maxMessageSize: Infinity };
    await withServer({ limits }, echo, async (url) => {
      const conn = await connect(url, { limits });
      let sent = 0;
      const body = new ReadableStream<Uint8Array>({
        pull(controller) {
          if (sent === size) return controller.close();
          controller.enqueue(new Uint8Array(64 * 1024).fill(sent / (64 * 1024)));
          sent += 64 * 1024;
        },
      });
      const sending = conn.sendStream("binary", body);
      let received = 0;
      for await (const message of conn.messages()) {
        for await (const chunk of message.body as AsyncIterable<Uint8Array>) {
          for (let i = 0; i < chunk.length; i += 1021) {
            assertEquals(chunk[i], Math.floor((received + i) / (64 * 1024)) & 0xff);
          }
          received += chunk.length;
        }
        break;
      }
      await sending;
      assertEquals(received, size);
      await conn.close();
    });
  });

  it("refuses a certificate that nobody vouches for", async () => {
    await withServer({ tls }, echo, async (url) => {
      const error = await assertRejects(() => connect(url), ConnectError);
      assertEquals(error.code, "DEPTH_ZERO_SELF_SIGNED_CERT");
      const conn = await connect(url, { tls: { rejectUnauthorized: false } });
      await conn.close();
    });
  });

  it("tells why a server refuses", async () => {
    const upgrade = () =>
      Response.json({ error: "no token" }, { status: 401, headers: { "X-Why": "it lacks" } });
    await withServer({ upgrade }, echo, async (url) => {
      const error = await assertRejects(() => connect(url), UnexpectedResponseError);
      assertEquals(error.status, 401);
      assertEquals(error.headers.get("x-why"), "it lacks");
      assertEquals(JSON.parse(error.body), { error: "no token" });
    });
  });

  it("leaves no socket behind, however it ends", { skip }, async () => {
    await withServer({}, echo, async (url) => {
      const before = await countSettledSockets();
      for (let i = 0; i < 20; i++) {
        const controller = new AbortController();
        const connecting = connect(url, { signal: controller.signal });
        if (i % 4 === 0) {
          for (let turns = i / 4; turns > 0; turns--) await Promise.resolve();
          controller.abort(new Error("enough"));
          await connecting.then(
            (conn) => conn.close(),
            (error) => assertEquals(error.message, "enough"),
          );
        } else if (i % 4 === 1) (await connecting).abort();
        else await (await connecting).close();
      }
      await untilSockets(before);
    });
  });
});

describe("reconnecting() over real sockets", () => {
  it("comes back to a server that was restarted", async () => {
    const start = (port: number) =>
      serve({ port, hostname: "127.0.0.1" }, async (conn) => {
        await conn.send("Hello");
        await conn.closed;
      });
    let server = await start(0);
    const port = server.addr.transport === "tcp" ? server.addr.port : 0;
    let turns = 0;
    for await (
      const conn of reconnecting(`ws://127.0.0.1:${port}/`, { minDelayMs: 1, maxDelayMs: 20 })
    ) {
      for await (const message of conn) {
        assertEquals(message, "Hello");
        break;
      }
      if (++turns === 3) break;
      await server.shutdown();
      server = await start(port);
    }
    assertEquals(turns, 3);
    await server.shutdown();
  });
});
