/** Takes what arrives at the client's end of a connection. */
export interface RawSocketHandler {
  receive(bytes: Uint8Array): void;
  /** The server sent FIN. */
  receiveEnd(): void;
  /** The connection is gone, both ways; with an error where it was reset. */
  receiveClosed(error?: unknown): void;
}

/** The client's end of a connection, as bytes: in memory, or a real socket. */
export interface RawSocket {
  handler: RawSocketHandler;
  /** Whether FIN or RST was sent. */
  readonly hasEnded: boolean;
  send(bytes: Uint8Array): void;
  /** How many of the bytes sent have not been taken. */
  readonly unsentSize: number;
  /** Sends FIN; reading goes on. */
  end(): void;
  /** Sends RST. */
  reset(): void;
  /** Stops reading. */
  pause(): void;
  /** Reads on. */
  resume(): void;
}
