import { describe, it } from "node:test";
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import type { Connection, Message } from "../../src/connection/connection.ts";
import { createReconnecting, type ReconnectOptions } from "../../src/client/reconnecting.ts";
import { ConnectionClosedError, UnexpectedResponseError } from "../../src/errors.ts";
import { Random, utf8 } from "../codec/support.ts";
import { concatBytes } from "../support/reference_frames.ts";
import { settle } from "../support/turn.ts";
import { watch } from "../support/watch.ts";
import { RESUME, resumes, Resuming, serverFrame, SESSION, STYLES } from "./resuming_peer.ts";
import { ScriptedServer } from "./scripted_server.ts";

/** The note that topic 1 is `x`, behind a position. */
const X = '\x1e{"topic":"x","number":1,"position":"e.0"}';

/** A message of topic 1. */
function published(position: number, data: Message = `${position}`): Message {
  const header = `\x1e1 e.${position}\n`;
  return typeof data === "string" ? header + data : concatBytes([utf8(header), data]);
}

for (const [name, style] of Object.entries(STYLES)) {
  describe(`a client that resumes, with ${name}`, () => {
    /** A client, and what it received. */
    const start = () => {
      const received: Message[] = [];
      const take = (data: Message) => void received.push(data);
      const client = new Resuming(style.callbacks?.(take));
      /** Connects, and receives. */
      const begin = async () => {
        const { conn, hello } = await client.begin();
        const done = watch(style.receive(conn, take).catch((error) => error));
        return { conn, hello, done };
      };
      return { client, received, begin };
    };

    it("says how far it got, and gives the program what is its own", async () => {
      const { client, received, begin } = start();
      assertEquals((await begin()).hello, { positions: {} });
      client.send(X, published(1), "plain", published(2, Uint8Array.of(0x1e, 0)));
      client.send("\x1e\n\x1eescaped", "", published(3, ""), Uint8Array.of(0x1e, 0x0a, 0x1e));
      await settle(12);
      assertEquals(received, [
        ...["1", "plain", Uint8Array.of(0x1e, 0), "\x1eescaped", "", "", Uint8Array.of(0x1e)],
      ]);
      await client.lose();
      assertEquals((await begin()).hello, { session: SESSION, positions: { x: "e.3" } });
      await client.lose();
      assertEquals((await begin()).hello, { session: SESSION, positions: { x: "e.3" } });
      await client.end();
    });

    it("takes headers in fragments, and byte by byte", async () => {
      const random = new Random(7);
      const { client, received, begin } = start();
      await begin();
      const expected: Message[] = [];
      const bytes: Uint8Array[] = [serverFrame(X)];
      for (let i = 1; i <= 12; i++) {
        const data = i % 2 === 0 ? random.bytes(i * 3) : `é${i}`;
        expected.push(data);
        const message = i % 3 === 0 && typeof data === "string"
          ? utf8(`\x1e\n${data}`)
          : published(i, data);
        const payload = typeof message === "string" ? utf8(message) : message;
        const pieces = random.cut(payload, 10);
        pieces.forEach((piece, k) => {
          const opcode = k > 0 ? 0 : typeof data === "string" ? 1 : 2;
          bytes.push(serverFrame(piece, k === pieces.length - 1, opcode));
        });
      }
      bytes.push(serverFrame('\x1e{"progress"', false, 1), serverFrame(':"e.', false, 0));
      bytes.push(serverFrame('90"}', true, 0));
      for (const byte of concatBytes(bytes)) client.peer.send(Uint8Array.of(byte));
      await settle(30);
      assertEquals(received, expected);
      await client.lose();
      assertEquals((await begin()).hello.positions, { x: "e.90" });
      await client.end();
    });

    it("heeds notes between messages", async () => {
      const { client, received, begin } = start();
      await begin();
      client.send(
        X,
        published(1),
        '\x1e{"topic":"y","number":2,"position":"e.7"}',
        '\x1e{"topic":"z","number":3}',
        "\x1e2 e.8\n8",
        '\x1e{"unsubscribed":1}',
        "\x1e3 f.1\nz",
        // Of a topic that it is not subscribed to any more, and of one that it never was.
        "\x1e1 e.9\n9",
        "\x1e77 e.10\n10",
      );
      await settle(12);
      assertEquals(received, ["1", "8", "z", "9", "10"]);
      await client.lose();
      assertEquals((await begin()).hello.positions, { y: "e.8", z: "f.1" });
      // Numbers are those of one connection.
      client.send("\x1e2 e.11\n11", '\x1e{"topic":"x","number":2,"position":"g.1"}');
      client.send('\x1e{"topic":"z","number":4}', '\x1e{"progress":"g.5"}');
      await settle(6);
      await client.lose();
      const { hello } = await begin();
      assertEquals(hello.positions, { x: "g.5", y: "e.8", z: "g.5" });
      await client.end();
    });

    it("tells of what is lost, in order", async () => {
      const { client, received, begin } = start();
      await begin();
      client.send(X, published(1), '\x1e{"topic":"y","number":2,"position":"e.7","isLost":false}');
      await settle(4);
      assertEquals(client.lost, []);
      client.send('\x1e{"topic":"x","number":3,"position":"f.7","isLost":true}', "\x1e3 f.8\n8");
      client.send('\x1e{"topic":"z","number":4,"isLost":true}');
      await settle(6);
      assertEquals([client.lost, received], [["x", "z"], ["1", "8"]]);
      await client.lose();
      assertEquals((await begin()).hello.positions, { x: "f.8", y: "e.7" });
      await client.end();
    });

    const MALFORMED: [what: string, message: Message][] = [
      ["a header that is none", "\x1e7\nx"],
      ["a note that is none", "\x1e{}"],
      ["a header in bytes that is none", Uint8Array.of(0x1e, 0xff, 0x0a)],
      ["a header without an end", `\x1e${"7".repeat(9_000)}`],
      ["a long topic", `\x1e${"é".repeat(500)}\n`],
    ];
    for (const [what, message] of MALFORMED) {
      it(`closes with 1008 for ${what}`, async () => {
        const { client, received, begin } = start();
        const { conn, done } = await begin();
        client.send(X, published(1), message, published(2));
        const [code, reason] = await client.peer.readClose();
        assertEquals(code, 1008);
        assertMatch(reason, /header/);
        client.peer.socket.end();
        await settle();
        assertEquals((await conn.closed).closeCode, 1008);
        await done.untilSettled();
        assertEquals(received, ["1"]);
        await assertRejects(() => client.conns.next(), Error, "reconnecting");
      });
    }
  });
}

