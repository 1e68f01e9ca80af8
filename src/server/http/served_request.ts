import { HandshakeError } from "../../errors.ts";
import { askOrigin } from "../../handshake/origin_policy.ts";
import type { UpgradeRequest } from "../../handshake/parse_upgrade.ts";
import { isError, reportError } from "../../hooks.ts";
import { toRequest } from "../../http1/request.ts";
import { requestError } from "../../http1/request_error.ts";
import type { RequestHead } from "../../http1/request_head.ts";
import { cancelBody } from "../../http1/send_response.ts";
import type { OpeningHandshake } from "../opening_handshake.ts";

import type { RequestInfo, UpgradeAcceptance } from "../options.ts";
import { checkAcceptance, isResponse } from "./hook_results.ts";
import { withoutOwn } from "./negotiate.ts";
import type { RequestBody } from "./request_body.ts";
import { RequestSignals } from "./request_signals.ts";
import { Responder } from "./responder.ts";

const SHORT_OF_MEMORY = new HandshakeError(503, "The server is short of memory");
/**
 * A client that has ended its side is dropped when nothing was sent to it for two of these periods, in
 * milliseconds. Two, since a stall of this process may take up one.
 */
const QUIET_MS = 250;
/** It is also dropped when it has read nothing of what was sent to it for this long, in milliseconds. */
const STUCK_MS = 10_000;

/** What the program answers about a WebSocket that it accepts. */
interface Answer<Data> {
  readonly acceptance: UpgradeAcceptance<Data>;
  /** The request that its hook was given, if it has one. */
  readonly request?: Request;
}

/**
 * What is done with a request besides accepting it: the program is asked about it, its body is received, it gets
 * a response of the program, or is refused. Its client may leave meanwhile, or only end its side.
 */
export class ServedRequest<Data> {
  readonly handshake: OpeningHandshake<Data>;
  refusal: HandshakeError | undefined;
  /** Whether the client has ended its side while its request was served. */
  hasEnded = false;
  #body: RequestBody | undefined;
  /** Whether the rest of the body waits for memory. */
  #waitsForMemory = false;
  #signals: RequestSignals | undefined;
  #shutdown: HandshakeError | undefined;
  readonly #responder: Responder<Data>;
  isAnswering = false;
  #timer: unknown;

  constructor(handshake: OpeningHandshake<Data>) {
    this.handshake = handshake;
    this.#responder = new Responder(this);
  }

  /** Whether, as far as can be told, the whole response was sent: only the client's end is waited for. */
  get isAnswered(): boolean {
    return this.#responder.isAnswered;
  }

  // ---- What the client does ----

  /** Whether what arrives is the body, or dropped. */
  get takesInput(): boolean {
    return this.isAnswering || (this.#body?.isArriving ?? false);
  }

  receive(bytes: Uint8Array): void {
    if (this.isAnswering) return;
    this.#body!.receive(bytes);
    this.#waitForMemory(this.handshake.recountHeld());
  }

  receiveEnd(): void {
    if (this.isAnswering) this.#takeEnd();
    else if (this.#body?.isArriving) this.#body.fail(incomplete());
    else if (this.handshake.head === undefined) void this.refuse(incomplete());
    else this.#takeEnd();
  }

  /**
   * The client has ended its side while its request is served. Most that do have left, so the program is told
   * at once, as HTTP servers do. One that is still there gets what is sent without delay; if it is not there,
   * the system answers by a reset.
   */
  #takeEnd(): void {
    if (this.#responder.isSent) return;
    this.hasEnded = true;
    this.#dropOnceQuiet();
    this.#tellLeft();
  }

  /** In short periods, each of which must pass: this process may have stalled for one of them. */
  #dropOnceQuiet(quietMs = 0): void {
    const { written, isWaiting: wasStuck } = this.#responder;
    this.startTimer(() => {
      const { isWaiting: isStuck } = this.#responder;
      const isQuiet = this.#responder.written === written && isStuck === wasStuck;
      const nowQuietMs = isQuiet ? quietMs + QUIET_MS : 0;
      if (nowQuietMs < (isStuck ? STUCK_MS : 2 * QUIET_MS)) return this.#dropOnceQuiet(nowQuietMs);
      if (isStuck) this.handshake.cut();
      else this.handshake.drop();
    }, QUIET_MS);
  }

  #tellLeft(): void {
    this.#signals?.abort(new DOMException("The client has left", "AbortError"));
  }

  drain(): void {
    this.#responder.drain();
  }

