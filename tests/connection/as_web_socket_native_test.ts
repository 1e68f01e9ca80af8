import { after, before, describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { serve, type Server } from "../../mod.ts";
import { withConnection } from "../support/transports.ts";

type RuntimeName = "Bun" | "Deno" | "Node";

interface Script {
  name: string;
  /** Does something to an open WebSocket, and gives what there is to be seen of it. */
  run(socket: WebSocket): unknown;
  /** What the standard has. */
  expected: unknown;
  /** The runtimes whose own WebSocket does otherwise, in some version at least. */
  unlike?: RuntimeName[];
}

const SCRIPTS: Script[] = [
  {
    name: "handlers are called in the order in which they were set",
    run(socket) {
      const calls: string[] = [];
      socket.addEventListener("error", () => calls.push("first"));
      socket.onerror = () => calls.push("handler");
      socket.addEventListener("error", () => calls.push("last"));
      fire(socket, "error");
      return calls;
    },
    expected: ["first", "handler", "last"],
  },
  {
    name: "a handler is called in the place of the one it replaces",
    run(socket) {
      const calls: string[] = [];
      socket.onerror = () => calls.push("replaced");
      socket.addEventListener("error", () => calls.push("last"));
      const handler = () => calls.push("handler");
      socket.onerror = handler;
      fire(socket, "error");
      return [...calls, socket.onerror === handler];
    },
    expected: ["handler", "last", true],
    unlike: ["Node"],
  },
  {
    name: "a handler set after null is called last",
    run(socket) {
      const calls: string[] = [];
      socket.onerror = () => calls.push("replaced");
      socket.addEventListener("error", () => calls.push("first"));
      socket.onerror = null;
      fire(socket, "error");
      socket.onerror = () => calls.push("handler");
      fire(socket, "error");
      return calls;
    },
    expected: ["first", "first", "handler"],
    unlike: ["Deno"],
  },
  {
    name: "what is no handler is null",
    run(socket) {
      const seen: unknown[] = [];
      for (const value of [undefined, 1, "handler", true]) {
        socket.onerror = () => seen.push("replaced");
        socket.onerror = value as unknown as null;
        seen.push(socket.onerror);
        fire(socket, "error");
      }
      return seen;
    },
    expected: [null, null, null, null],
  },
  {
    name: "an object is a handler, and is not called",
    run(socket) {
      const seen: unknown[] = [];
      const handler = { handleEvent: () => seen.push("called") };
      socket.onerror = handler as unknown as null;
      seen.push(socket.onerror === handler as unknown);
      fire(socket, "error");
      return seen;
    },
    expected: [true],
    unlike: ["Node"],
  },
  {
    name: "a handler is called on the WebSocket, with the event",
    run(socket) {
      const seen: unknown[] = [];
      socket.onerror = function (event) {
        seen.push(this === socket, event.type, event.target === socket);
      };
      fire(socket, "error");
      return seen;
    },
    expected: [true, "error", true],
  },
  {
    name: "a function is one listener, and one handler besides",
    run(socket) {
      const counts = [0];
      const listener = () => void counts[0]++;
      socket.addEventListener("error", listener);
      socket.addEventListener("error", listener);
      socket.onerror = listener;
      fire(socket, "error");
      socket.removeEventListener("error", listener);
      counts.unshift(0);
      fire(socket, "error");
      return counts;
    },
    expected: [1, 2],
    unlike: ["Node"],
  },
  {
    name: "listeners are called once, or until a signal",
    run(socket) {
      const calls: string[] = [];
      const controller = new AbortController();
      const { signal } = controller;
      socket.addEventListener("error", () => calls.push("once"), { once: true });
      socket.addEventListener("error", () => calls.push("signal"), { signal });
      socket.addEventListener("error", { handleEvent: () => calls.push("object") });
      fire(socket, "error");
      controller.abort();
      fire(socket, "error");
      return calls;
    },
    expected: ["once", "signal", "object", "object"],
  },
  {
    name: "a listener is removed by what it was added by",
    run(socket) {
      const calls: string[] = [];
      const listener = () => calls.push("function");
      const object = { handleEvent: () => void calls.push("object") };
      for (const each of [listener, listener, object, object]) {
        socket.addEventListener("error", each);
      }
      socket.removeEventListener("error", listener, true);
      fire(socket, "error");
      for (const each of [listener, object]) socket.removeEventListener("error", each);
      fire(socket, "error");
      return calls;
    },
    expected: ["function", "object"],
    // Node 22 takes the boolean for no options.
    unlike: ["Node"],
  },
  {
    name: "a listener removed meanwhile is not called, one added meanwhile only next time",
    run(socket) {
      const calls: string[] = [];
      const removed = () => calls.push("removed");
      const added = () => calls.push("added");
      socket.addEventListener("error", () => {
        socket.removeEventListener("error", removed);
        socket.addEventListener("error", added);
      });
      socket.addEventListener("error", removed);
      fire(socket, "error");
      calls.push("next");
      fire(socket, "error");
      return calls;
    },
    expected: ["next", "added"],
  },
  {
    name: "a listener can stop those behind it, also as the second",
    run(socket) {
      const calls: string[] = [];
      socket.addEventListener("error", () => calls.push("first"));
      socket.onerror = (event) => {
        calls.push("handler");
        event.stopImmediatePropagation();
      };
      socket.addEventListener("error", () => calls.push("stopped"));
      fire(socket, "error");
      return calls;
    },
    expected: ["first", "handler"],
  },
  {
    name: "close() refuses codes that nobody may send, and reasons that are too long",
    run(socket) {
      const calls: [code: unknown, reason?: string][] = [
        ...[0, 999, 1004, 1005, 1006, 1015, 2999, 5000, NaN, null, "a code"].map(
          (code): [unknown] => [code],
        ),
        [1000, "x".repeat(124)],
        [undefined, "é".repeat(62)],
      ];
      const names = calls.map(([code, reason]) =>
        nameOfError(() => socket.close(code as number, reason))
      );
      return [...names, socket.readyState];
    },
    expected: [
      ...Array.from({ length: 11 }, () => "InvalidAccessError"),
      "SyntaxError",
      "SyntaxError",
      1,
    ],
  },
  {
    name: "close() is done once, and refuses what it refuses before",
    run(socket) {
      const seen: unknown[] = [];
      socket.close("3000" as unknown as number, "x".repeat(123));
      seen.push(socket.readyState);
      socket.close(4000);
      seen.push(nameOfError(() => socket.close(1006)), socket.readyState);
      return seen;
    },
    expected: [2, "InvalidAccessError", 2],
  },
  {
    name: "send() behind close() counts what it was given",
    run(socket) {
      socket.close();
      const before = socket.bufferedAmount;
      socket.send("é€");
      socket.send(new Uint8Array(10));
      socket.send(new Blob(["blob"]));
      return [socket.bufferedAmount - before, socket.readyState];
    },
    expected: [5 + 10 + 4, 2],
    unlike: ["Deno", "Node"],
  },
  {
    name: "send() needs a message",
    run: (socket) => nameOfError(() => (socket.send as () => void)()),
    expected: "TypeError",
  },
];

/** Fires an event that carries nothing: what the runtime's WebSocket makes of it is its own. */
function fire(socket: WebSocket, type: string): void {
  socket.dispatchEvent(new Event(type));
}

function nameOfError(run: () => void): string | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    return (error as Error).name;
  }
}

const runtime: RuntimeName = "Bun" in globalThis ? "Bun" : "Deno" in globalThis ? "Deno" : "Node";

describe("asWebSocket() does as the standard has it", () => {
  for (const { name, run, expected } of SCRIPTS) {
    it(name, () =>
      withConnection({}, ({ conn }) => {
        assertEquals(run(conn.asWebSocket()), expected);
      }));
  }
});

describe("the runtime's own WebSocket, the same but for what is known", () => {
  let server: Server;

  before(async () => {
    server = await serve({ port: 0, hostname: "127.0.0.1" }, (conn) => conn.closed);
  });

  after(() => server.shutdown());

  for (const { name, run, expected, unlike } of SCRIPTS) {
    if (unlike?.includes(runtime)) continue;
    it(name, async () => {
      assert(server.addr.transport === "tcp");
      const socket = new WebSocket(`ws://127.0.0.1:${server.addr.port}/`);
      await new Promise((resolve) => socket.addEventListener("open", resolve));
      const closed = new Promise((resolve) => socket.addEventListener("close", resolve));
      const seen = run(socket);
      socket.close();
      await closed;
      assertEquals(seen, expected);
    });
  }
});
