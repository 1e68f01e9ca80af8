// @engines: all of it happens in memory.

import { describe, it } from "node:test";
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import {
  type MemoryHarness,
  type Setup,
  withConnection,
  withMemoryServer,
} from "../support/transports.ts";
import { settle } from "../support/turn.ts";
import { ResumingClient } from "./resuming_client.ts";

function withServer(
  setup: Setup<unknown>,
  body: (harness: MemoryHarness<unknown>) => Promise<void>,
): Promise<void> {
  return withMemoryServer({ resume: true, ...setup }, body);
}

/** A client that is subscribed to topics, and has the notes of it. */
async function subscribed(
  harness: MemoryHarness<unknown>,
  ...topics: string[]
): Promise<ResumingClient> {
  const client = await new ResumingClient(harness).begin();
  for (const topic of topics) {
    client.conn.subscribe(topic);
    await client.note();
  }
  return client;
}

/** Loses the connection of a client, and waits until the server knows. */
async function lose(client: ResumingClient): Promise<void> {
  client.reset();
  await settle();
}

/** Comes back, and is subscribed to topics; gives the notes of it. */
async function comeBack(client: ResumingClient, ...topics: string[]): Promise<void> {
  await client.begin();
  for (const topic of topics) client.conn.subscribe(topic);
}

describe("a client's notes", () => {
  it("say what it is subscribed to, under a number of the topic's own", async () => {
    await withServer({}, async (harness) => {
      const client = await new ResumingClient(harness).begin();
      client.conn.subscribe("a");
      client.conn.subscribe("b");
      const [a, b] = [await client.note(), await client.note()];
      assertEquals([a.topic, b.topic], ["a", "b"]);
      assertNotEquals(a.number, b.number);
      assertEquals(a.position, b.position);
      const other = await new ResumingClient(harness).begin();
      other.conn.subscribe("b");
      assertEquals(await other.note(), b);
    });
  });

  it("say that a subscription has ended", async () => {
    await withServer({}, async (harness) => {
      const client = await subscribed(harness, "a", "b");
      harness.server.publish("a", "1");
      assert(client.conn.unsubscribe("a"));
      assert(!client.conn.unsubscribe("a"));
      harness.server.publish("a", "2");
      harness.server.publish("b", "3");
      assertEquals(await client.data(), "1");
      assertEquals(Object.keys(await client.note()), ["unsubscribed"]);
      assertEquals(await client.data(), "3");
      assertEquals(Object.keys(client.positions), ["b"]);
      await lose(client);
      harness.server.publish("a", "4");
      await comeBack(client, "a");
      assertEquals((await client.note()).isLost, undefined);
      harness.server.publish("a", "5");
      assertEquals(await client.data(), "5");
    });
  });

  it("say nothing of a subscription that is made again, which goes on as it was", async () => {
    await withServer({}, async (harness) => {
      const client = await subscribed(harness, "a");
      harness.server.publish("a", "1");
      client.conn.subscribe("a", { lag: "latest" });
      harness.server.publish("a", "2");
      assertEquals([await client.data(), await client.data()], ["1", "2"]);
      await lose(client);
      harness.server.publish("a", "3");
      await comeBack(client, "a", "a");
      await client.note();
      assertEquals(await client.data(), "3");
      harness.server.publish("a", "4");
      assertEquals(await client.data(), "4");
    });
  });

  it("are not sent to others", async () => {
    await withConnection({ resume: true }, async ({ server: harness, client, conn }) => {
      conn.subscribe("a");
      harness.server.publish("a", "\x1e1");
      conn.unsubscribe("a");
      void conn.send("\x1e2");
      assertEquals([await client.readMessage(), await client.readMessage()], ["\x1e1", "\x1e2"]);
    });
  });

  it("have whatever a topic has", async () => {
    await withServer({}, async (harness) => {
      const topics = ["", "\n", "\x1e", "__proto__", "é😀", "\ud800", "x".repeat(1_024)];
      const client = await new ResumingClient(harness).begin();
      for (const topic of topics) {
        client.conn.subscribe(topic);
        assertEquals((await client.note()).topic, topic);
        harness.server.publish(topic, "1");
        assertEquals(await client.take(), {
          data: "1",
          topic,
          position: client.positions[topic],
        });
      }
    });
  });
});

