import { describe, it } from "node:test";
import { assertEquals, assertMatch } from "@std/assert";
import { spawn, spawnSync } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { skipUnless } from "../support/skip.ts";
import { Waiter } from "../support/waiter.ts";
import { CLI_COMMAND } from "./cli_process.ts";
import { withServer } from "./with_server.ts";

const hasPty =
  spawnSync("python3", ["-c", "import pty, os; os.waitstatus_to_exitcode"]).status === 0;
const skip = skipUnless(hasPty, "needs Python 3.9 with pty: apt-get install python3");

/** The client in a terminal. */
class Screen {
  readonly #waiter: Waiter = new Waiter();
  readonly #child;
  readonly status: Promise<number | null>;
  shown = "";

  constructor(args: string[], env: Record<string, string>) {
    const script = fileURLToPath(new URL("in_terminal.py", import.meta.url));
    this.#child = spawn("python3", [script, ...CLI_COMMAND, ...args], {
      stdio: ["pipe", "pipe", "inherit"],
      env: { ...process.env, NO_COLOR: "", TERM: "xterm", ...env },
    });
    this.#child.stdout.setEncoding("utf8").on("data", (text: string) => {
      // A sign for ESC, for patterns to name.
      this.shown += text.replaceAll("\x1b", "␛");
      this.#waiter.wake();
    });
    this.status = new Promise((resolve) => this.#child.on("close", resolve));
  }

  type(text: string): void {
    this.#child.stdin.write(text);
  }

  async untilShown(pattern: RegExp): Promise<void> {
    await this.#waiter.until(`${pattern} on the screen`, () => pattern.test(this.shown));
  }
}

describe("the client in a terminal of its own", () => {
  it(
    "edits lines, shows answers above them in colour, and ends with Ctrl-D",
    { skip },
    () =>
      withServer({}, async (url) => {
        const screen = new Screen([url], {});
        await screen.untilShown(/␛\[32m\* connected to .*> /s);
        // The character typed by mistake is taken back.
        screen.type("hellx\x7fo\r");
        await screen.untilShown(/␛\[36m< hello␛\[39m/);
        screen.type("/ping\r");
        await screen.untilShown(/\* pong after \d/);
        screen.type("\x04");
        await screen.untilShown(/\* closed with 1000/);
        assertEquals(await screen.status, 0);
      }),
  );

  it(
    "has no colours with NO_COLOR, and ends with Ctrl-C",
    { skip },
    () =>
      withServer({}, async (url) => {
        const screen = new Screen([url], { NO_COLOR: "1" });
        await screen.untilShown(/\* connected to .*> /s);
        screen.type("\x03");
        await screen.untilShown(/\* closed with 1000/);
        assertEquals(await screen.status, 0);
        assertMatch(screen.shown, /^\* connected/);
      }),
  );
});
