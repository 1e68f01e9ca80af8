import { concatBytes } from "../codec/concat_bytes.ts";
import type { Message } from "../connection/connection.ts";
import type { LayerConnection, MessageLayer } from "../connection/message_layer.ts";
import { MessageTooBigError } from "../errors.ts";
import type { MessageType } from "../protocol/message_receiver.ts";
import type { Position } from "./position.ts";
import type { ResumeState } from "./resume_state.ts";
import {
  MAX_HEADER_SIZE,
  type Note,
  parseServerMessage,
  type ServerMessage,
} from "./subprotocol.ts";

/** How many notes may wait for the program to take the messages before them. */
const MAX_NOTES = 100;

const EMPTY = new Uint8Array(0);
const encoder = new TextEncoder();

/** A message of the program, or a note, in the order they came. */
interface Item {
  readonly note?: Note | undefined;
  /** The topic's number, and the message's place in it, where it was published. */
  readonly number: number;
  readonly position?: Position | undefined;
  isTaken: boolean;
  isWhole: boolean;
}

/**
 * A client's side of `sluice.resume.v1`: takes the headers off what is received, and notes how far the
 * program got, which has a message once it is given it as a whole.
 */
export class ClientLayer implements MessageLayer {
  readonly #state: ResumeState;
  readonly #maxPartSize: number;
  #conn!: LayerConnection;
  #isReturning = false;
  readonly #items: Item[] = [];
  #noteCount = 0;
  #type: MessageType = "text";
  /** The beginning of a streamed message, until its header is whole. */
  #beginning: Uint8Array | undefined;
  /** The streamed message whose body is arriving. */
  #arriving: Item | undefined;
  /** How many bytes of it have arrived. */
  #arrivedSize = 0;

  /** @param maxMessageSize The most bytes of the program's part of a message. */
  constructor(state: ResumeState, maxMessageSize: number) {
    this.#state = state;
    this.#maxPartSize = maxMessageSize;
  }

  get maxMessageSize(): number {
    const withHeader = this.#maxPartSize + MAX_HEADER_SIZE;
    return Number.isSafeInteger(withHeader) ? withHeader : Infinity;
  }

  /** Whether too many notes wait, which the queue of messages does not count. */
  get isFull(): boolean {
    return this.#noteCount >= MAX_NOTES;
  }

  /** Whether the client told the server of an earlier connection. */
  get isReturning(): boolean {
    return this.#isReturning;
  }

  start(conn: LayerConnection): void {
    this.#conn = conn;
    conn.send(this.#state.begin(() => conn.dropReceived()));
    this.#isReturning = this.#state.isReturning;
  }

  opened(): void {
    this.#state.tellLost();
  }

  /**
   * Takes a message.
   *
   * @returns The program's part; `undefined` where there is none.
   * @throws {ProtocolError} Where its header is malformed, or that part is too large.
   */
  decode(data: Message): Message | undefined {
    const message = parseServerMessage(data, true)!;
    if (message.kind === "note") {
      this.#addNote(message.note);
      return undefined;
    }
    const part = message.start === 0 ? data : data.slice(message.start);
    // A UTF-16 code unit has three bytes of UTF-8 at most.
    if (typeof part !== "string") this.#checkSize(part.length);
    else if (part.length * 3 > this.#maxPartSize) this.#checkSize(encoder.encode(part).length);
    this.#add(message, true);
    return part;
  }

  /** Takes the beginning of a message that is received as a stream. */
  decodeStart(type: MessageType): void {
    this.#type = type;
    this.#beginning = EMPTY;
  }

  /**
   * Takes more of it.
   *
   * @throws {ProtocolError} Where its header is malformed, or it has become too large.
   */
  decodeChunk(bytes: Uint8Array, start: number, end: number): void {
    if (this.#beginning === undefined) {
      this.#pushChunk(bytes, start, end);
      return;
    }
    const { length } = this.#beginning;
    const chunks = [this.#beginning, bytes.subarray(start, end)];
    this.#beginning = concatBytes(chunks, length + end - start);
    this.#parseBeginning(false);
  }

  /**
   * Takes its end.
   *
   * @throws {ProtocolError} Where its header is malformed.
   */
  decodeEnd(): void {
    if (this.#beginning !== undefined) this.#parseBeginning(true);
    const item = this.#arriving;
    this.#arriving = undefined;
    if (item === undefined) return;
    item.isWhole = true;
    this.#conn.pushEnd();
    this.#settle();
  }

  delivered(): void {
    // Before the messages that come behind.
    this.#state.tellLost();
    const item = this.#items.find(({ note, isTaken }) => note === undefined && !isTaken);
    if (item === undefined) return;
    item.isTaken = true;
    this.#settle();
  }

  #parseBeginning(isWhole: boolean): void {
    const bytes = this.#beginning!;
    const message = parseServerMessage(bytes, isWhole);
    if (message === undefined) return;
    this.#beginning = undefined;
    if (message.kind === "note") {
      this.#addNote(message.note);
      return;
    }
    this.#arriving = this.#add(message, false);
    this.#arrivedSize = 0;
    this.#conn.pushStart(this.#type);
    if (bytes.length > message.start) this.#pushChunk(bytes, message.start, bytes.length);
  }

  #pushChunk(bytes: Uint8Array, start: number, end: number): void {
    this.#checkSize(this.#arrivedSize += end - start);
    this.#conn.pushChunk(bytes, start, end);
  }

  #checkSize(size: number): void {
    if (size > this.#maxPartSize) throw new MessageTooBigError(size, this.#maxPartSize);
  }

  #add(message: ServerMessage, isWhole: boolean): Item {
    const place = message.kind === "published" ? message : { number: 0 };
    const item: Item = { ...place, isTaken: false, isWhole };
    this.#items.push(item);
    return item;
  }

  #addNote(note: Note): void {
    this.#items.push({ note, number: 0, isTaken: true, isWhole: true });
    this.#noteCount++;
    this.#settle();
  }

  /** Notes what the program has, in order: what is behind a message that it has not must wait. */
  #settle(): void {
    for (let item = this.#items[0]; item?.isTaken && item.isWhole; item = this.#items[0]) {
      this.#items.shift();
      if (item.note !== undefined) {
        this.#noteCount--;
        this.#state.takeNote(item.note);
      } else if (item.position !== undefined) {
        this.#state.advance(item.number, item.position);
      }
    }
  }
}