// That it gets all, once and in order, whatever happens between: properties_test.ts.
describe("a client that comes back", () => {
  it("gets what was published to several topics", async () => {
    await withServer({}, async (harness) => {
      const client = await subscribed(harness, "a", "b", "c");
      await lose(client);
      for (let i = 0; i < 9; i++) harness.server.publish("abc"[i % 3], `${i}`);
      await comeBack(client, "c", "a");
      assertEquals((await client.note()).topic, "c");
      assertEquals(await client.texts(3), ["2", "5", "8"]);
      assertEquals((await client.note()).topic, "a");
      assertEquals(await client.texts(3), ["0", "3", "6"]);
      // It has not come to b yet, and may do so later.
      harness.server.publish("b", "9");
      client.conn.subscribe("b");
      await client.note();
      assertEquals(await client.texts(4), ["1", "4", "7", "9"]);
    });
  });

  it("gets nothing twice, and nothing out of order, of what is published around it", async () => {
    await withServer({}, async (harness) => {
      const { server } = harness;
      const client = await subscribed(harness, "x");
      await lose(client);
      server.publish("x", "1");
      await client.begin();
      server.publish("x", "2");
      server.publish("y", "other");
      client.conn.subscribe("x");
      server.publish("x", "3");
      client.conn.subscribe("y");
      server.publish("y", "4");
      server.publish("x", "5");
      await client.note();
      assertEquals(await client.texts(3), ["1", "2", "3"]);
      await client.note();
      assertEquals(await client.texts(2), ["4", "5"]);
      const fresh = await new ResumingClient(harness).begin();
      server.publish("x", "6");
      fresh.conn.subscribe("x");
      server.publish("x", "7");
      await fresh.note();
      assertEquals(await fresh.data(), "7");
    });
  });

  it("may be there twice: both get all", async () => {
    await withServer({}, async (harness) => {
      const client = await subscribed(harness, "x");
      const { session, positions } = client;
      const second = new ResumingClient(harness);
      Object.assign(second, { session, positions: { ...positions } });
      harness.server.publish("x", "1");
      await comeBack(second, "x");
      await second.note();
      assertEquals([await client.data(), await second.data()], ["1", "1"]);
    });
  });

  it("gets no more than it is subscribed to", async () => {
    await withServer({}, async (harness) => {
      const client = await subscribed(harness, "secret", "x");
      await lose(client);
      harness.server.publish("secret", "1");
      harness.server.publish("x", "2");
      await comeBack(client, "x");
      assertEquals((await client.note()).topic, "x");
      assertEquals(await client.data(), "2");
      await settle();
      assertEquals(client.raw.unreadSize, 0);
    });
  });
});

