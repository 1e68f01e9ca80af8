import { readFileSync } from "node:fs";
import { afterEach, describe, it } from "node:test";
import { assert, assertEquals, assertGreater } from "@std/assert";
import { serve, type ServeOptions, type Server, type ServerConnection } from "../../mod.ts";
import type { ServerCallbacks } from "../../src/server/mod.ts";
import { eventually } from "../support/waiter.ts";

interface Events {
  onOpen?(): void;
  onMessage?(data: string | ArrayBuffer): void;
  onLost?(topic: string): void;
  onClose?(info: { code: number; reason: string; delayMs: number | undefined }): void;
}

interface ResumingSocket {
  send(data: string | Uint8Array): void;
  close(code?: number, reason?: string): void;
}

const FILE = new URL("../../examples/resume.js", import.meta.url);
const example: { ResumingSocket: new (url: string, on: Events) => ResumingSocket } = await import(
  FILE.href
);

/** What happens on a page, in order. */
class Page {
  readonly events: (string | Uint8Array)[] = [];
  readonly delays: (number | undefined)[] = [];
  readonly socket: ResumingSocket;

  constructor({ addr }: Server) {
    assert(addr.transport === "tcp");
    this.socket = new example.ResumingSocket(`ws://127.0.0.1:${addr.port}/`, {
      onOpen: () => void this.events.push("open"),
      onMessage: (data) =>
        void this.events.push(typeof data === "string" ? data : new Uint8Array(data)),
      onLost: (topic) => void this.events.push(`lost ${topic}`),
      onClose: ({ code, delayMs }) => {
        // Deno gives 0 where there was no Close frame.
        this.events.push(`close ${code || 1006}`);
        this.delays.push(delayMs);
      },
    });
  }

  /** Takes what happened, once there is as much. */
  async take(count: number): Promise<(string | Uint8Array)[]> {
    await eventually(`${count} events`, () => this.events.length >= count);
    return this.events.splice(0);
  }
}

const random = Math.random;
const closing: (() => unknown)[] = [];

async function start(options: ServeOptions & ServerCallbacks = {}): Promise<Server> {
  const server = await serve({
    port: 0,
    hostname: "127.0.0.1",
    resume: true,
    open: (conn) => void conn.subscribe("x"),
    ...options,
  });
  closing.push(() => server.shutdown());
  return server;
}

function connect(server: Server): Page {
  const page = new Page(server);
  closing.unshift(() => page.socket.close());
  return page;
}

/** Has the server lose all its connections. */
async function lose({ connections }: Server): Promise<void> {
  for (const conn of connections) conn.abort();
  await eventually("no connection", () => connections.size === 0);
}

async function untilSubscribed(server: Server): Promise<ServerConnection> {
  await eventually("a subscriber", () => server.subscriberCount("x") === 1);
  return [...server.connections][0];
}

