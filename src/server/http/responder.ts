import { MAX_DURATION_MS } from "../../timers.ts";
import { HandshakeError } from "../../errors.ts";
import { isError, reportError } from "../../hooks.ts";
import { encodeRefusal } from "../../http1/encode_response.ts";
import { type ResponseWriter, sendResponse } from "../../http1/send_response.ts";
import type { ByteChannel } from "../../transport/byte_channel.ts";
import type { Clock } from "../../transport/clock.ts";
import type { OpeningHandshake } from "../opening_handshake.ts";
import type { ServedRequest } from "./served_request.ts";

const INTERNAL_ERROR = new HandshakeError(500, "Internal server error");
const CUT =
  "Cannot send the rest of the response: the server is short of memory, and the client takes nothing";
/** The largest share of the budget that a response counts for if its client does not read it. */
const MAX_RESPONSE_SHARE = 3 / 8;
/** How much of a response the system holds at most, in MiB. */
const MAX_IN_SYSTEM = 8;
const MiB = 1024 * 1024;
const CONTINUE = new TextEncoder().encode("HTTP/1.1 100 Continue\r\n\r\n");

/** Chunks are written in pieces of this size, in bytes. The client has a timeout for each. */
const PIECE_SIZE = 64 * 1024;
/** Up to this size, in bytes, a chunk counts as sent at once. */
const MAX_SMALL = 4 * 1024;
/** A client that reads nothing for this time, in milliseconds, is stalled. */
const STALL_MS = 2_000;

/** Sends the one HTTP response of a handshake, with backpressure by promises, and ends the channel behind it. */
export class Responder<Data> implements ResponseWriter {
  readonly #served: ServedRequest<Data>;
  readonly #handshake: OpeningHandshake<Data>;
  readonly #channel: ByteChannel;
  readonly #clock: Clock;
  /** The number of bytes that were written. */
  written = 0;
  /** The size of the response, once all of it was given to the channel. */
  #sentSize: number | undefined;
  /** Set while a chunk waits for the client to read. */
  #drained: PromiseWithResolvers<void> | undefined;
  /** The size of the chunk that was written last. */
  #chunkSize = 0;
  /** Whether the client has read nothing for `STALL_MS`. */
  #isStalled = false;
  #timer: unknown;
  /** How long the client may take to read a piece, in milliseconds: after it the channel is aborted. */
  #timeoutMs: number;
  closed = false;
  closeReason: unknown;
  onClose: (() => void) | undefined;

  constructor(served: ServedRequest<Data>) {
    const { handshake } = served;
    const { channel, settings } = handshake;
    this.#served = served;
    this.#handshake = handshake;
    this.#channel = channel;
    this.#clock = settings.connection.clock;
    // A refusal by this library is a part of the handshake, and has its timeout.
    this.#timeoutMs = settings.handshakeTimeoutMs;
  }

  /** Whether the client has to read before more is written. */
  get isWaiting(): boolean {
    return this.#drained !== undefined;
  }

  /** Whether all of the response was given to the channel. */
  get isSent(): boolean {
    return this.#sentSize !== undefined;
  }

  /** Whether, as far as can be told, the whole response was sent: only the client's end is waited for. */
  get isAnswered(): boolean {
    return this.#sentSize !== undefined && this.#sentSize <= PIECE_SIZE;
  }

  /** The size of the chunk being sent, in bytes: it is held whole until its last byte is sent. */
  get heldSize(): number {
    return this.#drained === undefined || this.#chunkSize <= MAX_SMALL ? 0 : this.#chunkSize;
  }

