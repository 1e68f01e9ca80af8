import { describe, it } from "node:test";
import { assertEquals, assertRejects } from "@std/assert";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import { ConnectionClosedError, reconnecting } from "../../src/adapters/client.ts";
import { replacePorts } from "../../tools/example_ports.ts";
import { extractExamples } from "../../tools/extract_examples.ts";
import { TestProcess } from "../support/child_process.ts";

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
});
