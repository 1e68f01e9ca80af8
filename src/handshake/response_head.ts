import type { HandshakeError } from "../errors.ts";
import { isToken } from "./characters.ts";
import {
  encodeField,
  entries,
  HANDSHAKE_FIELDS,
  type HeaderFields,
  isSendable,
} from "./field_line.ts";
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
 * set. The message names the field.
 */
export function encodeSwitchingProtocols(response: SwitchingProtocols): Uint8Array<ArrayBuffer> {
  const { accept, protocol, extensions, headers } = response;
  let text = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
    encodeField("Sec-WebSocket-Accept", accept);
  if (protocol !== undefined) {
    if (!isToken(protocol)) {
      throw new TypeError("Cannot send the subprotocol: it must be a token");
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
 * @throws {TypeError} Where a header field of the error can't be sent. The message names the field.
 */
export function encodeRefusal(
  error: HandshakeError,
  options: RefusalOptions = {},
): Uint8Array<ArrayBuffer> {
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
 * @throws {TypeError} Where the reason phrase or a header field can't be sent. The message names the field.
 */
export function encodeResponseHead(
  status: number,
  reason: string,
  headers: HeaderFields,
  options: ResponseHeadOptions = {},
): Uint8Array<ArrayBuffer> {
  const { contentLength, date } = options;
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
    if (!Number.isSafeInteger(contentLength) || contentLength < 0) {
      throw new RangeError(`Cannot send a body of ${contentLength} bytes`);
    }
    text += `Content-Length: ${contentLength}\r\n`;
  }
  // "An origin server with a clock MUST generate a Date header field" (RFC 9110, section 6.6.1).
  if (!hasDate) text += `Date: ${(date ?? new Date()).toUTCString()}\r\n`;
  return encodeLatin1(`${text}${fields}\r\n`);
}
