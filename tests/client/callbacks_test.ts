import { describe, it } from "node:test";
import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { accept, type Connection, type ConnectionCallbacks } from "../../mod.ts";
import { connectedPair } from "../../src/testing/mod.ts";
import { closeFrame, RawClient, textFrame, utf8 } from "../support/raw_client.ts";
import { encodeReferenceFrame, REFERENCE_OPCODES } from "../support/reference_frames.ts";
import { upgradeRequest } from "../support/requests.ts";
import { StreamSocket } from "../support/stream_socket.ts";
import { settle } from "../support/turn.ts";
import { eventually } from "../support/waiter.ts";
import { acceptance, type ScriptedPeer, ScriptedServer } from "./scripted_server.ts";
import { NETWORKS, type Ways } from "./networks.ts";

/** Notes the calls of all callbacks. */
class CallLog {
  readonly calls: string[] = [];
  /** Looks at the connection that each call is given. */
  check: (conn: Connection<undefined>) => void = () => {};

  #note(conn: Connection<undefined>, call: string): void {
    this.calls.push(call);
    this.check(conn);
  }

  callbacks(): ConnectionCallbacks<undefined> & { onError(error: unknown): void } {
    return {
      open: (conn) => this.#note(conn, "open"),
      message: (conn, data) => this.#note(conn, String(data)),
      ping: (conn, payload) => this.#note(conn, `ping ${new TextDecoder().decode(payload)}`),
      drain: (conn) => this.#note(conn, "drain"),
      close: (conn, { closeCode }) => this.#note(conn, `close ${closeCode}`),
      onError: (error) => void this.calls.push(`error: ${error}`),
    };
  }
}

for (const [name, createNetwork] of NETWORKS) {
  describe(`the callbacks of a client over ${name}`, () => {
    /** Runs a server that sends as soon as it can, and echoes. */
    const withServer = async (body: (url: string, ways: Ways) => Promise<void>): Promise<void> => {
      const ways = createNetwork();
      const server = await ways.serve({
        port: 0,
        hostname: "127.0.0.1",
        open(conn) {
          void conn.send("1");
          void conn.send("2");
        },
        message: (conn, data) => conn.send(data),
      });
      const port = server.addr.transport === "tcp" ? server.addr.port : 0;
      await body(`ws://127.0.0.1:${port}/`, ways);
      await server.shutdown();
    };

    it("begin when the caller has the connection", () =>
      withServer(async (url, { connect }) => {
        for (let i = 0; i < 20; i++) {
          const log = new CallLog();
          // Before it is initialized, it would throw.
          log.check = (given) => assertStrictEquals(given, conn);
          const conn: Connection = await connect(url, log.callbacks());
          assertEquals(log.calls, []);
          await eventually("the messages", () => log.calls.length >= 3);
          await conn.send("3");
          await eventually("the echo", () => log.calls.length >= 4);
          await conn.close();
          assertEquals(log.calls, ["open", "1", "2", "3", "close 1000"]);
        }
      }));

    it("begin when callers of callers have it", () =>
      withServer(async (url, { connect }) => {
        const log = new CallLog();
        log.check = (given) => assertStrictEquals(given, conn);
        const open = async () => await connect(url, log.callbacks());
        const [conn]: Connection[] = await Promise.all([
          open().then((conn) => Promise.resolve(conn)).finally(() => {}),
        ]);
        assertEquals(log.calls, []);
        await eventually("the messages", () => log.calls.length >= 3);
        await conn.close();
      }));

    it("begin with open(), also where the caller has closed it, or dropped it", () =>
      withServer(async (url, { connect }) => {
        for (const [act, closeCode] of [["close", 1000], ["abort", 1006]] as const) {
          const log = new CallLog();
          const conn = await connect(url, log.callbacks());
          void conn[act]();
          await conn.closed;
          await settle();
          assertEquals(log.calls, ["open", `close ${closeCode}`]);
        }
      }));

    it("begin behind the beginning of the loop of reconnecting()", () =>
      withServer(async (url, { reconnecting }) => {
        const log = new CallLog();
        let current: Connection | undefined;
        log.check = (given) => assertStrictEquals(given, current);
        for await (const conn of reconnecting(url, log.callbacks())) {
          current = conn;
          assertEquals(log.calls, []);
          await eventually("the messages", () => log.calls.length >= 3);
          break;
        }
        assertEquals(log.calls, ["open", "1", "2", "close 1000"]);
      }));
  });
}

