export interface Terminal {
  /** The lines that are typed. They end with Ctrl-D, Ctrl-C, or {@linkcode Terminal.close}. */
  readonly lines: AsyncIterable<string>;
  /** Shows text above the line that is being typed. Resolves when it has been written. */
  print(text: string): Promise<void>;
  /** Ends the lines. `print` still works afterwards. */
  close(): void;
}

export interface Io {
  readonly stdin: AsyncIterable<Uint8Array>;
  /** Whether standard output is a terminal, which control characters could manipulate. */
  readonly isOutputShown: boolean;
  readonly hasColors: boolean;
  /** Aborts when the program gets a signal to exit. */
  readonly signal: AbortSignal;
  /** Resolves when the data has been written; rejects with the code `EPIPE` if the reader has closed its end. */
  writeOutput(data: string | Uint8Array): Promise<void>;
  writeError(text: string): Promise<void>;
  readFile(path: string): Promise<string>;
  /** Opens the terminal; `undefined` if standard input or output is not one. */
  openTerminal?: (() => Terminal) | undefined;
}
