import { cloneBytes } from "../codec/byte_collector.ts";
import { concatBytes } from "../codec/concat_bytes.ts";
import type { Budget, BudgetMember } from "../connection/budget.ts";
import { createLayer } from "../connection/layer_definition.ts";
import { HandshakeError } from "../errors.ts";
import { computeAccept } from "../handshake/accept_key.ts";
import { encodeSwitchingProtocols } from "../handshake/create_response.ts";
import { askOrigin } from "../handshake/origin.ts";
import { selectSubprotocol } from "../handshake/subprotocol.ts";
import { isUpgrade, validateUpgrade } from "../handshake/validate_request.ts";
import { isError, reportError } from "../hooks.ts";
import { toRequest } from "../http1/request.ts";
import { requestError } from "../http1/request_error.ts";
import type { RequestHead } from "../http1/request_head.ts";
import { RequestHeadParser } from "../http1/request_head_parser.ts";
import { checkRequestParts, type RequestParts } from "../http1/request_parts.ts";
import { RetainedRequest, sizeOfRequest } from "../http1/retained_request.ts";
import { ownString } from "../own_string.ts";
import type { ByteChannel, ByteChannelHandler } from "../transport/byte_channel.ts";
import type { DelayQueue, Waiting } from "../transport/delays.ts";
import type { HandshakeOwner } from "./handshake_owner.ts";
import type { HandshakeSlot } from "./handshake_slots.ts";
import type { PlainHandshake } from "./http/plain_request.ts";
import type { RequestBody } from "./http/request_body.ts";
import type { RequestSignals } from "./http/request_signals.ts";
import type { Responder, RespondingHandshake } from "./http/responder.ts";
import { type Http, http, loadHttp } from "./load_http.ts";
import type { AcceptSettings, RequestInfo, UpgradeAcceptance } from "./options.ts";

const EMPTY = new Uint8Array(0);
const SHORT_OF_MEMORY = new HandshakeError(503, "The server is short of memory");
/** When this many bytes wait behind the request, reading stops until they are used. */
const MAX_WAITING = 4 * 1024;
/**
 * A client that has ended its side is dropped when nothing was sent to it for two of these periods, in
 * milliseconds. Two, since a stall of this process may take up one.
 */
const QUIET_MS = 250;
/** It is also dropped when it has read nothing of what was sent to it for this long, in milliseconds. */
const STUCK_MS = 10_000;

/**
 * Everything on a channel before it is a WebSocket, from its first byte to the response (RFC 6455,
 * section 4.2). There is one request and one response. Unless that is the 101 of a WebSocket, the channel is
 * ended after it, and what follows the request is dropped.
 */
