import { after, before, describe, it } from "node:test";
import { assert, assertEquals, assertMatch } from "@std/assert";
import type { ServerMessage } from "../../examples/chat/messages.ts";
import {
  type Kind,
  natsKinds,
  type RealBroker,
  redisKinds,
  untilAnswered,
} from "../brokers/real_broker.ts";
import { onThreeRuntimes } from "../support/installed_runtimes.ts";
import { ChatClient } from "./chat_client.ts";
import { CHAT_SERVER, ChatProcess } from "./chat_process.ts";

/** What a person sees of a message. */
function textsOf(messages: { text: string }[]): string[] {
  return messages.map(({ text }) => text);
}

/** What is tried with some servers; each takes a moment. */
type Part = "twins" | "rooms" | "past";

/** The chat on several servers, which are started by `start`. */
function tryServers(
  { name, skip, create }: Kind,
  what: string,
  parts: Part[],
  start: (flags: string[]) => ChatProcess[],
): void {
  const tryPart = (part: Part, what: string, test: () => Promise<void>) => {
    if (parts.includes(part)) it(what, test);
  };
  describe(`chat over ${name}, ${what}`, { skip }, () => {
    let broker: RealBroker;
    let processes: ChatProcess[] = [];
    let addresses: URL[];
    let flags: string[];
    const clients: ChatClient[] = [];

    before(async () => {
      if (skip) return;
      broker = create();
      await broker.start();
      flags = broker.word === "nats"
        ? ["--nats", `127.0.0.1:${broker.port}`]
        : ["--redis", `redis://127.0.0.1:${broker.port}`];
      processes = start(flags);
      addresses = (await Promise.all(processes.map((process) => process.addresses()))).flat();
    });
    after(async () => {
      await Promise.all(clients.map((client) => client.close()));
      for (const process of processes) process.kill();
      await broker?.end();
    });

    /** Opens a page on each server. */
    async function openOnEach(room: string): Promise<ChatClient[]> {
      const opened = addresses.map((address) => new ChatClient(address, room));
      clients.push(...opened);
      await Promise.all(opened.map((client) => client.next("hello")));
      await broker.untilSubscribed(`room:${room}`, addresses.length);
      return opened;
    }

    it("shows everyone who joins, is renamed and leaves", async () => {
      const pages = await openOnEach("people");
      const [first, ...others] = pages;
      const ada = await first.join("Ada");
      for (const page of others) assertEquals((await page.next("joined")).person, ada);
      const grace = await others[0].join("Grace");
      assert(grace.server.id !== ada.server.id && grace.server.name !== ada.server.name);
      assertEquals((await first.next("joined")).person, grace);
      const renamed = await others[0].join("Grace H.");
      assertEquals((await first.next("renamed")).person, renamed);

      const late = new ChatClient(addresses.at(-1)!, "people");
      clients.push(late);
      const { people } = await late.next("hello");
      assertEquals(people.map(({ name }) => name).sort(), ["Ada", "Grace H."]);
      assertEquals((await late.join("ADA")).name, "ADA 2");

      await first.close();
      for (const page of others) assertEquals((await page.next("left")).person, ada);
    });

    tryPart("twins", "lets two who choose one name in the same moment have two", async () => {
      const [first, second] = await openOnEach("twins");
      for (const page of [first, second]) page.sendJson({ type: "name", name: "Twin" });
      const listNames = async () => {
        const late = new ChatClient(addresses[0], "twins");
        const { people } = await late.next("hello");
        await late.close();
        return people.map(({ name }) => name).sort().join();
      };
      await untilAnswered("two names", listNames, (names) => names === "Twin,Twin 2");
    });

    it("passes on what is said, and shows it to who comes later", async () => {
      const pages = await openOnEach("talk");
      const texts: string[] = [];
      for (const [i, page] of pages.entries()) {
        await page.join(`Speaker ${i}`);
        texts.push(`from server ${i}`);
        page.sendJson({ type: "say", text: texts[i] });
        const ids = new Set<string>();
        for (const page of pages) {
          const { message } = await page.next("message");
          assertEquals(message.text, texts[i]);
          ids.add(message.id);
        }
        assertEquals(ids.size, 1);
      }
      for (const address of addresses) {
        const late = new ChatClient(address, "talk");
        clients.push(late);
        assertEquals(textsOf((await late.next("hello")).history), texts);
      }
    });

    tryPart("rooms", "tells on each server which rooms there are on all", async () => {
      const pages = await openOnEach("full");
      for (const page of pages) await page.join("Somebody");
      const isThere = ({ rooms }: Extract<ServerMessage, { type: "rooms" }>) =>
        rooms.some(({ name, people }) => name === "full" && people === pages.length);
      for (const page of pages) while (!isThere(await page.next("rooms")));
    });

    tryPart("past", "asks the others for what was said before it was there", async () => {
      const [page] = await openOnEach("past");
      await page.join("Ada");
      page.sendJson({ type: "say", text: "Long ago" });
      await page.next("message");
      const process = new ChatProcess([0], flags);
      processes.push(process);
      const [address] = await process.addresses();
      const late = new ChatClient(address, "past");
      clients.push(late);
      const { people, history } = await late.next("hello");
      assertEquals(people.map(({ name }) => name), ["Ada"]);
      assertEquals(textsOf(history), ["Long ago"]);
    });

    it("goes on by itself while the broker is away, and says so", async () => {
      const pages = await openOnEach("break");
      for (const page of pages) await page.join("Somebody");
      await broker.kill();
      const told = /^port \d+: cannot reach (?:Redis|NATS) at .+: until it can, /m;
      for (const process of processes) await process.untilPrinted(told);
      for (const page of pages) {
        page.sendJson({ type: "say", text: "Only here" });
        assertEquals((await page.next("message")).message.text, "Only here");
      }
      await broker.start();
      for (const process of processes) await process.untilPrinted(/^port \d+: reconnected to/m);
      await broker.untilSubscribed("room:break", addresses.length);
      const [first, ...others] = pages;
      first.sendJson({ type: "say", text: "Back again" });
      for (const page of others) {
        let text;
        // What was said meanwhile may have waited for the broker.
        do text = (await page.next("message")).message.text; while (text === "Only here");
        assertEquals(text, "Back again");
      }
    });
  });
}

