/**
 * The errors Sluice throws. Mistakes of the *peer* and ends of connections are
 * {@linkcode WebSocketError}s; mistakes of the *caller* are a built-in `TypeError`, `RangeError` or
 * `InvalidStateError`.
 *
 * @module
 */

/** Options of {@linkcode WebSocketError}. */
export interface WebSocketErrorOptions extends ErrorOptions {
  /**
   * The status code to close a connection with (RFC 6455, section 7.4): 1000 to 1003, 1007 to 1014 or 3000
   * to 4999. Default: 1000 if there is a reason, otherwise none.
   */
  closeCode?: number | undefined;
  /** The reason sent with the code, at most 123 bytes of UTF-8. Default: `""`. */
  reason?: string | undefined;
}

/**
 * The base class of every error that concerns the peer or the connection.
 *
 * An error with a close code sets the code and reason that the connection is closed with: if a handler, a
 * callback or a listener throws it, or if it is the reason to cancel `conn.readable` or to abort
 * `conn.writable`, as with the `WebSocketError` of the WebSocketStream draft. Like every thrown error, it
 * is also reported to `onError`.
 *
 * @example
 * ```ts
 * import { serve, WebSocketError } from "@sluice/websocket";
 *
 * await serve({ port: 8080 }, async (conn) => {
 *   const reader = conn.readable.getReader();
 *   const { value } = await reader.read();
 *   if (value !== "please") {
 *     await reader.cancel(new WebSocketError("Rude", { closeCode: 4001, reason: "Say please" }));
 *   }
 * });
 * ```
 */
export class WebSocketError extends Error {
  /** The name of the error class. */
  override name = "WebSocketError";
  /** The status code of a Close frame (RFC 6455, section 7.4), if the error has one. */
  declare readonly closeCode?: number;
  /** The reason that goes with the code (section 7.1.6); present if there is a code. */
  declare readonly reason?: string;

  /**
   * Creates an error.
   *
   * @param message What went wrong. Default: `""`.
   * @param options The close code and its reason, and a `cause`. Code and reason are not checked here:
   * if `close()` would refuse them, the connection is closed with 1011.
   */
  constructor(message = "", options: WebSocketErrorOptions = {}) {
    super(message, options);
    const { reason = "", closeCode = reason === "" ? undefined : 1000 } = options;
    if (closeCode !== undefined) Object.assign(this, { closeCode, reason });
  }
}

/**
 * The peer broke the protocol. The connection is failed with
 * {@linkcode ProtocolError.closeCode} (RFC 6455, section 7.1.7).
 */
export class ProtocolError extends WebSocketError {
  /** The name of the error class. */
  override name = "ProtocolError";
  /** The status code the connection is failed with: 1002, 1007, 1008 or 1009 (section 7.4.1). */
  override readonly closeCode: number;

  /**
   * Creates a protocol error.
   *
   * @param closeCode The status code to fail the connection with.
   * @param message What the peer did, and what is allowed.
   */
  constructor(closeCode: number, message: string) {
    super(message);
    this.closeCode = closeCode;
  }
}

/**
 * A frame or message is larger than the limit. The connection is failed with 1009 (RFC 6455,
 * section 7.4.1), before any payload past the limit is buffered.
 */
export class MessageTooBigError extends ProtocolError {
  /** The name of the error class. */
  override name = "MessageTooBigError";
  /** The size seen so far, in bytes; what the frame header declared counts as seen. */
  readonly size: number;
  /** The limit, in bytes. */
  readonly maxSize: number;

  /**
   * Creates an error for a message that is larger than allowed.
   *
   * @param size The size of the message so far, in bytes.
   * @param maxSize The limit, in bytes.
   */
  constructor(size: number, maxSize: number) {
    super(1009, `Cannot receive a message of ${size} bytes: at most ${maxSize} are allowed`);
    this.size = size;
    this.maxSize = maxSize;
  }
}

/**
 * An opening handshake that must be refused with an HTTP response (RFC 6455, section 4.2.2).
 */