describe("the callbacks of a client", () => {
  /** Opens a connection to a server that sends something right behind its 101. */
  const open = async (
    log: CallLog,
    ...parts: Uint8Array[]
  ): Promise<{ conn: Connection<undefined>; peer: ScriptedPeer }> => {
    const server = new ScriptedServer();
    const connecting = server.connect("ws://example.com/", {
      ...log.callbacks(),
      keepAlive: false,
    });
    const peer = await server.next();
    const request = await peer.readRequest();
    peer.send(acceptance(request), ...parts);
    const conn = await connecting;
    assertEquals(log.calls, []);
    return { conn, peer };
  };

  const { text, ping, pong, close } = REFERENCE_OPCODES;
  const frame = (opcode: number, payload: string) =>
    encodeReferenceFrame({ opcode, payload: utf8(payload) });
  const closing = encodeReferenceFrame({ opcode: close, payload: Uint8Array.of(0x0f, 0xa0) });

  it("get all that came with the 101, in order, and the answers go before the Close frame", async () => {
    const log = new CallLog();
    log.check = (conn) => {
      if (log.calls.at(-1) === "b") void conn.send("answer");
    };
    const { conn, peer } = await open(
      log,
      frame(text, "a"),
      frame(ping, "1"),
      frame(text, "b"),
      closing,
    );
    assertEquals(conn.state, "closing");
    const frames: [number, string][] = [];
    for (let i = 0; i < 3; i++) {
      const { opcode, payload } = await peer.readFrame();
      frames.push([opcode, new TextDecoder().decode(payload)]);
    }
    assertEquals(frames, [[pong, "1"], [text, "answer"], [close, "\x0f\ufffd"]]);
    peer.socket.end();
    await conn.closed;
    assertEquals(log.calls, ["open", "a", "ping 1", "b", "close 4000"]);
  });

  it("get what came before FIN, and come before the end", async () => {
    const log = new CallLog();
    const { conn, peer } = await open(log, frame(text, "a"));
    peer.socket.end();
    await conn.closed;
    await settle();
    assertEquals(log.calls, ["open", "a", "close 1006"]);
  });

  it("are told of the end where the connection was lost before they began", async () => {
    const log = new CallLog();
    const { conn, peer } = await open(log, frame(text, "a"));
    peer.socket.reset();
    assertEquals((await conn.closed).closeCode, 1006);
    await settle();
    assertEquals(log.calls, ["open", "close 1006"]);
  });

  it("begin with open() where the send queue drains before", async () => {
    const log = new CallLog();
    const { conn, peer } = await open(log);
    peer.socket.pause();
    void conn.send("x".repeat(1_000_000));
    await Promise.resolve();
    peer.socket.take(Infinity);
    await settle();
    assertEquals(log.calls, ["open", "drain"]);
    conn.abort();
  });
});

describe("the callbacks of others that give a connection by a promise", () => {
  it("begin when the caller of accept() has it", async () => {
    const socket = new StreamSocket();
    const client = new RawClient(socket);
    socket.resume();
    const log = new CallLog();
    log.check = (given) => assertStrictEquals(given, conn);
    client.send(upgradeRequest(), textFrame("a"), closeFrame(4000));
    const conn: Connection = await accept(socket.server, log.callbacks());
    assertEquals(log.calls, []);
    assertEquals((await client.readHead()).status, 101);
    assertEquals(await client.readClose(), [4000, ""]);
    await client.readToEnd();
    client.socket.end();
    await conn.closed;
    assertEquals(log.calls, ["open", "a", "close 4000"]);
  });

  it("begin when the caller of connectedPair() has the client's end", async () => {
    const log = new CallLog();
    log.check = (given) => assert((given as Connection<unknown>) === pair.client);
    const pair = await connectedPair({
      server: { open: (conn) => void conn.send("a") },
      client: log.callbacks() as ConnectionCallbacks<unknown>,
    });
    assertEquals(log.calls, []);
    await eventually("the message", () => log.calls.length >= 2);
    await pair.client.close();
    assertEquals(log.calls, ["open", "a", "close 1000"]);
  });
});
