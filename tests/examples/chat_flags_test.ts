// @engines: all of it happens in memory.

import { describe, it } from "node:test";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { describeEvent } from "../../examples/chat/brokers.ts";
import { parseFlags, UsageError } from "../../examples/chat/flags.ts";

const LOCAL = { hostname: "127.0.0.1", ports: [8080], help: false };

describe("chat: the flags", () => {
  it("have defaults", () => {
    assertEquals(parseFlags([]), LOCAL);
  });

  it("ask for a server on each port", () => {
    assertEquals(parseFlags(["--port", "8080", "--port=8081"]).ports, [8080, 8081]);
    assertEquals(parseFlags(["--port", "0", "--port", "0"]).ports, [0, 0]);
  });

  const BROKERS: [flag: string, kind: "redis" | "nats", address: string][] = [
    ["--redis", "redis", "redis://127.0.0.1:6379"],
    ["--redis", "redis", "rediss://user:secret@redis.example:6380/1"],
    ["--nats", "nats", "127.0.0.1:4222"],
    ["--nats", "nats", "nats.example:4222"],
    ["--nats", "nats", "[::1]:4222"],
  ];
  for (const [flag, kind, address] of BROKERS) {
    it(`take ${flag} ${address}`, () => {
      assertEquals(parseFlags([flag, address]), { ...LOCAL, broker: { kind, address } });
    });
  }

  const WRONG: [args: string[], word: RegExp][] = [
    [["--port=8080", "--port=8080"], /--port/],
    [["--port=8080", "--port=-1"], /--port|ambiguous/],
    [["--redis=127.0.0.1:6379"], /--redis is a URL such as redis:\/\//],
    [["--redis=http://127.0.0.1"], /--redis is/],
    [["--redis=redis://"], /--redis is/],
    [["--nats=nats://127.0.0.1:4222"], /--nats is a host and a port/],
    [["--nats=127.0.0.1"], /--nats is/],
    [["--nats=a:1", "--redis=redis://a"], /--redis and --nats/],
  ];
  for (const [args, message] of WRONG) {
    it(`refuse ${args.join(" ")}`, () => {
      const error = assertThrows(() => parseFlags(args), UsageError);
      assert(message.test(error.message), error.message);
    });
  }
});

describe("chat: what the terminal says of the broker", () => {
  const redis = { kind: "redis", address: "rediss://ada:secret@redis.example:6380" } as const;
  const nats = { kind: "nats", address: "127.0.0.1:4222" } as const;

  it("is where it is, without the password", () => {
    assertEquals(
      describeEvent(redis, { type: "broker", status: "connected" }),
      "connected to Redis at rediss://redis.example:6380: rooms are shared with all servers there",
    );
  });

  it("is what is missing, in one line", () => {
    const errors = [
      new Error("refused\nat a place"),
      new AggregateError([new Error("refused"), new Error("timed out")]),
      "refused",
    ];
    for (const error of errors) {
      assertEquals(
        describeEvent(nats, { type: "broker", status: "lost", error }),
        "cannot reach NATS at 127.0.0.1:4222 (refused): until it can, its rooms are its own. " +
          "Does nats-server run?",
      );
    }
  });

  it("is what was lost", () => {
    assertEquals(
      describeEvent(nats, { type: "broker", status: "dropped", messages: 7 }),
      "7 messages did not reach other servers",
    );
  });
});