describe("how far a client got", () => {
  it("is what the program was given: what waits for it comes again", async () => {
    const client = new Resuming();
    const { conn } = await client.begin();
    client.send(X, published(1), published(2), published(3));
    for await (const message of conn) {
      assertEquals(message, "1");
      break;
    }
    await client.lose();
    const { conn: second, hello } = await client.begin();
    assertEquals(hello.positions, { x: "e.1" });
    client.send(X.replace("e.0", "e.1"), published(2), published(3));
    const rest = second[Symbol.asyncIterator]();
    assertEquals([(await rest.next()).value, (await rest.next()).value], ["2", "3"]);
    await client.end();
  });

  it("is where the notes behind it come only after it", async () => {
    const client = new Resuming();
    const { conn } = await client.begin();
    client.send(X, published(1), '\x1e{"topic":"y","number":2,"position":"f.1","isLost":true}');
    client.send(published(2), '\x1e{"progress":"e.9"}');
    await settle();
    assertEquals(client.lost, []);
    const messages = conn[Symbol.asyncIterator]();
    await messages.next();
    assertEquals(client.lost, ["y"]);
    await client.lose();
    assertEquals((await client.begin()).hello.positions, { x: "e.1", y: "f.1" });
    await client.end();
  });

  it("is what came whole", async () => {
    for (const style of [STYLES.streams, STYLES.iteration]) {
      const client = new Resuming();
      const { conn } = await client.begin();
      const done = watch(style.receive(conn, () => {}).catch(() => {}));
      client.send(X, published(1));
      client.peer.send(serverFrame(published(2), false), serverFrame("more", false, 0));
      await settle();
      await client.lose();
      await done.untilSettled();
      assertEquals((await client.begin()).hello.positions, { x: "e.1" });
      await client.end();
    }
  });

  it("is what the program was given, though it did not read the body", async () => {
    const client = new Resuming();
    const { conn } = await client.begin();
    client.send(X, published(1), published(2), published(3));
    const messages = conn.messages();
    await messages.next();
    const second = await messages.next();
    await client.lose();
    assertEquals(await second.value!.text(), "2");
    assertEquals((await client.begin()).hello.positions, { x: "e.2" });
    await client.end();
  });

  it("is not what an older connection still has: that is dropped once there is a new one", async () => {
    for (const name of ["iteration", "streams", "readable", "asWebSocket"]) {
      const client = new Resuming();
      const { conn } = await client.begin();
      const received: Message[] = [];
      let go = () => {};
      const done = watch(
        STYLES[name].receive(conn, (data) => {
          received.push(data);
          return new Promise<void>((resolve) => go = resolve);
        }).catch((error) => error),
      );
      client.send(X, published(1));
      await settle();
      client.send(published(2), published(3));
      await client.lose();
      const { hello } = await client.begin();
      if (name === "asWebSocket") {
        assertEquals([received, hello.positions], [["1", "2", "3"], { x: "e.3" }]);
      } else {
        assertEquals([received, hello.positions], [["1"], { x: "e.1" }]);
      }
      client.send('\x1e{"topic":"other","number":1,"position":"g.1"}');
      go();
      await settle();
      assertEquals(received.length, name === "asWebSocket" ? 3 : 1, name);
      await done.untilSettled();
      await client.lose();
      const { hello: last } = await client.begin();
      assertEquals(last.positions, { ...hello.positions, other: "g.1" });
      await client.end();
    }
  });

  it("is what a callback was given, though it threw", async () => {
    const errors: unknown[] = [];
    const client = new Resuming({
      message: (_, data) => {
        if (data === "2") throw new Error("The program fails");
      },
      onError: (error) => void errors.push(error),
    });
    const { conn } = await client.begin();
    client.send(X, published(1), published(2), published(3));
    assertEquals((await client.peer.readClose())[0], 1011);
    client.peer.socket.reset();
    await conn.closed;
    assertEquals((await client.begin()).hello.positions, { x: "e.2" });
    assertEquals(errors.length, 1);
    await client.end();
  });
});

