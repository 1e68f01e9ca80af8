import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { createConnection } from "node:net";
import { connect, type Connection } from "../../src/runtimes/shared/client.ts";
import { receiveMessage } from "../../src/testing/mod.ts";
import { TestProcess } from "../support/child_process.ts";
import { textFrame } from "../support/raw_client.ts";
import { writeSnippet } from "./snippet.ts";

/** Runs a program of the guide, which prints what `adapt` has it print. */
async function withProgram(
  containing: string,
  adapt: (code: string) => string,
  run: (url: string, program: TestProcess) => Promise<void>,
): Promise<void> {
  const snippet = await writeSnippet(
    "answers.md",
    containing,
    (code) => `${adapt(code)}\nconsole.log("listening");\n`,
  );
  const program = new TestProcess(snippet.url);
  try {
    await program.untilPrinted(/listening/);
    await run(`ws://127.0.0.1:${snippet.port}/`, program);
  } finally {
    program.kill();
    await snippet.remove();
  }
}

/** Replaces what must be there. */
function replace(code: string, from: string, to: string): string {
  assert(code.includes(from), `The program has no ${from}`);
  return code.replace(from, to);
}

/** Ends the program of Server-Sent Events when it is told to; has its model say what it is given. */
function asEvents(code: string, answer = "`You asked: ${prompt}`"): string {
  const said = [
    ["`You asked: ${prompt}`", answer],
    ["signal.throwIfAborted();", 'if (signal.aborted) console.log("<stopped>");\n$&'],
    ["await serve(", 'import process from "node:process";\nconst server = await serve('],
  ];
  for (const [from, to] of said) code = replace(code, from, to);
  return `${code}\nprocess.once("SIGTERM", () => void server.shutdown());\n`;
}

/** Reads a response until it has all of a text. */
async function readUntil(reader: ReadableStreamDefaultReader<Uint8Array>, text: string) {
  const decoder = new TextDecoder();
  for (let read = ""; !read.includes(text);) {
    const { done, value } = await reader.read();
    assert(!done, `It ended after ${read}`);
    read += decoder.decode(value, { stream: true });
  }
}

const SENDS =
  "for await (const token of complete(String(prompt), signal)) await conn.send(token, { signal });";

describe("the guide to streamed answers", () => {
  it("ends the work when its client leaves", () =>
    withProgram(
      "await conn.send(token, { signal });",
      (code) =>
        replace(
          replace(code, "`You asked: ${prompt}`", '"word ".repeat(100_000)'),
          SENDS,
          // It is stopped before a word, or by `send`, which looks at the signal too.
          `try { ${SENDS} } finally { if (signal.aborted) console.log("<stopped>"); }`,
        ),
      async (url, program) => {
        const conn = await connect(url);
        await conn.send("hello");
        assertEquals(await receiveMessage(conn), "word ");
        await conn.close();
        await program.untilPrinted(/<stopped>/);
        // A failure would have been reported.
        assertEquals(program.output, "listening\n<stopped>\n");
      },
    ));

  it("stops one answer when its user says so, and goes on with the next", () =>
    withProgram('prompt === "stop"', (code) => code, async (url, program) => {
      const conn = await connect(url);
      await conn.send("one");
      assertEquals(await receiveMessage(conn), "one 0");
      await conn.send("stop");
      await conn.send("two");
      let message;
      do message = await receiveMessage(conn); while (message !== "two 0");
      for (let i = 1; i < 5; i++) assertEquals(await receiveMessage(conn), `two ${i}`);
      await conn.close();
      assertEquals(program.output, "listening\n");
    }));

  it("gives up a client that does not read, and its answer with it", () =>
    withProgram(
      "You read too slowly",
      (code) =>
        replace(
          replace(
            replace(
              code,
              '["Once ", "upon ", "a ", "time"]',
              'Array(4_000).fill("x".repeat(65536))',
            ),
            "20_000",
            "300",
          ),
          "stop.abort(); //",
          'console.log("<tokens " + tokens + ">"); stop.abort(); //',
        ),
      async (url, program) => {
        const { port } = new URL(url);
        const socket = createConnection(Number(port), "127.0.0.1");
        await new Promise<void>((resolve) => socket.once("connect", resolve));
        socket.on("error", () => {}).pause();
        socket.write(
          "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
        );
        socket.write(textFrame("a prompt"));
        const [, tokens] = await program.untilPrinted(/<tokens (\d+)>/);
        socket.destroy();
        // What the systems hold is some MiB.
        assert(Number(tokens) < 1000, `${tokens} tokens of 64 KiB were taken`);
      },
    ));

  it("answers a client that reads", () =>
    withProgram("You read too slowly", (code) => code, async (url) => {
      const conn: Connection = await connect(url);
      await conn.send("a prompt");
      for (const token of ["Once ", "upon ", "a ", "time"]) {
        assertEquals(JSON.parse(String(await receiveMessage(conn))), { token });
      }
      assertEquals(JSON.parse(String(await receiveMessage(conn))), { done: true, tokens: 4 });
      await conn.close();
    }));

  describe("as Server-Sent Events", () => {
    const EVENTS = "text/event-stream";

    it("answers all", () =>
      withProgram(EVENTS, asEvents, async (url, program) => {
        const response = await fetch(`${url.replace("ws", "http")}?prompt=why`);
        assertEquals(response.headers.get("Content-Type"), EVENTS);
        const expected =
          'data: "You "\n\ndata: "asked: "\n\ndata: "why"\n\nevent: end\ndata: all\n\n';
        assertEquals(await response.text(), expected);
        program.end();
        await program.untilEnded();
        assertEquals(program.output, "listening\n");
      }));

    it("ends the work when its client leaves, and when the server shuts down", () =>
      withProgram(
        EVENTS,
        (code) => asEvents(code, '"word ".repeat(100_000)'),
        async (url, program) => {
          const ask = async () => {
            const { body } = await fetch(url.replace("ws", "http"));
            const reader = body!.getReader();
            await readUntil(reader, 'data: "word "\n\n');
            return reader;
          };
          await (await ask()).cancel();
          await program.untilPrinted(/<stopped>/);
          const reader = await ask();
          program.end();
          await readUntil(reader, "event: restart\ndata: ask again\n\n");
          assertEquals((await reader.read()).done, true);
          await program.untilEnded();
          assertEquals(program.output, "listening\n<stopped>\n<stopped>\n");
        },
      ));

    it("gives up a client that does not read", () =>
      withProgram(
        EVENTS,
        (code) =>
          replace(asEvents(code, '("x".repeat(65536) + " ").repeat(1000)'), "20_000", "500")
            .replace(
              "end();\n",
              'end();\nconsole.log("<late>");\n',
            ),
        async (url, program) => {
          const socket = createConnection(Number(new URL(url).port), "127.0.0.1");
          await new Promise<void>((resolve) => socket.once("connect", resolve));
          socket.on("error", () => {}).pause();
          socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
          await program.untilPrinted(/<late>/);
          let received = 0;
          socket.on("data", ({ length }) => received += length);
          await new Promise((resolve) => socket.resume().on("close", resolve));
          assert(received < 1000 * 65536, `${received} bytes came`);
          program.end();
          await program.untilEnded();
          assert(/^listening\n<late>\n[^]*The client reads too slowly/.test(program.output));
        },
      ));
  });
});
