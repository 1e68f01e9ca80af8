/** A place among the messages of a topic that are kept. Places of two epochs can't be compared. */
export interface Position {
  /**
   * What the numbers belong to: another one where messages were forgotten, as a memory was emptied. From 1
   * to 32 characters of `A-Z a-z 0-9 _ -`.
   */
  readonly epoch: string;
  /** Counts up: a safe integer from 0, which stands for the place before the first message. */
  readonly number: number;
}

/** The longest place, as clients get it. */
export const MAX_POSITION_LENGTH: number = 32 + 1 + 16;

const PATTERN = /^([\w-]{1,32})\.(0|[1-9]\d{0,15})$/;

/** Writes a place as clients get it: `epoch.number`. */
export function formatPosition({ epoch, number }: Position): string {
  return `${epoch}.${number}`;
}

/** Reads a place; gives `undefined` where it is none. */
export function parsePosition(text: unknown): Position | undefined {
  const match = typeof text === "string" ? PATTERN.exec(text) : null;
  if (match === null) return undefined;
  const number = Number(match[2]);
  return Number.isSafeInteger(number) ? { epoch: match[1]!, number } : undefined;
}