describe("messages that are not for everybody", () => {
  it("don't come back to the session that is left out", async () => {
    await withServer({}, async (harness) => {
      const { server } = harness;
      const [ada, ben] = [await subscribed(harness, "x"), await subscribed(harness, "x")];
      server.publish("x", "of Ada", { except: ada.conn });
      server.publish("x", "of Ben", { except: ben.conn });
      assertEquals([await ada.data(), await ben.data()], ["of Ben", "of Ada"]);
      server.publish("x", "of Ada again", { except: ada.conn });
      server.publish("x", "of both");
      await lose(ada);
      await lose(ben);
      await comeBack(ada, "x");
      await comeBack(ben, "x");
      await ada.note();
      await ben.note();
      assertEquals([await ada.data(), await ben.texts(2)], ["of both", [
        "of Ada again",
        "of both",
      ]]);
      // Its other connection is it, too.
      server.publish("x", "again", { except: ada.conn });
      server.publish("x", "last");
      assertEquals([await ada.data(), await ben.texts(2)], ["last", ["again", "last"]]);
    });
  });

  it("don't come back where they were published before the client said who it is", async () => {
    await withServer({}, async (harness) => {
      const client = await subscribed(harness, "x");
      await lose(client);
      await client.open();
      client.sendHello();
      await client.note();
      harness.server.publish("x", "1", { except: client.conn });
      harness.server.publish("x", "2");
      client.conn.subscribe("x");
      await client.note();
      assertEquals(await client.data(), "2");
    });
  });

  it("may be of one that does not resume", async () => {
    await withServer({}, async (harness) => {
      const { server } = harness;
      const { client, conn } = await harness.openPair();
      conn.subscribe("x");
      const resuming = await subscribed(harness, "x");
      await lose(resuming);
      server.publish("x", "1", { except: conn });
      server.publish("x", "2");
      await comeBack(resuming, "x");
      await resuming.note();
      assertEquals([await client.readMessage(), await resuming.texts(2)], ["2", ["1", "2"]]);
    });
  });
});

describe("topics whose messages are not kept", () => {
  const resume = { topics: (topic: string) => topic.startsWith("k") };

  it("have no notes and no positions, and are not resumed", async () => {
    await withServer({ resume }, async (harness) => {
      const { server } = harness;
      const client = await subscribed(harness, "kept");
      client.conn.subscribe("other");
      server.publish("other", "1");
      server.publish("kept", "2");
      server.publish("other", "\x1e3");
      assertEquals(await client.take(), { data: "1" });
      assertEquals(await client.take(), {
        data: "2",
        topic: "kept",
        position: client.positions.kept,
      });
      assertEquals(await client.take(), { data: "\x1e3" });
      client.conn.unsubscribe("other");
      await lose(client);
      server.publish("other", "4");
      server.publish("kept", "5");
      await comeBack(client, "other", "kept");
      assertEquals((await client.note()).topic, "kept");
      assertEquals(await client.data(), "5");
    });
  });
});

describe("positions that a server does not know", () => {
  it("are of another epoch: what there is comes, and it is said that more was lost", async () => {
    const client = new ResumingClient(undefined!);
    await withServer({}, async (harness) => {
      const old = await subscribed(harness, "x", "y");
      Object.assign(client, { session: old.session, positions: old.positions });
    });
    await withServer({}, async (harness) => {
      harness.server.publish("x", "1");
      const again = Object.assign(new ResumingClient(harness), {
        session: client.session,
        positions: client.positions,
      });
      await comeBack(again, "x", "y");
      const note = await again.note();
      assertEquals([note.topic, note.isLost], ["x", true]);
      assertEquals(await again.data(), "1");
      const { isLost } = await again.note();
      assertEquals(isLost, true);
      harness.server.publish("x", "2");
      harness.server.publish("y", "3");
      assertEquals(await again.texts(2), ["2", "3"]);
      await lose(again);
      await comeBack(again, "x");
      assertEquals((await again.note()).isLost, undefined);
    });
  });

  it("may be of the future", async () => {
    await withServer({}, async (harness) => {
      const client = await subscribed(harness, "x");
      await lose(client);
      client.positions.x = client.positions.x.replace(/\d+$/, "1000000");
      await comeBack(client, "x");
      await client.note();
      harness.server.publish("x", "1");
      assertEquals(await client.data(), "1");
    });
  });

  it("may be of topics that nobody heard of", async () => {
    await withServer({}, async (harness) => {
      const client = await subscribed(harness, "x");
      await lose(client);
      client.positions = { other: client.positions.x, y: "elsewhere.7" };
      await comeBack(client, "x", "other");
      assertEquals((await client.note()).isLost, undefined);
      assertEquals((await client.note()).isLost, undefined);
    });
  });
});
