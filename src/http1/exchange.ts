import { cloneBytes } from "../codec/byte_collector.ts";
import type { ByteChannel, ByteChannelHandler } from "../transport/byte_channel.ts";
import { createDeferred, type Deferred, RESOLVED } from "../promises.ts";
import { ConnectError, UnexpectedResponseError } from "../errors.ts";
import { HeadBuffer } from "./head_buffer.ts";
import type { RequestHeadLimits } from "./request_head_parser.ts";
import { type ResponseHead, ResponseHeadParser } from "./response_head_parser.ts";
import { decodeBody, isBodyWhole } from "./response_body.ts";
import { setImmediate } from "../timers.ts";

/** A response: its head, and what has arrived behind it. */
export interface Answer {
  readonly head: ResponseHead;
  readonly received: Uint8Array;
}

/** How many interim responses are passed over, such as 103. */
const MAX_INTERIM = 8;
/** How much of a body is kept, to say why a request was refused. */
const MAX_BODY_SIZE = 16 * 1024;

/**
 * One request on a channel, and its response (RFC 9112). It is the channel's handler from its first
 * event until somebody else takes over, who is given what arrived behind the response.
 */
export class Exchange implements ByteChannelHandler {
  readonly #headLimits: RequestHeadLimits;
  readonly #answer: Deferred<Answer> = createDeferred();
  readonly #bodyEnd: Deferred<void> = createDeferred();
  /** There once the channel has said that it takes the request only later. */
  #taken: Deferred<void> | undefined;
  #channel: ByteChannel | undefined;
  #parser: ResponseHeadParser;
  #interim = 0;
  #head: ResponseHead | undefined;
  /** There while a body is being received. */
  #body: HeadBuffer | undefined;
  #isClosed = false;

  constructor(headLimits: RequestHeadLimits) {
    this.#headLimits = headLimits;
    this.#parser = new ResponseHeadParser(headLimits);
  }

  /** Whether the channel has been lost already. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /**
   * Sends the request, and gives the response once its head is whole. The channel is paused then.
   *
   * @throws {UnexpectedResponseError} Where the answer is no HTTP.
   * @throws {ConnectError} Where the channel was lost.
   */
  send(channel: ByteChannel, request: Uint8Array): Promise<Answer> {
    this.#channel = channel;
    if (!this.#isClosed && !channel.write([request])) this.#taken = createDeferred();
    return this.#answer.promise;
  }

  /**
   * Waits until the channel has taken the request, or is gone. A server may answer before: whoever
   * then writes to the channel must not be told of the request as if it were theirs.
   */
  untilTaken(): Promise<void> {
    return this.#taken?.promise ?? RESOLVED;
  }

  /**
   * Receives the beginning of the body, until it is whole, the server ends, or the signal aborts.
   *
   * @returns What has arrived, as text.
   */
  async receiveBody({ head, received }: Answer, signal: AbortSignal): Promise<string> {
    this.#body = new HeadBuffer();
    this.#collect(received);
    const stop = () => this.#bodyEnd.resolve();
    if (signal.aborted || this.#isClosed) stop();
    signal.addEventListener("abort", stop, { once: true });
    this.#channel?.resume();
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
      "Cannot connect: the server ended before its answer was whole",
    );
    // Bun tells of the end first where the server has refused the client by TLS, and then why.
    setImmediate(() => this.#fail(error));
    this.#bodyEnd.resolve();
  }

  drain(): void {
    this.#taken?.resolve();
  }

  receiveClosed(error?: unknown): void {
    this.#isClosed = true;
    this.#taken?.resolve();
    this.#fail(
      error instanceof ConnectError ? error : new ConnectError(
        "ECONNRESET",
        "Cannot connect: the connection was lost before an answer",
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
          this.#channel?.pause();
          this.#answer.resolve({ head, received: cloneBytes(bytes, start, bytes.length) });
          return;
        }
        if (++this.#interim > MAX_INTERIM) {
          throw new UnexpectedResponseError(
            `Cannot accept the response: more than ${MAX_INTERIM} interim ones came before it`,
            head.status,
            head.toHeaders(),
          );
        }
        this.#parser = new ResponseHeadParser(this.#headLimits);
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  #collect(bytes: Uint8Array): void {
    const body = this.#body!;
    body.append(bytes.subarray(0, MAX_BODY_SIZE - body.length));
    if (body.length === MAX_BODY_SIZE || isBodyWhole(this.#head!, body.bytes)) {
      this.#bodyEnd.resolve();
    }
  }

  #fail(error: unknown): void {
    this.#answer.reject(error);
  }
}
