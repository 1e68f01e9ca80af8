import { after, afterEach, before, describe, it } from "node:test";
import {
  assert,
  assertEquals,
  assertGreater,
  assertMatch,
  assertNotEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { createServer } from "node:net";
import type { Message, ServerConnection } from "../../mod.ts";
import {
  LIMITS,
  parseClientMessage,
  RefusedMessage,
  type ServerMessage,
} from "../../examples/chat/messages.ts";
import { Pacer } from "../../examples/chat/pacer.ts";
import { parseRoom } from "../../examples/chat/rooms.ts";
import { Visitor, type VisitorData } from "../../examples/chat/visitor.ts";
import { NetSocket } from "../support/net_socket.ts";
import { RawClient } from "../support/raw_client.ts";
import { ExampleProcess, runExample } from "./example_process.ts";
import { ChatClient } from "./chat_client.ts";
import { WebSocketClient } from "./web_socket_client.ts";

describe("chat: the messages", () => {
  const parse = (message: unknown) => parseClientMessage(JSON.stringify(message));

  it("tidies up names", () => {
    assertEquals(parse({ type: "name", name: "  Ada \n  Lovelace " }), {
      type: "name",
      name: "Ada Lovelace",
    });
    assertEquals(parse({ type: "name", name: "Ame\u0301lie" }), {
      type: "name",
      name: "Am\u00e9lie",
    });
    assertEquals(parse({ type: "name", name: "👩‍🚀" }), { type: "name", name: "👩‍🚀" });
  });

  it("tidies up texts", () => {
    assertEquals(parse({ type: "say", text: "\n a\r\nb\rc\n\n\n\nd\te \n" }), {
      type: "say",
      text: "a\nb\nc\n\nd\te",
    });
    assertEquals(parse({ type: "say", text: "a\ud800b" }), { type: "say", text: "a\ufffdb" });
    const longest = "x".repeat(LIMITS.text);
    assertEquals(parse({ type: "say", text: longest }), { type: "say", text: longest });
  });

  it("takes no more than it needs", () => {
    const message = parse({ type: "say", text: "Hi", from: "Eve", id: 1, __proto__: { a: 1 } });
    assertEquals(Object.keys(message), ["type", "text"]);
  });

  const REFUSED: [what: string, data: Message, about: string][] = [
    ["bytes", new TextEncoder().encode('{"type":"say","text":"Hi"}'), "protocol"],
    ["what is no JSON", "hello", "protocol"],
    ["nothing", "", "protocol"],
    ["null", "null", "protocol"],
    ["a number", "1", "protocol"],
    ["an array", "[]", "protocol"],
    ["an object without a type", '{"name":"Ada"}', "protocol"],
    ["a type of its own", '{"type":"shout","text":"Hi"}', "protocol"],
    ["a type of Object", '{"type":"constructor"}', "protocol"],
    ["a name that is no string", '{"type":"name","name":["Ada"]}', "protocol"],
    ["a text that is left out", '{"type":"say"}', "protocol"],
    ["an empty name", '{"type":"name","name":""}', "name"],
    ["a name of spaces", '{"type":"name","name":" \u00a0 "}', "name"],
    ["a name nobody can see", '{"type":"name","name":"\u200d\u3164"}', "name"],
    ["a name that turns the line", '{"type":"name","name":"a\u202eb"}', "name"],
    ["a name with a control character", '{"type":"name","name":"a\\u0007b"}', "name"],
    ["a long name", `{"type":"name","name":"${"x".repeat(LIMITS.name + 1)}"}`, "name"],
    ["an empty text", '{"type":"say","text":" \\n "}', "text"],
    ["a text with a control character", '{"type":"say","text":"a\\u0000b"}', "text"],
    ["a long text", `{"type":"say","text":"${"x".repeat(LIMITS.text + 1)}"}`, "text"],
  ];

  for (const [what, data, about] of REFUSED) {
    it(`refuse ${what}`, () => {
      let refusal: unknown;
      try {
        parseClientMessage(data);
      } catch (error) {
        refusal = error;
      }
      assert(refusal instanceof RefusedMessage, `it is ${String(refusal)}`);
      assertEquals(refusal.about, about);
      assertMatch(refusal.message, /^[A-Z].+\.$/);
    });
  }
});

describe("chat: the names of rooms", () => {
  const NAMES: [input: string | null, name: string][] = [
    [null, "lobby"],
    ["", "lobby"],
    [" <!> \u200b", "lobby"],
    ["tea", "tea"],
    [" Tea  & TALK! ", "tea-talk"],
    ["\u202eÄpfel_\ud800_\uff11", "äpfel-1"],
    ["日本語", "日本語"],
    ["x".repeat(500), "x".repeat(24)],
    [`${"x".repeat(23)} y`, "x".repeat(23)],
    ["𝒳\u{10400}".repeat(20), "x\u{10428}".repeat(12)],
  ];
  for (const [input, name] of NAMES) {
    it(`make ${JSON.stringify(name)} of ${JSON.stringify(input)}`, () => {
      assertEquals(parseRoom(input), name);
      assertEquals(parseRoom(name), name);
    });
  }
});

describe("chat: the pacer", () => {
  it("allows a burst, then one message an interval", () => {
    const pacer = new Pacer(3, 100);
    const delays = [0, 0, 0, 0, 0, 10].map((now) => pacer.count(now));
    assertEquals(delays, [0, 0, 0, 100, 200, 290]);
  });

  it("allows a burst again after a rest, and no more than one", () => {
    const pacer = new Pacer(2, 100);
    for (const now of [0, 0, 0]) pacer.count(now);
    const delays = [5000, 5000, 5000].map((now) => pacer.count(now));
    assertEquals(delays, [0, 0, 100]);
  });
});

describe("chat: slow readers", () => {
  function createVisitor(result: string, bufferedAmount: number) {
    const calls: string[] = [];
    const conn = {
      bufferedAmount,
      trySend: () => {
        calls.push("trySend");
        return result;
      },
      close: ({ closeCode }: { closeCode: number }) => calls.push(`close ${closeCode}`),
    };
    return { visitor: new Visitor(conn as unknown as ServerConnection<VisitorData>), calls };
  }
  const left: ServerMessage = {
    type: "left",
    person: { id: "a", name: "Ada", server: { id: "s", name: "Deno" } },
  };

  it("are sent away when their queue is full", () => {
    const { visitor, calls } = createVisitor("dropped", 256 * 1024);
    visitor.send(left);
    assertEquals(calls, ["trySend", "close 1013"]);
  });

  it("are kept while there is room", () => {
    for (const result of ["sent", "queued", "closed"]) {
      const { visitor, calls } = createVisitor(result, 1000);
      visitor.send(left);
      assertEquals(calls, ["trySend"]);
    }
  });

  it("miss what may be missed", () => {
    const slow = createVisitor("queued", 1000);
    slow.visitor.sendIfIdle(left);
    assertEquals(slow.calls, []);
    const quick = createVisitor("sent", 0);
    quick.visitor.sendIfIdle(left);
    assertEquals(quick.calls, ["trySend"]);
  });
});

describe("chat: the room", () => {
  let server: ExampleProcess;
  let address: URL;
  const clients: ChatClient[] = [];

  before(async () => {
    server = new ExampleProcess("chat/server.ts", ["--port", "0"]);
    address = new URL(await server.address);
  });
  afterEach(async () => {
    await Promise.all(clients.splice(0).map((client) => client.close()));
    // The next test begins when the server has seen them leave.
    let people;
    do {
      const client = await open();
      ({ people } = await client.next("hello"));
      await client.close();
    } while (people.length > 0);
    clients.length = 0;
  });
  after(() => server.stop());

  async function open(room?: string): Promise<ChatClient> {
    const client = new ChatClient(address, room);
    clients.push(client);
    await client.opened;
    return client;
  }

  it("greets with what there is to know", async () => {
    const first = await open();
    const hello = await first.next("hello");
    assertMatch(hello.server.name, /^(Deno|Bun|Node) \d+\.\d+\.\d+.*, port [1-9]\d*$/);
    assertEquals(hello.room, "lobby");
    assertEquals(hello.limits, LIMITS);
    assertEquals(hello.people, []);
    const person = await first.join("Ada");
    const second = await open();
    const { server, people } = await second.next("hello");
    assertEquals({ server, people }, { server: hello.server, people: [person] });
    assertEquals(person.server, server);
  });

  it("tells everyone who joins, is renamed and leaves", async () => {
    const [ada, watcher] = [await open(), await open()];
    const person = await ada.join("Ada");
    assertEquals(person.name, "Ada");
    assertEquals((await watcher.next("joined")).person, person);
    const renamed = await ada.join("Grace");
    assertEquals(renamed, { ...person, name: "Grace" });
    assertEquals(await watcher.next("renamed"), { type: "renamed", person: renamed });
    await ada.close();
    assertEquals((await watcher.next("left")).person, renamed);
  });

  it("gives a name that is taken with a number", async () => {
    const [a, b, c] = [await open(), await open(), await open()];
    assertEquals((await a.join("Ada")).name, "Ada");
    assertEquals((await b.join("ADA")).name, "ADA 2");
    assertEquals((await c.join("A\u200dda")).name, "A\u200dda 3");
    // One's own name is not taken, and a name that was given up is free.
    assertEquals((await a.join("ada")).name, "ada");
    assertEquals((await a.join("Grace")).name, "Grace");
    assertEquals((await b.join("Ada")).name, "Ada");
  });

  it("passes messages on to everyone, in order", async () => {
    const [ada, grace, watcher] = [await open(), await open(), await open()];
    const person = await ada.join("Ada");
    await grace.join("Grace");
    for (const text of ["one", "two", "<b>three</b>"]) ada.sendJson({ type: "say", text });
    for (const client of [ada, grace, watcher]) {
      const ids = new Set<string>();
      for (const expected of ["one", "two", "<b>three</b>"]) {
        const { id, from, text, at } = (await client.next("message")).message;
        assertEquals({ from, text }, { from: person, text: expected });
        assertGreater(at, 0);
        ids.add(id);
      }
      assertEquals(ids.size, 3);
    }
    grace.sendJson({ type: "say", text: "four" });
    assertEquals((await ada.next("message")).message.text, "four");
  });

  it("answers what it refuses, and goes on", async () => {
    const [ada, watcher] = [await open(), await open()];
    ada.sendJson({ type: "say", text: "Hi" });
    assertEquals((await ada.next("problem")).about, "name");
    ada.send("no JSON");
    assertEquals((await ada.next("problem")).about, "protocol");
    ada.send(new Uint8Array([1, 2, 3]));
    assertEquals((await ada.next("problem")).about, "protocol");
    ada.sendJson({ type: "name", name: "" });
    assertEquals((await ada.next("problem")).about, "name");
    await ada.join("Ada");
    ada.sendJson({ type: "say", text: "" });
    assertEquals((await ada.next("problem")).about, "text");
    ada.sendJson({ type: "say", text: "Hi" });
    assertEquals((await watcher.next("message")).message.text, "Hi");
  });

  it("closes a connection that sends too much at once", async () => {
    const client = await open();
    client.send("x".repeat(4097));
    assertEquals((await client.closed).code, 1009);
  });

  it("holds up who writes too fast, and loses nothing", async () => {
    const [ada, watcher] = [await open(), await open()];
    await ada.join("Ada");
    const texts = Array.from({ length: 12 }, (_, i) => `message ${i}`);
    for (const text of texts) ada.sendJson({ type: "say", text });
    for (const text of texts) assertEquals((await watcher.next("message")).message.text, text);
    assertEquals((await ada.next("problem")).about, "pace");
  });

  it("keeps the last 50 messages for who comes later", async () => {
    const speakers = await Promise.all(Array.from({ length: 10 }, () => open()));
    const watcher = await open();
    for (const [i, speaker] of speakers.entries()) await speaker.join(`Speaker ${i}`);
    const texts: string[] = [];
    for (let i = 0; i < 6; i++) {
      for (const [k, speaker] of speakers.entries()) {
        const text = `${i} of ${k}`;
        texts.push(text);
        speaker.sendJson({ type: "say", text });
        await watcher.next("message");
      }
    }
    const { history } = await (await open()).next("hello");
    assertEquals(history.map(({ text }) => text), texts.slice(-50));
  });

  it("sends the figures", async () => {
    const [first, second] = [await open(), await open()];
    await first.join("Ada");
    let figures;
    do figures = await second.next("figures"); while (
      figures.connections !== 2 || figures.roundTripMs === null || figures.messagesPerSecond > 0
    );
    assertGreater(figures.roundTripMs, 0);
    first.sendJson({ type: "say", text: "Hi" });
    do figures = await second.next("figures"); while (figures.messagesPerSecond === 0);
    // One received, two sent, within about a second.
    assertGreater(figures.messagesPerSecond, 0);
  });

  it("keeps rooms apart", async () => {
    const [tea, coffee, watcher] = [await open("Tea"), await open("coffee"), await open(" TEA ")];
    for (const [client, name] of [[tea, "tea"], [coffee, "coffee"], [watcher, "tea"]] as const) {
      assertEquals((await client.next("hello")).room, name);
    }
    // A name is of one room.
    assertEquals((await coffee.join("Ada")).name, "Ada");
    const ada = await tea.join("Ada");
    assertEquals(ada.name, "Ada");
    assertEquals((await watcher.next("joined")).person, ada);
    coffee.sendJson({ type: "say", text: "In coffee" });
    await coffee.next("message");
    tea.sendJson({ type: "say", text: "In tea" });
    assertEquals((await watcher.next("message")).message.text, "In tea");
    const late = await open("tea");
    const { people, history } = await late.next("hello");
    assertEquals(people, [ada]);
    assertEquals(history.map(({ text }) => text), ["In tea"]);
  });

  it("tells which rooms there are, and how many people are in them", async () => {
    const [a, b, c, watcher] = [await open("b1"), await open("b1"), await open("a1"), await open()];
    await a.join("Ada");
    await b.join("Grace");
    await c.join("Jun");
    const expected = JSON.stringify([{ name: "b1", people: 2 }, { name: "a1", people: 1 }]);
    while (JSON.stringify((await watcher.next("rooms")).rooms) !== expected);
    await c.close();
    while ((await watcher.next("rooms")).rooms.length !== 1);
  });

  it("is at /chat only, and for its own page only", async () => {
    const elsewhere = new WebSocketClient(address.href.replace("http", "ws"));
    await assertRejects(() => elsewhere.opened);
    for (
      const [Origin, status] of [
        [undefined, 101],
        ["http://example.com", 101],
        ["https://example.com", 403],
      ] as const
    ) {
      const client = new RawClient(await NetSocket.connect(Number(address.port)));
      const head = await client.requestUpgrade({ target: "/chat", headers: { Origin } });
      assertEquals(head.status, status);
      client.socket.reset();
    }
  });

  it("serves the page and what belongs to it", async () => {
    const page = await fetch(address);
    assertEquals(page.status, 200);
    assertEquals(page.headers.get("Content-Type"), "text/html; charset=utf-8");
    const html = await page.text();
    const files = [...html.matchAll(/ (?:src|href)="([^"]+)"/g)].map(([, path]) => path);
    assertGreater(files.length, 3);
    const types: Record<string, string> = {
      css: "text/css; charset=utf-8",
      js: "text/javascript; charset=utf-8",
      svg: "image/svg+xml",
    };
    for (const path of files) {
      const response = await fetch(new URL(path, address));
      assertEquals(response.status, 200, path);
      assertEquals(response.headers.get("Content-Type"), types[path.split(".")[1]]);
      const text = await response.text();
      // What a script imports is there too.
      for (const [, imported] of text.matchAll(/^import .* from "\.\/([^"]+)";$/gm)) {
        if (!files.includes(imported)) files.push(imported);
      }
    }
    assert(files.includes("log.js"), String(files));
  });

  it("lets no script in but its own", async () => {
    for (const path of ["/", "/chat.js", "/nothing"]) {
      const { headers, body } = await fetch(new URL(path, address));
      await body?.cancel();
      const policy = headers.get("Content-Security-Policy") ?? "";
      assertStringIncludes(policy, "default-src 'none'");
      assertStringIncludes(policy, "script-src 'self'");
      assert(!policy.includes("unsafe"), policy);
      assertEquals(headers.get("X-Content-Type-Options"), "nosniff");
    }
  });

  it("has nothing else to get", async () => {
    const paths = [
      "/nothing",
      "/index.html/",
      "/..%2fserver.ts",
      "/%2e%2e/server.ts",
      "/chat",
    ];
    for (const path of paths) {
      const response = await fetch(new URL(address.origin + path));
      assertEquals(response.status, 404, path);
      assertMatch(await response.text(), /^[^<]+\n$/);
    }
    const response = await fetch(address, { method: "POST", body: "x" });
    assertEquals(response.status, 405);
    assertEquals(response.headers.get("Allow"), "GET, HEAD");
    await response.body?.cancel();
  });
});

