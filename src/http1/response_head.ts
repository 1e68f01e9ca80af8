import { checkBoolean, checkInteger, checkOptions, type Names, show } from "../checks.ts";
import type { HandshakeError } from "../errors.ts";
import { isToken } from "./characters.ts";
import {
  encodeField,
  entries,
  HANDSHAKE_FIELDS,
  type HeaderFields,
  isSendable,
} from "./field_line.ts";
import { dateNow, formatDate } from "../timers.ts";
import { isDate } from "../values.ts";
import { encodeLatin1 } from "./latin1.ts";
import { statusText } from "./status_text.ts";

/** What a 101 response says. */
export interface SwitchingProtocols {
  /** The value of `Sec-WebSocket-Accept`. */
  accept: string;
  /** The subprotocol selected. Default: none. */
  protocol?: string | undefined;
  /** The value of `Sec-WebSocket-Extensions`. Default: none. */
  extensions?: string | undefined;
  /** More header fields. Default: none. */
  headers?: HeaderFields | undefined;
}

/** How a response is framed. */
export interface ResponseHeadOptions {
  /**
   * The length of the body in bytes. Without it there is no `Content-Length`, and the body ends where
   * the connection does.
   */
  contentLength?: number | undefined;
  /** The value of `Date`, where the headers have none. Default: now. */
  date?: Date | undefined;
}

/** How a refusal is encoded. */
export interface RefusalOptions {
  /**
   * Whether the request was HEAD: the body is left out, of which the head still tells the length.
   *
   * @default {false}
   */
  isHead?: boolean | undefined;
  /** The value of `Date`. Default: now. */
  date?: Date | undefined;
}

const SWITCHING_PROTOCOLS: Names<SwitchingProtocols> = {
  accept: true,
  protocol: true,
  extensions: true,
  headers: true,
};
const HEAD_OPTIONS: Names<ResponseHeadOptions> = { contentLength: true, date: true };
const REFUSAL_OPTIONS: Names<RefusalOptions> = { isHead: true, date: true };

/** What describes one connection, and never passes to another (RFC 9110, section 7.6.1). */
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
 * Encodes the response that completes the handshake (RFC 6455, section 4.2.2).
 *
 * @param response What the response says.
 * @throws {TypeError} Where a header field or the subprotocol can't be sent, or is the handshake's own to
 * set, or a name in `response` is unknown. The message names it.
 */
export function encodeSwitchingProtocols(response: SwitchingProtocols): Uint8Array<ArrayBuffer> {
  checkOptions("encodeSwitchingProtocols", response, SWITCHING_PROTOCOLS);
  const { accept, protocol, extensions, headers } = response;
  let text = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
    encodeField("Sec-WebSocket-Accept", accept);
  if (protocol !== undefined) {
    if (typeof protocol !== "string" || !isToken(protocol)) {
      throw new TypeError(`Cannot send the subprotocol ${show(protocol)}: it must be a token`);
    }
    text += encodeField("Sec-WebSocket-Protocol", protocol);
  }
  if (extensions !== undefined) text += encodeField("Sec-WebSocket-Extensions", extensions);
  for (const [name, value] of entries(headers)) {
    if (HANDSHAKE_FIELDS.has(name.toLowerCase())) {
      throw new TypeError(
        `Cannot set the header ${JSON.stringify(name)}: it belongs to the handshake`,
      );
    }
    text += encodeField(name, value);
  }
  return encodeLatin1(`${text}\r\n`);
}

/**
 * Encodes the response that refuses a request, whole: the reason is its body, one line of plain text, and
 * the connection is to be closed after it.
 *
 * @param error Why the request is refused.
 * @param options Whether the request was HEAD, and the date.
 * @throws {RangeError} Where the status of the error is not from 400 to 599.
 * @throws {TypeError} Where an option is unknown or of another type, or a header field of the error can't be
 * sent. The message names it.
 */
export function encodeRefusal(
  error: HandshakeError,
  options: RefusalOptions = {},
): Uint8Array<ArrayBuffer> {
  checkOptions("encodeRefusal", options, REFUSAL_OPTIONS);
  checkBoolean("isHead", options.isHead);
  if (!(error.status >= 400)) {
    throw new RangeError(`Cannot refuse a request with status ${error.status}: from 400 to 599`);
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
  const response = new Uint8Array(head.length + body.length);
  response.set(head);
  response.set(body, head.length);
  return response;
}

/**
 * Encodes the head of a plain HTTP response, after which the connection is to be closed.
 *
 * Fields that describe a connection (`Connection`, `Keep-Alive`, `Transfer-Encoding`, `Content-Length`
 * and others) are this connection's own: those in `headers` are left out, so that a response that
 * was fetched elsewhere can be passed on. `Upgrade` is sent, as 426 needs it.
 *
 * @param status The status code: 200 to 599.
 * @param reason The reason phrase; where it is `""`, the registered one.
 * @param headers The header fields.
 * @param options The length of the body, and the date.
 * @throws {RangeError} Where the status is not an integer from 200 to 599, or the length is not a
 * non-negative safe integer.
 * @throws {TypeError} Where an option is unknown or of another type, or the reason phrase or a header field
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
    throw new RangeError(`Cannot send the status ${status}: it must be from 200 to 599`);
  }
  if (!isSendable(reason)) {
    throw new TypeError("Cannot send the reason phrase: it has a control or non-Latin-1 character");
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
  throw new TypeError(`Cannot use ${show(date)} as date: it is a valid Date`);
}