const [redis] = redisKinds();
const [nats] = natsKinds();

tryServers(
  redis,
  "on Deno, Bun and Node",
  ["twins", "rooms"],
  (flags) => onThreeRuntimes(CHAT_SERVER).map((module) => new ChatProcess([0], flags, module)),
);
tryServers(
  nats,
  "two servers in one process",
  ["past"],
  (flags) => [new ChatProcess([0, 0], flags)],
);

describe("chat without the broker that it is told of", () => {
  it("says on the terminal what is missing, and serves its own visitors", async (t) => {
    // Nothing listens on the discard port.
    const process = new ChatProcess([0], ["--nats", "127.0.0.1:9"]);
    t.after(() => process.kill());
    const [address] = await process.addresses();
    const [line] = await process.untilPrinted(/^port \d+: cannot reach .+$/m);
    assertMatch(line, new RegExp(`^port ${address.port}: cannot reach NATS at 127\\.0\\.0\\.1:9 `));
    assertMatch(line, /Does nats-server run\?$/);
    const [ada, grace] = [new ChatClient(address), new ChatClient(address)];
    await Promise.all([ada.next("hello"), grace.next("hello")]);
    await ada.join("Ada");
    ada.sendJson({ type: "say", text: "Hi" });
    assertEquals((await grace.next("message")).message.text, "Hi");
    await Promise.all([ada.close(), grace.close()]);
  });
});

describe("chat on two ports without a broker", () => {
  it("says that the servers are apart", async (t) => {
    const process = new ChatProcess([0, 0], []);
    t.after(() => process.kill());
    const [first, second] = await process.addresses();
    assert(first.port !== second.port);
    await process.untilPrinted(/^The servers know nothing of each other: --redis or --nats/m);
  });
});