describe("a client whose server says too much", () => {
  it("reads no further where notes pile up behind a message that waits", async () => {
    const client = new Resuming();
    const { conn } = await client.begin();
    client.send(X, published(1));
    for (let i = 0; i < 5_000; i++) {
      client.send(`\x1e{"topic":"${i}","number":${i + 2},"position":"e.0"}`);
    }
    await settle();
    const { channel } = client.peer;
    assert(channel.isPaused && channel.incomingSize > 100_000, `${channel.incomingSize}`);
    const messages = conn[Symbol.asyncIterator]();
    assertEquals((await messages.next()).value, "1");
    const next = watch(messages.next());
    await settle();
    assertEquals(channel.incomingSize, 0);
    client.send(published(2));
    assertEquals((await next.untilSettled()).value!.value, "2");
    await client.end();
  });

  it("is done with each note of progress at once, however many topics there are", async () => {
    const client = new Resuming();
    const { conn } = await client.begin();
    for (let i = 1; i <= 4_000; i++) {
      client.send(`\x1e{"topic":"${i}","number":${i},"position":"e.0"}`);
    }
    await settle();
    // In proportion to the topics they would take a minute.
    const startedAt = performance.now();
    for (let i = 0; i < 50; i++) {
      client.send(
        ...Array.from({ length: 1_000 }, (_, k) => `\x1e{"progress":"e.${i * 1_000 + k}"}`),
      );
    }
    client.send("the end");
    assertEquals((await conn[Symbol.asyncIterator]().next()).value, "the end");
    const elapsedMs = performance.now() - startedAt;
    assert(elapsedMs < 20_000, `it took ${Math.round(elapsedMs)} ms`);
    await client.lose();
    const { hello } = await client.begin();
    assertEquals(new Set(Object.values(hello.positions)), new Set(["e.49999"]));
    await client.end();
  });

  it("remembers no more topics than a hello may have", async () => {
    const client = new Resuming();
    await client.begin();
    for (let i = 1; i <= 10_000; i++) {
      client.send(`\x1e{"topic":"${i}","number":${i},"position":"e.0"}`);
    }
    await settle();
    await client.lose();
    const topics = Object.keys((await client.begin()).hello.positions);
    assertEquals([topics.length, topics[0], topics.at(-1)], [4_096, "5905", "10000"]);
    client.send('\x1e{"topic":"7","number":1,"position":"e.3"}');
    await settle();
    assertEquals(client.lost, ["7"]);
    await client.end();
  });

  it("goes on where the program's onLost throws", async () => {
    const errors: unknown[] = [];
    const failure = new Error("The program fails");
    const client = new Resuming({
      onLost() {
        throw failure;
      },
      onError: (error) => void errors.push(error),
    });
    const { conn } = await client.begin();
    client.send(X.replace("}", ',"isLost":true}'), published(1));
    client.send(X.replace("}", ',"isLost":true}'), published(2));
    const messages = conn[Symbol.asyncIterator]();
    assertEquals([(await messages.next()).value, (await messages.next()).value], ["1", "2"]);
    assertEquals(errors, [failure, failure]);
    await client.end();
  });
});

