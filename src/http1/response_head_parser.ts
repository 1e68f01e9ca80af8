import { UnexpectedResponseError } from "../errors.ts";
import { checkOptions } from "../checks.ts";
import { checkLimit } from "../limits.ts";
import { describeByte, LF } from "./characters.ts";
import { FieldSectionScanner } from "./field_section.ts";
import { HeadBuffer } from "./head_buffer.ts";
import { HeaderFieldList } from "./header_fields.ts";
import { decodeLatin1 } from "./latin1.ts";
import { HEAD_LIMITS, type RequestHeadLimits } from "./request_head_parser.ts";

/** The head of an HTTP/1 response: the status line and the header fields (RFC 9112, section 2.1). */
export class ResponseHead extends HeaderFieldList {
  /** The minor version: 1 for HTTP/1.1, which alone can be upgraded, or 0. */
  readonly minorVersion: number;
  /** The status code: 100 to 599. */
  readonly status: number;
  /** The reason phrase, or `""`. */
  readonly reason: string;

  /**
   * Creates a head of its parts, which are taken as they are.
   *
   * @param minorVersion The minor version: 0 or 1.
   * @param status The status code.
   * @param reason The reason phrase, or `""`.
   * @param fields The header fields, in order.
   */
  constructor(
    minorVersion: number,
    status: number,
    reason: string,
    fields: ReadonlyArray<readonly [name: string, value: string]>,
  ) {
    super(fields);
    this.minorVersion = minorVersion;
    this.status = status;
    this.reason = reason;
  }

  /** Copies the header fields for the program. */
  toHeaders(): Headers {
    const headers = new Headers();
    for (const [name, value] of this.fields) headers.append(name, value);
    return headers;
  }
}

const PREFIX = new TextEncoder().encode("HTTP/1.");
// RFC 9112, section 4, wants a space before an empty reason phrase. Servers leave it out, and nothing
// hangs on it.
const STATUS_LINE = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: ([\t\x20-\x7e\x80-\xff]*))?\r\n$/;

/**
 * Parses the head of an HTTP/1 response from bytes that may be cut anywhere, strictly as RFC 9112 has
 * it. Every byte is looked at once, and memory is used only for what arrived.
 *
 * @example
 * ```ts
 * import { ResponseHeadParser } from "@sluice/websocket/handshake";
 *
 * const parser = new ResponseHeadParser();
 * parser.push(new TextEncoder().encode("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"));
 * parser.push(new TextEncoder().encode("\r\nrest")); // 2: "rest" is not part of the head
 * parser.head?.status; // 101
 * parser.head?.getAll("upgrade"); // ["websocket"]
 * ```
 */
export class ResponseHeadParser {
  readonly #maxHeadSize: number;
  readonly #maxLineSize: number;
  readonly #scanner: FieldSectionScanner;
  readonly #buffer: HeadBuffer = new HeadBuffer();
  /** Where the status line ends, its CR LF included; 0 until it has. */
  #lineEnd = 0;
  #isAscii = true;
  #head: ResponseHead | undefined;

  /**
   * Creates a parser of one response head.
   *
   * @param limits What the head may cost. The defaults are those of a request's.
   * @throws {RangeError} Where a limit is neither a non-negative safe integer nor `Infinity`.
   */
  constructor(limits: Partial<RequestHeadLimits> = {}) {
    checkOptions("ResponseHeadParser", limits, HEAD_LIMITS);
    const { maxHeadSize = 16384, maxLineSize = 8192, maxFields = 100 } = limits;
    checkLimit("maxHeadSize", maxHeadSize, 0);
    checkLimit("maxLineSize", maxLineSize, 0);
    checkLimit("maxFields", maxFields, 0);
    this.#maxHeadSize = maxHeadSize;
    this.#maxLineSize = maxLineSize;
    this.#scanner = new FieldSectionScanner(
      maxLineSize,
      maxFields,
      (_status, reason) => refuse(reason),
    );
  }

  /** The head, once it is whole. */
  get head(): ResponseHead | undefined {
    return this.#head;
  }

  /**
   * Takes the next bytes, which are not changed. What belongs to the head is copied.
   *
   * @param bytes The bytes, cut anywhere.
   * @returns How many of the bytes belong to the head: all of them until the head is whole, 0 after
   * that.
   * @throws {UnexpectedResponseError} With status 0, where the bytes are no HTTP response, or too many.
   * The parser must not be used after that.
   */
  push(bytes: Uint8Array): number {
    if (this.#head !== undefined) return 0;
    const base = this.#buffer.length;
    const end = Math.min(bytes.length, this.#maxHeadSize - base);
    let i = 0;
    if (this.#lineEnd === 0) i = this.#scanStatusLine(bytes, end, base);
    if (this.#lineEnd !== 0) i = this.#scanner.scan(bytes, i, end, base);
    this.#buffer.append(bytes.subarray(0, i));
    if (this.#scanner.done) {
      this.#finish();
    } else if (i < bytes.length) {
      throw refuse(`its head is larger than ${this.#maxHeadSize} bytes`);
    }
    return i;
  }

  #scanStatusLine(bytes: Uint8Array, end: number, base: number): number {
    for (let i = 0; i < end; i++) {
      const offset = base + i;
      const byte = bytes[i]!;
      if (offset < PREFIX.length && byte !== PREFIX[offset]) {
        throw refuse(offset === 0 ? `it begins with ${describeByte(byte)}` : "it is no HTTP/1");
      }
      if (byte >= 0x80) this.#isAscii = false;
      if (byte === LF) {
        this.#lineEnd = offset + 1;
        return i + 1;
      }
      // The line's CR may be one more.
      if (offset > this.#maxLineSize) {
        throw refuse(`its status line is longer than ${this.#maxLineSize} bytes`);
      }
    }
    return end;
  }

  #finish(): void {
    const text = decodeLatin1(this.#buffer.bytes, this.#isAscii && this.#scanner.ascii);
    const match = STATUS_LINE.exec(text.slice(0, this.#lineEnd));
    if (match === null) throw refuse("malformed status line");
    const [, minorVersion, status, reason = ""] = match;
    this.#head = new ResponseHead(
      Number(minorVersion),
      Number(status),
      reason,
      this.#scanner.fields(text),
    );
  }
}

function refuse(reason: string): UnexpectedResponseError {
  return new UnexpectedResponseError(`Cannot parse the response: ${reason}`, 0);
}
