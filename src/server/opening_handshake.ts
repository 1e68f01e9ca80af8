import { cloneBytes, concatBytes } from "../codec/byte_collector.ts";
import type { Budget, BudgetMember } from "../connection/budget.ts";
import type { HandshakeError } from "../errors.ts";
import { computeAccept } from "../handshake/accept_key.ts";
import { encodeAccept } from "../handshake/encode_accept.ts";
import { isUpgrade, parseUpgrade } from "../handshake/parse_upgrade.ts";
import type { RequestHead } from "../http1/request_head.ts";
import { RequestHeadParser } from "../http1/request_head_parser.ts";
import { RetainedRequest, sizeOfRequest } from "../http1/retained_request.ts";
import type { Place } from "../linked_list.ts";
import type { ByteChannel, ByteChannelHandler } from "../transport/byte_channel.ts";
import type { Delay, Waiting } from "../transport/delays.ts";
import type { HandshakeOwner } from "./handshake_owner.ts";
import type { HandshakeSlot } from "./handshake_slots.ts";
import type { ServedRequest } from "./http/served_request.ts";
import { rest } from "./load_parts.ts";
import type { AcceptSettings } from "./settings.ts";

const EMPTY = new Uint8Array(0);
/** When this many bytes wait behind the request, reading stops until they are used. */
const MAX_WAITING = 4 * 1024;

/**
 * Everything on a channel before it is a WebSocket (RFC 6455, section 4.2): reads the head of the one request,
 * and accepts it. A request that is to be answered in another way, or asked the program about, is a
 * {@linkcode ServedRequest} besides. Behind any response but the 101 the channel is ended, and what follows the
 * request is dropped.
 */
