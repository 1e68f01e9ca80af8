import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { TestProcess } from "../support/child_process.ts";
import { NetSocket } from "../support/net_socket.ts";
import { RawClient } from "../support/raw_client.ts";
import { upgradeRequest } from "../support/requests.ts";

async function withProcess(word: string, body: (child: TestProcess) => Promise<void>) {
  const child = new TestProcess(new URL("serving_process.ts", import.meta.url), word);
  try {
    await body(child);
  } finally {
    child.kill();
  }
}

/** Opens a WebSocket to the process. */
async function open(child: TestProcess): Promise<RawClient<NetSocket>> {
  const [, port] = await child.untilPrinted(/^port (\d+)/);
  const client = new RawClient(await NetSocket.connect(Number(port)));
  client.send(upgradeRequest());
  await client.readHead();
  return client;
}

describe("a process that serves", () => {
  it("ends by itself after unref()", () =>
    withProcess("unref", async (child) => {
      assertEquals(await child.untilEnded(), 0);
      assertEquals(child.output.includes("alive"), false);
    }));

  it("lives on after ref(), until the server is shut down", () =>
    withProcess("ref", async (child) => {
      await child.untilPrinted(/alive/);
      assertEquals(await child.untilEnded(), 0);
    }));

  it("lives on after unref() while a connection is open", () =>
    withProcess("connection", async (child) => {
      const client = await open(child);
      await child.untilPrinted(/alive/);
      await client.close();
      assertEquals(await child.untilEnded(), 0);
    }));

  it("ends by itself after shutdown(): no timer and no socket is left", () =>
    withProcess("shutdown", async (child) => {
      const client = await open(child);
      await client.answerClose(1001);
      await child.untilPrinted(/finished/);
      assertEquals(await child.untilEnded(), 0);
    }));
});
