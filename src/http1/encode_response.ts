import { checkBoolean, checkInteger, checkOptions, invalidType, type Names } from "../checks.ts";
import type { HandshakeError } from "../errors.ts";
import { concatBytes } from "../codec/byte_collector.ts";
import { dateNow, formatDate } from "../timers.ts";
import { isDate } from "../values.ts";
import { encodeField, entries, type HeaderFields, isSendable } from "./field_line.ts";
import { encodeLatin1 } from "./latin1.ts";
import { statusText } from "./status_text.ts";

/** The framing and the date of a response. */
export interface ResponseHeadOptions {
  /**
   * The length of the body in bytes. Without it there is no `Content-Length`, and the end of the connection
   * ends the body.
   */
  contentLength?: number | undefined;
  /** The value of `Date`, if the headers have none. Default: now. */
  date?: Date | undefined;
}

/** Options of {@linkcode encodeRefusal}. */
export interface RefusalOptions {
  /**
   * Whether the request was HEAD: then the body is omitted, but `Content-Length` still gives its length.
   *
   * @default {false}
   */
  isHead?: boolean | undefined;
  /** The value of `Date`. Default: now. */
  date?: Date | undefined;
}

const HEAD_OPTIONS: Names<ResponseHeadOptions> = { contentLength: true, date: true };
const REFUSAL_OPTIONS: Names<RefusalOptions> = { isHead: true, date: true };

/** Fields that apply to one connection only, and must not be forwarded (RFC 9110, section 7.6.1). */
const CONNECTION_FIELDS: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
]);

const utf8Encoder = new TextEncoder();

/**
 * Encodes the whole response that refuses a request. The body is the error's message, as one line of plain
 * text. The caller closes the connection after it.
 *
 * @param error The reason for the refusal.
 * @param options Whether the request was HEAD, and the date.
 * @throws {RangeError} If the error's status is not from 400 to 599.
 * @throws {TypeError} If an option is unknown or of another type, or a header field of the error can't be
 * sent. The message names it.
 */
export function encodeRefusal(
  error: HandshakeError,
  options: RefusalOptions = {},
): Uint8Array<ArrayBuffer> {
  checkOptions("encodeRefusal", options, REFUSAL_OPTIONS);
  checkBoolean("isHead", options.isHead);
  if (!(error.status >= 400)) {
    throw new RangeError(`status must be from 400 to 599, got ${error.status}`);
  }
  const body = utf8Encoder.encode(`${error.message.replaceAll(/[\r\n]+/g, " ")}\n`);
  const head = encodeResponseHead(
    error.status,
    "",
    [["Content-Type", "text/plain; charset=utf-8"], ...error.headers],
    { contentLength: body.length, date: options.date },
  );
  // "The server MUST NOT send content in the response" to HEAD (RFC 9110, section 9.3.2).
  if (options.isHead) return head;
  return concatBytes([head, body], head.length + body.length);
}

/**
 * Encodes the head of a plain HTTP response. The caller closes the connection after the response.
 *
 * Fields that apply to one connection only (`Connection`, `Keep-Alive`, `Transfer-Encoding`,
 * `Content-Length` and others) are omitted from `headers`, so that a response fetched from another server
 * can be forwarded. `Upgrade` is sent, since a 426 needs it.
 *
 * @param status The status code: 200 to 599.
 * @param reason The reason phrase; `""` for the registered one.
 * @param headers The header fields.
 * @param options The length of the body, and the date.
 * @throws {RangeError} If the status is not an integer from 200 to 599, or the length is not a non-negative
 * safe integer.
 * @throws {TypeError} If an option is unknown or of another type, or the reason phrase or a header field
 * can't be sent. The message names it.
 */
export function encodeResponseHead(
  status: number,
  reason: string,
  headers: HeaderFields,
  options: ResponseHeadOptions = {},
): Uint8Array<ArrayBuffer> {
  checkOptions("encodeResponseHead", options, HEAD_OPTIONS);
  const { contentLength, date } = options;
  checkDate(date);
  if (!Number.isInteger(status) || status < 200 || status > 599) {
    throw new RangeError(`status must be an integer from 200 to 599, got ${status}`);
  }
  if (!isSendable(reason)) {
    throw new TypeError(
      "The reason phrase must not have control characters or characters above U+00FF",
    );
  }
  let fields = "";
  let hasDate = false;
  let hasUpgrade = false;
  for (const [name, value] of entries(headers)) {
    const lowerName = name.toLowerCase();
    if (CONNECTION_FIELDS.has(lowerName)) continue;
    hasDate ||= lowerName === "date";
    hasUpgrade ||= lowerName === "upgrade";
    fields += encodeField(name, value);
  }
  // "A sender of Upgrade MUST also send an 'Upgrade' connection option" (RFC 9110, section 7.8).
  const connection = hasUpgrade ? "close, Upgrade" : "close";
  let text = `HTTP/1.1 ${status} ${reason || statusText(status)}\r\nConnection: ${connection}\r\n`;
  if (contentLength !== undefined) {
    checkInteger("contentLength", contentLength, 0, Number.MAX_SAFE_INTEGER);
    text += `Content-Length: ${contentLength}\r\n`;
  }
  // "An origin server with a clock MUST generate a Date header field" (RFC 9110, section 6.6.1).
  if (!hasDate) text += `Date: ${date?.toUTCString() ?? formatDate(dateNow())}\r\n`;
  return encodeLatin1(`${text}${fields}\r\n`);
}

function checkDate(date: Date | undefined): void {
  if (date === undefined || (isDate(date) && !Number.isNaN(date.getTime()))) return;
  throw invalidType("date", "a valid Date", date);
}