describe("chat: the command line", () => {
  it("shows with --help the flags", async () => {
    const { code, stdout, stderr } = await runExample("chat/server.ts", ["--help"]);
    assertEquals({ code, stderr }, { code: 0, stderr: "" });
    for (const flag of ["--hostname", "--port", "--redis", "--nats", "--help"]) {
      assertStringIncludes(stdout, flag);
    }
  });

  for (const arg of ["--nonsense", "8080", "--port=http", "--port=65536", "--hostname="]) {
    it(`refuses ${arg} with one line and status 2`, async () => {
      const { code, stdout, stderr } = await runExample("chat/server.ts", ["--port=0", arg]);
      assertEquals({ code, stdout }, { code: 2, stdout: "" });
      assertMatch(stderr, /^server\.ts: [^\n]+\n$/);
    });
  }

  it("says in one line, with status 1, that the port is taken, and what to do", async () => {
    const holder = createServer();
    await new Promise<void>((resolve) => holder.listen(0, "127.0.0.1", resolve));
    try {
      const { port } = holder.address() as { port: number };
      const { code, stdout, stderr } = await runExample("chat/server.ts", [`--port=${port}`]);
      assertEquals({ code, stdout }, { code: 1, stdout: "" });
      assertMatch(stderr, /^server\.ts: [^\n]+ in use: [^\n]*--port 0[^\n]*\n$/);
      assertStringIncludes(stderr, `127.0.0.1:${port}`);
    } finally {
      await new Promise((resolve) => holder.close(resolve));
    }
  });

  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    it(`closes its connections with 1001 and ends with status 0 on ${signal}`, async (t) => {
      const example = new ExampleProcess("chat/server.ts", ["--port", "0"]);
      t.after(() => example.stop());
      const address = await example.address;
      assertMatch(address, /^http:\/\/127\.0\.0\.1:[1-9]\d*\/$/);
      const client = new ChatClient(new URL(address));
      await client.opened;
      await client.join("Ada");
      const ended = example.stop(signal);
      const { code, reason } = await client.closed;
      assertEquals(code, 1001);
      assertNotEquals(reason, "");
      const { code: status, signal: endedBy, stderr } = await ended;
      assertEquals({ status, endedBy, stderr }, { status: 0, endedBy: null, stderr: "" });
    });
  }
});
