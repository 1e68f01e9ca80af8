/** Decompresses messages piece by piece, so that a reader may stop between any two of them. */
export interface MessageInflation {
  /** Whether there is more to read of the input so far. */
  readonly isPending: boolean;
  /** The number of bytes of input that were not read yet. */
  readonly pendingLength: number;
  /** The number of bytes that memory is held for. */
  readonly heldLength: number;
  /** Where `read` puts its result, from 0 on. */
  readonly output: Uint8Array;
  /** Takes a piece of a message, `bytes` from `start` to `end` (exclusive). All before it has been read. */
  feed(bytes: Uint8Array, start: number, end: number): void;
  /** Takes a whole message; returns `false`, and takes nothing, if it is too large for that. */
  feedWhole(bytes: Uint8Array, start: number, end: number): boolean;
  /** Takes the end of a message. */
  feedTail(): void;
  /**
   * Reads the next piece, into `output`.
   *
   * @param maxLength The message may be this much longer. The caller checks it; an implementation that
   * can't inflate piece by piece uses it to stop in time.
   * @returns Its length: 0 if the input it took inflates to nothing.
   * @throws {ProtocolError} With 1007 if the input is corrupt.
   */
  read(maxLength: number): number;
  /** Copies the input that was not read, whose memory is about to be used again. */
  keep(): void;
  /** Ends the message. */
  finish(): void;
  /** Gives the memory back, within a message too. */
  close(): void;
}

/** Compresses messages. */
export interface MessageDeflation {
  /** The number of bytes that memory is held for. */
  readonly heldLength: number;
  /**
   * Compresses a message.
   *
   * @returns The payload of its frame. If it has up to 16 KiB, it must be used before anything else is
   * compressed.
   */
  deflateMessage(data: string | Uint8Array): Uint8Array;
  /** Compresses a fragment of a message, up to its last byte; see `deflateMessage`. */
  deflateFragment(payload: Uint8Array, fin: boolean): Uint8Array;
}

/** The compression that the two sides of a connection agreed on (RFC 7692). */
export interface MessageCompression {
  /** Decompresses what is received. */
  readonly inflater: MessageInflation;
  /** Compresses what is sent. */
  readonly deflater: MessageDeflation;
  /** The size from which on messages are compressed, unless the sender says otherwise. */
  readonly threshold: number;
}

/** The same with what a connection needs besides: fan-out to many, and an end. */
export interface ConnectionCompression extends MessageCompression {
  /**
   * log2 of the window if messages are compressed independently: connections with the same window then send
   * the same bytes. `undefined` with context takeover.
   */
  readonly sharedWindowBits: number | undefined;
  /** Gives the memory back when the connection ends. */
  close(): void;
}
