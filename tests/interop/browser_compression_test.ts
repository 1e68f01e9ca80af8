import { after, before, describe, it } from "node:test";
import { assert, assertEquals, assertLess } from "@std/assert";
import { existsSync } from "node:fs";
import { type Browser, chromium, type Page } from "playwright-core";
import { type Connection, serve, type Server } from "../../mod.ts";
import { skipUnless } from "../support/skip.ts";
import { echo, echoHandlers } from "./scenarios.ts";

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

/** Long for a busy machine; what comes sooner is not waited for any longer. */
const TIMEOUT_MS = 60_000;
const KiB = 1024;

const skip = skipUnless(
  existsSync(CHROMIUM),
  `the tests in a browser need Chromium at ${CHROMIUM}: apt-get install chromium`,
);

/** What the page says of a conversation. */
interface Report {
  extensions: string;
  /** What came back other than it was sent, if anything. */
  faults: string[];
  /** The bytes of all messages, one way. */
  size: number;
  closeCode: number;
  reason: string;
  wasClean: boolean;
}

/**
 * The program of the page: sends messages of these sizes, text and bytes, that compress well, a little
 * and not at all; all at once, and then one after the other.
 */
const SCRIPT = `
async function converse(url, sizes) {
  const socket = new WebSocket(url);
  socket.binaryType = "arraybuffer";
  const inbox = [];
  let wake;
  const closed = new Promise((resolve) => socket.onclose = (event) => { resolve(event); wake?.(); });
  socket.onmessage = ({ data }) => { inbox.push(data); wake?.(); };
  await new Promise((resolve, reject) => { socket.onopen = resolve; socket.onerror = reject; });

  let state = 7;
  const noise = (size) => Uint8Array.from({ length: size }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  });
  const waves = (size) => Uint8Array.from({ length: size }, (_, i) => 128 + 100 * Math.sin(i / 50));
  const text = (size) => {
    let text = "";
    for (let i = 0; text.length < size; i++) text += i + " Gr\\u00fc\\u00dfe \\u4e16\\u754c \\ud83e\\udd95, ";
    return text.slice(0, size).replace(/[\\ud800-\\udbff]$/, "x");
  };
  const messages = sizes.flatMap((size) => [text(size), waves(size), noise(size)]);
  const lengthOf = (message) => typeof message === "string"
    ? new TextEncoder().encode(message).length : message.length;
  const receive = async () => {
    while (inbox.length === 0) {
      if (socket.readyState > 1) throw new Error("closed with " + (await closed).code);
      await new Promise((resolve) => wake = resolve);
    }
    const data = inbox.shift();
    return typeof data === "string" ? data : new Uint8Array(data);
  };
  const faults = [];
  const compare = (sent, received) => {
    const isSame = typeof sent === typeof received && sent.length === received.length &&
      (typeof sent === "string" ? sent === received : sent.every((byte, i) => byte === received[i]));
    if (!isSame) faults.push(typeof sent + " of " + sent.length + " as " + typeof received + " of " + received.length);
  };
  for (const message of messages) socket.send(message);
  for (const message of messages) compare(message, await receive());
  for (const message of messages) {
    socket.send(message);
    compare(message, await receive());
  }
  const { extensions } = socket;
  socket.close(4321, "Gr\\u00fc\\u00dfe");
  const { code, reason, wasClean } = await closed;
  const size = 2 * messages.reduce((sum, message) => sum + lengthOf(message), 0);
  return { extensions, faults, size, closeCode: code, reason, wasClean };
}
`;

const PAGE =
  `<!doctype html><title>Echo</title><link rel="icon" href="data:,"><script>${SCRIPT}</script>`;

/** A server of the page, and of an echo. */
async function serveEcho(
  style: keyof typeof echoHandlers | "callbacks",
  compression: boolean | { contextTakeover: boolean; threshold: number },
  seen: Connection[],
): Promise<Server> {
  const options = {
    hostname: "127.0.0.1",
    port: 0,
    compression,
    limits: { receiveQueueMessages: 64 },
    fetch: () => new Response(PAGE, { headers: { "Content-Type": "text/html" } }),
  };
  if (style === "callbacks") {
    return await serve<undefined>({ ...options, ...echo, open: (conn) => void seen.push(conn) });
  }
  return await serve<undefined>(options, (conn) => {
    seen.push(conn);
    return echoHandlers[style](conn);
  });
}

const SIZES = [0, 1, 125, 126, 1000, 1024, 5000, 65_535, 65_536, 300 * KiB];

describe("Chromium, compressed", () => {
  let browser: Browser | undefined;
  let page: Page;
  const complaints: string[] = [];

  before(async () => {
    if (skip) return;
    browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS, timeout: TIMEOUT_MS });
    page = await browser.newPage();
    page.setDefaultTimeout(TIMEOUT_MS);
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("console", (message) => complaints.push(message.text()));
  });
  after(async () => {
    await browser?.close();
  });

  /** Has the page send messages of these sizes to a server of the style. */
  async function converse(
    style: Parameters<typeof serveEcho>[0],
    compression: Parameters<typeof serveEcho>[1],
    sizes: number[],
  ): Promise<{ report: Report; conn: Connection }> {
    const seen: Connection[] = [];
    const server = await serveEcho(style, compression, seen);
    try {
      const { addr } = server;
      assert(addr.transport === "tcp");
      await page.goto(`http://127.0.0.1:${addr.port}/`);
      const url = JSON.stringify(`ws://127.0.0.1:${addr.port}/`);
      const report = await page.evaluate<Report>(`converse(${url}, ${JSON.stringify(sizes)})`);
      const [conn] = seen;
      const expected = { closeCode: 4321, reason: "Grüße", wasClean: true };
      assertEquals(await conn.closed, { ...expected, initiator: "remote" });
      const { closeCode, reason, wasClean } = report;
      assertEquals({ closeCode, reason, wasClean }, { ...expected, reason: "" });
      assertEquals([report.faults, complaints], [[], []]);
      assertEquals(report.extensions, conn.extensions);
      return { report, conn };
    } finally {
      await server.shutdown();
    }
  }

  for (const contextTakeover of [true, false]) {
    const kept = contextTakeover ? "kept" : "not kept";
    for (const style of ["callbacks", ...Object.keys(echoHandlers)]) {
      it(`is echoed by ${style}, the window ${kept}`, { skip, timeout: TIMEOUT_MS }, async () => {
        const { report, conn } = await converse(style, { contextTakeover, threshold: 0 }, SIZES);
        assertEquals(report.extensions.split(";")[0], "permessage-deflate");
        assertEquals(/no_context_takeover/.test(report.extensions), !contextTakeover);
        // A third of all is noise.
        const { bytesReceived, bytesSent } = conn.stats();
        assertLess(bytesReceived, report.size * 0.6);
        assertLess(bytesSent, report.size * 0.6);
      });
    }
  }

  it("is echoed with what `true` stands for", { skip, timeout: TIMEOUT_MS }, async () => {
    const { report } = await converse("callbacks", true, SIZES);
    assertEquals(report.extensions.split(";")[0], "permessage-deflate");
  });

  it("agrees upon nothing where the server does not", { skip, timeout: TIMEOUT_MS }, async () => {
    const { report } = await converse("callbacks", false, [0, 5000]);
    assertEquals(report.extensions, "");
  });
});
