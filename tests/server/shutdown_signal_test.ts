import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { accept } from "../../mod.ts";
import { HandshakeError, type RequestInfo } from "../../src/server/mod.ts";
import { utf8 } from "../support/raw_client.ts";
import { httpRequest, upgradeRequest } from "../support/requests.ts";
import { TRANSPORTS, withMemoryServer } from "../support/transports.ts";
import { eventually } from "../support/waiter.ts";
import { watch } from "../support/watch.ts";

/** A stream of events that ends with the shutdown. */
function streamEvents(info: RequestInfo): Response {
  const { shutdownSignal } = info;
  return new Response(
    new ReadableStream({
      start(controller) {
        controller.enqueue(utf8("data: 1\n\n"));
        shutdownSignal.addEventListener("abort", () => {
          controller.enqueue(utf8("data: bye\n\n"));
          controller.close();
        });
      },
    }),
  );
}

for (const { name, withServer } of TRANSPORTS) {
  describe(`the shutdown signal of a hook over ${name}`, () => {
    it("has a stream of events end by itself, and the shutdown with it", () => {
      let info: RequestInfo | undefined;
      const fetch = (_: Request, given: RequestInfo) => streamEvents(info = given);
      return withServer({ fetch }, async (server) => {
        const client = await server.request(httpRequest());
        await client.readHead();
        await client.readBytes(9);
        assertEquals(info!.shutdownSignal.aborted, false);
        const finished = watch(server.server.shutdown({ timeoutMs: Infinity }));
        assertEquals(info!.shutdownSignal.aborted, true);
        assertEquals(await client.readBytes(11), utf8("data: bye\n\n"));
        await client.finish();
        await finished.untilSettled();
        const { reason } = info!.shutdownSignal;
        assert(reason instanceof HandshakeError);
        assertEquals([reason.status, info!.signal.aborted], [503, false]);
      });
    });

    it("leaves responses alone that don't ask for it, and the shutdown waits for them", () => {
      const gate = Promise.withResolvers<Response>();
      let info: RequestInfo | undefined;
      const fetch = (_: Request, given: RequestInfo) => (info = given, gate.promise);
      return withServer({ fetch }, async (server) => {
        const client = await server.request(httpRequest());
        await eventually("the hook", () => info !== undefined);
        const finished = watch(server.server.shutdown());
        assertEquals(info!.signal.aborted, false);
        gate.resolve(new Response("whole"));
        const { status, body } = await client.readResponse();
        assertEquals([status, body, finished.state], [200, "whole", "pending"]);
        client.socket.end();
        await finished.untilSettled();
      });
    });

    for (const [hook, request] of [["fetch", httpRequest()], ["upgrade", upgradeRequest()]]) {
      for (const what of ["the reason", "an AbortError"]) {
        it(`has the client get 503 where the ${hook} hook throws ${what}`, () => {
          let info: RequestInfo | undefined;
          const call = (_: Request, given: RequestInfo) => {
            info = given;
            const signal = AbortSignal.any([given.signal, given.shutdownSignal]);
            return new Promise<never>((_, reject) => {
              signal.addEventListener("abort", () => {
                reject(
                  what === "the reason"
                    ? signal.reason
                    : new DOMException("Given up", "AbortError"),
                );
              });
            });
          };
          return withServer({ [hook]: call }, async (server) => {
            const client = await server.request(request);
            await eventually("the hook", () => info !== undefined);
            const finished = watch(server.server.shutdown());
            const { status, body } = await client.readResponse();
            assertEquals([status, body], [503, "The server is shutting down\n"]);
            client.socket.end();
            await finished.untilSettled();
            assertEquals(server.takeErrors(), []);
            assertEquals(server.server.stats().refused, { 503: 1 });
          });
        });
      }
    }
  });
}

