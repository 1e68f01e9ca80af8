import { checkOptions, type Names } from "../checks.ts";
import { HandshakeError } from "../errors.ts";
import { checkLimit } from "../limits.ts";
import { classes, CR, describeByte, LF, SP, TARGET, TOKEN } from "./characters.ts";
import { FieldSectionScanner } from "./field_section.ts";
import { HeadBuffer } from "./head_buffer.ts";
import { decodeLatin1 } from "./latin1.ts";
import { RequestHead } from "./request_head.ts";

/** What a request head may cost. `Infinity` means no limit. */
export interface RequestHeadLimits {
  /**
   * The size of the whole head in bytes, the empty line at its end included. Past it: 431.
   *
   * @default {16384}
   */
  maxHeadSize: number;
  /**
   * The size of one line in bytes, without its CR LF. Past it: 414 for the request line, 431 for a
   * header.
   *
   * @default {8192}
   */
  maxLineSize: number;
  /**
   * The number of header lines. Past it: 431.
   *
   * @default {100}
   */
  maxFields: number;
}

/** Every limit there is. */
export const HEAD_LIMITS: Names<RequestHeadLimits> = {
  maxHeadSize: true,
  maxLineSize: true,
  maxFields: true,
};

const START = 0;
const START_LINE_FEED = 1;
const METHOD = 2;
const REQUEST_TARGET = 3;
const VERSION = 4;
const LINE_FEED = 5;
const FIELDS = 6;

const VERSION_TEXT = new TextEncoder().encode("HTTP/1.1");
const MAJOR_DIGIT = 5;
const MINOR_DIGIT = 7;
/** The first byte of a TLS connection: the content type "handshake" (RFC 8446, section 5.1). */
const TLS_HANDSHAKE = 0x16;

/**
 * Parses the head of an HTTP/1.1 request from bytes that may be cut anywhere, strictly as RFC 9112
 * has it: nothing is repaired, and a request is refused as soon as the offending byte is in. Every byte is
 * looked at once, however the head is cut, and memory is used only for what arrived.
 *
 * @example
 * ```ts
 * import { RequestHeadParser } from "@sluice/websocket/handshake";
 *
 * const parser = new RequestHeadParser();
 * const bytes = new TextEncoder().encode("GET /chat HTTP/1.1\r\nHost: example.com\r\n\r\nrest");
 * parser.push(bytes); // 41: "rest" is not part of the head
 * parser.head?.target; // "/chat"
 * parser.head?.get("host"); // "example.com"
 * ```
 */
export class RequestHeadParser {
  readonly #maxHeadSize: number;
  readonly #maxLineSize: number;
  readonly #scanner: FieldSectionScanner;
  #state = START;
  #started = false;
  /** Offsets in the head: where the request line begins, its method and its target end. */
  #lineStart = 0;
  #methodEnd = 0;
  #targetEnd = 0;
  #buffer: HeadBuffer | undefined;
  #head: RequestHead | undefined;
  #error: unknown;

  /**
   * Creates a parser of one request head.
   *
   * @param limits What the head may cost.
   * @throws {RangeError} Where a limit is neither a non-negative safe integer nor `Infinity`.
   * @throws {TypeError} Where one is unknown, or no number.
   */
  constructor(limits: Partial<RequestHeadLimits> = {}) {
    checkOptions("RequestHeadParser", limits, HEAD_LIMITS);
    const { maxHeadSize = 16384, maxLineSize = 8192, maxFields = 100 } = limits;
    checkLimit("maxHeadSize", maxHeadSize, 0);
    checkLimit("maxLineSize", maxLineSize, 0);
    checkLimit("maxFields", maxFields, 0);
    this.#maxHeadSize = maxHeadSize;
    this.#maxLineSize = maxLineSize;
    this.#scanner = new FieldSectionScanner(maxLineSize, maxFields, refuseHead);
  }

  /** The head, once it is whole. */
  get head(): RequestHead | undefined {
    return this.#head;
  }

  /** Whether a byte has been seen. */
  get started(): boolean {
    return this.#started;
  }

  /** The number of bytes that memory is held for, of a head that is not whole yet. */
  get heldLength(): number {
    return this.#buffer === undefined ? 0 : this.#buffer.capacity + this.#scanner.heldLength;
  }

