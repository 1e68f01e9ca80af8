import { ByteCollector } from "../codec/byte_collector.ts";
import { HandshakeError } from "../errors.ts";
import { classes, CR, LF, SP, TARGET, TOKEN } from "./characters.ts";
import { describeFault, FieldSectionScanner } from "./field_section.ts";
import type { HeadFault } from "./head_faults.ts";
import { type RequestHeadLimits, resolveHeadLimits } from "./head_limits.ts";
import { decodeLatin1 } from "./latin1.ts";
import { requestError } from "./request_error.ts";
import { RequestHead } from "./request_head.ts";

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

/**
 * Parses the head of an HTTP/1.1 request from bytes that may be split anywhere, strictly by RFC 9112: no
 * error is repaired, and a request is refused as soon as the offending byte arrives. Every byte is scanned
 * once, and memory is used only for bytes that arrived.
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
  readonly #limits: RequestHeadLimits;
  readonly #scanner: FieldSectionScanner;
  #state = START;
  #started = false;
  /** Offsets in the head: the start of the request line, the end of its method, the end of its target. */
  #lineStart = 0;
  #methodEnd = 0;
  #targetEnd = 0;
  #buffer: ByteCollector | undefined;
  #head: RequestHead | undefined;
  #error: unknown;

  /**
   * Creates a parser of one request head.
   *
   * @param limits The limits of the head.
   * @throws {RangeError} If a limit is neither a non-negative safe integer nor `Infinity`.
   * @throws {TypeError} If a limit is not a number, or its name is unknown.
   */
  constructor(limits: Partial<RequestHeadLimits> = {}) {
    this.#limits = resolveHeadLimits("RequestHeadParser", limits);
    const { maxLineSize, maxFields } = this.#limits;
    this.#scanner = new FieldSectionScanner(maxLineSize, maxFields, parseError);
  }

  /** The head, once it is complete. */
  get head(): RequestHead | undefined {
    return this.#head;
  }

  /** Whether a byte has arrived. */
  get started(): boolean {
    return this.#started;
  }

  /** The memory held for an incomplete head, in bytes. */
  get heldLength(): number {
    return this.#buffer === undefined ? 0 : this.#buffer.capacity + this.#scanner.heldLength;
  }

  /**
   * Takes the next bytes, which are not changed. The head's bytes are copied.
   *
   * @param bytes The bytes, split anywhere.
   * @returns How many of the bytes belong to the head: all of them until the head is complete, 0 after
   * that.
   * @throws {HandshakeError} If the request must be refused: with status 400 if it is malformed, 414 or 431
   * if it exceeds a limit, 505 if its version is not HTTP/1.1. Every later call throws the same error: the
   * bytes that follow a refused request are never parsed.
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
    const end = Math.min(bytes.length, this.#limits.maxHeadSize - base);
    let i = 0;
    if (this.#state !== FIELDS) i = this.#scanRequestLine(bytes, end, base);
    if (this.#state === FIELDS) i = this.#scanner.scan(bytes, i, end, base);
    if (this.#scanner.done) {
      this.#finish(bytes.subarray(0, i));
    } else {
      if (end < bytes.length) throw this.#tooLarge();
      this.#buffer ??= new ByteCollector();
      // A client that sends little costs little.
      this.#buffer.append(bytes, 0, bytes.length, Infinity, 2 * base);
    }
    return i;
  }

  #scanRequestLine(bytes: Uint8Array, end: number, base: number): number {
    let i = 0;
    while (i < end && this.#state !== FIELDS) {
      const limit = this.#lineStart + this.#limits.maxLineSize - base;
      switch (this.#state) {
        case START:
          // "a server [...] SHOULD ignore at least one empty line (CRLF) received prior to the
          // request-line" (RFC 9112, section 2.2): exactly one.
          if (bytes[i] === CR && base + i === 0) {
            this.#state = START_LINE_FEED;
            i++;
            break;
          }
          if ((classes[bytes[i]!]! & TOKEN) === 0) throw parseError("start", bytes[i]!);
          this.#lineStart = base + i;
          this.#state = METHOD;
          break;
        case METHOD: {
          const stop = Math.min(end, limit);
          while (i < stop && (classes[bytes[i]!]! & TOKEN) !== 0) i++;
          if (i === end) break;
          if (i === limit) throw this.#lineTooLong();
          if (bytes[i] !== SP) throw parseError("method", bytes[i]!);
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
          if (bytes[i] !== SP) throw parseError("target", bytes[i]!);
          if (base + i === this.#methodEnd + 1) throw parseError("noTarget", SP);
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
          if (bytes[i] !== LF) throw parseError("lineEnd", bytes[i]!);
          this.#state = this.#state === LINE_FEED ? FIELDS : START;
          i++;
      }
    }
    return i;
  }

  #scanVersion(byte: number, index: number): void {
    if (index === VERSION_TEXT.length) {
      if (byte !== CR) throw parseError("versionEnd", byte);
      this.#state = LINE_FEED;
    } else if (byte !== VERSION_TEXT[index]) {
      const isDigit = byte >= 0x30 && byte <= 0x39;
      if (isDigit && (index === MAJOR_DIGIT || index === MINOR_DIGIT)) {
        throw requestError(505, "only HTTP/1.1 is supported");
      }
      throw parseError("version", byte);
    }
  }

  #finish(last: Uint8Array): void {
    let bytes = last;
    if (this.#buffer !== undefined) {
      this.#buffer.append(last, 0, last.length, Infinity);
      bytes = this.#buffer.borrow();
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
    return parseError("head", this.#limits.maxHeadSize);
  }

  #lineTooLong(): HandshakeError {
    const maxSize = Math.min(this.#limits.maxLineSize, this.#limits.maxHeadSize);
    return parseError("requestLine", maxSize);
  }
}

function parseError(fault: HeadFault, value: number): HandshakeError {
  const [status, reason] = describeFault(fault, value);
  return new HandshakeError(status, `Cannot parse the request: ${reason}`);
}
