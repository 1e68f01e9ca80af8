// @once: it tests the page; other tests ask the server of the chat on each runtime.
// @waits

import { after, before, describe, it } from "node:test";
import { assert, assertEquals, assertGreater, assertMatch } from "@std/assert";
import { existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { redisKinds } from "../brokers/real_broker.ts";
import { skipUnless } from "../support/skip.ts";
import { ExampleProcess } from "./example_process.ts";

const CHROMIUM = "/usr/bin/chromium";
const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const DESKTOP: BrowserContextOptions = { viewport: { width: 1280, height: 800 } };
const PHONE: BrowserContextOptions = {
  viewport: { width: 390, height: 844 },
  deviceScaleFactor: 2,
  isMobile: true,
  hasTouch: true,
};

/** Long for a busy machine; what comes sooner is not waited for any longer. */
const TIMEOUT_MS = 30_000;

/** The list of messages, in an expression for the page. */
const LOG = `document.querySelector("#log")`;

const skip = skipUnless(
  existsSync(CHROMIUM),
  `the tests in a browser need Chromium at ${CHROMIUM}: apt-get install chromium`,
);

const [redis] = redisKinds();

/** The page of the chat, as a person uses it: by what it says, not by how it is built. */
class ChatPage {
  /** What the browser complained about. */
  readonly complaints: string[] = [];
  readonly page: Page;

  constructor(page: Page) {
    this.page = page;
    page.setDefaultTimeout(TIMEOUT_MS);
    page.on("pageerror", (error) => this.complaints.push(String(error)));
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) this.complaints.push(message.text());
    });
    page.on("dialog", async (dialog) => {
      this.complaints.push(`a dialog: ${dialog.message()}`);
      await dialog.dismiss();
    });
  }

  async join(name: string): Promise<void> {
    await this.page.getByLabel("Choose a name to join in").fill(name);
    await this.page.getByRole("button", { name: "Join" }).click();
    await this.sees(`You joined as ${name}`);
  }

  async say(text: string): Promise<void> {
    await this.page.getByLabel("Message", { exact: true }).fill(text);
    await this.page.keyboard.press("Enter");
  }

  /** Waits for a text in the list of messages, letter by letter. */
  async sees(text: string): Promise<void> {
    await this.page.getByRole("log").getByText(text, { exact: true }).last().waitFor();
  }

  /** Waits until the list of people shows these, and no others. */
  async seesPeople(...names: string[]): Promise<void> {
    await this.waits(
      `[...document.querySelectorAll("#people bdi")].map((name) => name.textContent).sort()
        .join() === ${JSON.stringify([...names].sort().join())}`,
    );
  }

  /** What was said, in order. */
  async texts(): Promise<string[]> {
    return await this.page.locator("#log .text").allTextContents();
  }

  /**
   * Waits for an expression to be true in the page. Playwright's own way to wait uses `eval`, which
   * the page's Content-Security-Policy forbids.
   */
  async waits(expression: string): Promise<void> {
    const end = performance.now() + TIMEOUT_MS;
    while (await this.page.evaluate(expression) !== true) {
      if (performance.now() > end) throw new Error(`It did not become true: ${expression}`);
      await sleep(50);
    }
  }
}

