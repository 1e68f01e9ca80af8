/**
 * What the command line client reads from and writes to, in memory.
 *
 * @module
 */

import { readFile } from "node:fs/promises";
import { run } from "../../src/cli/run.ts";
import type { Io, Terminal } from "../../src/cli/io.ts";
import { Waiter } from "../support/waiter.ts";

/** What a test puts in piece by piece. */
export class Input<T> {
  readonly #items: T[] = [];
  #hasEnded = false;
  #wake: (() => void) | undefined;

  push(...items: T[]): void {
    this.#items.push(...items);
    this.#wake?.();
  }

  end(): void {
    this.#hasEnded = true;
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    for (;;) {
      while (this.#items.length > 0) yield this.#items.shift()!;
      if (this.#hasEnded) return;
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }
}

/** A terminal whose screen is text. */
export class MemoryTerminal implements Terminal {
  readonly lines: Input<string> = new Input();
  readonly #waiter: Waiter = new Waiter();
  shown = "";

  print(text: string): Promise<void> {
    this.shown += `${text}\n`;
    this.#waiter.wake();
    return Promise.resolve();
  }

  close(): void {
    this.lines.end();
  }

  async untilShown(text: string): Promise<void> {
    await this.#waiter.until(
      `${JSON.stringify(text)} on the screen`,
      () => this.shown.includes(text),
    );
  }
}

/** The program running in this process. */
export class CliRun implements Io {
  readonly stdin: AsyncIterable<Uint8Array>;
  readonly isOutputShown: boolean;
  readonly hasColors: boolean;
  readonly openTerminal: (() => Terminal) | undefined;
  readonly status: Promise<number>;
  stdout: Uint8Array[] = [];
  stderr = "";
  /** What each write to standard output waits for. */
  gate: Promise<void> = Promise.resolve();
  readonly #input: Input<Uint8Array> = new Input();
  readonly #controller = new AbortController();
  readonly #waiter: Waiter = new Waiter();

  constructor(
    args: string[],
    init: {
      stdin?: AsyncIterable<Uint8Array>;
      terminal?: Terminal;
      hasColors?: boolean;
      isOutputShown?: boolean;
    } = {},
  ) {
    const { terminal, hasColors = false, isOutputShown = false } = init;
    this.stdin = init.stdin ?? this.#input;
    this.openTerminal = terminal && (() => terminal);
    this.hasColors = hasColors;
    this.isOutputShown = isOutputShown;
    this.status = run(args, this);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Asks the program to end. */
  interrupt(): void {
    this.#controller.abort();
  }

  /** Puts text or bytes into standard input. */
  type(...pieces: (string | Uint8Array)[]): void {
    for (const piece of pieces) {
      this.#input.push(typeof piece === "string" ? new TextEncoder().encode(piece) : piece);
    }
  }

  /** Ends standard input. */
  endInput(): void {
    this.#input.end();
  }

  get output(): string {
    return new TextDecoder().decode(Buffer.concat(this.stdout));
  }

  async writeOutput(data: string | Uint8Array): Promise<void> {
    this.stdout.push(typeof data === "string" ? new TextEncoder().encode(data) : data.slice());
    this.#waiter.wake();
    await this.gate;
  }

  writeError(text: string): Promise<void> {
    this.stderr += text;
    this.#waiter.wake();
    return Promise.resolve();
  }

  readFile(path: string): Promise<string> {
    return readFile(path, "utf8");
  }

  /** Waits until the program has written something. */
  async until(what: string, isDone: () => boolean): Promise<void> {
    await this.#waiter.until(what, isDone);
  }
}
