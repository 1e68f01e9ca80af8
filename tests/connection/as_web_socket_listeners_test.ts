import { describe, it } from "node:test";
import { assert, assertEquals, assertThrows } from "@std/assert";
import type { Connection } from "../../src/server/mod.ts";
import { show } from "../../src/checks.ts";
import { HOOK_FAULTS } from "../support/hook_faults.ts";
import type { RawClient } from "../support/raw_client.ts";
import { TRANSPORTS, withConnection, withMemoryServer } from "../support/transports.ts";
import { settle } from "../support/turn.ts";

type Way = (socket: WebSocket, type: "message" | "close", hook: (event: Event) => unknown) => void;

/** The ways to listen. */
const WAYS: [name: string, listen: Way][] = [
  ["a function", (socket, type, hook) => {
    socket.addEventListener(type, function (this: unknown, event: Event) {
      assert(this === socket, "another this");
      return hook(event);
    } as EventListener);
  }],
  ["an object", (socket, type, hook) => {
    const listener = {
      handleEvent(event: Event) {
        assert(this === listener, "another this");
        return hook(event) as void;
      },
    };
    socket.addEventListener(type, listener);
  }],
  ["an object, once", (socket, type, hook) => {
    socket.addEventListener(type, { handleEvent: (event) => hook(event) as void }, { once: true });
  }],
  ["an object whose handleEvent is read each time", (socket, type, hook) => {
    socket.addEventListener(type, {
      get handleEvent() {
        return (event: Event) => hook(event) as void;
      },
    });
  }],
  ["a property", (socket, type, hook) => {
    socket[`on${type}`] = function (this: unknown, event: Event) {
      assert(this === socket, "another this");
      return hook(event);
    };
  }],
  ["a capturing listener", (socket, type, hook) => {
    socket.addEventListener(type, (event) => hook(event as Event), true);
  }],
  ["a listener with a signal", (socket, type, hook) => {
    const { signal } = new AbortController();
    socket.addEventListener(type, (event) => hook(event as Event), { signal });
  }],
];

/** Has a `message` event delivered. */
async function deliver(client: RawClient): Promise<void> {
  client.sendText("a");
  await settle();
}

/** What an event is to a listener. */
function look(socket: WebSocket, event: Event): unknown[] {
  const { target, currentTarget, eventPhase } = event;
  return [target === socket, currentTarget === socket, eventPhase, event.composedPath().length];
}

for (const { name, withConnection } of TRANSPORTS) {
  describe(`listeners of asWebSocket() over ${name}`, () => {
    for (const [way, listen] of WAYS) {
      it(`${way}: is given the event as every other is, in whatever place`, () =>
        withConnection({}, async ({ client, conn }) => {
          const socket = conn.asWebSocket();
          const seen: unknown[] = [];
          const see = (event: Event) => void seen.push(look(socket, event));
          let last: Event | undefined;
          socket.addEventListener("message", see);
          listen(socket, "message", (event) => {
            see(event);
            last = event;
          });
          for (let i = 0; i < 2; i++) listen(socket, "message", see);
          await deliver(client as RawClient);
          const expected = [true, true, 2, 1];
          assertEquals(
            seen,
            way === "a property" ? Array(2).fill(expected) : Array(4).fill(expected),
          );
          if (way !== "a property") assertEquals(look(socket, last!), [true, false, 0, 0]);
        }));
    }
  });
}

