/** A person at a keyboard and a screen. */
export interface Terminal {
  /** The lines that are typed. They end with Ctrl-D, Ctrl-C, or {@linkcode Terminal.close}. */
  readonly lines: AsyncIterable<string>;
  /** Shows text above the line that is being typed. Resolves when the screen keeps up. */
  print(text: string): Promise<void>;
  /** Ends the lines. What is printed afterwards is shown still. */
  close(): void;
}

/** What the program reads from and writes to. */
export interface Io {
  /** Standard input. */
  readonly stdin: AsyncIterable<Uint8Array>;
  /** Whether standard output is a screen, which control characters could harm. */
  readonly isOutputShown: boolean;
  /** Whether to use colours on the terminal. */
  readonly hasColors: boolean;
  /** Aborts when the program is asked to end. */
  readonly signal: AbortSignal;
  /**
   * Writes to standard output. Resolves when it is taken, and rejects where it can't be: with the
   * code `EPIPE` where nobody reads it any more.
   */
  writeOutput(data: string | Uint8Array): Promise<void>;
  /** Writes to standard error. */
  writeError(text: string): Promise<void>;
  /** Reads a text file. */
  readFile(path: string): Promise<string>;
  /** Opens the terminal; `undefined` where standard input or output is none. */
  openTerminal?: (() => Terminal) | undefined;
}
