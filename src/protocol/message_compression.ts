/** Decompresses messages, piece by piece: whoever reads may stop at any of them. */
export interface MessageInflation {
  /** Whether there is more to read of the input so far. */
  readonly isPending: boolean;
  /** The number of bytes of input that were not read yet. */
  readonly pendingLength: number;
  /** The number of bytes that memory is held for. */
  readonly heldLength: number;
  /** Where `read` puts what it gives, from 0 on. */
  readonly output: Uint8Array;
  /** Takes a piece of a message, `bytes` from `start` to `end` (exclusive). What came before was read. */
  feed(bytes: Uint8Array, start: number, end: number): void;
  /** Takes a message as a whole; `false` where it is too large for that, and nothing was taken. */
  feedWhole(bytes: Uint8Array, start: number, end: number): boolean;
  /** Takes the end of a message. */
  feedTail(): void;
  /**
   * Reads the next piece, into `output`.
   *
   * @returns Its length: 0 where what it took of the input inflates to nothing.
   * @throws {ProtocolError} With 1007, where the input is corrupt.
   */
  read(): number;
  /** Keeps what was not read of the input, whose memory is used again. */
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
   * @returns The payload of its frame. Up to 16 KiB it is to be used before anything else is
   * compressed.
   */
  deflateMessage(data: string | Uint8Array): Uint8Array;
  /** Compresses a fragment of a message, and whatever it holds back; see `deflateMessage`. */
  deflateFragment(payload: Uint8Array, fin: boolean): Uint8Array;
}

/** The compression that was agreed upon for a connection (RFC 7692). */
export interface MessageCompression {
  /** Decompresses what is received. */
  readonly inflater: MessageInflation;
  /** Compresses what is sent. */
  readonly deflater: MessageDeflation;
  /** The size from which on messages are compressed, unless it is said of one. */
  readonly threshold: number;
}