describe("the shutdown signal of a hook in memory", () => {
  it("has aborted where the hook is called, or asks, only after the shutdown began", () => {
    let info: RequestInfo | undefined;
    const fetch = (_: Request, given: RequestInfo) => {
      info = given;
      return new Response();
    };
    return withMemoryServer({ fetch }, async (server) => {
      const head = httpRequest({ method: "POST", headers: { "Content-Length": "4" } });
      const client = await server.request(head, "bo");
      void server.server.shutdown();
      client.send("dy");
      assertEquals((await client.readResponse()).status, 200);
      await client.finish();
      assertEquals(info!.shutdownSignal.aborted, true);
      assertEquals(info!.shutdownSignal, info!.shutdownSignal);
    });
  });

  it("does not abort behind the whole response, where only the client has still to leave", () => {
    let info: RequestInfo | undefined;
    const fetch = (_: Request, given: RequestInfo) => {
      info = given;
      info.shutdownSignal.addEventListener("abort", () => {});
      return new Response("all");
    };
    return withMemoryServer({ fetch }, async (server) => {
      const client = await server.request(httpRequest());
      await client.readResponse();
      const finished = watch(server.server.shutdown());
      assertEquals([info!.shutdownSignal.aborted, finished.state], [false, "pending"]);
      await client.finish();
      await finished.untilSettled();
    });
  });

  it("may have its listeners shut down again", () => {
    const fetch = (_: Request, info: RequestInfo) => {
      info.shutdownSignal.addEventListener("abort", () => {
        void server!.server.shutdown({ timeoutMs: 1 });
      });
      return new Response(new ReadableStream());
    };
    let server: { server: { shutdown(options: object): Promise<void> } } | undefined;
    return withMemoryServer({ fetch }, async (harness) => {
      server = harness;
      const client = await harness.request(httpRequest());
      await client.readHead();
      const finished = watch(harness.server.shutdown({ timeoutMs: Infinity }));
      await harness.clock.advance(1);
      await finished.untilSettled();
    });
  });

  it("is what a response that is dropped after timeoutMs was cancelled for", () => {
    const reasons: unknown[] = [];
    let info: RequestInfo | undefined;
    const fetch = (_: Request, given: RequestInfo) => {
      info = given;
      return new Response(new ReadableStream({ cancel: (reason) => void reasons.push(reason) }));
    };
    return withMemoryServer({ fetch }, async (server) => {
      const client = await server.request(httpRequest());
      await client.readHead();
      const finished = watch(server.server.shutdown());
      await server.clock.advance(4_999);
      assertEquals([finished.state, client.isClosed, reasons], ["pending", false, []]);
      await server.clock.advance(1);
      await finished.untilSettled();
      assertEquals(client.isClosed, true);
      assertEquals(reasons, [info!.shutdownSignal.reason]);
      assertEquals(info!.signal.reason, info!.shutdownSignal.reason);
    });
  });

  it("has nothing reported where a body fails with it", () => {
    const fetch = (_: Request, { shutdownSignal }: RequestInfo) =>
      new Response(
        new ReadableStream({
          start(controller) {
            controller.enqueue(utf8("a"));
            const fail = () => controller.error(shutdownSignal.reason);
            shutdownSignal.addEventListener("abort", fail);
          },
        }),
      );
    return withMemoryServer({ fetch }, async (server) => {
      const client = await server.request(httpRequest());
      await client.readHead();
      await client.readBytes(1);
      const finished = watch(server.server.shutdown());
      await client.untilClosed();
      assert(client.error instanceof Error, "the end of a response that is not whole");
      await finished.untilSettled();
      assertEquals(server.takeErrors(), []);
    });
  });
});

describe("accept", () => {
  it("tells its hook of a client that ends its side, too, and of no shutdown", async () => {
    const fromClient = new TransformStream<Uint8Array, Uint8Array>();
    const toClient = new TransformStream<Uint8Array, Uint8Array>();
    let info: RequestInfo | undefined;
    const upgrade = (_: Request, given: RequestInfo) => {
      info = given;
      return new Promise<never>((_, reject) => {
        given.signal.addEventListener("abort", () => reject(given.signal.reason));
      });
    };
    const streams = { readable: fromClient.readable, writable: toClient.writable };
    const accepted = watch(accept(streams, { upgrade, handshakeTimeoutMs: Infinity }));
    const client = fromClient.writable.getWriter();
    await client.write(utf8(upgradeRequest()));
    await eventually("the hook", () => info !== undefined);
    assertEquals([info!.signal.aborted, info!.shutdownSignal.aborted], [false, false]);
    void client.close().catch(() => {});
    await accepted.untilSettled();
    assertEquals(accepted.state, "rejected");
    assertEquals([info!.signal.aborted, info!.shutdownSignal.aborted], [true, false]);
  });
});
