import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import type { RawClient } from "../../support/raw_client.ts";
import { httpRequest, upgradeRequest } from "../../support/requests.ts";
import { type Harness, TRANSPORTS, withMemoryServer } from "../../support/transports.ts";
import { eventually } from "../../support/waiter.ts";

/** A body that notes whether it was given up, and what that comes to. */
class Source {
  isCancelled = false;
  readonly #cancel: () => Promise<void>;

  constructor(cancel: () => Promise<void> = () => Promise.resolve()) {
    this.#cancel = cancel;
  }

  respond(init?: ResponseInit): Response {
    const body = new ReadableStream({
      cancel: () => {
        this.isCancelled = true;
        return this.#cancel();
      },
    });
    return new Response(body, init);
  }

  untilCancelled(): Promise<void> {
    return eventually("the body to be cancelled", () => this.isCancelled);
  }
}

const HOOKS = { fetch: httpRequest(), upgrade: upgradeRequest() };

for (const { name, withServer } of TRANSPORTS) {
  describe(`the body of a response that is not sent, over ${name}`, () => {
    for (const [hook, request] of Object.entries(HOOKS)) {
      it(`is cancelled where the client left while ${hook} was awaited`, () => {
        const source = new Source();
        const gate = Promise.withResolvers<Response>();
        let signal: AbortSignal | undefined;
        const call = (_: Request, info: { signal: AbortSignal }) => {
          signal = info.signal;
          return gate.promise;
        };
        return withServer({ [hook]: call, handshakeTimeoutMs: Infinity }, async (server) => {
          const client = await server.request(request);
          await eventually("the hook", () => signal !== undefined);
          client.socket.reset();
          await eventually("the signal", () => signal!.aborted);
          gate.resolve(source.respond());
          await source.untilCancelled();
        });
      });
    }

    for (
      const [what, cancel] of [
        ["never comes to an end", () => new Promise<void>(() => {})],
        ["fails", () => Promise.reject(new Error("can't cancel"))],
      ] as const
    ) {
      it(`is cancelled where the request is HEAD, and is not waited for where that ${what}`, () => {
        const source = new Source(cancel);
        return withServer({ fetch: () => source.respond() }, async (server) => {
          const client = await server.request(httpRequest({ method: "HEAD" }));
          await checkHead(client, server);
          assertEquals(source.isCancelled, true);
        });
      });
    }
  });
}

async function checkHead(client: RawClient, server: Harness<unknown>): Promise<void> {
  assertEquals((await client.readHead()).status, 200);
  await client.finish();
  await eventually("the handshake to be over", () => server.server.stats().handshakes === 0);
}

describe("the body of a response that is not sent, in memory", () => {
  for (const [hook, request] of Object.entries(HOOKS)) {
    it(`is cancelled where ${hook} took too long`, () => {
      const source = new Source();
      const gate = Promise.withResolvers<Response>();
      return withMemoryServer({ [hook]: () => gate.promise }, async (server) => {
        const client = await server.request(request);
        await server.clock.advance(10_000);
        assertEquals((await client.readResponse()).status, 408);
        gate.resolve(source.respond());
        await source.untilCancelled();
      });
    });
  }
});
