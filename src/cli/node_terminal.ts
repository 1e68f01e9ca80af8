import process from "node:process";
import {
  clearScreenDown,
  createInterface,
  cursorTo,
  type Interface,
  moveCursor,
} from "node:readline";
import type { Terminal } from "./io.ts";

/** The terminal that the program was started in, with the line editing of `node:readline`. */
export class NodeTerminal implements Terminal {
  #interface: Interface | undefined;
  #isClosed = false;

  get lines(): AsyncIterable<string> {
    const { stdin: input, stdout: output } = process;
    const lines = createInterface({ input, output, prompt: "> ", terminal: true });
    this.#interface = lines;
    lines.on("line", () => lines.prompt());
    lines.on("close", () => {
      if (!this.#isClosed) output.write("\n");
      this.#isClosed = true;
    });
    if (this.#isClosed) lines.close();
    else lines.prompt();
    return lines;
  }

  print(text: string): Promise<void> {
    const line = this.#isClosed ? undefined : this.#interface;
    if (line !== undefined) {
      // The line that is being typed may fill several rows.
      moveCursor(process.stdout, 0, -line.getCursorPos().rows);
      cursorTo(process.stdout, 0);
      clearScreenDown(process.stdout);
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    process.stdout.write(`${text}\n`, () => resolve());
    line?.prompt(true);
    return promise;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#interface?.close();
  }
}
