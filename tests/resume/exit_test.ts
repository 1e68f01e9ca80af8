import { execFile } from "node:child_process";
import process from "node:process";
import { it } from "node:test";
import { fileURLToPath } from "node:url";
import { assertEquals } from "@std/assert";

it("a process that lets its server go may end, though messages are kept", async () => {
  const script = fileURLToPath(new URL("exit_process.ts", import.meta.url));
  const flags = "Deno" in globalThis
    ? ["run", "--allow-all", "--no-check"]
    : "Bun" in globalThis
    ? []
    : ["--disable-warning=ExperimentalWarning"];
  const ended = await new Promise((resolve) => {
    // It is waited for less than the messages are kept.
    execFile(
      process.execPath,
      [...flags, script],
      { timeout: 60_000, env: { ...process.env, NO_COLOR: "1" } },
      (error, stdout, stderr) => resolve([error, stdout, stderr]),
    );
  });
  assertEquals(ended, [null, "published\n", ""]);
});
