import { describe, it } from "node:test";
import { assertEquals, assertMatch } from "@std/assert";
import type { ServerConnection } from "../../src/server/mod.ts";
import { STAGES } from "../mounting/harness.ts";
import { clientFrame, textFrame, utf8 } from "../support/raw_client.ts";
import { concatBytes } from "../support/reference_frames.ts";
import { upgradeRequest } from "../support/requests.ts";
import { type MemoryHarness, type Setup, withMemoryServer } from "../support/transports.ts";
import { settle } from "../support/turn.ts";
import { eventually } from "../support/waiter.ts";
import { OFFER, RESUME, ResumingClient, split } from "./resuming_client.ts";

const SESSION = "0123456789abcdef";
const HELLO = textFrame("{}");

/** What happened in a program. */
type Log = string[];

/** The ways a program can take connections, each of which writes down what happens. */
const STYLES: Record<string, (log: Log) => Setup<unknown>> = {
  callbacks: (log) => ({
    open: () => void log.push("open"),
    message: (_, data) => void log.push(`message ${data}`),
    ping: () => void log.push("ping"),
    close: (_, { closeCode }) => void log.push(`close ${closeCode}`),
  }),
  "async callbacks": (log) => ({
    open: () => settle(1).then(() => void log.push("open")),
    message: (_, data) => settle(1).then(() => void log.push(`message ${data}`)),
    close: (_, { closeCode }) => void log.push(`close ${closeCode}`),
  }),
  iteration: (log) => ({
    handler: async (conn) => {
      log.push("open");
      for await (const message of conn) log.push(`message ${message}`);
    },
  }),
  streams: (log) => ({
    handler: async (conn) => {
      log.push("open");
      for await (const message of conn.messages()) log.push(`message ${await message.text()}`);
    },
  }),
  readable: (log) => ({
    handler: async (conn) => {
      log.push("open");
      for await (const message of conn.readable) log.push(`message ${message}`);
    },
  }),
  asWebSocket: (log) => ({
    handler: async (conn) => {
      log.push("open");
      conn.asWebSocket().onmessage = ({ data }) => void log.push(`message ${data}`);
      await conn.closed;
    },
  }),
};

function withServer(
  setup: Setup<unknown>,
  body: (harness: MemoryHarness<unknown>) => Promise<void>,
): Promise<void> {
  return withMemoryServer({ resume: true, ...setup }, body);
}

