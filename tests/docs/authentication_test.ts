import { describe, it } from "node:test";
import { assertEquals, assertRejects } from "@std/assert";
import { createHmac } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import {
  connect,
  ConnectionClosedError,
  reconnecting,
  UnexpectedResponseError,
} from "../../src/runtimes/shared/client.ts";
import { receiveMessage } from "../../src/testing/mod.ts";
import { replacePorts } from "../../tools/example_ports.ts";
import { extractExamples } from "../../tools/extract_examples.ts";
import { TestProcess } from "../support/child_process.ts";
import { writeSnippet } from "./snippet.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

describe("the guide to authentication", () => {
  it("closes with a code that its own client does not come back after", async () => {
    const guide = await readFile(`${root}docs/authentication.md`, "utf8");
    const example = extractExamples("docs/authentication.md", guide)
      .find(({ code }) => code.includes("Bad token"))!;
    const [, port, code] = /^(\d+) ([^]*)$/.exec(await replacePorts(`8080 ${example.code}`))!;
    await mkdir(`${root}.tmp`, { recursive: true });
    // Inside the repository, since the snippets import the package by its name.
    const folder = await mkdtemp(`${root}.tmp/guide-`);
    await writeFile(`${folder}/server.ts`, `${code}\nconsole.log("listening");\n`);
    const server = new TestProcess(pathToFileURL(`${folder}/server.ts`));
    try {
      await server.untilPrinted(/listening/);
      let connections = 0;
      const error = await assertRejects(async () => {
        for await (const conn of reconnecting(`ws://127.0.0.1:${port}/`, { minDelayMs: 1 })) {
          // Well before it would be given up otherwise.
          if (++connections > 3) throw new Error("It connects again and again");
          await conn.send("a token that is none");
        }
      }, ConnectionClosedError);
      assertEquals([connections, error.closeCode, error.reason], [1, 1008, "Bad token"]);
    } finally {
      server.kill();
      await rm(folder, { recursive: true });
    }
  });

  it("finds the session of a cookie that express-session signed, and of no other", async () => {
    const snippet = await writeSnippet(
      "authentication.md",
      "cookie-signature",
      (code) => `${code}\nconsole.log("listening");\n`,
    );
    const server = new TestProcess(snippet.url);
    const sign = (id: string, secret: string) => {
      const signature = createHmac("sha256", secret).update(id).digest("base64");
      // As express-session writes it: encodeURIComponent of "s:" and what is signed.
      return encodeURIComponent(`s:${id}.${signature.replace(/=+$/, "")}`);
    };
    const open = async (cookie: string) => {
      const headers = { Cookie: `theme=dark; connect.sid=${cookie}` };
      const conn = await connect(`ws://127.0.0.1:${snippet.port}/`, { headers });
      const message = await receiveMessage(conn);
      await conn.close();
      return message;
    };
    const secret = "keep me from others";
    try {
      await server.untilPrinted(/listening/);
      assertEquals(await open(sign("id-1", secret)), "Hello Ada");
      const refused = [
        "",
        "s%3Aid-1",
        "s%3Aid-1.%ff",
        "%",
        sign("id-1", "guessed"),
        sign("id-2", secret),
      ];
      for (const cookie of refused) {
        const error = await assertRejects(() => open(cookie), UnexpectedResponseError);
        assertEquals(error.status, 401, cookie);
      }
      assertEquals(server.output, "listening\n");
    } finally {
      server.kill();
      await snippet.remove();
    }
  });
});
