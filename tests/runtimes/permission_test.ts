import { assertEquals } from "@std/assert";
import { execFile } from "node:child_process";
import { createServer } from "node:net";
import process from "node:process";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { skipUnless } from "../support/skip.ts";

const script = fileURLToPath(new URL("permission_process.ts", import.meta.url));

describe("the permission for a name", () => {
  it(
    "is enough to listen on it and to dial it, and no more",
    { skip: skipUnless("Deno" in globalThis, "needs Deno") },
    async () => {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      const { port } = server.address() as { port: number };
      await new Promise((resolve) => server.close(resolve));
      const flags = ["--no-prompt", "--no-check", "--quiet", `--allow-net=localhost:${port}`];
      const { stdout, stderr } = await promisify(execFile)(
        process.execPath,
        ["run", ...flags, script, `${port}`],
      );
      const refusals = ["EACCES", "EACCES", "EACCES"];
      assertEquals(stderr, "");
      assertEquals(stdout.trim().split("\n"), ["listening", "connected", ...refusals]);
    },
  );
});