export class OpeningHandshake<Data> implements ByteChannelHandler, BudgetMember, Waiting {
  readonly channel: ByteChannel;
  /** Its place among those of its server, if it has one. */
  place: Place<OpeningHandshake<Data>> | undefined;
  readonly isSecure: boolean;
  readonly settings: AcceptSettings<Data, never>;
  readonly owner: HandshakeOwner<Data>;
  /** Its slot among those of its server, if it needs one. */
  readonly slot: HandshakeSlot | undefined;
  readonly #parser: RequestHeadParser;
  /** Whether the head comes from another parser: all that arrives follows it. */
  #isParsed = false;
  /** The head of the request, once it is whole. */
  head: RequestHead | undefined;
  #headSize = 0;
  /** The bytes that wait behind the head. */
  #received: Uint8Array = EMPTY;
  #served: ServedRequest<Data> | undefined;
  #deadline: Delay | undefined;
  #isDropped = false;
  isClosed = false;
  /** The size that the budget was told last. */
  #counted = 0;

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
    this.owner = owner;
    this.slot = slot;
    this.#parser = new RequestHeadParser(settings.headLimits);
    if (settings.handshakeTimeoutMs !== Infinity) {
      this.#deadline = settings.connection.delays.start(this, settings.handshakeTimeoutMs);
    }
    channel.handler = this;
  }

  get hasBegun(): boolean {
    return this.#isParsed || this.#parser.started;
  }

  /** Whether, as far as can be told, the whole response was sent: only the client's end is waited for. */
  get isAnswered(): boolean {
    return this.#served?.isAnswered ?? false;
  }

  /** Whether the channel is gone, or about to be. */
  get isGone(): boolean {
    return this.isClosed || this.#isDropped;
  }

  /** Whether the channel is gone, or the response under way. */
  get isOver(): boolean {
    return this.isClosed || (this.#served?.isAnswering ?? false);
  }

  /** What is done with the request besides accepting it; created when it is first needed. */
  get #service(): ServedRequest<Data> {
    return this.#served ??= new rest.ServedRequest(this);
  }

  /**
   * Takes a request that an HTTP server received, and a copy of the bytes behind its head, before the channel brings
   * anything.
   */
  receiveRequest(head: RequestHead, received: Uint8Array): void {
    this.#isParsed = true;
    this.head = head;
    this.#wait(received);
    void this.#serve(head);
  }

  /** Refuses a request that was received by an HTTP server. Called before the channel brings anything. */
  refuse(error: unknown): void {
    this.#isParsed = true;
    void this.#service.refuse(error);
  }

  /** Aborts the channel. A program that is at work for the client is told why: by default, that it has left. */
  drop(reason?: unknown): void {
    this.#isDropped = true;
    this.#served?.abort(reason);
    this.recountHeld();
    this.channel.abort();
  }

  /** Aborts the channel before the whole response was sent, and reports that. */
  cut(reason?: unknown): void {
    this.drop(reason);
    this.owner.tellDrop?.(this.channel.remoteAddress);
  }

  /** Tells the program that the server shuts down, so that it can end a response that has no end. */
  tellShutdown(error: HandshakeError): void {
    this.#service.tellShutdown(error);
  }

  // ---- The channel ----

  receive(bytes: Uint8Array): void {
    if (this.#served?.takesInput) {
      this.#served.receive(bytes);
      return;
    }
    if (this.head !== undefined) {
      this.#wait(bytes);
      return;
    }
    let consumed;
    try {
      consumed = this.#parser.push(bytes);
    } catch (error) {
      void this.#service.refuse(error);
      return;
    }
    const head = this.head = this.#parser.head;
    if (head === undefined) {
      this.recountHeld();
      this.slot?.move("begun");
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
    if (this.hasBegun) this.#service.receiveEnd();
    else this.channel.end();
  }

  drain(): void {
    this.#served?.drain();
  }

  receiveClosed(): void {
    this.isClosed = true;
    const served = this.#served;
    if (!served?.hasGivenBody) this.slot?.leave();
    this.stopTimers();
    served?.failBody();
    this.releaseHeld();
    this.owner.budget?.leave(this);
    served?.close();
    this.owner.endHandshake(this, served?.refusal, this.channel.remoteAddress);
  }

  // ---- The memory shared with others ----

  get budget(): Budget | undefined {
    return this.owner.budget;
  }

  /** The bytes held of a request and its body, of what follows them, and of the response. */
  get heldSize(): number {
    return this.#ownSize + (this.#served?.heldSize ?? 0);
  }

  get #ownSize(): number {
    return this.isGone ? 0 : this.#parser.heldLength + this.#headSize + this.#received.length;
  }

  get retainedSize(): number {
    return this.#ownSize + (this.#served?.retainedSize ?? 0);
  }

  recountHeld(): number {
    const counted = this.retainedSize;
    if (counted !== this.#counted) {
      this.budget?.count(counted - this.#counted);
      this.#counted = counted;
    }
    return counted;
  }

  continueReceiving(): void {
    this.#served?.continueReceiving();
  }

  shed(): void {
    if (!this.isGone) this.#service.shed();
  }

  /** Gives away the bytes that wait behind the head. */
  takeReceived(): Uint8Array {
    const received = this.#received;
    this.#received = EMPTY;
    return received;
  }

  /** Releases what was received, except a body that the program has. */
  releaseHeld(): void {
    this.#received = EMPTY;
    this.#headSize = 0;
    this.#served?.releaseBody();
    this.recountHeld();
  }

  // ---- The request ----

  async #serve(head: RequestHead): Promise<void> {
    this.slot?.move("served");
    this.#headSize = sizeOfRequest(head);
    this.recountHeld();
    try {
      const isForWebSocket = isUpgrade(head);
      this.#assertAdmitted(isForWebSocket);
      if (isForWebSocket) await this.#serveUpgrade(head);
      else await rest.servePlainRequest(this.#service, head);
    } catch (error) {
      await this.#service.refuse(error);
    } finally {
      if (this.#served?.hasGivenBody) this.#served.finish();
    }
  }

  #assertAdmitted(isForWebSocket: boolean): void {
    const refusal = this.owner.refusal(isForWebSocket, this.channel.remoteAddress);
    if (refusal !== undefined) throw refusal;
  }

  async #serveUpgrade(head: RequestHead): Promise<void> {
    const { channel, isSecure, owner, settings: { origin, upgrade: hook, connection } } = this;
    const isAsked = typeof origin === "function";
    const upgrade = parseUpgrade(head, isAsked ? "any" : origin, isSecure);
    const answer = isAsked || hook !== undefined
      ? await this.#service.askProgram(head, upgrade)
      : undefined;
    if (this.isOver) return;
    const accept = await computeAccept(upgrade.key);
    if (this.isOver) return;
    // The server may have shut down, or filled up, while the program was awaited.
    this.#assertAdmitted(true);
    const isPlain = answer === undefined && connection.layers.length === 0 &&
      owner.resume === undefined && owner.compression === undefined;
    const { response, ...agreed } = isPlain
      ? { response: encodeAccept(accept), protocol: "", extensions: "", compression: undefined }
      : rest.negotiate(accept, upgrade, answer?.acceptance ?? {}, connection.layers, owner);
    this.stopTimers();
    this.slot?.leave();
    const received = this.#received;
    this.releaseHeld();
    owner.acceptUpgrade(this, {
      channel,
      info: {
        ...agreed,
        request: new RetainedRequest(head, isSecure, answer?.request),
        data: answer?.acceptance.data as Data,
        layerTimeoutMs: this.settings.handshakeTimeoutMs,
      },
      response,
      received,
      hasEnded: this.#served?.hasEnded ?? false,
    });
  }

  // ---- Time ----

  /** Ends the time that it has for a response. */
  stopDeadline(): void {
    this.#deadline?.cancel();
  }

  stopTimers(): void {
    this.stopDeadline();
    this.#served?.stopTimer();
  }

  expire(): void {
    if (this.hasBegun) this.#service.expire();
    else this.channel.abort();
  }
}
