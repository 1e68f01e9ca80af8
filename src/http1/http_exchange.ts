import { ByteCollector, cloneBytes } from "../codec/byte_collector.ts";
import { ConnectError } from "../errors.ts";
import { createDeferred, type Deferred, RESOLVED } from "../promises.ts";
import { setImmediate } from "../timers.ts";
import type { ByteChannel, ByteChannelHandler } from "../transport/byte_channel.ts";
import type { RequestHeadLimits } from "./head_limits.ts";
import { decodeBody, isBodyComplete } from "./response_body.ts";
import { responseError, type ResponseHead } from "./response_head.ts";
import { ResponseHeadParser } from "./response_head_parser.ts";

/** A response head, and the bytes that arrived behind it. */
export interface HttpResponse {
  readonly head: ResponseHead;
  readonly received: Uint8Array;
}

/** How many interim responses, such as 103, may precede the final one. */
const MAX_INTERIM = 8;
/** How much of the body of a refusal is read, to show it to the program. */
const MAX_BODY_SIZE = 16 * 1024;

/**
 * One HTTP request on a channel, and its response (RFC 9112). It handles the channel's events from the first
 * one on, until a successor replaces it as the channel's handler.
 */
export class HttpExchange implements ByteChannelHandler {
  /** The channel; set once it is open. Its first events may come earlier. */
  channel!: ByteChannel;
  readonly #headLimits: RequestHeadLimits;
  readonly #response: Deferred<HttpResponse> = createDeferred();
  readonly #bodyEnd: Deferred<void> = createDeferred();
  /** Set if the channel did not take the request at once. */
  #written: Deferred<void> | undefined;
  #parser: ResponseHeadParser;
  #interim = 0;
  #head: ResponseHead | undefined;
  /** Set while a body is being received. */
  #body: ByteCollector | undefined;
  isClosed = false;

  constructor(headLimits: RequestHeadLimits) {
    this.#headLimits = headLimits;
    this.#parser = new ResponseHeadParser(headLimits);
  }

  /**
   * Sends the request, and resolves to the response once its head is complete. The channel is paused then.
   *
   * @throws {UnexpectedResponseError} If the response is not HTTP.
   * @throws {ConnectError} If the channel was lost.
   */
  send(request: Uint8Array): Promise<HttpResponse> {
    if (!this.isClosed && !this.channel.write([request])) this.#written = createDeferred();
    return this.#response.promise;
  }

  /**
   * Resolves when the channel has taken the request, or is closed. A server may respond before that, and
   * a successor must not get the `drain()` of this request.
   */
  untilWritten(): Promise<void> {
    return this.#written?.promise ?? RESOLVED;
  }

  /**
   * Receives the body until it is complete or 16 KiB long, the server ends the connection, or the signal
   * aborts.
   *
   * @returns The bytes that arrived, as text.
   */
  async receiveBody({ head, received }: HttpResponse, signal: AbortSignal): Promise<string> {
    this.#body = new ByteCollector();
    this.#collect(received);
    const stop = () => this.#bodyEnd.resolve();
    if (signal.aborted || this.isClosed) stop();
    signal.addEventListener("abort", stop, { once: true });
    this.channel.resume();
    await this.#bodyEnd.promise;
    signal.removeEventListener("abort", stop);
    return decodeBody(head, this.#body.bytes);
  }

  receive(bytes: Uint8Array): void {
    if (this.#body !== undefined) this.#collect(bytes);
    else if (this.#head === undefined) this.#parse(bytes);
  }

  receiveEnd(): void {
    const error = new ConnectError(
      "ECONNRESET",
      "Cannot connect: the server ended the connection before its response was complete",
    );
    // If the server refused the client by a TLS alert, Bun reports the end first, and then the alert.
    setImmediate(() => this.#response.reject(error));
    this.#bodyEnd.resolve();
  }

  drain(): void {
    this.#written?.resolve();
  }

  receiveClosed(error?: unknown): void {
    this.isClosed = true;
    this.#written?.resolve();
    this.#response.reject(
      error instanceof ConnectError ? error : new ConnectError(
        "ECONNRESET",
        "Cannot connect: the connection was lost before a response arrived",
        error,
      ),
    );
    this.#bodyEnd.resolve();
  }

  #parse(bytes: Uint8Array): void {
    let start = 0;
    try {
      while (start < bytes.length) {
        start += this.#parser.push(bytes.subarray(start));
        const { head } = this.#parser;
        if (head === undefined) return;
        // "A client MUST be able to parse one or more 1xx responses received prior to a final
        // response" (RFC 9110, section 15.2).
        if (head.status >= 200 || head.status === 101) {
          this.#head = head;
          this.channel?.pause();
          this.#response.resolve({ head, received: cloneBytes(bytes, start, bytes.length) });
          return;
        }
        if (++this.#interim > MAX_INTERIM) {
          throw responseError(head, `more than ${MAX_INTERIM} interim responses preceded it`);
        }
        this.#parser = new ResponseHeadParser(this.#headLimits);
      }
    } catch (error) {
      this.#response.reject(error);
    }
  }

  #collect(bytes: Uint8Array): void {
    const body = this.#body!;
    body.append(bytes, 0, Math.min(bytes.length, MAX_BODY_SIZE - body.length), Infinity);
    if (body.length === MAX_BODY_SIZE || isBodyComplete(this.#head!, body.bytes)) {
      this.#bodyEnd.resolve();
    }
  }
}
