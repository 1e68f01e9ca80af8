import { describe, it } from "node:test";
import { assert, assertEquals, assertGreater, assertMatch } from "@std/assert";
import type { CloseInfo, Connection, Handler } from "../../src/server/mod.ts";
import { wsPeer } from "../interop/ws_peer.ts";
import { textFrame } from "../support/raw_client.ts";
import { ACCEPT, upgradeRequest } from "../support/requests.ts";
import { eventually } from "../support/waiter.ts";
import { settle } from "../support/turn.ts";
import { watch } from "../support/watch.ts";
import { createPrograms } from "../connection/programs.ts";
import { certificateFile, type MountSetup, STAGES } from "./harness.ts";

const MiB = 1024 * 1024;
/** As many messages of 1 MiB are more than a connection can hold on its way. */
const COUNT = 24;

/** Waits until a figure has not changed for some time. */
async function untilStill(figure: () => number): Promise<void> {
  for (let before = NaN; before !== figure();) {
    before = figure();
    await settle(30);
  }
}

/** The ways to echo. */
const STYLES = createPrograms(() => {});

for (const { name, withMounted } of STAGES) {
  describe(`WebSockets mounted on ${name}`, () => {
    for (const [style, setup] of Object.entries(STYLES)) {
      it(`are echoed by ${style}`, () =>
        withMounted(setup, async (server) => {
          const client = await server.open();
          client.sendText("Grüße");
          assertEquals(await client.readMessage(), "Grüße");
          const bytes = new Uint8Array(300_000).map((_, i) => i * 7);
          client.sendBinary(bytes);
          assertEquals(await client.readMessage(), bytes);
          client.sendClose(1000, "done");
          assertEquals(await client.readClose(), [1000, ""]);
          await client.finish();
        }));
    }

    it("begin with a 101 response as the hook has it", () => {
      const acceptance = {
        protocol: "chat",
        headers: [["Set-Cookie", "a=1"], ["Set-Cookie", "b=2"]] as [string, string][],
        data: { user: "ada" },
      };
      return withMounted({ upgrade: () => acceptance }, async (server) => {
        const offer = { "Sec-WebSocket-Protocol": "chat, other", "X-Octets": "a\xff" };
        const client = await server.request(
          upgradeRequest({ target: "/room?name=x", headers: { ...offer, Cookie: ["c=3", "d=4"] } }),
        );
        const { status, headers } = await client.readHead();
        assertEquals(status, 101);
        assertEquals(headers.get("sec-websocket-accept"), ACCEPT);
        assertEquals(headers.get("sec-websocket-protocol"), "chat");
        assertEquals(headers.get("set-cookie"), "a=1, b=2");
        const [conn] = server.server.connections;
        assertEquals([conn.data, conn.protocol], [{ user: "ada" }, "chat"]);
        assertEquals(conn.request.url, `${name}://example.com/room?name=x`);
        assertEquals(conn.request.headers.get("cookie"), "c=3; d=4");
        assertEquals(conn.request.headers.get("x-octets"), "a\xff");
        assert(conn.remoteAddress.transport === "tcp");
        assertEquals(conn.remoteAddress.hostname, "127.0.0.1");
        assertEquals(conn.localAddress, {
          transport: "tcp",
          hostname: "127.0.0.1",
          port: server.port,
        });
      });
    });

    for (const upgrade of [undefined, () => settle().then(() => ({}))]) {
      const hook = upgrade === undefined ? "no hook" : "a slow hook";
      it(`receive what was sent right behind the request, with ${hook}`, () => {
        const received: unknown[] = [];
        const setup: MountSetup<undefined> = {
          upgrade,
          message: (_, data) => void received.push(data),
        };
        return withMounted(setup, async (server) => {
          const client = await server.open({}, textFrame("a"), textFrame("b".repeat(200)));
          client.sendText("c");
          await client.close();
          assertEquals(received, ["a", "b".repeat(200), "c"]);
        });
      });
    }

    it("are compressed, as another implementation has it", () =>
      withMounted({ ...STYLES.iteration, compression: { threshold: 0 } }, async (server) => {
        const socket = await wsPeer.connect(
          `${server.isSecure ? "wss" : "ws"}://127.0.0.1:${server.port}/`,
          { certificateFile },
        );
        assertMatch(socket.extensions, /permessage-deflate/);
        const text = "as it was before, ".repeat(20_000);
        for (let i = 0; i < 3; i++) {
          socket.send(text);
          assertEquals(await socket.receive(), text);
        }
        const [conn] = server.server.connections;
        assertGreater(text.length / 10, conn.stats().bytesSent);
        assertEquals((await socket.ping(new Uint8Array(5))).length, 5);
        socket.close(4000, "done");
        assertEquals((await socket.closed).closeCode, 4000);
      }));

    it("begin on a connection that has served plain HTTP", () =>
      withMounted(STYLES.callbacks, async (server) => {
        const client = await server.connect();
        for (const target of ["/first", "/second"]) {
          client.send(`GET ${target} HTTP/1.1\r\nHost: example.com\r\n\r\n`);
          const { headers } = await client.readHead();
          const body = await client.readBytes(Number(headers.get("content-length")));
          assertEquals(new TextDecoder().decode(body), target);
        }
        client.send(upgradeRequest());
        assertEquals((await client.readHead()).status, 101);
        client.sendText("hello");
        assertEquals(await client.readMessage(), "hello");
      }));

    it("have the client wait while the handler does not read", () => {
      const gate = Promise.withResolvers<void>();
      let size = 0;
      const setup: MountSetup<undefined> = {
        async handler(conn) {
          await gate.promise;
          for await (const message of conn) size += message.length;
        },
      };
      return withMounted(setup, async (server) => {
        const { client, conn } = await server.openPair();
        const message = new Uint8Array(MiB);
        for (let i = 0; i < COUNT; i++) client.sendBinary(message);
        await untilStill(() => client.socket.unsentSize);
        assertGreater(client.socket.unsentSize, 4 * MiB);
        assertGreater(4 * MiB, conn.stats().heldSize);
        gate.resolve();
        client.sendClose(1000);
        assertEquals(await client.readClose(), [1000, ""]);
        assertEquals(size, COUNT * MiB);
      });
    });

    describe("end", () => {
      const ends = (handler?: Handler<undefined>) => {
        const infos: CloseInfo[] = [];
        const setup: MountSetup<undefined> = {
          handler,
          onEvent: (event) => void (event.type === "close" && infos.push(event.info)),
        };
        return { infos, setup };
      };

      it("where the server closes, and the client answers", () => {
        const { infos, setup } = ends();
        return withMounted(setup, async (server) => {
          const { client, conn } = await server.openPair();
          const closed = watch(conn.close({ closeCode: 4000, reason: "enough" }));
          assertEquals(await client.readClose(), [4000, "enough"]);
          client.sendClose(4000, "enough");
          await client.finish();
          await closed.settled;
          assertEquals(infos.map(({ wasClean }) => wasClean), [true]);
        });
      });

      for (const how of ["FIN", "RST"] as const) {
        it(`by ${how} without a Close frame`, () => {
          const { infos, setup } = ends();
          return withMounted(setup, async (server) => {
            const { client, conn } = await server.openPair();
            const pinged = watch((conn as Connection).ping());
            client.send(textFrame("unfinished").subarray(0, 4));
            if (how === "FIN") client.socket.end();
            else client.socket.reset();
            await pinged.settled;
            assertEquals(pinged.state, "rejected");
            await eventually("the end", () => infos.length > 0);
            assertEquals(infos.map(({ closeCode }) => closeCode), [1006]);
          });
        });
      }

      it("by shutdown, and what comes after it is refused", () =>
        withMounted({}, async (server) => {
          const client = await server.open();
          const done = watch(server.server.shutdown({ closeCode: 1012, reason: "restart" }));
          await client.answerClose(1012, "restart");
          await done.settled;
          const late = await server.request(upgradeRequest());
          assertEquals((await late.readResponse()).status, 503);
          late.socket.end();
          const plain = await server.connect();
          plain.send("GET /plain HTTP/1.1\r\nHost: example.com\r\n\r\n");
          assertEquals((await plain.readHead()).status, 200);
        }));
    });
  });
}