  close(): void {
    if (!this.#responder.isSent) this.#tellLeft();
    this.#responder.close(this.#signals?.reason);
  }

  // ---- What the server does ----

  /** Tells a program that is at work for the client why that is in vain. */
  abort(reason: unknown): void {
    if (reason !== undefined && !this.#responder.isSent) this.#signals?.abort(reason);
  }

  tellShutdown(error: HandshakeError): void {
    if (this.#responder.isSent) return;
    this.#shutdown = error;
    this.#signals?.shutDown(error);
  }

  expire(): void {
    const error = requestError(408, "it took too long");
    this.#signals?.abort(new DOMException(error.message, "TimeoutError"));
    void this.refuse(error);
  }

  // ---- The memory shared with others ----

  get heldSize(): number {
    return this.#bodySize + (this.handshake.isGone ? 0 : this.#responder.heldSize);
  }

  get retainedSize(): number {
    return this.#bodySize + (this.handshake.isGone ? 0 : this.#responder.stalledSize);
  }

  /** A body counts until the program has responded, even after the client has left. */
  get #bodySize(): number {
    return this.handshake.isGone && !this.hasGivenBody ? 0 : this.#body?.heldSize ?? 0;
  }

  /** Stops reading the body while others need the memory. */
  #waitForMemory(held: number): void {
    const { budget } = this.handshake;
    if (!this.#body?.isArriving || budget === undefined || !budget.isShort) return;
    if (!budget.mustWait(this.handshake, held)) return;
    this.#waitsForMemory = true;
    this.handshake.channel.pause();
  }

  continueReceiving(): void {
    if (!this.#waitsForMemory) return;
    this.#waitsForMemory = false;
    this.handshake.channel.resume();
  }

  shed(): void {
    if (this.#responder.shed()) return;
    if (this.handshake.head === undefined) {
      this.handshake.cut();
      return;
    }
    // A refusal would not free a body that the program has. A response is not broken off.
    if (this.hasGivenBody || this.isAnswering) return;
    this.#signals?.abort(SHORT_OF_MEMORY);
    void this.refuse(SHORT_OF_MEMORY);
  }

  // ---- The body ----

  get hasGivenBody(): boolean {
    return this.#body?.isGiven ?? false;
  }

  async sendContinue(): Promise<void> {
    await this.#responder.sendContinue();
  }

  /** Receives the body; resolves when all of it is there. */
  async receiveBody(body: RequestBody): Promise<Uint8Array<ArrayBuffer>> {
    this.#body = body;
    body.receive(this.handshake.takeReceived());
    if (body.isArriving) {
      if (this.hasEnded || this.handshake.isClosed) body.fail(incomplete());
      this.handshake.slot?.move("begun");
    }
    // It may have been paused for what has arrived of the body, which waits no more.
    this.handshake.channel.resume();
    await body.complete;
    this.handshake.slot?.move("served");
    const bytes = body.give();
    this.handshake.recountHeld();
    return bytes;
  }

  /** Gives up what has not arrived. */
  failBody(): void {
    if (this.#body?.isArriving) this.#body.fail(incomplete());
  }

  /** Releases the body, unless the program has it. */
  releaseBody(): void {
    if (!this.hasGivenBody) this.#body = undefined;
  }

  /** The program is done with the body. */
  finish(): void {
    this.#body = undefined;
    this.handshake.recountHeld();
    if (!this.handshake.isClosed) return;
    this.handshake.slot?.leave();
    this.handshake.owner.forgetHandshake?.(this.handshake);
  }

  // ---- The program ----

  /** Asks the program about a WebSocket; `undefined` if it has refused, or the client has left. */
  async askProgram(head: RequestHead, upgrade: UpgradeRequest): Promise<Answer<Data> | undefined> {
    const { settings: { origin, upgrade: hook } } = this.handshake;
    if (typeof origin === "function" && upgrade.origin !== undefined) {
      await askOrigin(origin, upgrade.origin, head);
      if (this.handshake.isOver) return undefined;
    }
    if (hook === undefined) return { acceptance: {} };
    const offered = withoutOwn(upgrade.subprotocols, this.handshake.owner.resume?.RESUME);
    const request = toRequest(head, { secure: this.handshake.isSecure });
    const result: unknown = await hook(request, this.createInfo(offered));
    if (!isResponse(result)) return { request, acceptance: checkAcceptance<Data>(result) };
    this.refusal = new HandshakeError(result.status, "The upgrade hook refused the request");
    await this.respond(result, false);
    return undefined;
  }

  /** Creates what a hook is given besides the request. */
  createInfo(subprotocols: readonly string[]): RequestInfo {
    this.#signals ??= new RequestSignals();
    if (this.hasEnded) this.#tellLeft();
    if (this.#shutdown !== undefined) this.#signals.shutDown(this.#shutdown);
    return this.#signals.createInfo(this.handshake.channel, subprotocols);
  }

  isGivenUp(error: unknown): boolean {
    return this.#signals?.isGivenUp(error) ?? false;
  }

  // ---- The response ----

  async respond(response: Response, isHead: boolean): Promise<void> {
    // It can not be sent any more, but its body may hold a file.
    if (this.handshake.isOver) return cancelBody(response, this.#signals?.reason);
    await this.#answer((responder) => responder.respond(response, isHead));
  }

  /** Sends a refusal, or 500 if the error is none. */
  async refuse(error: unknown): Promise<void> {
    if (this.handshake.isOver) {
      // The client can not be told any more.
      const isExpected = isError(error, HandshakeError) || this.isGivenUp(error);
      if (!isExpected) reportError(this.handshake.settings.onError, error);
      return;
    }
    if (this.hasEnded && this.isGivenUp(error)) {
      this.handshake.drop();
      return;
    }
    if (this.#signals?.isForShutdown(error)) error = this.#signals.shutdownReason;
    await this.#answer((responder) => responder.refuse(error));
  }

  /** Sends the one response, and ends the channel behind it. */
  async #answer(send: (responder: Responder<Data>) => Promise<void>): Promise<void> {
    this.isAnswering = true;
    this.handshake.slot?.move("answering");
    this.handshake.releaseHeld();
    this.handshake.stopDeadline();
    // Bytes left unread would make the system reset the connection, and the client lose the response.
    this.handshake.channel.resume();
    await send(this.#responder);
  }

  startTimer(callback: () => void, delayMs: number): void {
    this.stopTimer();
    if (delayMs !== Infinity) {
      this.#timer = this.handshake.settings.connection.clock.setTimeout(callback, delayMs);
    }
  }

  stopTimer(): void {
    this.handshake.settings.connection.clock.clearTimeout(this.#timer);
  }
}

function incomplete(): HandshakeError {
  return requestError(400, "it is incomplete");
}