describe("a client whose server refuses what it says first", () => {
  /** A client that knows how far it got in a topic, and is connected anew. */
  async function connected(options: ReconnectOptions = {}): Promise<Resuming> {
    const client = new Resuming(options);
    await client.begin();
    client.send(X);
    await settle();
    await client.lose();
    await (await client.accept(resumes())).next.untilSettled();
    assertEquals(await client.hello(), { session: SESSION, positions: { x: "e.0" } });
    return client;
  }

  /** Has the server close the connection. */
  async function close(client: Resuming, code: number): Promise<void> {
    client.peer.sendClose(code);
    await client.peer.readClose();
    client.peer.socket.end();
    await settle();
  }

  for (const code of [1008, 1009]) {
    it(`begins afresh after ${code}, and tells of what it had`, async () => {
      const client = await connected();
      await close(client, code);
      assertEquals((await client.begin()).hello, { positions: {} });
      assertEquals(client.lost, []);
      client.send(X.replace("e.0", "e.7"), '\x1e{"topic":"new","number":2,"position":"e.7"}');
      await settle();
      assertEquals(client.lost, ["x"]);
      await client.lose();
      assertEquals((await client.begin()).hello.positions, { x: "e.7", new: "e.7" });
      await client.end();
    });
  }

  it("ends where that is refused with 1008, too, or the program decides so", async () => {
    const client = await connected();
    await close(client, 1008);
    await (await client.accept(resumes())).next.untilSettled();
    assertEquals(await client.hello(), { positions: {} });
    await close(client, 1008);
    await assertRejects(() => client.conns.next(), ConnectionClosedError, "reconnecting");
    await client.end();
    const other = await connected({
      shouldReconnect: (cause) => !("closeCode" in cause) || cause.closeCode !== 1008,
    });
    await close(other, 1008);
    await assertRejects(() => other.conns.next(), ConnectionClosedError, "reconnecting");
    await other.end();
  });

  it("ends where it is closed with 1008 later", async () => {
    const client = await connected();
    client.send(`\x1e{"session":"${SESSION}","protocol":""}`);
    await close(client, 1008);
    await assertRejects(() => client.conns.next(), ConnectionClosedError, "reconnecting");
    await client.end();
  });
});

