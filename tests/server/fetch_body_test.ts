import { describe, it } from "node:test";
import { assert, assertEquals, assertMatch } from "@std/assert";
import type { ServerEvent } from "../../src/server/mod.ts";
import { Body, Hook } from "../support/hook.ts";
import { decodeUtf8, utf8 } from "../support/raw_client.ts";
import { httpRequest, upgradeRequest } from "../support/requests.ts";
import { type Harness, TRANSPORTS, withMemoryServer } from "../support/transports.ts";
import { settle } from "../support/turn.ts";
import { eventually } from "../support/waiter.ts";
import { createReadStream } from "node:fs";
import { PassThrough, Readable } from "node:stream";

/** A stream of these texts, the last of which may be an error. */
function streamOf(...parts: (string | Error)[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    pull(controller) {
      const part = parts.shift();
      if (part === undefined) controller.close();
      else if (part instanceof Error) controller.error(part);
      else controller.enqueue(utf8(part));
    },
  }, { highWaterMark: 0 });
}

for (const { name, withServer } of TRANSPORTS) {
  describe(`the body of a response over ${name}`, () => {
    it("is sent while it comes, and ends with the connection", () => {
      const source = new Body();
      return withServer({ fetch: source.respond }, async (server) => {
        const client = await server.request(httpRequest());
        const { headers } = await client.readHead();
        assertEquals(headers.get("content-length"), undefined);
        for (const text of ["one", "two", "three"]) {
          source.write(text);
          assertEquals(decodeUtf8(await client.readBytes(text.length)), text);
        }
        source.close();
        await client.finish();
      });
    });

    it("may have empty chunks", () =>
      withServer({ fetch: () => new Response(streamOf("", "a", "", "b", "")) }, async (server) => {
        assertEquals((await server.fetch(httpRequest())).body, "ab");
      }));

    it("may have a length", () => {
      const headers = { "Content-Length": "2" };
      const fetch = () => new Response(streamOf("a", "b"), { headers });
      return withServer({ fetch }, async (server) => {
        const response = await server.fetch(httpRequest());
        assertEquals([response.headers.get("content-length"), response.body], ["2", "ab"]);
      });
    });

    const FAULTS: [name: string, () => Response, message: RegExp][] = [
      ["fails in the middle", () => new Response(streamOf("a", new Error("broken"))), /broken/],
      ["fails at once", () => new Response(streamOf(new Error("broken"))), /broken/],
      [
        "is shorter than its length",
        () => new Response(streamOf("a"), { headers: { "Content-Length": "2" } }),
        /its Content-Length is 2, but its body is shorter/,
      ],
      [
        "is longer than its length",
        () => new Response(streamOf("a", "bc"), { headers: { "Content-Length": "2" } }),
        /its Content-Length is 2, but its body is longer/,
      ],
      [
        "has a chunk that is no Uint8Array",
        () => new Response(new ReadableStream({ start: (c) => c.enqueue("text" as never) })),
        /Uint8Array/,
      ],
    ];
    for (const [what, fetch, message] of FAULTS) {
      it(`drops the connection, and reports, where it ${what}`, () =>
        withServer({ fetch }, async (server) => {
          const client = await server.request(httpRequest());
          const response = decodeUtf8(await client.readToEnd());
          assertMatch(response, /\r\n\r\na?$/);
          // Not every runtime has a reset.
          if (name === "memory") assert(client.error instanceof Error);
          await eventually("the report", () => {
            const errors = server.takeErrors().map(String);
            if (errors.length > 0) assertMatch(errors.join(), message);
            return errors.length > 0;
          });
        }));
    }

    it("is cancelled where the request was HEAD", () => {
      const source = new Body();
      return withServer({ fetch: source.respond }, async (server) => {
        assertEquals((await server.fetch(httpRequest({ method: "HEAD" }))).body, "");
        assertEquals(source.isCancelled, true);
      });
    });

    it("is cancelled where the client leaves while it comes", () => {
      const source = new Body();
      return withServer({ fetch: source.respond }, async (server) => {
        const client = await server.request(httpRequest());
        source.write("one");
        await client.readHead();
        await client.readBytes(3);
        client.socket.reset();
        await eventually("the body to be cancelled", () => source.isCancelled);
      });
    });

    it("reaches a client that reads late, whole", () => {
      const chunk = new Uint8Array(65_536).map((_, i) => i % 251);
      let chunks = 128;
      const fetch = () =>
        new Response(
          new ReadableStream({
            pull(controller) {
              if (chunks-- > 0) controller.enqueue(chunk);
              else controller.close();
            },
          }),
        );
      return withServer({ fetch }, async (server) => {
        const client = await server.connect();
        client.socket.pause();
        client.send(httpRequest());
        await settle(10);
        client.socket.resume();
        await client.readHead();
        for (let i = 0; i < 128; i++) assertEquals(await client.readBytes(65_536), chunk);
        await client.finish();
      });
    });

    it("reaches a client whole that reads it long after the system has it", () => {
      const body = new Uint8Array(200_000).fill(7);
      const setup = { fetch: () => new Response(body), closeTimeoutMs: 50 };
      return withServer(setup, async (server) => {
        const client = await server.connect();
        client.socket.pause();
        client.send(httpRequest());
        await new Promise((resolve) => setTimeout(resolve, 500));
        client.socket.resume();
        assertEquals((await client.readResponse()).body.length, 200_000);
        await client.finish();
      });
    });
  });
}