describe("a listener of asWebSocket() that fails", () => {
  for (const place of [0, 1, 2]) {
    for (const [way, listen] of WAYS) {
      it(`${way}, number ${place + 1} of three: 1011, a report, and the others are called`, async () => {
        for (const { error, fail } of HOOK_FAULTS) {
          await withConnection({}, async ({ server, client, conn }) => {
            const socket = conn.asWebSocket();
            const calls: number[] = [];
            for (let i = 0; i < 3; i++) {
              const hook = () => {
                calls.push(i);
                if (i === place) return fail();
              };
              if (i === place) listen(socket, "message", hook);
              else socket.addEventListener("message", hook);
            }
            client.sendText("a");
            assertEquals((await client.readClose())[0], 1011);
            const errors = server.takeErrors();
            assertEquals([errors.length, calls.toSorted()], [1, [0, 1, 2]]);
            assert(Object.is(errors[0], error));
          });
        }
      });
    }
  }

  it("where handleEvent can't be read, or is none", () =>
    withMemoryServer({}, async (server) => {
      const unreadable = {
        get handleEvent(): never {
          throw new Error("unreadable");
        },
      };
      const NONE: object[] = [{}, { handleEvent: 1 }, { handleEvent: null }, unreadable];
      for (const listener of NONE) {
        const { client, conn } = await server.openPair();
        const socket = conn.asWebSocket();
        socket.addEventListener("message", () => {});
        socket.addEventListener("message", listener as EventListenerObject);
        client.sendText("a");
        assertEquals((await client.readClose())[0], 1011);
        const errors = server.takeErrors();
        assertEquals(errors.length, 1);
        assert(errors[0] instanceof TypeError || errors[0] instanceof Error);
      }
    }));

  for (const type of ["open", "message", "error", "close", "custom"]) {
    it(`of the event ${type}, as the second: is reported`, () =>
      withConnection({}, async ({ server, client, conn }) => {
        const socket = conn.asWebSocket();
        const error = new Error(type);
        socket.addEventListener("message", () => {});
        socket.addEventListener(type, () => {});
        socket.addEventListener(type, () => {
          throw error;
        });
        await settle();
        if (type === "message") await deliver(client as RawClient);
        else if (type === "custom") socket.dispatchEvent(new Event("custom"));
        else if (type !== "open") client.socket.reset();
        await settle();
        assertEquals(server.takeErrors(), [error]);
      }));
  }
});

/** What a listener may do to an event; what comes of it for the listeners behind differs. */
const DEEDS: [name: string, spoil: (event: Event) => void][] = [
  ["makes it not extensible", (event) => Object.preventExtensions(event)],
  ["hides its target", (event) => Object.defineProperty(event, "currentTarget", { value: null })],
  ["has its target throw", (event) =>
    Object.defineProperty(event, "currentTarget", {
      get() {
        throw new Error("hidden");
      },
    })],
  ["takes its class away", (event) => Object.setPrototypeOf(event, null)],
];

describe("a listener of asWebSocket() that spoils the event", () => {
  for (const place of [0, 1, 2]) {
    for (const [deed, spoil] of DEEDS) {
      it(`${deed}, number ${place + 1} of three: the connection goes on, or ends with 1011`, () =>
        withConnection({}, async ({ server, client, conn }) => {
          const socket = conn.asWebSocket();
          const received: unknown[] = [];
          for (let i = 0; i < 3; i++) {
            socket.addEventListener("message", (event) => {
              if (i === 0) received.push((event as MessageEvent).data);
              if (i === place) spoil(event);
            });
          }
          client.sendText("a");
          await settle();
          client.sendText("b");
          await settle();
          if (server.takeErrors().length > 0) {
            assertEquals((await client.readClose())[0], 1011);
            assertEquals(received, ["a"]);
          } else {
            assertEquals(received, ["a", "b"]);
          }
        }));
    }
  }

  it("has it thrown by a dispatchEvent of the program: 1011, and a report", () =>
    withConnection({}, async ({ server, client, conn }) => {
      const socket = conn.asWebSocket();
      const error = new Error("The program's own");
      socket.addEventListener("message", () => {});
      await settle();
      socket.dispatchEvent = () => {
        throw error;
      };
      client.sendText("a");
      assertEquals((await client.readClose())[0], 1011);
      client.socket.reset();
      await settle();
      // The events of the end fail too.
      assertEquals([...new Set(server.takeErrors())], [error]);
    }));
});