describe("chat in a browser", () => {
  let server: ExampleProcess;
  let address: string;
  let browser: Browser;
  // Two tabs of one window, and a phone.
  let ada: ChatPage, grace: ChatPage, phone: ChatPage;

  before(async () => {
    if (skip) return;
    server = new ExampleProcess("chat/server.ts", ["--port", "0"]);
    [address, browser] = await Promise.all([
      server.address,
      chromium.launch({ executablePath: CHROMIUM, args: FLAGS, timeout: 60_000 }),
    ]);
    const window = await browser.newContext(DESKTOP);
    ada = new ChatPage(await window.newPage());
    grace = new ChatPage(await window.newPage());
    phone = new ChatPage(await (await browser.newContext(PHONE)).newPage());
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
  });

  it("shows who joins, to who was there and to who comes", { skip }, async () => {
    await ada.page.goto(address);
    await ada.page.getByText("It is quiet here").waitFor();
    await ada.join("Ada");
    await grace.page.goto(address);
    await grace.seesPeople("Ada");
    await grace.join("Grace");
    await ada.sees("Grace joined");
    for (const tab of [ada, grace]) await tab.seesPeople("Ada", "Grace");
  });

  it("passes messages on, both ways and in order", { skip }, async () => {
    await ada.say("Hello, Grace");
    await grace.sees("Hello, Grace");
    await grace.say("Hello, Ada");
    await ada.sees("Hello, Ada");
    for (const text of ["one", "two", "three"]) await ada.say(text);
    for (const tab of [ada, grace]) {
      await tab.sees("three");
      assertEquals(await tab.texts(), ["Hello, Grace", "Hello, Ada", "one", "two", "three"]);
    }
    assertEquals(await ada.page.locator("#log .mine").count(), 4);
    assertEquals(await grace.page.locator("#log .mine").count(), 1);
  });

  it("shows the figures of the server, live", { skip }, async () => {
    const { page } = ada;
    assertMatch(await page.locator("#server").innerText(), /^(Deno|Bun|Node) \d+\.\d+/);
    await ada.waits(`document.querySelector("#connections .value").textContent === "2"`);
    await ada.waits(`Number(document.querySelector("#round-trip .value").textContent) > 0`);
    await page.getByRole("img", { name: /^Round-trip time of the last minute: [\d.]+ ms/ })
      .waitFor();
    // A second later there is a point more.
    const points = `document.querySelector("#rate .line").getAttribute("d").split("L").length`;
    const before = await page.evaluate(points) as number;
    await ada.waits(`${points} > ${before}`);
    await grace.say("Figures");
    await ada.waits(`Number(document.querySelector("#rate .value").textContent) > 0`);
  });

  it("fits a phone", { skip }, async () => {
    const { page } = phone;
    await page.goto(address);
    await phone.join("Jun");
    assertEquals((await phone.texts()).at(-1), "Figures");
    const long = "Donaudampfschifffahrtsgesellschaft".repeat(8);
    await phone.say(long);
    await ada.sees(long);
    for (const { page, complaints } of [ada, phone]) {
      assertEquals(
        await page.evaluate("document.documentElement.scrollWidth - innerWidth"),
        0,
        "the page scrolls sideways",
      );
      assertEquals(await page.evaluate("document.body.scrollHeight - innerHeight"), 0);
      assertEquals(await page.evaluate(`${LOG}.scrollWidth - ${LOG}.clientWidth`), 0);
      assertEquals(complaints, []);
    }
    const send = await page.getByRole("button", { name: "Send" }).boundingBox();
    assert(send !== null && send.x + send.width <= 390 && send.y + send.height <= 844);
    assertGreater(Math.min(send.width, send.height), 43, "too small for a finger");
    await ada.say("Hello, phone");
    await phone.sees("Hello, phone");
  });

  it("shows what others write as text, whatever it is", { skip }, async () => {
    const attacks = [
      `<img src=x onerror="alert(1)">`,
      `<script>alert(2)</script>`,
      `"><svg onload=alert(3)>`,
      `javascript:alert(4)`,
    ];
    for (const attack of attacks) {
      await ada.say(attack);
      await grace.sees(attack);
    }
    await phone.page.getByRole("button", { name: "Change name" }).tap();
    await phone.page.getByLabel("Your new name").fill("<b onclick=alert(5)>J");
    await phone.page.getByRole("button", { name: "Change", exact: true }).tap();
    await grace.sees("Jun is <b onclick=alert(5)>J now");
    await grace.seesPeople("Ada", "Grace", "<b onclick=alert(5)>J");
    const elements =
      "document.querySelectorAll('#log :is(img, script, svg, a, b), #people b').length";
    for (const { page } of [ada, grace, phone]) assertEquals(await page.evaluate(elements), 0);
  });

  it("gives a name that is taken with a number, and says so", { skip }, async () => {
    await grace.page.getByRole("button", { name: "Change name" }).click();
    await grace.page.getByLabel("Your new name").fill("ADA");
    await grace.page.keyboard.press("Enter");
    await grace.page.getByRole("alert").getByText("“ADA” is taken, so you are “ADA 2”.").waitFor();
    await ada.sees("Grace is ADA 2 now");
  });

  it("says what is wrong with a name, beside the field", { skip }, async () => {
    await grace.page.getByRole("button", { name: "Change name" }).click();
    const field = grace.page.getByLabel("Your new name");
    await field.fill("a\u202eb");
    await grace.page.keyboard.press("Enter");
    await grace.page.getByRole("alert").getByText("A name is made of").waitFor();
    assertEquals(await field.getAttribute("aria-invalid"), "true");
    await field.fill("Grace");
    await grace.page.keyboard.press("Enter");
    await ada.sees("ADA 2 is Grace now");
    // Her own page has remembered it by then.
    await grace.sees("You are Grace now");
  });

  it("remembers the name: for the tab, and as a suggestion", { skip }, async () => {
    // Away first: the server may hear of the new page before it hears that the old one is gone.
    await grace.page.goto("about:blank");
    await ada.sees("Grace left");
    await grace.page.goto(address);
    await grace.sees("You joined as Grace");
    const tab = new ChatPage(await grace.page.context().newPage());
    await tab.page.goto(address);
    await tab.seesPeople("Ada", "Grace", "<b onclick=alert(5)>J");
    assertEquals(await tab.page.getByLabel("Choose a name to join in").inputValue(), "Grace");
    await tab.page.close();
    assertEquals(tab.complaints, []);
  });

  it("shows who leaves", { skip }, async () => {
    await phone.page.close();
    for (const tab of [ada, grace]) {
      await tab.sees("<b onclick=alert(5)>J left");
      await tab.seesPeople("Ada", "Grace");
    }
    assertEquals(phone.complaints, []);
  });

  it("has rooms, which are apart, and shows where people are", { skip }, async () => {
    const { page } = grace;
    await page.getByRole("button", { name: "Room lobby" }).click();
    const panel = page.locator("#rooms-panel");
    await panel.getByRole("link", { name: "lobby" }).getByText("2", { exact: true }).waitFor();
    await panel.getByLabel("Go to a room, or open a new one").fill("Tea & Talk");
    await page.keyboard.press("Enter");
    await grace.sees("You joined as Grace");
    assertEquals(page.url(), `${address}?room=tea-talk`);
    assertEquals(await page.title(), "tea-talk · Sluice chat");
    await page.getByRole("button", { name: "Room tea-talk" }).waitFor();
    await grace.seesPeople("Grace");
    await ada.sees("Grace left");
    await grace.say("Nobody hears this");
    await ada.say("What is going on?");
    await grace.sees("Nobody hears this");

    await page.getByRole("button", { name: "Room tea-talk" }).click();
    await panel.getByRole("link", { name: "lobby" }).click();
    await grace.sees("You joined as Grace");
    await ada.sees("Grace joined");
    for (const tab of [ada, grace]) {
      const texts = await tab.texts();
      assertEquals(texts.at(-1), "What is going on?");
      assert(!texts.includes("Nobody hears this"), String(texts));
    }
  });

  it("keeps the end in sight, unless someone reads further up", { skip }, async () => {
    const { page } = ada;
    const toLatest = page.getByRole("button", { name: "New messages" });
    const distance = `${LOG}.scrollHeight - ${LOG}.scrollTop - ${LOG}.clientHeight`;
    await grace.say("line\n".repeat(40));
    await ada.waits(`${LOG}.lastElementChild.innerText.includes("line")`);
    assert(await page.evaluate(distance) as number < 2);
    await page.evaluate(`${LOG}.scrollTop = 0`);
    await grace.say("Are you there?");
    await toLatest.waitFor();
    assertEquals(await page.evaluate(`${LOG}.scrollTop`), 0);
    await toLatest.click();
    await toLatest.waitFor({ state: "hidden" });
    assert(await page.evaluate(distance) as number < 2);
  });

  it("keeps a bounded number of entries", { skip }, async () => {
    const count = await grace.page.evaluate(`(async () => {
      const { Log } = await import("/log.js");
      const list = document.createElement("ol");
      const log = new Log(list, document.createElement("button"));
      for (let id = 1; id <= 500; id++) {
        log.addMessage({ id, from: { id: 1, name: "Ada" }, text: "message " + id, at: id }, false);
      }
      return list.childElementCount + " entries to " + list.lastElementChild.lastChild.lastChild.textContent;
    })()`);
    assertEquals(count, "200 entries to message 500");
  });

  it("comes back by itself after the server was restarted", { skip }, async () => {
    assertEquals([...ada.complaints, ...grace.complaints], []);
    await server.stop("SIGTERM");
    for (const { page } of [ada, grace]) {
      await page.getByText("Offline", { exact: true }).waitFor();
      await page.getByText("The connection is lost.", { exact: true }).waitFor();
    }
    await ada.say("Is anybody there?");
    await ada.page.getByRole("alert").getByText("Your message stays here").waitFor();
    server = new ExampleProcess("chat/server.ts", ["--port", new URL(address).port]);
    assertEquals(await server.address, address);
    // Ada waits for the next try, Grace does not.
    await grace.page.getByRole("button", { name: "Try now" }).click({ timeout: 2000 })
      .catch(() => {}); // It came back before.
    for (const tab of [ada, grace]) {
      await tab.page.getByText("Online", { exact: true }).waitFor();
      await tab.sees("The server was restarted.");
      await tab.seesPeople("Ada", "Grace");
    }
    const field = ada.page.getByLabel("Message", { exact: true });
    assertEquals(await field.inputValue(), "Is anybody there?");
    await field.press("Enter");
    await grace.sees("Is anybody there?");
    assertEquals(await field.inputValue(), "");
  });

  it("shows one room on two servers", { skip: skip || redis.skip }, async (t) => {
    const broker = redis.create();
    t.after(() => broker.end());
    await broker.start();
    const start = (port: string) => {
      const url = `redis://127.0.0.1:${broker.port}`;
      const process = new ExampleProcess("chat/server.ts", ["--port", port, "--redis", url]);
      t.after(() => process.stop());
      return process;
    };
    const servers = [start("0"), start("0")];
    const [first, second] = await Promise.all(
      servers.map(async (server) => new URL(await server.address)),
    );
    const context = await browser.newContext(DESKTOP);
    const [ada, grace] = [
      new ChatPage(await context.newPage()),
      new ChatPage(await context.newPage()),
    ];
    await ada.page.goto(`${first}?room=tea`);
    await ada.join("Ada");
    await ada.say("Is anybody there?");
    await ada.sees("Is anybody there?");
    await grace.page.goto(`${second}?room=tea`);
    await grace.sees("Is anybody there?");
    await grace.seesPeople("Ada");
    await grace.join("Grace");
    const name = await grace.page.locator("#server").innerText();
    assert(name.endsWith(`, port ${second.port}`), name);
    await ada.sees(`Grace joined on ${name}`);
    await ada.page.getByText("on 2 servers").waitFor();
    await ada.seesPeople("Ada", "Grace");
    await grace.say("I am");
    await ada.sees("I am");
    assertEquals(await ada.texts(), ["Is anybody there?", "I am"]);
    assertEquals(await grace.texts(), ["Is anybody there?", "I am"]);
    assertEquals([...ada.complaints, ...grace.complaints], []);

    await servers[0].stop("SIGTERM");
    await ada.page.getByText("Offline", { exact: true }).waitFor();
    await grace.say("What Ada missed");
    await grace.sees("What Ada missed");
    start(first.port);
    await ada.sees("What Ada missed");
    assertEquals(await ada.texts(), ["Is anybody there?", "I am", "What Ada missed"]);
    await ada.seesPeople("Ada", "Grace");
    assertEquals(grace.complaints, []);
  });

  it("has no complaints in the console, but that the server was away", { skip }, () => {
    const isAway = /^WebSocket connection to '[^']+' failed: .*ERR_CONNECTION_REFUSED$/;
    const complaints = [...ada.complaints, ...grace.complaints];
    assertEquals(complaints.filter((complaint) => !isAway.test(complaint)), []);
  });
});
