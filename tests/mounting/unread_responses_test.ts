import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { createServer } from "node:http";
import { connect } from "node:net";
import type { Message } from "../../src/server/mod.ts";
import { mount } from "../../src/runtimes/node/mount.ts";
import { textFrame } from "../support/raw_client.ts";
import { upgradeRequest } from "../support/requests.ts";
import { skipUnless } from "../support/skip.ts";
import { eventually } from "../support/waiter.ts";

describe("an upgrade behind requests whose responses the client did not read", () => {
  // Bun takes it for a plain request.
  const skip = skipUnless(!("Bun" in globalThis), "needs pipelined upgrades");
  it("opens a connection that is read from", { skip }, async () => {
    const received: Message[] = [];
    const host = await mount({ message: (_, data) => void received.push(data) });
    const server = createServer((_request, response) => response.end("x".repeat(200_000)));
    host.attach(server, { path: "/ws" });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    assert(typeof address === "object" && address !== null);
    const client = connect(address.port, "127.0.0.1");
    client.pause();
    const request = "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n";
    client.write(request.repeat(20) + upgradeRequest({ target: "/ws" }));
    await new Promise((resolve) => setTimeout(resolve, 200));
    client.on("data", () => {});
    client.resume();
    await eventually("the connection to open", () => host.connections.size === 1);
    client.write(textFrame("first"));
    await eventually("the message to arrive", () => received.length > 0);
    assertEquals(received, ["first"]);
    client.destroy();
    await host.shutdown();
    server.close();
  });
});
