import { it } from "node:test";
import { assertEquals } from "@std/assert";
import { TestProcess } from "../support/child_process.ts";

it("a process that lets its server go may end, though messages are kept", async () => {
  const url = new URL("exit_process.ts", import.meta.url);
  const program = new TestProcess({ url, env: { NO_COLOR: "1" } });
  try {
    // It is waited for less than the messages are kept.
    assertEquals(await program.untilEnded(60_000), 0);
    assertEquals([program.printed, program.errors], ["published\n", ""]);
  } finally {
    program.kill();
  }
});
