/** The part of Deno's API that the adapter uses, so that the package type-checks without Deno's types. */

export type DenoAddr =
  | { transport: "tcp"; hostname: string; port: number }
  | { transport: "unix"; path: string | null };

export interface DenoConn {
  readonly remoteAddr: DenoAddr;
  readonly localAddr: DenoAddr;
  /** Reads the bytes that have arrived, or waits for some; `null` after the peer's FIN. */
  read(buffer: Uint8Array): Promise<number | null>;
  /** Writes some of the bytes, and resolves to their number. */
  write(bytes: Uint8Array): Promise<number>;
  /** Sends FIN. */
  closeWrite(): Promise<void>;
  close(): void;
  /** Turns Nagle's algorithm off; TCP only. */
  setNoDelay?(on: boolean): void;
}

export interface DenoListener {
  readonly addr: DenoAddr;
  accept(): Promise<DenoConn>;
  close(): void;
  ref(): void;
  unref(): void;
}

export interface DenoApi {
  listen(
    options: { hostname: string; port: number; tcpBacklog?: number } | {
      transport: "unix";
      path: string;
    },
  ): DenoListener;
  connect(
    options:
      | { hostname: string; port: number; signal: AbortSignal }
      | { transport: "unix"; path: string },
  ): Promise<DenoConn>;
}