describe("the body of a response in memory", () => {
  it("is read no faster than the client reads", () => {
    let pulls = 0;
    const pull = (controller: ReadableStreamDefaultController<Uint8Array>) => {
      if (++pulls > 2) controller.close();
      else controller.enqueue(utf8("abc"));
    };
    const fetch = () => new Response(new ReadableStream({ pull }, { highWaterMark: 0 }));
    return withMemoryServer({ fetch }, async (server) => {
      const client = await server.connect();
      client.socket.pause();
      client.send(httpRequest());
      await settle();
      assertEquals(pulls, 0);
      client.socket.take(1_000);
      await settle();
      assertEquals([pulls, server.channelOf(client).outgoingSize], [1, 3]);
      client.socket.take(2);
      await settle();
      assertEquals(pulls, 1);
      client.socket.take(1);
      await settle();
      assertEquals(pulls, 2);
      client.socket.resume();
      assertEquals((await client.readResponse()).body, "abcabc");
    });
  });

  it("may take as long as it wants", () => {
    const source = new Body();
    return withMemoryServer({ fetch: source.respond }, async (server) => {
      const client = await server.request(httpRequest());
      await client.readHead();
      assertEquals(server.clock.pending, []);
      await server.clock.advance(1_000_000);
      source.write("late");
      source.close();
      assertEquals(decodeUtf8(await client.readToEnd()), "late");
    });
  });

  it("reaches a client that takes 16 bytes a second", () => {
    const fetch = () => new Response("x".repeat(1_000));
    return withMemoryServer({ fetch }, async (server) => {
      const client = await server.connect();
      client.socket.takeSlowly(16);
      client.send(httpRequest());
      assertEquals((await client.readResponse()).body, "x".repeat(1_000));
      await client.finish();
    });
  });

  it("is cancelled, and the client dropped, where it takes nothing for responseTimeoutMs", () => {
    const source = new Body();
    const events: string[] = [];
    const hook = new Hook(source.respond);
    const setup = {
      fetch: hook.call,
      onEvent: ({ type }: ServerEvent) => void events.push(type),
    };
    return withMemoryServer(setup, async (server) => {
      const client = await server.request(httpRequest());
      await client.readHead();
      client.socket.pause();
      source.write("one");
      await settle();
      await server.clock.advance(59_999);
      assertEquals([client.isClosed, hook.signal.aborted, events], [false, false, []]);
      await server.clock.advance(1);
      assertEquals(client.isClosed, true);
      await eventually("the body to be cancelled", () => source.isCancelled);
      assertEquals(server.clock.pending, []);
      assertEquals([events, server.server.stats().dropped], [["drop"], 1]);
      assertEquals(hook.signal.reason.name, "TimeoutError");
      assertMatch(hook.signal.reason.message, /taken nothing of the response for 60000 ms/);
    });
  });

  it("says why it was cut, where that is another client's place", () => {
    const hook = new Hook(new Body().respond);
    return withMemoryServer({ fetch: hook.call, maxHandshakes: 1 }, async (server) => {
      await (await server.request(httpRequest())).readHead();
      await server.connect();
      assertMatch(hook.signal.reason.message, /makes room/);
    });
  });

  it("says why it was cut, where it fails itself", () => {
    const source = new Body();
    const hook = new Hook(source.respond);
    return withMemoryServer({ fetch: hook.call }, async (server) => {
      const client = await server.request(httpRequest());
      await client.readHead();
      source.fail(new Error("broken"));
      await client.untilClosed();
      assertEquals([hook.signal.reason.message, server.takeErrors().length], ["broken", 1]);
    });
  });

  for (const [size, timeMs] of [[10, 5_000], [3 * 2 ** 20 - 1_000, 180_000], [2e7, 480_000]]) {
    it(`of ${size} bytes has ${timeMs} ms to be read once the system has it`, () => {
      const events: string[] = [];
      const setup = {
        fetch: () => new Response(new Uint8Array(size)),
        onEvent: ({ type }: ServerEvent) => void events.push(type),
      };
      return withMemoryServer(setup, async (server) => {
        const client = await server.request(httpRequest());
        await client.readHead();
        await client.readBytes(size);
        await settle();
        assertEquals(server.clock.pending, [timeMs]);
        await server.clock.advance(timeMs);
        assertEquals(client.isClosed, true);
        // Whether the client has all of a large one is not known.
        assertEquals(events, size > 65_536 ? ["drop"] : []);
      });
    });
  }
});

