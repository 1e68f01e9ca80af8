import process from "node:process";
import {
  clearScreenDown,
  createInterface,
  cursorTo,
  type Interface,
  moveCursor,
} from "node:readline";
import { Fifo } from "../fifo.ts";
import type { Terminal } from "./io.ts";

const PROMPT = "> ";

/** The terminal that the program was started in, with the line editing of `node:readline`. */
export class NodeTerminal implements Terminal {
  readonly #typed: Fifo<string> = new Fifo();
  #interface: Interface | undefined;
  #isClosed = false;
  #wake: (() => void) | undefined;

  get lines(): AsyncIterable<string> {
    this.#open();
    return this.#iterate();
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
    this.#wake?.();
  }

  #open(): void {
    if (this.#isClosed || this.#interface !== undefined) return;
    this.#interface = createInterface({
      input: process.stdin,
      output: process.stdout,
      prompt: PROMPT,
      terminal: true,
    });
    this.#interface.on("line", (line) => {
      this.#typed.push(line);
      this.#interface?.prompt();
      this.#wake?.();
    });
    this.#interface.on("close", () => {
      if (!this.#isClosed) process.stdout.write("\n");
      this.close();
    });
    this.#interface.prompt();
  }

  async *#iterate(): AsyncGenerator<string> {
    for (;;) {
      for (let line = this.#typed.shift(); line !== undefined; line = this.#typed.shift()) {
        yield line;
      }
      if (this.#isClosed) return;
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }
}
