/** A position among the messages of a retained topic. Positions of different epochs can't be compared. */
export interface Position {
  /**
   * The epoch of the numbers: a new one begins when the retained messages were lost. 1 to 32 characters of
   * `A-Z a-z 0-9 _ -`.
   */
  readonly epoch: string;
  /** The sequence number of a message: a safe integer. 0 is the position before the first message. */
  readonly number: number;
}

/** The longest position, as clients get it. */
export const MAX_POSITION_LENGTH: number = 32 + 1 + 16;

const PATTERN = /^([\w-]{1,32})\.(0|[1-9]\d{0,15})$/;

/** Formats a position as clients get it: `epoch.number`. */
export function formatPosition({ epoch, number }: Position): string {
  return `${epoch}.${number}`;
}

/** Parses a position; returns `undefined` if it is malformed. */
export function parsePosition(text: unknown): Position | undefined {
  const match = typeof text === "string" ? PATTERN.exec(text) : null;
  if (match === null) return undefined;
  const number = Number(match[2]);
  return Number.isSafeInteger(number) ? { epoch: match[1]!, number } : undefined;
}