export class OpeningHandshake<Data>
  implements ByteChannelHandler, BudgetMember, Waiting, RespondingHandshake, PlainHandshake {
  readonly channel: ByteChannel;
  /** Whether the channel is encrypted. */
  readonly isSecure: boolean;
  readonly settings: AcceptSettings<Data, never>;
  readonly #owner: HandshakeOwner<Data>;
  readonly #slot: HandshakeSlot | undefined;
  readonly #parser: RequestHeadParser;
  /** Whether the head comes from another parser: all that arrives follows it. */
  #isParsed = false;
  #head: RequestHead | undefined;
  #headSize = 0;
  /** The bytes that wait behind the head. */
  #received: Uint8Array = EMPTY;
  #body: RequestBody | undefined;
  /** Whether the rest of the body waits for memory. */
  #waitsForMemory = false;
  /** Whether the client has ended its side while its request was served. */
  #hasEnded = false;
  #signals: RequestSignals | undefined;
  /** Set once the server shuts down. */
  #shutdown: HandshakeError | undefined;
  #responder: Responder | undefined;
  #isAnswering = false;
  /** The error that the request was refused with. */
  #refusal: HandshakeError | undefined;
  /** The queue that this waits in for the end of its time. */
  #deadline: DelayQueue | undefined;
  dueAt = 0;
  #timer: unknown;
  #isDropped = false;
  #isClosed = false;
  /** The size that the budget was told last. */
  #counted = 0;

  /** @param slot Its slot among those of its server, if it needs one. */
  constructor(
    channel: ByteChannel,
    isSecure: boolean,
    settings: AcceptSettings<Data, never>,
    owner: HandshakeOwner<Data>,
    slot?: HandshakeSlot,
  ) {
    this.channel = channel;
    this.isSecure = isSecure;
    this.settings = settings;
    this.#owner = owner;
    this.#slot = slot;
    this.#parser = new RequestHeadParser(settings.headLimits);
    if (settings.handshakeTimeoutMs !== Infinity) {
      this.#deadline = settings.connection.delays.start(this, settings.handshakeTimeoutMs);
    }
    channel.handler = this;
  }

  /** Whether a request has begun. */
  get hasBegun(): boolean {
    return this.#isParsed || this.#parser.started;
  }

  /** Whether, as far as can be told, the whole response was sent: only the client's end is waited for. */
  get isAnswered(): boolean {
    return this.#responder?.isAnswered ?? false;
  }

  /** Whether the channel is gone. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Whether the channel is gone, or the response under way. */
  get isOver(): boolean {
    return this.#isClosed || this.#isAnswering;
  }

  /** Whether the request is HEAD. */
  get isHead(): boolean {
    return this.#head?.method === "HEAD";
  }

  get #isSent(): boolean {
    return this.#responder?.isSent ?? false;
  }

  /**
   * Takes a request whose head was parsed, less strictly, by an HTTP server. Called before the channel brings
   * anything.
   *
   * @param parts The parts of the head.
   * @param received The bytes behind the head; they are copied.
   */
  receiveRequest(parts: RequestParts, received: Uint8Array): void {
    this.#isParsed = true;
    try {
      this.#head = checkRequestParts(parts, this.settings.headLimits.maxFields);
    } catch (error) {
      void this.#refuse(error);
      return;
    }
    this.#wait(received);
    void this.#serve(this.#head);
  }

  /** Refuses a request that was received by an HTTP server. Called before the channel brings anything. */
  refuse(error: HandshakeError): void {
    this.#isParsed = true;
    void this.#refuse(error);
  }

  /**
   * Aborts the channel.
   *
   * @param reason Given to a program that is at work for the client. By default, that the client has left.
   */
  drop(reason?: unknown): void {
    this.#isDropped = true;
    if (reason !== undefined && !this.#isSent) this.#signals?.abort(reason);
    this.recountHeld();
    this.channel.abort();
  }

  /** Aborts the channel before the whole response was sent, and reports that. */
  cut(reason?: unknown): void {
    this.drop(reason);
    this.#owner.tellDrop?.(this.channel.remoteAddress);
  }

  /** Tells the program that the server shuts down, so that it can end a response that has no end. */
  tellShutdown(error: HandshakeError): void {
    if (this.#isSent) return;
    this.#shutdown = error;
    this.#signals?.shutDown(error);
  }

  // ---- The channel ----

  receive(bytes: Uint8Array): void {
    if (this.#isAnswering) return;
    if (this.#body?.isArriving) {
      this.#body.receive(bytes);
      this.#waitForMemory(this.recountHeld());
      return;
    }
    if (this.#head !== undefined) {
      this.#wait(bytes);
      return;
    }
    let consumed;
    try {
      consumed = this.#parser.push(bytes);
    } catch (error) {
      void this.#refuse(error);
      return;
    }
    const head = this.#head = this.#parser.head;
    if (head === undefined) {
      this.recountHeld();
      this.#slot?.move("begun");
      return;
    }
    this.#wait(bytes.subarray(consumed));
    void this.#serve(head);
  }

  /**
   * Copies what follows the request until it is used. Reading goes on while that is little, since the end of
   * the client's side comes behind it.
   */
  #wait(bytes: Uint8Array): void {
    const before = this.#received;
    const size = before.length + bytes.length;
    if (before.length > 0) this.#received = concatBytes([before, bytes], size);
    else if (size > 0) this.#received = cloneBytes(bytes, 0, size);
    this.recountHeld();
    if (size >= MAX_WAITING) this.channel.pause();
  }

  receiveEnd(): void {
    if (this.#isAnswering) this.#takeEnd();
    else if (this.#body?.isArriving) this.#body.fail(incomplete());
    else if (!this.hasBegun) this.channel.end();
    else if (this.#head === undefined) void this.#refuse(incomplete());
    else this.#takeEnd();
  }

  /**
   * The client has ended its side while its request is served. Most that do have left, so the program is told
   * at once, as HTTP servers do. One that is still there gets what is sent without delay; if it is not there,
   * the system answers by a reset.
   */
  #takeEnd(): void {
    if (this.#isSent) return;
    this.#hasEnded = true;
    this.#dropOnceQuiet();
    this.#tellLeft();
  }

  /** In short periods, each of which must pass: this process may have stalled for one of them. */
  #dropOnceQuiet(quietMs = 0): void {
    const written = this.#responder?.written ?? 0;
    const wasStuck = this.#responder?.isWaiting ?? false;
    this.startTimer(() => {
      const isStuck = this.#responder?.isWaiting ?? false;
      const isQuiet = (this.#responder?.written ?? 0) === written && isStuck === wasStuck;
      const nowQuietMs = isQuiet ? quietMs + QUIET_MS : 0;
      if (nowQuietMs < (isStuck ? STUCK_MS : 2 * QUIET_MS)) return this.#dropOnceQuiet(nowQuietMs);
      if (isStuck) this.cut();
      else this.drop();
    }, QUIET_MS);
  }

  #tellLeft(): void {
    this.#signals?.abort(new DOMException("The client has left", "AbortError"));
  }

  drain(): void {
    this.#responder?.drain();
  }

  receiveClosed(): void {
    this.#isClosed = true;
    if (!this.#body?.isGiven) this.#slot?.leave();
    this.#stopTimers();
    if (this.#body?.isArriving) this.#body.fail(incomplete());
    this.#releaseHeld();
    this.#owner.budget?.leave(this);
    if (!this.#isSent) this.#tellLeft();
    this.#responder?.close(this.#signals?.reason);
    this.#owner.endHandshake(this, this.#refusal, this.channel.remoteAddress);
  }

  // ---- The memory shared with others ----

  get budget(): Budget | undefined {
    return this.#owner.budget;
  }

  /** The bytes held of a request and its body, of what follows them, and of the response. */
  get heldSize(): number {
    return this.#requestSize + (this.#isGone ? 0 : this.#responder?.heldSize ?? 0);
  }

  get #isGone(): boolean {
    return this.#isClosed || this.#isDropped;
  }

  /** A body counts until the program has responded, even after the client has left. */
  get #requestSize(): number {
    if (this.#isGone) return this.#body?.isGiven ? this.#body.heldSize : 0;
    return this.#parser.heldLength + this.#headSize + this.#received.length +
      (this.#body?.heldSize ?? 0);
  }

  get retainedSize(): number {
    return this.#requestSize + (this.#isGone ? 0 : this.#responder?.stalledSize ?? 0);
  }

  recountHeld(): number {
    const counted = this.retainedSize;
    if (counted !== this.#counted) {
      this.budget?.count(counted - this.#counted);
      this.#counted = counted;
    }
    return counted;
  }

  /** Stops reading the body while others need the memory. */
  #waitForMemory(held: number): void {
    const { budget } = this;
    if (!this.#body?.isArriving || budget === undefined || !budget.isShort) return;
    if (!budget.mustWait(this, held)) return;
    this.#waitsForMemory = true;
    this.channel.pause();
  }

  continueReceiving(): void {
    if (!this.#waitsForMemory) return;
    this.#waitsForMemory = false;
    this.channel.resume();
  }

  shed(): void {
    if (this.#isGone || this.#responder?.shed()) return;
    if (this.#head === undefined) {
      this.cut();
      return;
    }
    // A refusal would not free a body that the program has. A response is not broken off.
    if (this.#body?.isGiven || this.#isAnswering) return;
    this.#signals?.abort(SHORT_OF_MEMORY);
    void this.#refuse(SHORT_OF_MEMORY);
  }

  /** Releases what was received, except a body that the program has. */
  #releaseHeld(): void {
    this.#received = EMPTY;
    if (!this.#body?.isGiven) this.#body = undefined;
    this.#headSize = 0;
    this.recountHeld();
  }

  // ---- The request ----

  async #serve(head: RequestHead): Promise<void> {
    this.#slot?.move("served");
    this.#headSize = sizeOfRequest(head);
    this.recountHeld();
    try {
      const isForWebSocket = isUpgrade(head);
      this.#assertAdmitted(isForWebSocket);
      if (isForWebSocket) await this.#serveUpgrade(head);
      else await (http ?? await loadHttp()).servePlainRequest(this, head);
    } catch (error) {
      await this.#refuse(error);
    } finally {
      if (this.#body?.isGiven) this.#releaseBody();
    }
  }

  #assertAdmitted(isForWebSocket: boolean): void {
    const refusal = this.#owner.refusal(isForWebSocket, this.channel.remoteAddress);
    if (refusal !== undefined) throw refusal;
  }

  async #serveUpgrade(head: RequestHead): Promise<void> {
    const { origin } = this.settings;
    const isAsked = typeof origin === "function";
    const { key, subprotocols: offered, extensions, origin: sent } = validateUpgrade(head, {
      origin: isAsked ? "any" : origin,
      secure: this.isSecure,
    });
    if (isAsked && sent !== undefined) {
      await askOrigin(origin, sent, head);
      if (this.isOver) return;
    }
    const { compression, resume } = this.#owner;
    const canResume = resume !== undefined && offered.includes(resume.subprotocol);
    const subprotocols = offered.filter((name) => name !== resume?.subprotocol);
    const { request, acceptance } = await this.#askHook(head, subprotocols);
    if (acceptance === undefined) return;
    const { layers } = this.settings.connection;
    const layered = subprotocols.find((name) => layers.some((each) => each.subprotocol === name));
    const protocol = selectSubprotocol(acceptance.protocol ?? layered, subprotocols);
    const accept = await computeAccept(key);
    if (this.#owner.loading !== undefined) await this.#owner.loading;
    if (this.isOver) return;
    // The server may have shut down, or filled up, while the hook was awaited.
    this.#assertAdmitted(true);
    const ownProtocol = ownString(protocol ?? "");
    const layer = createLayer(layers, protocol, "server");
    const past = canResume && layer === undefined ? resume.createLayer(ownProtocol) : undefined;
    const deflate = compression?.accept(extensions);
    const { headers } = acceptance;
    const response = encodeSwitchingProtocols({
      accept,
      protocol: past === undefined ? protocol : resume!.subprotocol,
      extensions: deflate?.response,
      headers: past === undefined ? headers : resume!.addField(headers, ownProtocol),
    });
    this.#stopTimers();
    this.#slot?.leave();
    const received = this.#received;
    this.#releaseHeld();
    this.#owner.acceptUpgrade(this, {
      channel: this.channel,
      info: {
        request: new RetainedRequest(head, this.isSecure, request),
        protocol: ownProtocol,
        extensions: deflate?.response ?? "",
        compression: deflate?.open(),
        data: acceptance.data as Data,
        layer: layer ?? past,
        layerTimeoutMs: this.settings.handshakeTimeoutMs,
        past,
      },
      response,
      received,
      hasEnded: this.#hasEnded,
    });
  }

  /** Asks the `upgrade` hook, if there is one. There is no acceptance if it has refused. */
  async #askHook(
    head: RequestHead,
    subprotocols: readonly string[],
  ): Promise<{ request?: Request; acceptance?: UpgradeAcceptance<Data> }> {
    const { upgrade } = this.settings;
    if (upgrade === undefined) return { acceptance: {} };
    const { checkAcceptance, isResponse } = http ?? await loadHttp();
    const request = toRequest(head, { secure: this.isSecure });
    const result: unknown = await upgrade(request, this.createInfo(subprotocols));
    if (!isResponse(result)) return { request, acceptance: checkAcceptance<Data>(result) };
    this.#refusal = new HandshakeError(result.status, "The upgrade hook refused the request");
    await this.respond(result, false);
    return {};
  }

  createInfo(subprotocols: readonly string[]): RequestInfo {
    this.#signals ??= new http!.RequestSignals();
    if (this.#hasEnded) this.#tellLeft();
    if (this.#shutdown !== undefined) this.#signals.shutDown(this.#shutdown);
    return this.#signals.createInfo(this.channel, subprotocols);
  }

  async sendContinue(): Promise<void> {
    await this.#openResponder(http!).sendContinue();
  }

  async receiveBody(body: RequestBody): Promise<Uint8Array<ArrayBuffer>> {
    this.#body = body;
    body.receive(this.#received);
    this.#received = EMPTY;
    if (body.isArriving) {
      if (this.#hasEnded || this.#isClosed) body.fail(incomplete());
      this.#slot?.move("begun");
    }
    // It may have been paused for what has arrived of the body, which waits no more.
    this.channel.resume();
    await body.complete;
    this.#slot?.move("served");
    const bytes = body.give();
    this.recountHeld();
    return bytes;
  }

  /** Frees the body when the program is done with it. */
  #releaseBody(): void {
    this.#body = undefined;
    this.recountHeld();
    if (!this.#isClosed) return;
    this.#slot?.leave();
    this.#owner.forgetHandshake?.(this);
  }

  // ---- The response ----

  async respond(response: Response, isHead: boolean): Promise<void> {
    // It can not be sent any more, but its body may hold a file.
    if (this.isOver) return http!.cancelBody(response, this.#signals?.reason);
    await this.#answer((responder) => responder.respond(response, isHead));
  }

  async #refuse(error: unknown): Promise<void> {
    if (this.isOver) {
      // The client can not be told any more.
      const isExpected = isError(error, HandshakeError) || this.isGivenUp(error);
      if (!isExpected) reportError(this.settings.onError, error);
      return;
    }
    if (this.#hasEnded && this.isGivenUp(error)) {
      this.drop();
      return;
    }
    if (this.#signals?.isForShutdown(error)) error = this.#signals.shutdownReason;
    await this.#answer((responder) => responder.refuse(error));
  }

  /** Sends the one response, and ends the channel behind it. */
  async #answer(send: (responder: Responder) => Promise<void>): Promise<void> {
    this.#isAnswering = true;
    this.#slot?.move("answering");
    this.#releaseHeld();
    this.#deadline?.delete(this);
    // Bytes left unread would make the system reset the connection, and the client lose the response.
    this.channel.resume();
    const loaded = http ?? await loadHttp().catch(() => undefined);
    if (this.#isClosed) return;
    if (loaded === undefined) this.drop();
    else await send(this.#openResponder(loaded));
  }

  #openResponder({ Responder }: Http): Responder {
    return this.#responder ??= new Responder(this);
  }

  isGivenUp(error: unknown): boolean {
    return this.#signals?.isGivenUp(error) ?? false;
  }

  setRefusal(error: HandshakeError): void {
    this.#refusal = error;
  }

  tellAnswered(): void {
    this.#slot?.move("silent");
  }

  // ---- Time ----

  startTimer(callback: () => void, delayMs: number): void {
    const { clock } = this.settings.connection;
    clock.clearTimeout(this.#timer);
    if (delayMs !== Infinity) this.#timer = clock.setTimeout(callback, delayMs);
  }

  #stopTimers(): void {
    this.#deadline?.delete(this);
    this.settings.connection.clock.clearTimeout(this.#timer);
  }

  /** The handshake took too long. */
  expire(): void {
    const error = requestError(408, "it took too long");
    this.#signals?.abort(new DOMException(error.message, "TimeoutError"));
    if (this.hasBegun) void this.#refuse(error);
    else this.channel.abort();
  }
}

function incomplete(): HandshakeError {
  return requestError(400, "it is incomplete");
}
