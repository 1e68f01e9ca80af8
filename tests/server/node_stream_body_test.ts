import { createReadStream } from "node:fs";
import { PassThrough, Readable } from "node:stream";
import { describe, it } from "node:test";
import { assertEquals, assertMatch } from "@std/assert";
import { httpRequest, upgradeRequest } from "../support/requests.ts";
import { type Harness, TRANSPORTS, withMemoryServer } from "../support/transports.ts";
import { settle } from "../support/turn.ts";
import { eventually } from "../support/waiter.ts";

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
