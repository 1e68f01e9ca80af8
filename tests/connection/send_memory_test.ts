import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { collect } from "../support/collect_garbage.ts";
import { turn } from "../support/turn.ts";
import { type MemoryEnds, withConnection } from "../support/transports.ts";
import { Source } from "./source.ts";
import { withStalledClient } from "./with_connection.ts";

const COUNT = 20;
const SIZE = 50_000;

/** Messages that nobody but the connection holds, and ways to see whether it still does. */
function createMessages(): { messages: Uint8Array[]; alive: () => number } {
  const messages = Array.from({ length: COUNT }, () => new Uint8Array(SIZE));
  const references = messages.map((message) => new WeakRef(message));
  return { messages, alive: () => references.filter((each) => each.deref() !== undefined).length };
}

/** Waits until most are gone. Engines that scan the stack may find some that are not in use. */
async function assertGivenBack(alive: () => number): Promise<void> {
  for (let i = 0; i < 100 && alive() > COUNT / 4; i++) {
    await turn();
    collect();
  }
  assert(alive() <= COUNT / 4, `${alive()} of ${COUNT} messages are still held`);
}

async function assertHeld(alive: () => number): Promise<void> {
  await turn();
  collect();
  assertEquals(alive(), COUNT);
}

/** Sends messages, and forgets them. */
function sendAll({ conn }: MemoryEnds): () => number {
  const { messages, alive } = createMessages();
  for (const message of messages) void conn.send(message);
  return alive;
}

const limits = { sendQueueSize: Infinity };

describe("the memory of messages", () => {
  const STALLED: [when: string, act: (ends: MemoryEnds) => void, state: string][] = [
    ["a client that stalled has read on", ({ client }) => client.socket.resume(), "open"],
    ["the connection is lost before", ({ client }) => client.socket.reset(), "closed"],
  ];
  it("is given back when they are taken", () =>
    withConnection({ limits }, async (ends) => {
      await assertGivenBack(sendAll(ends));
      assertEquals(ends.conn.state, "open");
    }));

  for (const [when, act, state] of STALLED) {
    it(`is given back when ${when}`, () =>
      withStalledClient({ limits }, async (ends) => {
        const alive = sendAll(ends);
        await assertHeld(alive);
        act(ends);
        await assertGivenBack(alive);
        // The connection itself is held: by this.
        assertEquals([ends.conn.state, ends.conn.bufferedAmount], [state, 0]);
      }));
  }

  it("is given back where the Close frame can't wait for what is held back", () =>
    withConnection({ limits }, async (ends) => {
      const controller = new AbortController();
      const { signal } = controller;
      void ends.conn.sendStream("text", new Source("a").stream, { signal });
      await turn();
      void ends.conn.send(new Uint8Array(COUNT * SIZE));
      void ends.conn.close();
      controller.abort();
      await turn();
      assertEquals(ends.conn.bufferedAmount, 0);
    }));
});