export class HandshakeError extends WebSocketError {
  /** The name of the error class. */
  override name = "HandshakeError";
  /** The HTTP status to answer with: 400 to 599. */
  readonly status: number;
  /** Header fields the answer must carry, such as `Sec-WebSocket-Version: 13` with 426. */
  readonly headers: ReadonlyArray<readonly [name: string, value: string]>;

  /**
   * Creates a handshake error.
   *
   * @param status The HTTP status to answer with: 400 to 599.
   * @param message The reason, one line of plain text that is safe to show to the client.
   * @param headers Header fields the answer must carry. Default: none.
   */
  constructor(
    status: number,
    message: string,
    headers: ReadonlyArray<readonly [name: string, value: string]> = [],
  ) {
    super(message);
    this.status = status;
    this.headers = headers;
  }
}

/** An operation needs an open connection, and the connection is closing or closed. */
export class ConnectionClosedError extends WebSocketError {
  /** The name of the error class. */
  override name = "ConnectionClosedError";
  /** The status code the connection closed with; 1006 if no Close frame was received (section 7.1.5). */
  override readonly closeCode: number;
  /** The reason that came with the code, or `""` (section 7.1.6). */
  override readonly reason: string;

  /**
   * Creates an error for a connection that closed with `closeCode`.
   *
   * @param message The operation that failed.
   * @param closeCode The status code that the connection closed with.
   * @param reason The reason that came with the code. Default: `""`.
   */
  constructor(message: string, closeCode: number, reason = "") {
    super(`${message} (${closeCode}${reason === "" ? "" : ` ${reason}`})`);
    this.closeCode = closeCode;
    this.reason = reason;
  }
}

/** The server could not start to listen. The same on every runtime. */
export class ListenError extends Error {
  /** The name of the error class. */
  override name = "ListenError";
  /** The system's error code, such as `"EADDRINUSE"`, or `"EINVAL"` for a bad certificate. */
  readonly code: string;

  /**
   * Creates a listen error.
   *
   * @param code The system's error code, such as `"EADDRINUSE"`.
   * @param message The address, and what went wrong.
   * @param cause The runtime's own error.
   */
  constructor(code: string, message: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
  }
}

/** The client could not connect. The same on every runtime. */
export class ConnectError extends WebSocketError {
  /** The name of the error class. */
  override name = "ConnectError";
  /**
   * The system's error code, such as `"ECONNREFUSED"`, `"ENOTFOUND"`, `"ETIMEDOUT"` or `"ECONNRESET"`.
   * If the server's certificate is not trusted, Node's code, such as `"DEPTH_ZERO_SELF_SIGNED_CERT"` or
   * `"ERR_TLS_CERT_ALTNAME_INVALID"`. `"EPROTO"` if TLS fails otherwise; the message says how, for example
   * by the alert that the server sent. `"EINVAL"` if the client's own certificate can't be used.
   */
  readonly code: string;

  /**
   * Creates a connect error.
   *
   * @param code The system's error code, such as `"ECONNREFUSED"`.
   * @param message The address, and what went wrong.
   * @param cause The runtime's own error.
   */
  constructor(code: string, message: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
  }
}

/**
 * The server answered the opening handshake with something other than a valid `101 Switching
 * Protocols` (RFC 6455, section 4.1).
 */
export class UnexpectedResponseError extends WebSocketError {
  /** The name of the error class. */
  override name = "UnexpectedResponseError";
  /** The HTTP status; 0 if the answer is not HTTP. */
  readonly status: number;
  /** The header fields of the answer; empty if it is not HTTP. */
  readonly headers: Headers;
  /** The beginning of the answer's body, as text; `""` if there is none. */
  readonly body: string;

  /**
   * Creates an error for an answer.
   *
   * @param message What is wrong with the answer.
   * @param status The HTTP status; 0 if the answer is not HTTP.
   * @param headers The header fields of the answer. Default: none.
   * @param body The beginning of the answer's body, as text. Default: `""`.
   */
  constructor(message: string, status: number, headers: Headers = new Headers(), body = "") {
    super(message);
    this.status = status;
    this.headers = headers;
    this.body = body;
  }
}
