import { classes, COLON, CR, LF, sliceTrimmed, TOKEN, VALUE } from "./characters.ts";
import type { describeHeadFault, HeadFault } from "./head_faults.ts";

const LINE_START = 0;
const NAME = 1;
const FIELD_VALUE = 2;
const LINE_FEED = 3;
const LAST_LINE_FEED = 4;
const DONE = 5;

/** The memory that an array takes for a number, in bytes. */
const MARK_SIZE = 8;

/** Creates the error for a fault, of which `value` is the byte or the limit. */
export type CreateHeadError = (fault: HeadFault, value: number) => Error;

/** Says what is wrong with a head: set once `head_faults.ts` is loaded. */
export let describeFault: typeof describeHeadFault;

export function useFaults(describe: typeof describeHeadFault): void {
  describeFault = describe;
}

/**
 * Scans the field lines of a head, and the empty line that ends it (RFC 9112, section 5). It does not see
 * the start line, so it serves requests and responses alike. It records offsets only: the text is split into
 * fields once the head is complete.
 */
export class FieldSectionScanner {
  readonly #maxLineSize: number;
  readonly #maxFields: number;
  readonly #createError: CreateHeadError;
  #state = LINE_START;
  /** Offsets in the head, three per field: of the name's first byte, of the colon, of the CR. */
  readonly #marks: number[] = [];
  #lineStart = 0;
  /** Whether all bytes so far are below 0x80. */
  ascii = true;

  /** A line has at most `maxLineSize` bytes, without its CR LF. `createError` creates the errors of `scan`. */
  constructor(maxLineSize: number, maxFields: number, createError: CreateHeadError) {
    this.#maxLineSize = maxLineSize;
    this.#maxFields = maxFields;
    this.#createError = createError;
  }

  /** Whether the empty line has arrived. */
  get done(): boolean {
    return this.#state === DONE;
  }

  /** The memory that the offsets take, in bytes. */
  get heldLength(): number {
    return this.#marks.length * MARK_SIZE;
  }

  /**
   * Scans `bytes` from `start` to `end` (exclusive), but not beyond the empty line.
   *
   * @param base The offset of `bytes[0]` in the head.
   * @returns The index at which scanning stopped.
   * @throws An error of `createError`, if the bytes are not field lines, or the lines too many or too long.
   */
  scan(bytes: Uint8Array, start: number, end: number, base: number): number {
    let i = start;
    while (i < end && this.#state !== DONE) {
      switch (this.#state) {
        case LINE_START:
          if (bytes[i] === CR) {
            this.#state = LAST_LINE_FEED;
            i++;
            break;
          }
          this.#startLine(bytes[i]!, base + i);
          break;
        case NAME: {
          const limit = this.#lineStart + this.#maxLineSize - base;
          const stop = Math.min(end, limit);
          while (i < stop && (classes[bytes[i]!]! & TOKEN) !== 0) i++;
          if (i === end) break;
          if (i === limit) throw this.#createError("fieldLine", this.#maxLineSize);
          if (bytes[i] !== COLON) throw this.#createError("name", bytes[i]!);
          this.#marks.push(base + i);
          this.#state = FIELD_VALUE;
          i++;
          break;
        }
        case FIELD_VALUE: {
          const limit = this.#lineStart + this.#maxLineSize - base;
          const stop = Math.min(end, limit);
          while (i < stop && (classes[bytes[i]!]! & VALUE) !== 0) i++;
          if (i === end) break;
          const byte = bytes[i]!;
          if (byte === CR) {
            this.#marks.push(base + i);
            this.#state = LINE_FEED;
          } else if (i === limit) {
            throw this.#createError("fieldLine", this.#maxLineSize);
          } else if (byte >= 0x80) {
            // obs-text is opaque, but allowed (RFC 9110, section 5.5).
            this.ascii = false;
          } else {
            throw this.#createError("value", byte);
          }
          i++;
          break;
        }
        default:
          if (bytes[i] !== LF) throw this.#createError("lineEnd", bytes[i]!);
          this.#state = this.#state === LAST_LINE_FEED ? DONE : LINE_START;
          i++;
      }
    }
    return i;
  }

  /** Splits `text`, the whole head, into its fields. */
  fields(text: string): Array<[name: string, value: string]> {
    const marks = this.#marks;
    const fields: Array<[name: string, value: string]> = [];
    for (let i = 0; i < marks.length; i += 3) {
      const colon = marks[i + 1]!;
      fields.push([text.slice(marks[i], colon), sliceTrimmed(text, colon + 1, marks[i + 2]!)]);
    }
    return fields;
  }

  #startLine(byte: number, offset: number): void {
    if ((classes[byte]! & TOKEN) === 0) throw this.#createError("fieldStart", byte);
    if (this.#marks.length === 3 * this.#maxFields) {
      throw this.#createError("fields", this.#maxFields);
    }
    this.#marks.push(offset);
    this.#lineStart = offset;
    this.#state = NAME;
  }
}
