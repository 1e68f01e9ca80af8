import { after, before, describe, it } from "node:test";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { readdir, readFile } from "node:fs/promises";
import { connect } from "../../src/runtimes/shared/client.ts";
import { untilAnswered } from "../brokers/real_broker.ts";
import { TestProcess } from "../support/child_process.ts";
import { type Snippet, writeSnippet } from "./snippet.ts";

type Upload = (
  url: string,
  file: Pick<Blob, "size" | "slice">,
  onProgress: (part: number) => void,
  signal?: AbortSignal,
) => Promise<void>;

describe("the guide to uploads", () => {
  let snippet: Snippet;
  let server: TestProcess;
  let upload: Upload;
  let url: string;

  before(async () => {
    const inFolder = (code: string) =>
      code.replace("tmpdir()", `${"new URL('.', import.meta.url).pathname"}`) +
      'console.log("listening");';
    snippet = await writeSnippet("large-messages.md", "MAX_UPLOAD_SIZE", inFolder);
    url = `ws://127.0.0.1:${snippet.port}/`;
    const page = await writeSnippet(
      "large-messages.md",
      "async function upload",
      (code) => `${code}\nexport default upload;\n`,
    );
    upload = (await import(page.url.href)).default;
    await page.remove();
    server = new TestProcess(snippet.url);
    await server.untilPrinted(/listening/);
  });

  after(async () => {
    server.kill();
    await snippet.remove();
  });

  const findFiles = async () =>
    (await readdir(snippet.folder)).filter((name) => !name.endsWith(".ts"));

  it("stores a file, and tells how far it is", async () => {
    const bytes = new Uint8Array(3_000_000).map((_, i) => i % 251);
    const progress: number[] = [];
    await upload(url, new Blob([bytes]), (part) => progress.push(part));
    assertEquals(progress.at(-1), 1);
    assert(progress.length > 1, "it told before the end");
    const [name] = await findFiles();
    const stored = await readFile(`${snippet.folder}/${name}`);
    assertEquals(stored.length, bytes.length);
    assert(stored.every((byte, i) => byte === bytes[i]));
  });

  it("stores an empty file, and tells that it is done", async () => {
    const progress: number[] = [];
    await upload(url, new Blob([]), (part) => progress.push(part));
    assertEquals(progress, [1]);
  });

  it("begins nothing that is cancelled before", async () => {
    const files = await findFiles();
    const reason = new Error("Never mind");
    const error = await assertRejects(
      () => upload(url, new Blob(["a"]), () => {}, AbortSignal.abort(reason)),
    );
    assert(error === reason);
    assertEquals(await findFiles(), files);
  });

  it("refuses a file that is too large before its first byte", async () => {
    const file = { size: 3 * 1024 ** 3, slice: () => new Blob(["x"]) };
    await assertRejects(() => upload(url, file, () => {}), Error, "4413 At most 2147483648 bytes");
  });

  it("leaves nothing of an upload that is cancelled", async () => {
    const files = await findFiles();
    const cancel = new AbortController();
    const file = { size: 1024 ** 3, slice: () => new Blob([new Uint8Array(65536)]) };
    await assertRejects(
      () => upload(url, file, () => cancel.abort(), cancel.signal),
      Error,
      "failed",
    );
    await untilAnswered(
      "the part to be removed",
      findFiles,
      (left) => left.length === files.length,
    );
  });

  it("refuses more than was announced", async () => {
    const conn = await connect(url, { message() {} });
    await conn.send(JSON.stringify({ size: 10 }));
    await conn.send(new Uint8Array(11));
    assertEquals((await conn.closed).closeCode, 4400);
    assertEquals(server.output, "listening\n");
  });
});