describe("addEventListener() and removeEventListener() of asWebSocket()", () => {
  const METHODS = ["addEventListener", "removeEventListener"] as const;

  for (const nothing of [undefined, null]) {
    it(`take ${nothing} for no listener, which hears of no message`, () =>
      withConnection({}, async ({ client, conn }) => {
        const socket = conn.asWebSocket();
        for (const options of [undefined, false, true, { once: true }]) {
          socket.addEventListener("message", nothing as unknown as EventListener, options);
          socket.addEventListener("open", nothing as unknown as EventListener, options);
        }
        await deliver(client as RawClient);
        const received: unknown[] = [];
        socket.addEventListener("message", ({ data }) => void received.push(data));
        socket.removeEventListener("message", nothing as unknown as EventListener);
        await deliver(client as RawClient);
        await deliver(client as RawClient);
        assertEquals(received, ["a", "a", "a"]);
      }));
  }

  it("refuse what is no listener, and fewer than two arguments", () =>
    withConnection({}, async ({ client, conn }) => {
      const socket = conn.asWebSocket();
      const untyped = socket as unknown as Record<string, (...given: unknown[]) => void>;
      for (const name of METHODS) {
        for (const listener of [0, 1, "", "f", true, false, 1n, NaN, Symbol("s")]) {
          assertThrows(
            () => untyped[name]("message", listener),
            TypeError,
            `Cannot call ${name} with ${show(listener)}: a listener is`,
          );
        }
        for (const given of [[], ["message"]]) {
          assertThrows(() => untyped[name](...given), TypeError, `Cannot call ${name} without`);
        }
      }
      const received: unknown[] = [];
      socket.addEventListener("message", ({ data }) => void received.push(data));
      await deliver(client as RawClient);
      assertEquals(received, ["a"]);
    }));
});

describe("listeners of asWebSocket()", () => {
  const withSocket = (
    body: (socket: WebSocket, client: RawClient, conn: Connection) => unknown,
  ): Promise<void> =>
    withConnection({}, async ({ client, conn }) => {
      await body(conn.asWebSocket(), client as RawClient, conn);
    });

  it("may be those of another socket too", () =>
    withMemoryServer({}, async (server) => {
      const seen: unknown[] = [];
      const listener = (event: Event) => void seen.push(event.currentTarget);
      const pairs = [await server.openPair(), await server.openPair()];
      const sockets = pairs.map(({ conn }) => conn.asWebSocket());
      for (const socket of sockets) {
        socket.addEventListener("message", () => {});
        socket.addEventListener("message", listener);
      }
      sockets[0].removeEventListener("message", listener);
      for (const { client } of pairs) await deliver(client as RawClient);
      assert(seen.length === 1 && seen[0] === sockets[1]);
    }));

  it("whose signal has aborted take no messages", () =>
    withSocket(async (socket, client) => {
      const signal = AbortSignal.abort();
      socket.addEventListener("message", () => {}, { signal });
      await deliver(client);
      const received: unknown[] = [];
      socket.addEventListener("message", ({ data }) => received.push(data));
      await settle();
      assertEquals(received, ["a"]);
    }));

  it("are given events of the program's own, which can be dispatched again later", () =>
    withSocket((socket) => {
      const seen: unknown[] = [];
      const event = new Event("custom", { cancelable: true });
      for (let i = 0; i < 2; i++) {
        socket.addEventListener("custom", (event) => void seen.push(look(socket, event as Event)));
      }
      socket.addEventListener("custom", (event) => event.preventDefault());
      for (let i = 0; i < 2; i++) assertEquals(socket.dispatchEvent(event), false);
      assertEquals(seen, Array(4).fill([true, true, 2, 1]));
      assertEquals(look(socket, event), [true, false, 0, 0]);
      assertThrows(() => socket.dispatchEvent({} as Event), TypeError);
      assertThrows(() => socket.dispatchEvent(undefined as unknown as Event), TypeError);
    }));

  for (const place of ["first", "second"]) {
    it(`can't dispatch an event that is being dispatched, as the ${place}`, () =>
      withSocket((socket) => {
        const names: unknown[] = [];
        if (place === "second") socket.addEventListener("custom", () => {});
        socket.addEventListener("custom", (event) => {
          const again = () => socket.dispatchEvent(event as Event);
          // Node's own error has that for its code.
          const { name, code } = assertThrows(again) as DOMException;
          names.push(name === "InvalidStateError" || String(code) === "ERR_EVENT_RECURSION");
        });
        socket.dispatchEvent(new Event("custom"));
        assertEquals(names, [true]);
      }));
  }
});