describe("the example resume.js", () => {
  afterEach(async () => {
    Math.random = random;
    for (const close of closing.splice(0)) await close();
  });

  it("has at most 60 lines of code", () => {
    const lines = readFileSync(FILE, "utf8").split("\n").map((line) => line.trim());
    const code = lines.filter((line) => line !== "" && !/^(\/\/|\/\*\*.*\*\/$)/.test(line));
    assertGreater(code.length, 30);
    assert(code.length <= 60, `${code.length} lines`);
  });

  it("gets what it missed, once and in order, text and binary", async () => {
    Math.random = () => 0.001;
    const server = await start({ message: (conn, data) => conn.send(data) });
    const page = connect(server);
    await untilSubscribed(server);
    server.publish("x", "1");
    assertEquals(await page.take(2), ["open", "1"]);
    for (let i = 0; i < 3; i++) {
      await lose(server);
      server.publish("x", `missed ${i}`);
      server.publish("x", Uint8Array.of(0x1e, 0x0a, i, 255));
      const conn = await untilSubscribed(server);
      server.publish("x", "\x1elive\n");
      void conn.send("\x1eown");
      void conn.send(Uint8Array.of(0x1e, 7));
      assertEquals(await page.take(7), [
        "close 1006",
        "open",
        `missed ${i}`,
        Uint8Array.of(0x1e, 0x0a, i, 255),
        "\x1elive\n",
        "\x1eown",
        Uint8Array.of(0x1e, 7),
      ]);
      page.socket.send("\x1eback");
      page.socket.send(Uint8Array.of(0x1e));
      assertEquals(await page.take(2), ["\x1eback", Uint8Array.of(0x1e)]);
    }
    assertEquals(page.delays, [1, 1, 1]);
  });

  it("is told what is lost, before what is not", async () => {
    Math.random = () => 0.001;
    const server = await start({ resume: { windowSize: 600 } });
    const page = connect(server);
    await untilSubscribed(server);
    server.publish("x", "0");
    await page.take(2);
    await lose(server);
    for (const text of ["1", "2", "3"]) server.publish("x", text);
    assertEquals(await page.take(5), ["close 1006", "open", "lost x", "2", "3"]);
  });

  it("begins anew with a topic that it was unsubscribed from", async () => {
    Math.random = () => 0.001;
    const server = await start();
    const page = connect(server);
    const conn = await untilSubscribed(server);
    server.publish("x", "1");
    conn.unsubscribe("x");
    void conn.send("unsubscribed");
    assertEquals(await page.take(3), ["open", "1", "unsubscribed"]);
    await lose(server);
    server.publish("x", "2");
    await untilSubscribed(server);
    server.publish("x", "3");
    assertEquals(await page.take(3), ["close 1006", "open", "3"]);
  });

  it("says how far it got, by all that it was told", async () => {
    Math.random = () => 0.001;
    const hellos: unknown[] = [];
    const server = await start({
      resume: false,
      upgrade: () => ({ protocol: "sluice.resume.v1" }),
      message: (conn, hello) => {
        if (hello === "got it") return conn.abort();
        hellos.push(JSON.parse(String(hello)));
        const notes = [
          { session: "0123456789abcdef", protocol: "" },
          { topic: "x", number: 1, position: "e.1" },
          { topic: "y", number: 2, position: "e.1" },
          { topic: "z", number: 3 },
          { unsubscribed: 1 },
          { progress: "e.7" },
          { unsubscribed: 2 },
        ];
        for (const note of notes) void conn.send(`\x1e${JSON.stringify(note)}`);
        void conn.send("\x1e3 e.9\nlast");
      },
    });
    const page = connect(server);
    await eventually("a message", () => page.events.includes("last"));
    page.socket.send("got it");
    await eventually("the next hello", () => hellos.length === 2);
    assertEquals(hellos, [
      { positions: {} },
      { session: "0123456789abcdef", positions: { z: "e.9" } },
    ]);
  });

  it("begins afresh where it is refused for what it said first, and tells what is lost", async () => {
    Math.random = () => 0.001;
    for (const closeCode of [1002, 1003, 1007, 1008, 1009, 1011]) {
      const hellos: string[] = [];
      const server = await start({
        resume: false,
        upgrade: () => ({ protocol: "sluice.resume.v1" }),
        message: (conn, hello) => {
          if (hello === "got it") return conn.abort();
          hellos.push(String(hello));
          if (hellos.length === 2) return void conn.close({ closeCode });
          void conn.send('\x1e{"session":"0123456789abcdef","protocol":""}');
          void conn.send('\x1e{"topic":"x","number":1,"position":"e.1"}');
          // More topics than a server takes.
          for (let i = 2; i <= 4_097; i++) {
            void conn.send(`\x1e{"topic":"${i}","number":${i},"position":"e.1"}`);
          }
          void conn.send("told");
        },
      });
      const page = connect(server);
      await eventually("all that is told", () => page.events.includes("told"));
      page.socket.send("got it");
      await eventually("the third hello", () => hellos.length === 3);
      const positions = hellos.map((hello) => Object.keys(JSON.parse(hello).positions).length);
      assertEquals(positions, [0, 4_096, 0]);
      const lost = page.events.filter((event) => String(event).startsWith("lost"));
      assertEquals(lost.length, 4_097);
      assertEquals(lost[0], "lost x");
    }
  });

  it("does not come back after 1000, 1008, and close()", async () => {
    const server = await start();
    for (const code of [1000, 1008, undefined]) {
      const page = connect(server);
      const conn = await untilSubscribed(server);
      if (code === undefined) page.socket.close(4000, "enough");
      else void conn.close({ closeCode: code });
      await eventually("the end", () => page.delays.length > 0);
      assertEquals([page.events.at(-1), page.delays], [`close ${code ?? 4000}`, [undefined]]);
      await eventually("no connection", () => server.connections.size === 0);
    }
  });

  it("doubles its waits, and can be ended in between", async () => {
    Math.random = () => 0.002;
    // Not one that nobody can connect to: Node 22 tells no `close` where no connection was opened.
    const server = await start({
      resume: false,
      upgrade: () => ({ protocol: "sluice.resume.v1" }),
      message: (conn) => conn.abort(),
    });
    const page = connect(server);
    await eventually("four attempts", () => page.delays.length >= 4);
    page.socket.close();
    assertEquals(page.delays.slice(0, 4), [2, 4, 8, 16]);
  });
});