  /**
   * Takes the next bytes, which are not changed. What belongs to the head is copied.
   *
   * @param bytes The bytes, cut anywhere.
   * @returns How many of the bytes belong to the head: all of them until the head is whole, 0 after
   * that.
   * @throws {HandshakeError} Where the bytes must be refused: 400 for what is malformed, 414 and 431
   * for what is too large, 505 for a version that is not HTTP/1.1. Every later call throws the same
   * error: what follows a refused request is never parsed.
   */
  push(bytes: Uint8Array): number {
    if (this.#error !== undefined) throw this.#error;
    if (this.#head !== undefined || bytes.length === 0) return 0;
    this.#started = true;
    try {
      return this.#push(bytes);
    } catch (error) {
      this.#error = error;
      this.#buffer = undefined;
      throw error;
    }
  }

  #push(bytes: Uint8Array): number {
    const base = this.#buffer?.length ?? 0;
    const end = Math.min(bytes.length, this.#maxHeadSize - base);
    let i = 0;
    if (this.#state !== FIELDS) i = this.#scanRequestLine(bytes, end, base);
    if (this.#state === FIELDS) i = this.#scanner.scan(bytes, i, end, base);
    if (this.#scanner.done) {
      this.#finish(bytes.subarray(0, i));
    } else {
      if (end < bytes.length) throw this.#tooLarge();
      this.#buffer ??= new HeadBuffer();
      this.#buffer.append(bytes);
    }
    return i;
  }

  #scanRequestLine(bytes: Uint8Array, end: number, base: number): number {
    let i = 0;
    while (i < end && this.#state !== FIELDS) {
      const limit = this.#lineStart + this.#maxLineSize - base;
      switch (this.#state) {
        case START:
          // "a server [...] SHOULD ignore at least one empty line (CRLF) received prior to the
          // request-line" (RFC 9112, section 2.2): exactly one.
          if (bytes[i] === CR && base + i === 0) {
            this.#state = START_LINE_FEED;
            i++;
            break;
          }
          if ((classes[bytes[i]!]! & TOKEN) === 0) throw badStart(bytes[i]!);
          this.#lineStart = base + i;
          this.#state = METHOD;
          break;
        case METHOD: {
          const stop = Math.min(end, limit);
          while (i < stop && (classes[bytes[i]!]! & TOKEN) !== 0) i++;
          if (i === end) break;
          if (i === limit) throw this.#lineTooLong();
          if (bytes[i] !== SP) throw refuse(`${describeByte(bytes[i]!)} in the method`);
          this.#methodEnd = base + i;
          this.#state = REQUEST_TARGET;
          i++;
          break;
        }
        case REQUEST_TARGET: {
          const stop = Math.min(end, limit);
          while (i < stop && (classes[bytes[i]!]! & TARGET) !== 0) i++;
          if (i === end) break;
          if (i === limit) throw this.#lineTooLong();
          if (bytes[i] !== SP) throw badTarget(bytes[i]!);
          if (base + i === this.#methodEnd + 1) throw refuse("an empty request target");
          this.#targetEnd = base + i;
          this.#state = VERSION;
          i++;
          break;
        }
        case VERSION:
          if (i === limit && bytes[i] !== CR) throw this.#lineTooLong();
          this.#scanVersion(bytes[i]!, base + i - this.#targetEnd - 1);
          i++;
          break;
        default:
          // "A recipient of such a bare CR MUST consider that element to be invalid" (RFC 9112, 2.2).
          if (bytes[i] !== LF) throw refuse("a bare CR; lines end with CR LF");
          this.#state = this.#state === LINE_FEED ? FIELDS : START;
          i++;
      }
    }
    return i;
  }

  #scanVersion(byte: number, index: number): void {
    if (index === VERSION_TEXT.length) {
      if (byte !== CR) throw refuse(`${describeByte(byte)} after the HTTP version`);
      this.#state = LINE_FEED;
    } else if (byte !== VERSION_TEXT[index]) {
      const isDigit = byte >= 0x30 && byte <= 0x39;
      if (isDigit && (index === MAJOR_DIGIT || index === MINOR_DIGIT)) {
        throw new HandshakeError(505, "Cannot accept the request: only HTTP/1.1 is supported");
      }
      throw refuse("a malformed HTTP version");
    }
  }

  #finish(last: Uint8Array): void {
    let bytes = last;
    if (this.#buffer !== undefined) {
      this.#buffer.append(last);
      bytes = this.#buffer.bytes;
      this.#buffer = undefined;
    }
    const text = decodeLatin1(bytes, this.#scanner.ascii);
    this.#head = new RequestHead(
      text.slice(this.#lineStart, this.#methodEnd),
      text.slice(this.#methodEnd + 1, this.#targetEnd),
      this.#scanner.fields(text),
    );
  }

  #tooLarge(): HandshakeError {
    if (this.#state !== FIELDS) return this.#lineTooLong();
    return new HandshakeError(
      431,
      `Cannot parse the request: its head is larger than ${this.#maxHeadSize} bytes`,
    );
  }

  #lineTooLong(): HandshakeError {
    const maxSize = Math.min(this.#maxLineSize, this.#maxHeadSize);
    return new HandshakeError(
      414,
      `Cannot parse the request: the request line is longer than ${maxSize} bytes`,
    );
  }
}

function badStart(byte: number): HandshakeError {
  return refuse(
    byte === TLS_HANDSHAKE
      ? "this is the beginning of TLS, and the port speaks plain HTTP"
      : `it begins with ${describeByte(byte)}`,
  );
}

function badTarget(byte: number): HandshakeError {
  if (byte === CR || byte === LF) return refuse("a request line without an HTTP version");
  if (byte === 0x23) return refuse("a fragment in the request target");
  return refuse(`${describeByte(byte)} in the request target`);
}

function refuse(reason: string): HandshakeError {
  return refuseHead(400, reason);
}

function refuseHead(status: number, reason: string): HandshakeError {
  return new HandshakeError(status, `Cannot parse the request: ${reason}`);
}
