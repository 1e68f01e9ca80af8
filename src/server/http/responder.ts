import { MAX_DURATION_MS } from "../../timers.ts";
import { HandshakeError } from "../../errors.ts";
import { isError, reportError } from "../../hooks.ts";
import { ChannelWriter, type ChannelWriterOwner, PIECE_SIZE } from "../../http1/channel_writer.ts";
import { encodeRefusal } from "../../http1/encode_response.ts";
import { sendResponse } from "../../http1/send_response.ts";
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

/** Sends the one HTTP response of a handshake, and ends the channel behind it. */
export class Responder<Data> implements ChannelWriterOwner {
  readonly #served: ServedRequest<Data>;
  readonly #handshake: OpeningHandshake<Data>;
  readonly #writer: ChannelWriter;
  /** The size of the response, once all of it was given to the channel. */
  #sentSize: number | undefined;

  constructor(served: ServedRequest<Data>) {
    const { handshake } = served;
    const { channel, settings } = handshake;
    this.#served = served;
    this.#handshake = handshake;
    // A refusal by this library is a part of the handshake, and has its timeout.
    this.#writer = new ChannelWriter(
      channel,
      settings.connection.clock,
      settings.handshakeTimeoutMs,
      this,
    );
  }

  /** The number of bytes that were written. */
  get written(): number {
    return this.#writer.written;
  }

  /** Whether the client has to read before more is written. */
  get isWaiting(): boolean {
    return this.#writer.isWaiting;
  }

  /** Whether all of the response was given to the channel. */
  get isSent(): boolean {
    return this.#sentSize !== undefined;
  }

  /** Whether, as far as can be told, the whole response was sent: only the client's end is waited for. */
  get isAnswered(): boolean {
    return this.#sentSize !== undefined && this.#sentSize <= PIECE_SIZE;
  }

  /** The bytes of the response that wait for the client. */
  get heldSize(): number {
    return this.#writer.heldSize;
  }

  /**
   * What the budget counts of the response: nothing while the client reads it. The program has created the
   * chunk that is sent, maybe one for many, and sending it takes no more memory. One response that is larger
   * than the budget must not make memory short.
   */
  get stalledSize(): number {
    const { budget } = this.#handshake;
    if (budget === undefined || !this.#writer.isStalled) return 0;
    return Math.min(this.#writer.heldSize, Math.floor(budget.limit * MAX_RESPONSE_SHARE));
  }

  /** Asks the client for the body of its request (RFC 9110, section 10.1.1). */
  async sendContinue(): Promise<void> {
    await this.#writer.write(CONTINUE);
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
    this.#writer.timeoutMs = this.#handshake.settings.responseTimeoutMs;
    await this.#answer(() => sendResponse(this.#writer, response, isHead));
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
    return this.#writer.write(encodeRefusal(error, { isHead }));
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

  /** The channel can take more. */
  drain(): void {
    this.#writer.drain();
  }

  /** The channel has closed. @param reason The reason that the program was given, if any. */
  close(reason: unknown): void {
    this.#writer.close(reason);
  }

  // ---- The owner of the writer ----

  tellProgress(): void {
    this.#handshake.recountHeld();
  }

  tellStall(): void {
    const held = this.#handshake.recountHeld();
    const { budget } = this.#handshake;
    // Others must not have to wait for it.
    if (budget?.isShort && held > budget.share) this.#handshake.shed();
  }

  tellTimeout(): void {
    const message = `The client has taken nothing of the response for ${this.#writer.timeoutMs} ms`;
    this.#handshake.cut(new DOMException(message, "TimeoutError"));
  }
}