  /**
   * What the budget counts of the response: nothing while the client reads it. The program has created the
   * chunk that is sent, maybe one for many, and sending it takes no more memory. One response that is larger
   * than the budget must not make memory short.
   */
  get stalledSize(): number {
    const { budget } = this.#handshake;
    if (budget === undefined || !this.#isStalled) return 0;
    return Math.min(this.heldSize, Math.floor(budget.limit * MAX_RESPONSE_SHARE));
  }

  /** Asks the client for the body of its request (RFC 9110, section 10.1.1). */
  async sendContinue(): Promise<void> {
    await this.write(CONTINUE);
  }

  /** Sends a refusal, or 500 if the error is none. */
  async refuse(error: unknown): Promise<void> {
    await this.#answer(() => {
      if (!isError(error, HandshakeError)) throw error;
      return this.#writeRefusal(error);
    });
  }

  /** Sends a response of the program. */
  async respond(response: Response, isHead: boolean): Promise<void> {
    this.#timeoutMs = this.#handshake.settings.responseTimeoutMs;
    await this.#answer(() => sendResponse(this, response, isHead));
  }

  async #answer(send: () => Promise<void>): Promise<void> {
    const handshake = this.#handshake;
    const served = this.#served;
    const { written } = this;
    try {
      await send();
    } catch (error) {
      if (!served.isGivenUp(error)) reportError(handshake.settings.onError, error);
      if (this.written > written) {
        // A response that is incomplete must not look complete.
        handshake.drop(error);
        return;
      }
      await this.#writeRefusal(INTERNAL_ERROR);
    }
    if (handshake.isClosed) return;
    this.#sentSize = this.written - written;
    if (this.isAnswered) handshake.slot?.move("silent");
    handshake.channel.end();
    this.#waitForEnd();
  }

  #writeRefusal(error: HandshakeError): Promise<void> {
    const isHead = this.#handshake.head?.method === "HEAD";
    this.#served.refusal = error;
    return this.write(encodeRefusal(error, { isHead }));
  }

  /** Aborts the channel unless the client ends its side in time. */
  #waitForEnd(): void {
    const { connection: { closeTimeoutMs }, responseTimeoutMs } = this.#handshake.settings;
    let delayMs = closeTimeoutMs;
    if (!this.isAnswered) {
      // The system may hold megabytes of it, and does not tell how much the client reads of them.
      const parts = Math.min(Math.ceil(this.#sentSize! / MiB), MAX_IN_SYSTEM);
      delayMs = Math.max(delayMs, responseTimeoutMs * parts);
    }
    this.#served.startTimer(() => {
      if (this.isAnswered) this.#handshake.channel.abort();
      else this.#handshake.cut();
    }, delayMs === Infinity ? Infinity : Math.min(delayMs, MAX_DURATION_MS));
  }

  /** Aborts the channel because memory is short, if the client does not read the response. */
  shed(): boolean {
    if (this.stalledSize === 0) return false;
    const error = new Error(CUT);
    reportError(this.#handshake.settings.onError, error);
    this.#handshake.cut(error);
    return true;
  }

  // ---- Writing ----

  /** Writes a chunk. Resolves when the next one may be written, or the channel is closed. */
  async write(chunk: Uint8Array): Promise<void> {
    for (let start = 0; start < chunk.length; start += PIECE_SIZE) {
      await this.#writePiece(chunk.subarray(start, start + PIECE_SIZE), chunk.length);
    }
  }

  async #writePiece(piece: Uint8Array, chunkSize: number): Promise<void> {
    // The response to a deadline may be written while an earlier chunk waits.
    while (this.#drained !== undefined) await this.#drained.promise;
    if (this.closed) return;
    this.written += piece.length;
    if (this.#channel.write([piece])) return;
    this.#chunkSize = chunkSize;
    this.#drained = Promise.withResolvers();
    this.#watch(0);
    await this.#drained.promise;
  }

  /** Watches a client that has read nothing for `stalledMs`. */
  #watch(stalledMs: number): void {
    const delayMs = Math.min(STALL_MS, this.#timeoutMs - stalledMs);
    this.#timer = this.#clock.setTimeout(() => {
      if (stalledMs + delayMs >= this.#timeoutMs) {
        const message = `The client has taken nothing of the response for ${this.#timeoutMs} ms`;
        this.#handshake.cut(new DOMException(message, "TimeoutError"));
        return;
      }
      this.#isStalled = true;
      this.#watch(stalledMs + delayMs);
      this.#tellStall();
    }, delayMs);
  }

  /** The channel has taken the last write. */
  drain(): void {
    if (this.#drained === undefined) return;
    this.#clock.clearTimeout(this.#timer);
    this.#drained.resolve();
    this.#drained = undefined;
    if (!this.#isStalled) return;
    this.#isStalled = false;
    this.#handshake.recountHeld();
  }

  #tellStall(): void {
    const held = this.#handshake.recountHeld();
    const { budget } = this.#handshake;
    // Others must not have to wait for it.
    if (budget?.isShort && held > budget.share) this.#handshake.shed();
  }

  /** The channel has closed. @param reason The reason that the program was given, if any. */
  close(reason: unknown): void {
    this.closed = true;
    this.closeReason = reason;
    this.drain();
    this.onClose?.();
  }
}