describe("the first message of a client that resumes", () => {
  for (const [name, style] of Object.entries(STYLES)) {
    it(`comes before anything else, with ${name}`, async () => {
      const log: Log = [];
      await withServer(style(log), async (harness) => {
        const client = new ResumingClient(harness);
        await client.open();
        client.raw.sendPing("here");
        assertEquals(await client.raw.readPong(), "here");
        await settle();
        assertEquals(log, []);
        client.sendHello();
        const { session, protocol } = await client.note();
        assertMatch(session!, /^[\w-]{16,64}$/);
        assertEquals(protocol, "");
        client.raw.sendText("first");
        await settle(6);
        assertEquals(log, ["open", "message first"]);
        client.raw.sendClose(1000);
        await client.raw.readClose();
      });
    });

    it(`may come with those of the program behind it, with ${name}`, async () => {
      const log: Log = [];
      await withServer(style(log), async (harness) => {
        const fragments = [
          clientFrame({ opcode: 1, fin: false, payload: utf8('{"sess') }),
          clientFrame({ opcode: 9, payload: utf8("in between") }),
          clientFrame({ opcode: 0, payload: utf8(`ion":"${SESSION}"}`) }),
        ];
        const client = await harness.open(OFFER);
        client.send(concatBytes([...fragments, textFrame("a"), textFrame("b")]));
        assertEquals(await client.readPong(), "in between");
        const note = { session: SESSION, protocol: "" };
        assertEquals(await client.readMessage(), `\x1e${JSON.stringify(note)}`);
        await settle(8);
        assertEquals(log, ["open", "message a", "message b"]);
      });
    });

    it(`may come byte by byte, with ${name}`, async () => {
      const log: Log = [];
      await withServer(style(log), async (harness) => {
        const client = await harness.open(OFFER);
        for (const byte of concatBytes([HELLO, textFrame("a")])) client.send(Uint8Array.of(byte));
        await client.readMessage();
        await settle(6);
        assertEquals(log, ["open", "message a"]);
      });
    });

    it(`is waited for, but not for ever, with ${name}`, async () => {
      const log: Log = [];
      await withServer({ ...style(log), handshakeTimeoutMs: 500 }, async (harness) => {
        const { client, conn } = await harness.openPair(OFFER);
        await harness.clock.advance(499);
        assertEquals(client.unreadSize, 0);
        await harness.clock.advance(1);
        assertEquals(await client.readClose(), [1013, "No first message in time"]);
        // Too late.
        client.send(HELLO, textFrame("x"));
        client.sendClose(1013);
        await client.finish();
        assertEquals((await conn.closed).closeCode, 1013);
        await settle();
        assertEquals(log, []);
      });
    });

    it(`is refused where it is none, with ${name}`, async () => {
      const log: Log = [];
      await withServer(style(log), async (harness) => {
        const first = [
          textFrame("hello"),
          textFrame(""),
          textFrame('{"session":"x"}'),
          textFrame('{"positions":{"a":"b"}}'),
          textFrame(JSON.stringify({ positions: { ["é".repeat(500)]: "none" } })),
          clientFrame({ opcode: 2, payload: utf8("{}") }),
        ];
        for (const frame of first) {
          const { client, conn } = await harness.openPair(OFFER);
          client.send(frame, textFrame("more"));
          const [code, reason] = await client.readClose();
          assertEquals(code, 1008);
          assertMatch(reason, /first message/);
          client.sendClose(1008);
          await client.finish();
          assertEquals((await conn.closed).closeCode, 1008);
        }
        await settle();
        assertEquals(log, []);
      });
    });
  }

  it("is waited for no longer when it has come", async () => {
    await withServer({ message() {}, keepAlive: false }, async (harness) => {
      const client = await new ResumingClient(harness).begin();
      assertEquals(harness.clock.pending, []);
      await harness.clock.advance(100_000);
      assertEquals(client.conn.state, "open");
    });
  });

  it("may be waited for without an end", async () => {
    await withServer(
      { message() {}, keepAlive: false, handshakeTimeoutMs: Infinity },
      async (harness) => {
        const client = new ResumingClient(harness);
        await client.open();
        await harness.clock.advance(1e9);
        client.sendHello();
        await client.note();
      },
    );
  });

  it("may be longer than what is received ahead", async () => {
    const log: Log = [];
    const limits = { receiveQueueSize: 50, receiveQueueMessages: 1 };
    for (const [name, style] of Object.entries(STYLES)) {
      log.length = 0;
      await withServer({ ...style(log), limits }, async (harness) => {
        const client = await harness.open(OFFER);
        const frame = textFrame(JSON.stringify({ other: "x".repeat(1000) }));
        for (let i = 0; i < frame.length; i += 100) client.send(frame.subarray(i, i + 100));
        await settle();
        assertEquals(log[0], "open", name);
        await client.readMessage();
      });
    }
  });

  it("may not come at all: the client may close, end or be lost before", async () => {
    const log: Log = [];
    await withServer(STYLES.callbacks(log), async (harness) => {
      const closing = await harness.open(OFFER);
      closing.sendClose(1000);
      assertEquals(await closing.readClose(), [1000, ""]);
      const ending = await harness.open(OFFER);
      ending.socket.end();
      await ending.readToEnd();
      const lost = await harness.open(OFFER);
      lost.socket.reset();
      await settle();
      assertEquals(harness.server.connections.size, 1);
      closing.socket.end();
      await settle();
      assertEquals([log, harness.clock.pending], [[], []]);
    });
  });

  it("need not be waited for by a server that shuts down", async () => {
    const log: Log = [];
    await withServer(STYLES.callbacks(log), async (harness) => {
      const client = await harness.open(OFFER);
      const done = harness.server.shutdown();
      assertEquals((await client.readClose())[0], 1001);
      client.send(HELLO);
      client.sendClose(1001);
      await client.finish();
      await done;
      assertEquals(log, []);
    });
  });
});