const HERE = new URL(import.meta.url);
const MISSING = new URL("no_such_file", HERE);

/** A response of a class that has streams of Node's for bodies. */
function responseOf(body: unknown, status = 200, headers: [string, string][] = []): Response {
  return { status, statusText: "", headers: new Headers(headers), body } as Response;
}

function files(): { open: (path: URL) => Readable; all: Readable[] } {
  const all: Readable[] = [];
  return {
    all,
    open(path) {
      const stream = createReadStream(path);
      all.push(stream);
      return stream;
    },
  };
}

/** Streams that are never sent, and how the request is made. */
const UNSENT: [name: string, status: number, method: string][] = [
  ["HEAD", 200, "HEAD"],
  ["204", 204, "GET"],
  ["205", 205, "GET"],
  ["304", 304, "GET"],
  ["a head that can't be sent", 999, "GET"],
];

for (const { name, withServer } of TRANSPORTS) {
  describe(`a file of Node's as a body over ${name}`, () => {
    for (const [what, status, method] of UNSENT) {
      for (const path of [HERE, MISSING]) {
        it(`is closed where it is not sent: ${what}, ${path === HERE ? "there" : "missing"}`, () => {
          const { open, all } = files();
          const fetch = () => responseOf(open(path), status);
          return withServer({ fetch }, async (server) => {
            const client = await server.request(httpRequest({ method }));
            assertEquals((await client.readHead()).status, status === 999 ? 500 : status);
            await eventually("the file to be closed", () => all.every(({ closed }) => closed));
            server.takeErrors();
          });
        });
      }
    }

    it("is closed where the client has left before the hook is done", () => {
      const { open, all } = files();
      const gate = Promise.withResolvers<void>();
      let isCalled = false;
      const hook = async () => {
        isCalled = true;
        await gate.promise;
        return responseOf(open(MISSING));
      };
      return withServer({ fetch: hook, upgrade: hook }, async (server) => {
        for (const request of [httpRequest(), upgradeRequest()]) {
          isCalled = false;
          const client = await server.request(request);
          await eventually("the hook", () => isCalled);
          client.socket.reset();
        }
        await eventually("their ends", () => server.server.stats().handshakes === 0);
        gate.resolve();
        await eventually("the files to be closed", () => {
          return all.length === 2 && all.every(({ closed }) => closed);
        });
      });
    });

    it("is reported where it is missing", () => {
      const { open } = files();
      return withServer({ fetch: () => responseOf(open(MISSING)) }, async (server) => {
        const client = await server.request(httpRequest());
        await client.readToEnd();
        await eventually("the report", () => {
          const errors = server.takeErrors().map(String);
          if (errors.length > 0) assertMatch(errors.join(), /no_such_file/);
          return errors.length > 0;
        });
      });
    });
  });
}

describe("a stream of Node's as a body", () => {
  const fetchOf = (body: unknown) => ({ fetch: () => responseOf(body) });

  it("is destroyed where the client leaves while nothing comes of it", () => {
    const stream = new Readable({ read() {} });
    return withMemoryServer(fetchOf(stream), async (server) => {
      const client = await server.request(httpRequest());
      await client.readHead();
      client.socket.reset();
      await settle();
      assertEquals(stream.destroyed, true);
    });
  });

  it("may fail while its head waits for the client", () => {
    const stream = new Readable({ read() {} });
    return withMemoryServer(fetchOf(stream), async (server) => {
      const client = await server.connect();
      client.socket.pause();
      client.send(httpRequest());
      await settle();
      stream.destroy(new Error("broken"));
      await settle();
      client.socket.resume();
      await client.readToEnd();
      assertMatch(String(server.takeErrors()), /broken/);
    });
  });

  it("is destroyed where it can't be iterated", () => {
    const stream = new PassThrough();
    Object.defineProperty(stream, Symbol.asyncIterator, { value: undefined });
    return withMemoryServer(fetchOf(stream), async (server: Harness) => {
      const client = await server.request(httpRequest());
      assertEquals((await client.readHead()).status, 500);
      assertEquals(stream.destroyed, true);
      assertMatch(String(server.takeErrors()), /must be a stream/);
    });
  });

  it("is destroyed where it is longer than its length", () => {
    const stream = new Readable({ read() {} });
    const fetch = () => responseOf(stream, 200, [["Content-Length", "1"]]);
    return withMemoryServer({ fetch }, async (server) => {
      const client = await server.request(httpRequest());
      stream.push("ab");
      await client.readToEnd();
      await settle();
      assertEquals(stream.destroyed, true);
      assertMatch(String(server.takeErrors()), /its Content-Length is 1, but its body is longer/);
    });
  });
});
