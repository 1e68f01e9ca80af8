import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { createConnection } from "node:net";
import { connect, type Connection } from "../../src/adapters/client.ts";
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

describe("the guide to streamed answers", () => {
  it("ends the work when its client leaves", () =>
    withProgram(
      ".split(/(?<= )/)",
      (code) =>
        replace(
          replace(code, "`You asked: ${prompt}`", '"word ".repeat(100_000)'),
          "signal.throwIfAborted();",
          'if (signal.aborted) console.log("<stopped>");\nsignal.throwIfAborted();',
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
});