describe("the opening handshake of a server that resumes", () => {
  it("selects the subprotocol, and says that it speaks it", async () => {
    await withServer({}, async (harness) => {
      const client = await harness.request(upgradeRequest(OFFER));
      const { status, headers } = await client.readHead();
      assertEquals(
        [status, headers.get("sec-websocket-protocol"), headers.get("sluice-resume")],
        [101, RESUME, '""'],
      );
    });
  });

  it("selects one of the program besides, which sees its own alone", async () => {
    const seen: (readonly string[])[] = [];
    const setup: Setup<unknown> = {
      upgrade: (_, { subprotocols }) => {
        seen.push(subprotocols);
        return { protocol: "chat", headers: { "X-Y": "z" } };
      },
    };
    await withServer(setup, async (harness) => {
      const init = { headers: { "Sec-WebSocket-Protocol": `other, ${RESUME}, chat` } };
      const client = new ResumingClient(harness, init);
      await client.open();
      assertEquals([client.conn.protocol, seen], ["chat", [["other", "chat"]]]);
      client.sendHello();
      assertEquals((await client.note()).protocol, "chat");
      const raw = await harness.request(upgradeRequest(init));
      const { headers } = await raw.readHead();
      assertEquals(
        ["sec-websocket-protocol", "sluice-resume", "x-y"].map((name) => headers.get(name)),
        [RESUME, '"chat"', "z"],
      );
    });
  });

  it("offers no more to others", async () => {
    await withServer({ upgrade: () => ({ protocol: "chat" }) }, async (harness) => {
      const init = { headers: { "Sec-WebSocket-Protocol": "chat" } };
      const client = await harness.request(upgradeRequest(init));
      const { headers } = await client.readHead();
      assertEquals(
        [headers.get("sec-websocket-protocol"), headers.get("sluice-resume")],
        ["chat", undefined],
      );
    });
  });

  it("leaves it to the program where the server does not resume", async () => {
    const seen: (readonly string[])[] = [];
    const setup: Setup<unknown> = {
      resume: false,
      upgrade: (_, { subprotocols }) => (seen.push(subprotocols), {}),
      message: (conn, data) => conn.send(data),
    };
    await withServer(setup, async (harness) => {
      const client = await harness.request(upgradeRequest(OFFER));
      const { headers } = await client.readHead();
      assertEquals(
        [headers.get("sec-websocket-protocol"), headers.get("sluice-resume"), seen],
        [undefined, undefined, [[RESUME]]],
      );
      client.sendText("\x1eas it is");
      assertEquals(await client.readMessage(), "\x1eas it is");
    });
  });
});

describe("a connection whose client has not said yet who it is", () => {
  it("can be subscribed, and misses nothing for that", async () => {
    const conns: ServerConnection[] = [];
    const setup: Setup<unknown> = {
      onEvent: (event) => {
        if (event.type !== "open") return;
        conns.push(event.conn);
        event.conn.subscribe("x");
      },
    };
    await withServer(setup, async (harness) => {
      const client = await new ResumingClient(harness).begin();
      assertEquals((await client.note()).topic, "x");
      harness.server.publish("x", "1");
      assertEquals(await client.data(), "1");
      client.reset();
      await settle();
      harness.server.publish("x", "2");
      await client.open();
      harness.server.publish("x", "3");
      harness.server.publish("y", "of somebody whose session is not known yet", {
        except: client.conn,
      });
      await settle();
      client.sendHello();
      harness.server.publish("x", "4");
      assertEquals((await client.note()).session, client.session);
      assertEquals((await client.note()).topic, "x");
      assertEquals(await client.texts(3), ["2", "3", "4"]);
    });
  });
});

for (const { name, withMounted } of STAGES) {
  describe(`WebSockets mounted on ${name}`, () => {
    it("resume, too", async () => {
      const open = (conn: ServerConnection) => void conn.subscribe("x");
      await withMounted({ resume: true, open }, async (server) => {
        const client = await server.open(OFFER);
        client.send(HELLO);
        const [header] = split(await client.readMessage());
        const { session } = JSON.parse(header!);
        const { topic, number, position } = JSON.parse(split(await client.readMessage())[0]!);
        assertEquals([topic, number], ["x", 1]);
        client.socket.reset();
        await eventually("the end", () => server.server.connections.size === 0);
        server.server.publish("x", "missed");
        const again = await server.open(OFFER);
        again.sendText(JSON.stringify({ session, positions: { x: position } }));
        assertEquals(JSON.parse(split(await again.readMessage())[0]!).session, session);
        await again.readMessage();
        assertEquals(split(await again.readMessage())[1], "missed");
      });
    });
  });
}
