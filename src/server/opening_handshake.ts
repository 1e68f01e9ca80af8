import { MAX_DURATION_MS } from "../checks.ts";
import { ByteCollector, cloneBytes } from "../codec/byte_collector.ts";
import type { Budget, BudgetMember } from "../connection/budget.ts";
import type { Address, ByteChannel, ByteChannelHandler } from "../transport/byte_channel.ts";
import type { DelayQueue, Waiting } from "../transport/delays.ts";
import { concatBytes } from "../codec/concat_bytes.ts";
import { HandshakeError } from "../errors.ts";
import { ownString } from "../own_string.ts";
import { isError, reportError, saysAborted } from "../hooks.ts";
import type { DeflateNegotiator } from "../extensions/deflate_negotiator.ts";
import { computeAccept } from "../handshake/accept_key.ts";
import { parseContentLength } from "../http1/content_length.ts";
import { isUpgrade, upgradeRequired, validateUpgrade } from "../handshake/validate_request.ts";
import { askOrigin } from "../handshake/origin.ts";
import { RetainedRequest, sizeOfRequest } from "../http1/retained_request.ts";
import { toRequest } from "../http1/request.ts";
import { checkRequestParts, type RequestParts } from "../http1/request_parts.ts";
import type { RequestHead } from "../http1/request_head.ts";
import { RequestHeadParser } from "../http1/request_head_parser.ts";
import { parseHost } from "../http1/request_target.ts";
import { encodeRefusal } from "../http1/encode_response.ts";
import { encodeSwitchingProtocols } from "../handshake/create_response.ts";
import { entries } from "../http1/field_line.ts";
import { selectSubprotocol } from "../handshake/subprotocol.ts";
import { createLayer } from "../connection/layer_definition.ts";
import { ServerLayer } from "../resume/server_layer.ts";
import { RESUME, RESUME_FIELD } from "../resume/subprotocol.ts";
import { ChannelWriter, PIECE_SIZE } from "../http1/channel_writer.ts";
import { checkAcceptance, checkResponse, isResponse } from "./answers.ts";
import type { HandshakePlace } from "./handshake_room.ts";
import {
  type AcceptSettings,
  BODY_COPIES,
  type RequestInfo,
  type UpgradeAcceptance,
} from "./options.ts";
import { cancelBody, sendResponse } from "../http1/send_response.ts";
import type { ServerConnectionInfo } from "./server_connection.ts";
import { ShutdownNotice } from "./shutdown_notice.ts";

/** A WebSocket that was agreed upon, and what the connection needs to begin. */
export interface AcceptedUpgrade<Data> {
  readonly channel: ByteChannel;
  readonly info: ServerConnectionInfo<Data>;
  /** The 101 response, still to be sent. */
  readonly response: Uint8Array;
  /** The bytes that arrived behind the request. */
  readonly received: Uint8Array;
  /** Whether the client has ended its side behind them. */
  readonly hasEnded: boolean;
}

/** Whoever owns an opening handshake. */
export interface HandshakeOwner<Data> {
  /** Agrees upon compression, where there is to be any. */
  readonly compression: DeflateNegotiator | undefined;
  /** The memory it shares with others, if there is a limit to it. */
  readonly budget?: Budget | undefined;
  /** Whether clients may resume. */
  readonly isResumable?: boolean | undefined;
  /** Why no request of this peer is served at the moment, if so. */
  refusal(isUpgrade: boolean, remote: Address): HandshakeError | undefined;
  /** Memory is short, and a channel is dropped before its whole answer was sent. */
  tellDrop?(remote: Address): void;
  /** A handshake that has ended gives back what its hook had in hand. */
  forgetHandshake?(handshake: OpeningHandshake<Data>): void;
  /** Takes a WebSocket that was agreed upon: the channel is the owner's from here on. */
  acceptUpgrade(handshake: OpeningHandshake<Data>, accepted: AcceptedUpgrade<Data>): void;
  /**
   * The channel is closed without a WebSocket: the request was refused with `error`, or answered as
   * plain HTTP, or the channel was lost.
   */
  endHandshake(
    handshake: OpeningHandshake<Data>,
    error: HandshakeError | undefined,
    remote: Address,
  ): void;
}

const EMPTY = new Uint8Array(0);
const INCOMPLETE = new HandshakeError(400, "Cannot accept the request: it is incomplete");
const INTERNAL_ERROR = new HandshakeError(500, "Internal server error");
const SHORT_OF_MEMORY = new HandshakeError(503, "The server is short of memory");
const CUT =
  "Cannot send the rest of the response: the server is short of memory, and the client takes nothing";
