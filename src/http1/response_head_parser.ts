import { ByteCollector } from "../codec/byte_collector.ts";
import { UnexpectedResponseError } from "../errors.ts";
import { LF } from "./characters.ts";
import { FieldSectionScanner } from "./field_section.ts";
import { describeByte, describeHeadFault } from "./head_faults.ts";
import { type RequestHeadLimits, resolveHeadLimits } from "./head_limits.ts";
import { decodeLatin1 } from "./latin1.ts";
import { ResponseHead } from "./response_head.ts";

const PREFIX = new TextEncoder().encode("HTTP/1.");
// RFC 9112, section 4, requires a space before an empty reason phrase. Some servers omit it, which is
// harmless: the phrase has no meaning.
const STATUS_LINE = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: ([\t\x20-\x7e\x80-\xff]*))?\r\n$/;

/**
 * Parses the head of an HTTP/1 response from bytes that may be split anywhere, strictly by RFC 9112.
 * Every byte is scanned once, and memory is used only for bytes that arrived.
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
  readonly #limits: RequestHeadLimits;
  readonly #scanner: FieldSectionScanner;
  readonly #buffer: ByteCollector = new ByteCollector();
  /** The offset behind the status line's CR LF; 0 until it has arrived. */
  #lineEnd = 0;
  #isAscii = true;
  #head: ResponseHead | undefined;

  /**
   * Creates a parser of one response head.
   *
   * @param limits The limits of the head. The defaults are those of a request head.
   * @throws {RangeError} If a limit is neither a non-negative safe integer nor `Infinity`.
   * @throws {TypeError} If a limit is not a number, or its name is unknown.
   */
  constructor(limits: Partial<RequestHeadLimits> = {}) {
    this.#limits = resolveHeadLimits("ResponseHeadParser", limits);
    const { maxLineSize, maxFields } = this.#limits;
    this.#scanner = new FieldSectionScanner(
      maxLineSize,
      maxFields,
      (fault, value) => parseError(describeHeadFault(fault, value)[1]),
    );
  }

  /** The head, once it is complete. */
  get head(): ResponseHead | undefined {
    return this.#head;
  }

  /**
   * Takes the next bytes, which are not changed. The head's bytes are copied.
   *
   * @param bytes The bytes, split anywhere.
   * @returns How many of the bytes belong to the head: all of them until the head is complete, 0 after
   * that.
   * @throws {UnexpectedResponseError} With status 0, if the bytes are not an HTTP response or exceed a
   * limit. The parser must not be used after that.
   */
  push(bytes: Uint8Array): number {
    if (this.#head !== undefined) return 0;
    const { maxHeadSize } = this.#limits;
    const base = this.#buffer.length;
    const end = Math.min(bytes.length, maxHeadSize - base);
    let i = 0;
    if (this.#lineEnd === 0) i = this.#scanStatusLine(bytes, end, base);
    if (this.#lineEnd !== 0) i = this.#scanner.scan(bytes, i, end, base);
    this.#buffer.append(bytes, 0, i, Infinity);
    if (this.#scanner.done) {
      this.#finish();
    } else if (i < bytes.length) {
      throw parseError(`its head is larger than ${maxHeadSize} bytes`);
    }
    return i;
  }

  #scanStatusLine(bytes: Uint8Array, end: number, base: number): number {
    const { maxLineSize } = this.#limits;
    for (let i = 0; i < end; i++) {
      const offset = base + i;
      const byte = bytes[i]!;
      if (offset < PREFIX.length && byte !== PREFIX[offset]) {
        throw parseError(
          offset === 0 ? `it begins with ${describeByte(byte)}` : "it is not HTTP/1",
        );
      }
      if (byte >= 0x80) this.#isAscii = false;
      if (byte === LF) {
        this.#lineEnd = offset + 1;
        return i + 1;
      }
      // The line's CR may be one byte beyond the limit.
      if (offset > maxLineSize) {
        throw parseError(`its status line is longer than ${maxLineSize} bytes`);
      }
    }
    return end;
  }

  #finish(): void {
    const text = decodeLatin1(this.#buffer.borrow(), this.#isAscii && this.#scanner.ascii);
    const match = STATUS_LINE.exec(text.slice(0, this.#lineEnd));
    if (match === null) throw parseError("malformed status line");
    const [, minorVersion, status, reason = ""] = match;
    this.#head = new ResponseHead(
      Number(minorVersion),
      Number(status),
      reason,
      this.#scanner.fields(text),
    );
  }
}

function parseError(reason: string): UnexpectedResponseError {
  return new UnexpectedResponseError(`Cannot parse the response: ${reason}`, 0);
}