describe("the opening handshake of a client that resumes", () => {
  it("offers it behind the program's own subprotocols", async () => {
    for (const [subprotocols, protocol] of [[[], ""], [["chat", "talk"], "talk"]] as const) {
      const client = new Resuming({ subprotocols: [...subprotocols] });
      const { request, next } = await client.accept(resumes(protocol));
      assertEquals(
        request.headers.get("sec-websocket-protocol"),
        [...subprotocols, RESUME].join(", "),
      );
      const conn = (await next.untilSettled()).value!.value as Connection;
      assertEquals(conn.protocol, protocol);
      assertEquals(await client.hello(), { positions: {} });
      await client.end();
    }
  });

  it("may find a server that does not speak it", async () => {
    const cases: [own: string[], fields: Record<string, string>, protocol: string][] = [
      [[], {}, ""],
      [["chat"], { "Sec-WebSocket-Protocol": "chat" }, "chat"],
      // It selects the last that is offered, whatever it is.
      [[], { "Sec-WebSocket-Protocol": RESUME }, ""],
      // It says so, and selects another one.
      [["chat"], { "Sec-WebSocket-Protocol": "chat", "Sluice-Resume": '"chat"' }, "chat"],
    ];
    for (const [subprotocols, fields, protocol] of cases) {
      const client = new Resuming({ subprotocols });
      const { next } = await client.accept(fields);
      const conn = (await next.untilSettled()).value!.value as Connection;
      assertEquals(conn.protocol, protocol);
      client.send("\x1ewhatever");
      const { value } = await conn[Symbol.asyncIterator]().next();
      assertEquals(value, "\x1ewhatever");
      assertEquals(client.peer.unreadSize, 0);
      await client.end();
    }
  });

  it("fails where the server selects what makes no sense", async () => {
    const cases: [own: string[], fields: Record<string, string | string[]>][] = [
      [["chat"], {}],
      [[], { "Sec-WebSocket-Protocol": "chat" }],
      [["chat"], { "Sec-WebSocket-Protocol": RESUME }],
      [["chat"], resumes("")],
      [["chat"], resumes("talk")],
      [[], resumes("chat")],
      [["chat"], resumes(RESUME)],
      [[], { ...resumes(), "Sluice-Resume": "" }],
      [["chat"], { ...resumes(), "Sluice-Resume": "chat" }],
      [[], { ...resumes(), "Sluice-Resume": ['""', '""'] }],
      [[], { ...resumes(), "Sec-WebSocket-Protocol": [RESUME, RESUME] }],
    ];
    for (const [subprotocols, fields] of cases) {
      const client = new Resuming({ subprotocols, maxAttempts: 1 });
      const { next } = await client.accept(fields);
      await next.untilSettled();
      assert(next.reason instanceof UnexpectedResponseError, JSON.stringify(fields));
      assertEquals(next.reason.status, 101);
      await client.end();
    }
  });

  it("keeps what it knows over a server that does not speak it", async () => {
    const client = new Resuming();
    await client.begin();
    client.send(X);
    await settle();
    await client.lose();
    await (await client.accept({})).next.untilSettled();
    await client.lose();
    assertEquals((await client.begin()).hello, { session: SESSION, positions: { x: "e.0" } });
    await client.end();
  });

  it("offers nothing with resume: false, nor with connect()", async () => {
    const client = new Resuming({ resume: false });
    const { request, next } = await client.accept({});
    assertEquals(request.headers.get("sec-websocket-protocol"), undefined);
    await next.untilSettled();
    await client.end();
    const server = new ScriptedServer();
    const connecting = server.connect("ws://example.com/");
    const peer = await server.next();
    assertEquals((await peer.accept()).headers.get("sec-websocket-protocol"), undefined);
    (await connecting).abort();
  });

  it("leaves it to the program that offers it by itself", async () => {
    const client = new Resuming({ subprotocols: [RESUME] });
    const { request, next } = await client.accept(resumes());
    assertEquals(request.headers.get("sec-websocket-protocol"), RESUME);
    const conn = (await next.untilSettled()).value!.value as Connection;
    assertEquals(conn.protocol, RESUME);
    client.send("\x1ewhatever");
    assertEquals((await conn[Symbol.asyncIterator]().next()).value, "\x1ewhatever");
    await client.end();
  });

  it("has options that are checked", async () => {
    const server = new ScriptedServer();
    const reconnecting = createReconnecting(server.connect, server.clock);
    for (const resume of [1, "yes", {}] as unknown as boolean[]) {
      const wanted = "resume must be a boolean";
      await assertRejects(() => reconnecting("ws://a/", { resume }).next(), TypeError, wanted);
    }
    const onLost = "x" as unknown as () => void;
    await assertRejects(() => reconnecting("ws://a/", { onLost }).next(), TypeError, "onLost");
    assertEquals(server.dialled.length, 0);
  });
});