/**
 * Of a budget, what a response that its client does not read counts at most: one alone, which may be
 * larger than all of the budget, does not make memory short.
 */
const MAX_RESPONSE_SHARE = 3 / 8;
/** From so many bytes on that wait behind the request, no more is read before they are used. */
const MAX_WAITING = 4 * 1024;
/**
 * A client that has ended its side is dropped when nothing was sent to it for twice as long, in milliseconds.
 * Twice, as a stall of this process may take the first.
 */
const QUIET_MS = 250;
/** And when it has taken nothing for so long of what was sent to it, in milliseconds. */
const STUCK_MS = 10_000;
/** Of a response that was sent, the system holds no more than this; it counts in MiB. */
const MAX_IN_SYSTEM = 8;
const MiB = 1024 * 1024;
const CONTINUE = new TextEncoder().encode("HTTP/1.1 100 Continue\r\n\r\n");

/**
 * What happens on a channel before it is a WebSocket, from its first byte to the response (RFC 6455,
 * section 4.2). There is one request and one response; where it is not the 101 of a WebSocket, the
 * channel is ended after it, and what follows the request is dropped.
 */
export class OpeningHandshake<Data> implements ByteChannelHandler, BudgetMember, Waiting {
  readonly #channel: ByteChannel;
  readonly #secure: boolean;
  readonly #settings: AcceptSettings<Data, never>;
  readonly #owner: HandshakeOwner<Data>;
  /** Its place among those of its server, if it has one. */
  readonly #place: HandshakePlace | undefined;
  readonly #writer: ChannelWriter;
  readonly #parser: RequestHeadParser;
  /** Whether somebody else has parsed the head: what arrives follows it. */
  #isParsed = false;
  #head: RequestHead | undefined;
  /** Tells the program of the end of the client. */
  #abort: AbortController | undefined;
  #shutdown: ShutdownNotice | undefined;
  /** What this waits in for the end of its time. */
  #deadline: DelayQueue | undefined;
  dueAt = 0;
  #timer: unknown;
  /** The bytes that the head takes, and what is made of it. */
  #headSize = 0;
  /** The bytes that wait behind the head. */
  #received: Uint8Array = EMPTY;
  /** The body that is being received, if any. */
  #body: ByteCollector | undefined;
  /**
   * The bytes of the body that the program was given. They count until its response is done, also
   * where the client has left: a hook that takes its time goes on holding them.
   */
  #givenSize = 0;
  /** Whether the rest of the body waits for memory. */
  #waitsForMemory = false;
  /** Takes the bytes of a body; undefined where none is being received. */
  #receiveBody: ((bytes: Uint8Array) => void) | undefined;
  #failBody: ((error: HandshakeError) => void) | undefined;
  /** Whether the client has ended its side while the program was at work for it. */
  #hasEnded = false;
  #isAnswering = false;
  #isAnswered = false;
  /** The bytes of the answer, once all of it was given to the channel. */
  #answerSize = 0;
  #isDropped = false;
  #isClosed = false;
  #refusal: HandshakeError | undefined;
  /** What the budget was told last. */
  #counted = 0;

