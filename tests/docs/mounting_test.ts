import { describe, it } from "node:test";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { mkdir, writeFile } from "node:fs/promises";
import { connect, UnexpectedResponseError } from "../../src/runtimes/shared/client.ts";
import { receiveMessage } from "../../src/testing/mod.ts";
import { untilAnswered } from "../brokers/real_broker.ts";
import { TestProcess } from "../support/child_process.ts";
import { writeSnippet } from "./snippet.ts";

/** The programs, by what only they contain. */
const PROGRAMS = { Express: "express.static", Hono: "serveStatic(" };
/** A route for each that takes half a second to answer. */
const SLOW = {
  Express: `app.get("/slow", (_request, response) => {
  console.log("asked");
  setTimeout(() => void response.send("answered"), 500);
});
`,
  Hono: `app.get("/slow", async (context) => {
  console.log("asked");
  await new Promise((resolve) => setTimeout(resolve, 500));
  return context.text("answered");
});
`,
};

describe("the guide to mounting", () => {
  for (const [framework, code] of Object.entries(PROGRAMS)) {
    it(`has a program with ${framework} that serves pages, files and a chat`, async () => {
      const snippet = await writeSnippet("mounting.md", code);
      await mkdir(`${snippet.folder}/public`);
      await writeFile(`${snippet.folder}/public/index.html`, "<!doctype html><title>Chat</title>");
      await writeFile(`${snippet.folder}/public/style.css`, "body { margin: 0 }");
      const program = new TestProcess(snippet.url);
      const http = `http://127.0.0.1:${snippet.port}`;
      const ws = `ws://127.0.0.1:${snippet.port}`;
      const get = async (path: string) => {
        const response = await fetch(http + path);
        return [response.status, await response.text()];
      };
      try {
        const page = [200, "<!doctype html><title>Chat</title>"];
        await untilAnswered("the page", () => get("/"), ([status]) => status === 200);
        assertEquals(await get("/"), page);
        assertEquals(await get("/style.css"), [200, "body { margin: 0 }"]);
        assertEquals(await get("/stats"), [200, `{"here":0}`]);
        assertEquals(await get("/chat"), [426, "For WebSockets\n"]);
        assertEquals(await get("/nowhere"), [404, "There is nothing here\n"]);

        for (
          const [path, headers, status] of [
            ["/chat", {}, 401],
            ["/chat", { Cookie: "session=guessed" }, 401],
            ["/nowhere", {}, 404],
          ] as const
        ) {
          const error = await assertRejects(
            () => connect(ws + path, { headers }),
            UnexpectedResponseError,
          );
          assertEquals(error.status, status);
        }

        const logIn = async (user: string) => {
          const body = new URLSearchParams({ user });
          const response = await fetch(`${http}/login`, {
            method: "POST",
            body,
            redirect: "manual",
          });
          await response.body?.cancel();
          assertEquals(response.status, 303);
          const [cookie] = response.headers.get("Set-Cookie")!.split(";");
          return await connect(`${ws}/chat`, { headers: { Cookie: `theme=dark; ${cookie}` } });
        };
        const [ada, bob] = [await logIn("Ada"), await logIn("Bob")];
        assertEquals(await get("/stats"), [200, `{"here":2}`]);
        await ada.send("hello");
        for (const conn of [ada, bob]) assertEquals(await receiveMessage(conn), "Ada: hello");

        program.end();
        for (const conn of [ada, bob]) assertEquals((await conn.closed).closeCode, 1001);
        assertEquals(await program.untilEnded(), 0);
        assertEquals(program.output, "");
      } finally {
        program.kill();
        await snippet.remove();
      }
    });

    it(`answers the requests that are running when the program with ${framework} ends`, async () => {
      const slow = SLOW[framework as keyof typeof SLOW];
      const snippet = await writeSnippet("mounting.md", code, (code) => {
        assert(code.includes('app.get("/stats"'));
        return code.replace('app.get("/stats"', `${slow}app.get("/stats"`);
      });
      const program = new TestProcess(snippet.url);
      try {
        const url = `http://127.0.0.1:${snippet.port}`;
        const getStatus = async () => {
          const response = await fetch(`${url}/chat`);
          await response.body?.cancel();
          return response.status;
        };
        await untilAnswered("the program", getStatus, (status) => status === 426);
        const answer = fetch(`${url}/slow`);
        await program.untilPrinted(/asked/);
        program.end();
        const response = await answer;
        assertEquals([response.status, await response.text()], [200, "answered"]);
        assertEquals(await program.untilEnded(), 0);
      } finally {
        program.kill();
        await snippet.remove();
      }
    });
  }

  it("has what Hono throws at a shutdown answered with 503", async () => {
    const snippet = await writeSnippet("mounting.md", "app.onError", (code) => {
      assert(code.includes("await serve({") && code.includes("await sleep("));
      return `import process from "node:process";\n` +
        code.replace("await sleep(", 'console.log("asked");\nawait sleep(')
          .replace("await serve({", "const server = await serve({") +
        'process.once("SIGTERM", () => void server.shutdown());\nconsole.log("listening");\n';
    });
    const program = new TestProcess(snippet.url);
    try {
      await program.untilPrinted(/listening/);
      const get = async (path: string, signal?: AbortSignal) => {
        const response = await fetch(`http://127.0.0.1:${snippet.port}${path}`, { signal });
        await response.body?.cancel();
        return response.status;
      };
      const leave = new AbortController();
      const left = get("/later", leave.signal).catch(() => "left");
      await program.untilPrinted(/asked/);
      leave.abort();
      assertEquals(await left, "left");
      assertEquals(await get("/nowhere"), 404);
      const later = get("/later");
      await program.untilPrinted(/asked[^]*asked/);
      program.end();
      assertEquals(await later, 503);
      await program.untilEnded();
      assertEquals(program.output, "listening\nasked\nasked\n");
    } finally {
      program.kill();
      await snippet.remove();
    }
  });
});