  constructor(
    channel: ByteChannel,
    secure: boolean,
    settings: AcceptSettings<Data, never>,
    owner: HandshakeOwner<Data>,
    place?: HandshakePlace,
  ) {
    const { clock } = settings.connection;
    this.#channel = channel;
    this.#secure = secure;
    this.#settings = settings;
    this.#owner = owner;
    this.#place = place;
    this.#writer = new ChannelWriter(channel, clock, settings.handshakeTimeoutMs, this);
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

  /** Whether the whole answer was sent, as far as can be told: the peer only has to leave. */
  get isAnswered(): boolean {
    return this.#isAnswered && this.#answerSize <= PIECE_SIZE;
  }

  /**
   * Drops the channel.
   *
   * @param reason What the program is told, where it is at work for the client. By default, that it has left.
   */
  drop(reason?: unknown): void {
    this.#isDropped = true;
    if (reason !== undefined && !this.#isAnswered) this.#abort?.abort(reason);
    this.recountHeld();
    this.#channel.abort();
  }

  /** The server is shutting down: the program may end what would have no end by itself. */
  tellShutdown(error: HandshakeError): void {
    if (this.#isAnswered) return;
    this.#shutdown ??= new ShutdownNotice();
    this.#shutdown.tell(error);
  }

  /**
   * Takes a request whose head somebody else has parsed, and checked less strictly. Before the
   * channel brings anything.
   *
   * @param parts The parts of the head.
   * @param received What arrived behind the head; it is copied.
   */
  receiveRequest(parts: RequestParts, received: Uint8Array): void {
    this.#isParsed = true;
    try {
      this.#head = checkRequestParts(parts, this.#settings.headLimits.maxFields);
    } catch (error) {
      void this.#refuse(error);
      return;
    }
    this.#keep(received);
    void this.#serve(this.#head);
  }

  /** Refuses a request that somebody else has received. Before the channel brings anything. */
  refuse(error: HandshakeError): void {
    this.#isParsed = true;
    void this.#refuse(error);
  }

  receive(bytes: Uint8Array): void {
    if (this.#isAnswering) return;
    if (this.#receiveBody !== undefined) {
      this.#receiveBody(bytes);
      this.#waitForMemory(this.recountHeld());
      return;
    }
    if (this.#head !== undefined) {
      this.#keep(bytes);
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
      this.#place?.move("begun");
      return;
    }
    this.#keep(bytes.subarray(consumed));
    void this.#serve(head);
  }

  /**
   * Keeps a copy of what follows the request until it is its turn. Reading goes on, as far as that is little:
   * the end of the client's side is behind it.
   */
  #keep(bytes: Uint8Array): void {
    const before = this.#received;
    const size = before.length + bytes.length;
    if (before.length > 0) this.#received = concatBytes([before, bytes], size);
    else if (size > 0) this.#received = cloneBytes(bytes, 0, size);
    this.recountHeld();
    if (size >= MAX_WAITING) this.#channel.pause();
  }

  receiveEnd(): void {
    if (this.#isAnswering) this.#takeEnd();
    else if (this.#failBody !== undefined) this.#failBody(INCOMPLETE);
    else if (!this.hasBegun) this.#channel.end();
    else if (this.#head === undefined) void this.#refuse(INCOMPLETE);
    else this.#takeEnd();
  }

  /**
   * The client has ended its side while the program was at work for it: mostly, it has left. As HTTP servers
   * do, that is told at once. Yet one that is still there gets what is sent without delay: if it is not,
   * the system answers by a reset.
   */
  #takeEnd(): void {
    if (this.#isAnswered) return;
    this.#hasEnded = true;
    this.#dropOnceQuiet();
    this.#tellLeft();
  }

  /** By short delays, each of which is seen to be over: this process may have stalled for one of them. */
  #dropOnceQuiet(quietMs = 0): void {
    const { written, isWaiting } = this.#writer;
    this.#timer = this.#settings.connection.clock.setTimeout(() => {
      const isStuck = this.#writer.isWaiting;
      const isQuiet = this.#writer.written === written && isStuck === isWaiting;
      const nowQuietMs = isQuiet ? quietMs + QUIET_MS : 0;
      if (nowQuietMs < (isStuck ? STUCK_MS : 2 * QUIET_MS)) return this.#dropOnceQuiet(nowQuietMs);
      if (isStuck) this.#cut();
      else this.drop();
    }, QUIET_MS);
  }

  #tellLeft(): void {
    this.#abort?.abort(new DOMException("The client has left", "AbortError"));
  }

  drain(): void {
    this.#writer.drain();
  }

  receiveClosed(): void {
    this.#isClosed = true;
    if (this.#givenSize === 0) this.#place?.leave();
    this.#deadline?.delete(this);
    this.#settings.connection.clock.clearTimeout(this.#timer);
    this.#releaseHeld();
    this.#owner.budget?.leave(this);
    this.#failBody?.(INCOMPLETE);
    if (!this.#isAnswered) this.#tellLeft();
    this.#writer.close(this.#abort?.signal.reason);
    this.#owner.endHandshake(this, this.#refusal, this.#channel.remoteAddress);
  }

  // ---- The memory shared with others ----

  /** The bytes held of a request and its body, of what follows them, and of the response. */
  get heldSize(): number {
    return this.#requestSize + (this.#isGone ? 0 : this.#writer.heldSize);
  }

  get #isGone(): boolean {
    return this.#isClosed || this.#isDropped;
  }

  get #requestSize(): number {
    if (this.#isGone) return this.#givenSize;
    return this.#parser.heldLength + this.#headSize + this.#received.length +
      (this.#body?.capacity ?? 0) + this.#givenSize;
  }

  /**
   * What the budget counts of the response: nothing while the client reads it. The program has made the
   * chunk that is sent, maybe one for many, and sending it takes no more memory.
   */
  get #stalledSize(): number {
    const { budget } = this.#owner;
    if (budget === undefined || this.#isGone || !this.#writer.isStalled) return 0;
    return Math.min(this.#writer.heldSize, Math.floor(budget.limit * MAX_RESPONSE_SHARE));
  }

  get retainedSize(): number {
    return this.#requestSize + this.#stalledSize;
  }

  recountHeld(): number {
    const counted = this.retainedSize;
    if (counted !== this.#counted) {
      this.#owner.budget?.count(counted - this.#counted);
      this.#counted = counted;
    }
    return counted;
  }

  tellProgress(): void {
    this.recountHeld();
  }

  tellTimeout(): void {
    const message = `The client has taken nothing of the response for ${this.#writer.timeoutMs} ms`;
    this.#cut(new DOMException(message, "TimeoutError"));
  }

  /** Drops the channel before its whole answer was taken, and tells of it. */
  #cut(reason?: unknown): void {
    this.drop(reason);
    this.#owner.tellDrop?.(this.#channel.remoteAddress);
  }

  tellStall(): void {
    const held = this.recountHeld();
    const { budget } = this.#owner;
    // Others must not have to wait for it.
    if (budget?.isShort && held > budget.share) this.shed();
  }

  /** Reads no more of the body for now, where others need the memory. */
  #waitForMemory(held: number): void {
    const { budget } = this.#owner;
    if (this.#receiveBody === undefined || budget === undefined || !budget.isShort) return;
    if (!budget.mustWait(this, held)) return;
    this.#waitsForMemory = true;
    this.#channel.pause();
  }

  continueReceiving(): void {
    if (!this.#waitsForMemory) return;
    this.#waitsForMemory = false;
    this.#channel.resume();
  }

  shed(): void {
    if (this.#isGone) return;
    if (this.#stalledSize > 0) {
      const error = new Error(CUT);
      reportError(this.#settings.onError, error);
      this.#cut(error);
      return;
    }
    if (this.#head === undefined) {
      this.#cut();
      return;
    }
    // The program has it: to refuse the request would not give it back. An answer is not broken off.
    if (this.#givenSize > 0 || this.#isAnswering) return;
    this.#abort?.abort(SHORT_OF_MEMORY);
    void this.#refuse(SHORT_OF_MEMORY);
  }

  /** Gives back what was received. */
  #releaseHeld(): void {
    this.#received = EMPTY;
    this.#body = undefined;
    this.#headSize = 0;
    this.recountHeld();
  }

  // ---- The request ----

  async #serve(head: RequestHead): Promise<void> {
    this.#place?.move("served");
    this.#headSize = sizeOfRequest(head);
    this.recountHeld();
    try {
      const isForWebSocket = isUpgrade(head);
      const refusal = this.#owner.refusal(isForWebSocket, this.#channel.remoteAddress);
      if (refusal !== undefined) throw refusal;
      if (isForWebSocket) await this.#serveUpgrade(head);
      else await this.#serveRequest(head);
    } catch (error) {
      await this.#refuse(error);
    } finally {
      if (this.#givenSize > 0) this.#takeBack();
    }
  }

  /** The program is done with the body. */
  #takeBack(): void {
    this.#givenSize = 0;
    this.recountHeld();
    if (!this.#isClosed) return;
    this.#place?.leave();
    this.#owner.forgetHandshake?.(this);
  }

  // ---- A WebSocket ----

  async #serveUpgrade(head: RequestHead): Promise<void> {
    const { origin, upgrade } = this.#settings;
    const secure = this.#secure;
    const isAsked = typeof origin === "function";
    const { key, subprotocols: offered, extensions, origin: sent } = validateUpgrade(head, {
      origin: isAsked ? "any" : origin,
      secure,
    });
    if (isAsked && sent !== undefined) {
      await askOrigin(origin, sent, head);
      if (this.#isClosed || this.#isAnswering) return;
    }
    const isResumable = this.#owner.isResumable === true && offered.includes(RESUME);
    // The program selects among its own.
    const subprotocols = isResumable ? offered.filter((name) => name !== RESUME) : offered;
    let request: Request | undefined;
    let acceptance: UpgradeAcceptance<Data> = {};
    if (upgrade !== undefined) {
      request = toRequest(head, { secure });
      const result: unknown = await upgrade(request, this.#createInfo(subprotocols));
      if (isResponse(result)) {
        this.#refusal = new HandshakeError(result.status, "The upgrade hook refused the request");
        await this.#respond(result, false);
        return;
      }
      acceptance = checkAcceptance<Data>(result);
    }
    const { handshakeTimeoutMs, connection: { clock, layers } } = this.#settings;
    const layered = subprotocols.find((name) => layers.some((each) => each.subprotocol === name));
    const protocol = selectSubprotocol(acceptance.protocol ?? layered, subprotocols);
    const accept = await computeAccept(key);
    if (this.#isClosed || this.#isAnswering) return;
    // The server may have been shut down, or filled up, while the hook was awaited.
    const refusal = this.#owner.refusal(true, this.#channel.remoteAddress);
    if (refusal !== undefined) throw refusal;
    const ownProtocol = ownString(protocol ?? "");
    const layer = createLayer(layers, protocol, "server");
    const past = isResumable && layer === undefined
      ? new ServerLayer(ownProtocol, handshakeTimeoutMs, clock)
      : undefined;
    const deflate = this.#owner.compression?.accept(extensions);
    const response = encodeSwitchingProtocols({
      accept,
      protocol: past ? RESUME : protocol,
      extensions: deflate?.response,
      headers: past
        ? [...entries(acceptance.headers), [RESUME_FIELD, `"${protocol ?? ""}"`]]
        : acceptance.headers,
    });
    this.#deadline?.delete(this);
    this.#settings.connection.clock.clearTimeout(this.#timer);
    this.#place?.leave();
    const received = this.#received;
    this.#releaseHeld();
    this.#owner.acceptUpgrade(this, {
      channel: this.#channel,
      info: {
        request: new RetainedRequest(head, secure, request),
        protocol: ownProtocol,
        extensions: deflate?.response ?? "",
        compression: deflate?.open(),
        data: acceptance.data as Data,
        layer: layer ?? past,
        past,
      },
      response,
      received,
      hasEnded: this.#hasEnded,
    });
  }

  // ---- Plain HTTP ----

  async #serveRequest(head: RequestHead): Promise<void> {
    const { fetch } = this.#settings;
    // What is malformed is refused as such, also where nothing else would be served.
    const length = parseContentLength(head) ?? 0;
    if (fetch === undefined) {
      parseHost(head, this.#secure);
      throw upgradeRequired();
    }
    let request = toRequest(head, { secure: this.#secure });
    if (length > 0) request = await this.#addBody(request, head, length);
    if (this.#isClosed || this.#isAnswering) return;
    const response: unknown = await fetch(request, this.#createInfo([]));
    checkResponse(response);
    await this.#respond(response, request.method === "HEAD");
  }

  /** Adds the body. Not within `#serveRequest`, which would keep it, beside the copy of the `Request`. */
  async #addBody(request: Request, head: RequestHead, length: number): Promise<Request> {
    return new Request(request, { body: await this.#collectBody(head, length) });
  }

  async #collectBody(head: RequestHead, length: number): Promise<Uint8Array<ArrayBuffer>> {
    const { maxRequestBodySize } = this.#settings;
    if (length > maxRequestBodySize) {
      throw new HandshakeError(
        413,
        `Cannot accept the request: its body has ${length} bytes, at most ${maxRequestBodySize} are allowed`,
      );
    }
    if (head.method === "GET" || head.method === "HEAD") {
      throw new HandshakeError(
        400,
        `Cannot accept the request: a ${head.method} request has no body`,
      );
    }
    if (head.get("Expect")?.toLowerCase() === "100-continue") await this.#writer.write(CONTINUE);
    const body = this.#body = new ByteCollector();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#failBody = reject;
    this.#receiveBody = (bytes) => {
      body.append(bytes, 0, Math.min(bytes.length, length - body.length), length);
      if (body.length < length) return;
      this.#receiveBody = this.#failBody = undefined;
      resolve();
    };
    this.#receiveBody(this.#received);
    this.#received = EMPTY;
    if (body.length < length) {
      if (this.#hasEnded || this.#isClosed) this.#failBody?.(INCOMPLETE);
      this.#place?.move("begun");
    }
    // What came of the body may have been much: now nothing waits any more.
    this.#channel.resume();
    await promise;
    this.#place?.move("served");
    this.#givenSize = Math.ceil(length * BODY_COPIES);
    this.#body = undefined;
    this.recountHeld();
    // It has been allocated by this library: there is no SharedArrayBuffer.
    return body.take() as Uint8Array<ArrayBuffer>;
  }

  // ---- The answer ----

  async #respond(response: Response, isHead: boolean): Promise<void> {
    // Nobody waits for it any more, but its body may hold a file.
    if (this.#isClosed || this.#isAnswering) {
      cancelBody(response, this.#abort?.signal.reason);
      return;
    }
    // A refusal of this library is a part of the handshake, and has the time of that.
    this.#writer.timeoutMs = this.#settings.responseTimeoutMs;
    await this.#answer(() => sendResponse(this.#writer, response, isHead));
  }

  async #refuse(error: unknown): Promise<void> {
    if (this.#isClosed || this.#isAnswering) {
      // Nobody can be told any more.
      const isExpected = isError(error, HandshakeError) || this.#isGivenUp(error);
      if (!isExpected) reportError(this.#settings.onError, error);
      return;
    }
    if (this.#hasEnded && this.#isGivenUp(error)) {
      this.drop();
      return;
    }
    const shutdown = this.#shutdown?.askedFor;
    if (saysAborted(error, shutdown)) error = shutdown?.reason;
    await this.#answer(() => {
      if (!isError(error, HandshakeError)) throw error;
      this.#refusal = error;
      return this.#writer.write(this.#encodeRefusal(error));
    });
  }

  /** Whether the program says by an error that it has given up, as one of its signals asked for. */
  #isGivenUp(error: unknown): boolean {
    return saysAborted(error, this.#abort?.signal) || saysAborted(error, this.#shutdown?.askedFor);
  }

  /** Sends the one answer, and ends the channel behind it. */
  async #answer(send: () => Promise<void>): Promise<void> {
    if (this.#isClosed || this.#isAnswering) return;
    this.#isAnswering = true;
    this.#place?.move("answering");
    this.#releaseHeld();
    this.#deadline?.delete(this);
    // What else arrives is read and dropped: bytes left unread would make the system reset the
    // connection, and the client lose the answer.
    this.#channel.resume();
    const { written } = this.#writer;
    try {
      await send();
    } catch (error) {
      if (!this.#isGivenUp(error)) reportError(this.#settings.onError, error);
      if (this.#writer.written > written) {
        // An answer that is not whole must not look as if it were.
        this.drop(error);
        return;
      }
      this.#refusal = INTERNAL_ERROR;
      await this.#writer.write(this.#encodeRefusal(INTERNAL_ERROR));
    }
    if (this.#isClosed) return;
    this.#isAnswered = true;
    this.#answerSize = this.#writer.written - written;
    if (this.isAnswered) this.#place?.move("silent");
    this.#channel.end();
    this.#waitForLeave();
  }

  /** Drops the channel unless the client leaves in time. */
  #waitForLeave(): void {
    const { connection: { clock, closeTimeoutMs }, responseTimeoutMs } = this.#settings;
    clock.clearTimeout(this.#timer);
    let delayMs = closeTimeoutMs;
    if (!this.isAnswered) {
      // The system may hold megabytes of it, and does not tell how much the client takes of them.
      const parts = Math.min(Math.ceil(this.#answerSize / MiB), MAX_IN_SYSTEM);
      delayMs = Math.max(delayMs, responseTimeoutMs * parts);
    }
    if (delayMs === Infinity) return;
    this.#timer = clock.setTimeout(() => {
      if (this.isAnswered) this.#channel.abort();
      else this.#cut();
    }, Math.min(delayMs, MAX_DURATION_MS));
  }

  #encodeRefusal(error: HandshakeError): Uint8Array {
    return encodeRefusal(error, { isHead: this.#head?.method === "HEAD" });
  }

  /** The time for the handshake is over. */
  expire(): void {
    const error = new HandshakeError(408, "Cannot accept the request: it took too long");
    this.#abort?.abort(new DOMException(error.message, "TimeoutError"));
    if (this.hasBegun) void this.#refuse(error);
    else this.#channel.abort();
  }

  #createInfo(subprotocols: readonly string[]): RequestInfo {
    const abort = this.#abort ??= new AbortController();
    if (this.#hasEnded) this.#tellLeft();
    // The program may keep what it is given: not for long, all that belongs to the handshake.
    const shutdown = this.#shutdown ??= new ShutdownNotice();
    return {
      remoteAddress: this.#channel.remoteAddress,
      localAddress: this.#channel.localAddress,
      subprotocols,
      signal: abort.signal,
      get shutdownSignal() {
        return shutdown.signal;
      },
    };
  }
}
